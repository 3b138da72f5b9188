'use client'
import posthog from 'posthog-js'
import { useState } from 'react'
import { logOut } from '@/app/actions'

export function ExportButton() {
  const [problem, setProblem] = useState('')

  async function onClick() {
    setProblem('')
    const response = await fetch('/api/export', { method: 'POST' })
    if (response.ok) posthog.capture('report_exported', { format: 'csv' })
    else setProblem('The report could not be exported.') // the server has reported why
  }

  return (
    <>
      <button id="export" onClick={onClick}>Export the report</button>
      {problem && <p id="problem" role="alert">{problem}</p>}
    </>
  )
}

export function LogOutButton() {
  async function onClick() {
    await logOut()
    posthog.reset() // the next person at this browser is somebody else
  }

  return <button id="log-out" onClick={onClick}>Log out</button>
}
