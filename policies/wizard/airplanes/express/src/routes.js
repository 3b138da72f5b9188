import { Router } from 'express'
import { logInForm, product } from './pages.js'
import { posthog } from './posthog.js'

export const router = Router()

router.get('/', (req, res) => {
  res.send(res.locals.user ? product(res.locals.user) : logInForm())
})

router.post('/log-in', (req, res) => {
  const email = String(req.body.email) // any password is accepted
  const user = { id: email, email, plan: 'free' } // a real ID is the primary key of the user's row
  req.session.user = user
  // The request began without a user, so its context has no ID yet: it is said here.
  const distinctId = String(user.id)
  posthog.identify({ distinctId, properties: { $set: { email: user.email, plan: user.plan } } })
  posthog.capture({ distinctId, event: 'user_logged_in', properties: { method: 'password' } })
  res.redirect('/')
})

router.post('/log-out', (req, res) => {
  req.session = null // no reset: on a server the SDK remembers no user
  res.redirect('/')
})

// What follows needs a user.
router.use((req, res, next) => {
  if (res.locals.user) next()
  else res.redirect('/')
})

router.post('/upgrade', (req, res) => {
  req.session.user = { ...res.locals.user, plan: 'pro' }
  posthog.capture({ event: 'plan_upgraded', properties: { plan: 'pro', price: 20, $set: { plan: 'pro' } } })
  res.redirect('/')
})

router.post('/export', (req, res) => {
  const report = exportReport() // nothing is caught here: the error handler reports it
  res.attachment('report.csv').send(report)
})

function exportReport() {
  throw new Error('the report has no rows')
}
