import { fail } from '@sveltejs/kit'
import { posthogServer } from '$lib/server/posthog'
import { endSession, setSession, type User } from '$lib/server/session'
import type { Actions } from './$types'

export const actions: Actions = {
  async logIn({ cookies, request }) {
    const email = String((await request.formData()).get('email')) // any password is accepted
    const user: User = { id: email, email, plan: 'free' } // a real ID is the primary key of the user's row
    setSession(cookies, user)
    posthogServer.capture({ distinctId: user.id, event: 'user_logged_in', properties: { method: 'password' } })
  },

  upgrade({ cookies, locals }) {
    if (!locals.user) return fail(401)
    setSession(cookies, { ...locals.user, plan: 'pro' })
    posthogServer.capture({
      distinctId: locals.user.id, // the session's word, never the form's
      event: 'plan_upgraded',
      properties: { plan: 'pro', price: 20 },
    })
  },

  export({ locals }) {
    if (!locals.user) return fail(401)
    // Nothing is caught here: handleError in hooks.server.ts reports it.
    throw new Error('the report has no rows')
  },

  logOut({ cookies }) {
    endSession(cookies)
  },
}
