export default defineEventHandler(async (event) => {
  const { email } = await readBody<{ email: string }>(event) // any password is accepted
  const user: User = { id: email, email, plan: 'free' } // a real ID is the primary key of the user's row
  setSession(event, user)
  posthogServer.capture({ distinctId: user.id, event: 'user_logged_in', properties: { method: 'password' } })
  return user
})
