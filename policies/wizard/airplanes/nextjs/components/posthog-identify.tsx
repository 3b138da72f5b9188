'use client'
import posthog from 'posthog-js'
import { useEffect } from 'react'

// Rendered wherever somebody is logged in, so that a reload or an OAuth redirect identifies as well.
export function PostHogIdentify({ id, email }: { id: string; email: string }) {
  useEffect(() => posthog.identify(id, { email }), [id, email])
  return null
}
