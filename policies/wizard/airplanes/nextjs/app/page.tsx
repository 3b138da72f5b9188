import { PostHogIdentify } from '@/components/posthog-identify'
import { ExportButton, LogOutButton } from '@/components/buttons'
import { currentUser } from '@/lib/session'
import { logIn, upgrade } from './actions'

export default async function Page() {
  const user = await currentUser()
  if (!user) return <LogIn />
  return (
    <main>
      <PostHogIdentify id={user.id} email={user.email} />
      <h1>Reports of {user.email}</h1>
      <p>
        Your plan: <strong id="plan">{user.plan}</strong>
      </p>
      <form action={upgrade}>
        <button id="upgrade" disabled={user.plan === 'pro'}>
          Upgrade to pro for $20
        </button>
      </form>
      <ExportButton />
      <LogOutButton />
    </main>
  )
}

// airplane:hide
function LogIn() {
  return (
    <form action={logIn}>
      <h1>Reports</h1>
      <label>
        E-mail <input id="email" name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password <input id="password" name="password" type="password" autoComplete="current-password" required />
      </label>
      <button id="log-in">Log in</button>
    </form>
  )
}
// airplane:show
