import { PostHog } from 'posthog-node'

// One client per server process; server actions and route handlers import it from here.
const key = process.env.NEXT_PUBLIC_POSTHOG_KEY ?? ''

export const posthogServer = new PostHog(key, {
  host: process.env.NEXT_PUBLIC_POSTHOG_HOST,
  disabled: key === '',
})
