import posthog from 'posthog-js'

// Next.js runs this file once in the browser, before the app becomes interactive.
const key = process.env.NEXT_PUBLIC_POSTHOG_KEY
if (key) {
  posthog.init(key, {
    api_host: process.env.NEXT_PUBLIC_POSTHOG_HOST,
    defaults: '2026-08-30', // page views, also of client-side navigation, come with this
    capture_exceptions: true,
  })
}
