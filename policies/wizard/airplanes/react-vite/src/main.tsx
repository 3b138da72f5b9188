import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import posthog from 'posthog-js'
import { PostHogErrorBoundary, PostHogProvider } from '@posthog/react'
import App from './App'
import { SessionProvider } from './session'

// Once, at module level: StrictMode renders twice, but this file runs once. Without a key nothing
// is initialised, and every call below is dropped.
const key = import.meta.env.VITE_PUBLIC_POSTHOG_KEY
if (key) {
  posthog.init(key, {
    api_host: import.meta.env.VITE_PUBLIC_POSTHOG_HOST,
    defaults: '2026-08-30', // page views, also of client-side navigation, come with this
    capture_exceptions: true, // what nobody catches
  })
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <PostHogProvider client={posthog}>
      <PostHogErrorBoundary fallback={<p>Something went wrong. Please reload the page.</p>}>
        <SessionProvider>
          <App />
        </SessionProvider>
      </PostHogErrorBoundary>
    </PostHogProvider>
  </StrictMode>,
)
