export default defineNuxtConfig({
  compatibilityDate: '2026-01-01',
  devtools: { enabled: false },
  // NUXT_PUBLIC_POSTHOG_KEY and NUXT_PUBLIC_POSTHOG_HOST take these places when the server starts.
  runtimeConfig: { public: { posthogKey: '', posthogHost: '' } },
  app: {
    head: { htmlAttrs: { lang: 'en' }, title: 'Reports', link: [{ rel: 'icon', href: 'data:,' }] },
  },
})
