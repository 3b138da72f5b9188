import { env } from '$env/dynamic/public'
import posthog from 'posthog-js'
import type { HandleClientError } from '@sveltejs/kit'

// SvelteKit runs this file once in the browser, when the app starts.
if (env.PUBLIC_POSTHOG_KEY) {
  posthog.init(env.PUBLIC_POSTHOG_KEY, {
    api_host: env.PUBLIC_POSTHOG_HOST,
    defaults: '2026-08-30', // page views, also of client-side navigation, come with this
    capture_exceptions: true,
  })
}

// What fails in a load function or while rendering is caught by SvelteKit and handed over here,
// where capture_exceptions does not see it. A 404 is part of normal use.
export const handleError: HandleClientError = ({ error, status, message }) => {
  if (status !== 404) posthog.captureException(error, { status })
  return { message }
}
