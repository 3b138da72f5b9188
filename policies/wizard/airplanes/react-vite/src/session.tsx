import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from 'react'
import { usePostHog } from '@posthog/react'
import * as api from './api'

type Session = {
  user: api.User | null
  logIn: (email: string, password: string) => Promise<void>
  upgrade: () => Promise<void>
  logOut: () => Promise<void>
}

const SessionContext = createContext<Session | null>(null)

export function useSession() {
  const session = useContext(SessionContext)
  if (!session) throw new Error('useSession is called outside of SessionProvider')
  return session
}

export function SessionProvider({ children }: { children: ReactNode }) {
  const posthog = usePostHog()
  const [user, setUser] = useState<api.User | null>(null)

  // Whatever way the app learns who the user is, it comes through here. Calling identify again
  // with the same ID is safe; it only sends the person's properties that are new.
  const setKnownUser = useCallback(
    (user: api.User) => {
      posthog.identify(String(user.id), { email: user.email, plan: user.plan })
      setUser(user)
    },
    [posthog],
  )

  // A reload with a live session is no login: it identifies and sends no event.
  useEffect(() => {
    void api.currentUser().then((user) => user && setKnownUser(user))
  }, [setKnownUser])

  const session: Session = {
    user,
    async logIn(email, password) {
      setKnownUser(await api.logIn(email, password))
      posthog.capture('user_logged_in', { method: 'password' }) // after identify, so that it is the user's
    },
    async upgrade() {
      if (!user) return
      const upgraded = await api.upgradePlan(user)
      setKnownUser(upgraded)
      posthog.capture('plan_upgraded', { plan: upgraded.plan, price: 20 }) // it has succeeded
    },
    async logOut() {
      await api.logOut()
      posthog.reset() // only here: the next person at this browser is somebody else
      setUser(null)
    },
  }
  return <SessionContext value={session}>{children}</SessionContext>
}
