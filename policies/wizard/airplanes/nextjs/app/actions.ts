'use server'
import { after } from 'next/server'
import { posthogServer } from '@/lib/posthog-server'
import { currentUser, endSession, setSession, type User } from '@/lib/session'

export async function logIn(form: FormData) {
  const email = String(form.get('email')) // any password is accepted
  const user: User = { id: email, email, plan: 'free' } // a real ID is the primary key of the user's row
  await setSession(user)
  posthogServer.capture({ distinctId: user.id, event: 'user_logged_in', properties: { method: 'password' } })
  after(() => posthogServer.flush()) // after the answer, before a serverless function freezes
}

export async function upgrade() {
  const user = await currentUser() // whom the event is about is the session's word, never the form's
  if (!user) return
  await setSession({ ...user, plan: 'pro' })
  posthogServer.capture({
    distinctId: user.id,
    event: 'plan_upgraded',
    properties: { plan: 'pro', price: 20, $set: { plan: 'pro' } },
  })
  after(() => posthogServer.flush())
}

export async function logOut() {
  await endSession()
}
