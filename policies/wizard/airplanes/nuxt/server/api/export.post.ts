export default defineEventHandler((event) => {
  requireUser(event)
  // Nothing is caught here: the hook in server/plugins/posthog.ts reports it, Nuxt answers with 500.
  throw new Error('the report has no rows')
})
