import { env } from '$env/dynamic/public'
import { PostHog } from 'posthog-node'

// One client per server process. Below lib/server, so that no browser code can import it.
const key = env.PUBLIC_POSTHOG_KEY ?? ''

export const posthogServer = new PostHog(key, {
  host: env.PUBLIC_POSTHOG_HOST,
  disabled: key === '',
})
