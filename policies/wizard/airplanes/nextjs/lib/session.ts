import { cookies } from 'next/headers'

// A fake: a real session is signed, or only names a row of a table.
export type User = { id: string; email: string; plan: 'free' | 'pro' }
const NAME = 'session'

export async function currentUser(): Promise<User | null> {
  return parse((await cookies()).get(NAME)?.value)
}

export async function setSession(user: User) {
  const value = Buffer.from(JSON.stringify(user)).toString('base64url')
  ;(await cookies()).set(NAME, value, { httpOnly: true, sameSite: 'lax' })
}

export async function endSession() {
  ;(await cookies()).delete(NAME)
}

export function userOfCookieHeader(header: string | string[] | undefined): User | null {
  return parse(String(header ?? '').match(/(?:^|;\s*)session=([^;]+)/)?.[1])
}

function parse(value: string | undefined): User | null {
  try {
    return value ? JSON.parse(Buffer.from(value, 'base64url').toString()) : null
  } catch {
    return null
  }
}
