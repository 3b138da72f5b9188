import type { H3Event } from 'h3'

// A fake: a real session is signed, or only names a row of a table.
export type User = { id: string; email: string; plan: 'free' | 'pro' }

export function currentUser(event: H3Event): User | null {
  try {
    return JSON.parse(getCookie(event, 'session') ?? 'null')
  } catch {
    return null
  }
}

export function requireUser(event: H3Event): User {
  const user = currentUser(event)
  if (!user) throw createError({ statusCode: 401 })
  return user
}

export function setSession(event: H3Event, user: User) {
  setCookie(event, 'session', JSON.stringify(user), { httpOnly: true, sameSite: 'lax' })
}
