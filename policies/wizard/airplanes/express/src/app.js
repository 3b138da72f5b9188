import cookieSession from 'cookie-session'
import express from 'express'
import { setupExpressErrorHandler, setupExpressRequestContext } from 'posthog-node'
import { page, product } from './pages.js'
import { posthog } from './posthog.js'
import { router } from './routes.js'

export const app = express()

// Before all else: what is captured during a request carries its URL and method.
setupExpressRequestContext(posthog, app)

app.use(express.urlencoded())
app.use(cookieSession({ name: 'session', secret: process.env.SESSION_SECRET ?? 'not a secret', sameSite: 'lax' }))

// After authentication: from here on, all that is captured during a request is the user's.
app.use((req, res, next) => {
  res.locals.user = req.session.user
  if (!res.locals.user) return next()
  posthog.withContext({ distinctId: String(res.locals.user.id) }, () => next())
})

app.use(router)

// After the routes and before the app's own handler: it reports the error and passes it on.
setupExpressErrorHandler(posthog, app)

app.use((error, req, res, next) => {
  if (res.headersSent) return next(error)
  console.error(error)
  const problem = 'That did not work. We have been told and will look into it.'
  const { user } = res.locals
  res.status(500).send(user ? product(user, problem) : page(`<p id="problem" role="alert">${problem}</p>`))
})
