// Stands for the server. The session is kept in localStorage, so that a reload finds it again.
export type User = { id: string; email: string; plan: 'free' | 'pro' }

export async function currentUser(): Promise<User | null> {
  return JSON.parse(localStorage.getItem('session') ?? 'null')
}

export async function logIn(email: string, _password: string): Promise<User> {
  return save({ id: email, email, plan: 'free' }) // a real ID is the primary key of the user's row
}

export async function upgradePlan(user: User): Promise<User> {
  return save({ ...user, plan: 'pro' })
}

export async function exportReport(): Promise<void> {
  throw new Error('the report has no rows')
}

export async function logOut(): Promise<void> {
  localStorage.removeItem('session')
}

function save(user: User): User {
  localStorage.setItem('session', JSON.stringify(user))
  return user
}
