export default defineNitroPlugin((nitroApp) => {
  // Every error that a handler threw, and nobody caught, comes here. 4xx ones are part of normal use.
  nitroApp.hooks.hook('error', (error, { event }) => {
    if (isError(error) && error.statusCode < 500) return
    const user = event && currentUser(event)
    const properties = { path: event?.path.split('?')[0], method: event?.method }
    posthogServer.captureException(error.cause ?? error, user?.id, properties) // h3 wraps what was thrown
  })

  // The server has stopped answering: the last chance to send the queue.
  nitroApp.hooks.hook('close', () => posthogServer.shutdown())
})
