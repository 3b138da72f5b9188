import type { Handle, HandleServerError } from '@sveltejs/kit'
import { posthogServer } from '$lib/server/posthog'
import { currentUser } from '$lib/server/session'

export const handle: Handle = ({ event, resolve }) => {
  event.locals.user = currentUser(event.cookies)
  return resolve(event)
}

// SvelteKit calls this for errors that nobody expected; `error(404)` and the like do not come here.
export const handleError: HandleServerError = ({ error, event, status }) => {
  if (status === 404) return
  const properties = { path: event.url.pathname, method: event.request.method, route: event.route.id }
  posthogServer.captureException(error, event.locals.user?.id, properties)
  console.error(error)
  return { message: 'Something went wrong on our side.' }
}

// adapter-node emits this when it has stopped answering: the last chance to send the queue.
process.once('sveltekit:shutdown', () => posthogServer.shutdown())
