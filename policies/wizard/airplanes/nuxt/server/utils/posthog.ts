import { PostHog } from 'posthog-node'

// One client per server process. Nuxt imports it by its name into everything below server/.
const { posthogKey, posthogHost } = useRuntimeConfig().public

export const posthogServer = new PostHog(posthogKey, {
  host: posthogHost || undefined,
  disabled: posthogKey === '',
})
