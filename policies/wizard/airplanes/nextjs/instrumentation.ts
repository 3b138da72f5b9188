import type { Instrumentation } from 'next'

// Next.js calls this for each error of a page, a route handler or a server action that nobody caught.
export const onRequestError: Instrumentation.onRequestError = async (error, request, context) => {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { posthogServer } = await import('./lib/posthog-server')
  const { userOfCookieHeader } = await import('./lib/session')
  const user = userOfCookieHeader(request.headers.cookie) // there is no cookies() here
  const path = request.path.split('?')[0] // the query may hold tokens
  const properties = { path, method: request.method, route: context.routePath }
  await posthogServer.captureExceptionImmediate(error, user?.id, properties)
}
