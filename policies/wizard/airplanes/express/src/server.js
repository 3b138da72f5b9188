import { app } from './app.js'
import { posthog } from './posthog.js'

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', (error) => {
  if (error) throw error
  console.log('Listening on', server.address())
})

// Events wait in memory. When the process is told to stop, it answers what it has begun, and sends them.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    server.close(async () => {
      await posthog.shutdown()
      process.exit(0)
    })
  })
}
