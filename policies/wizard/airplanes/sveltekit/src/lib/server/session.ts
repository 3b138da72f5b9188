import type { Cookies } from '@sveltejs/kit'

// A fake: a real session is signed, or only names a row of a table.
export type User = { id: string; email: string; plan: 'free' | 'pro' }

export function currentUser(cookies: Cookies): User | null {
  try {
    return JSON.parse(cookies.get('session') ?? 'null')
  } catch {
    return null
  }
}

export function setSession(cookies: Cookies, user: User) {
  cookies.set('session', JSON.stringify(user), { path: '/' })
}

export function endSession(cookies: Cookies) {
  cookies.delete('session', { path: '/' })
}
