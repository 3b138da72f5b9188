'use client'
import posthog from 'posthog-js'
import { useEffect } from 'react'

// What fails while rendering in the browser ends here, where capture_exceptions does not see it.
export default function ErrorPage({ error }: { error: Error & { digest?: string } }) {
  useEffect(() => void posthog.captureException(error, { digest: error.digest }), [error])
  return <p>Something went wrong.</p>
}
