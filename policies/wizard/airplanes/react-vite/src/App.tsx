import { useState } from 'react'
import { usePostHog } from '@posthog/react'
import { exportReport } from './api'
import { useSession } from './session'

export default function App() {
  const { user } = useSession()
  return <main>{user ? <Reports /> : <LogIn />}</main>
}

function Reports() {
  const posthog = usePostHog()
  const { user, upgrade, logOut } = useSession()
  const [problem, setProblem] = useState('')

  async function handleExport() {
    setProblem('')
    try {
      await exportReport()
      posthog.capture('report_exported', { format: 'csv' })
    } catch (error) {
      // Caught here, so capture_exceptions does not see it.
      posthog.captureException(error, { action: 'export_report' })
      setProblem('The report could not be exported.')
    }
  }

  return (
    <>
      <h1>Reports of {user?.email}</h1>
      <p>
        Your plan: <strong id="plan">{user?.plan}</strong>
      </p>
      <button id="upgrade" onClick={upgrade} disabled={user?.plan === 'pro'}>
        Upgrade to pro for $20
      </button>
      <button id="export" onClick={handleExport}>Export the report</button>
      <button id="log-out" onClick={logOut}>Log out</button>
      {problem && <p id="problem" role="alert">{problem}</p>}
    </>
  )
}

// airplane:hide
function LogIn() {
  const { logIn } = useSession()

  return (
    <form
      action={async (form) => {
        await logIn(String(form.get('email')), String(form.get('password')))
      }}
    >
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
