export default defineEventHandler((event) => {
  const user: User = { ...requireUser(event), plan: 'pro' }
  setSession(event, user)
  posthogServer.capture({
    distinctId: user.id, // the session's word, never the request body's
    event: 'plan_upgraded',
    properties: { plan: user.plan, price: 20 },
  })
  return user
})
