import { PostHog } from 'posthog-node'

// One client per process; whoever captures imports it from here. Without a key it does nothing.
const apiKey = process.env.POSTHOG_API_KEY ?? ''

export const posthog = new PostHog(apiKey, {
  host: process.env.POSTHOG_HOST,
  disabled: apiKey === '',
  enableExceptionAutocapture: true, // uncaught exceptions and unhandled rejections of the process
})
