import { currentUser } from '@/lib/session'

export async function POST() {
  if (!(await currentUser())) return new Response(null, { status: 401 })
  // Nothing is caught here: onRequestError in instrumentation.ts reports it, Next.js answers with 500.
  throw new Error('the report has no rows')
}
