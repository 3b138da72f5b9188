import posthog from 'posthog-js'

// `.client` in the name: Nuxt runs this once, in the browser only, before the app is mounted.
export default defineNuxtPlugin((nuxtApp) => {
  const { posthogKey, posthogHost } = useRuntimeConfig().public
  if (posthogKey) {
    posthog.init(posthogKey, {
      api_host: posthogHost || undefined,
      defaults: '2026-08-30', // page views, also of client-side navigation, come with this
      capture_exceptions: true,
    })
  }

  // What fails in a component is caught by Vue, where capture_exceptions does not see it.
  nuxtApp.hook('vue:error', (error) => {
    posthog.captureException(error)
  })
})
