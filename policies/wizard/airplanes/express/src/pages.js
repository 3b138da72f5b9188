const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

export const page = (body) => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="data:,">
    <title>Reports</title>
  </head>
  <body>${body}</body>
</html>`

export const logInForm = () => page(`
    <h1>Reports</h1>
    <form method="post" action="/log-in">
      <label>E-mail <input id="email" name="email" type="email" autocomplete="username" required></label>
      <label>
        Password <input id="password" name="password" type="password" autocomplete="current-password" required>
      </label>
      <button id="log-in">Log in</button>
    </form>`)

export const product = (user, problem) => page(`
    <h1>Reports of ${escape(user.email)}</h1>
    <p>Your plan: <strong id="plan">${escape(user.plan)}</strong></p>
    <form method="post" action="/upgrade"><button id="upgrade">Upgrade to pro for $20</button></form>
    <form method="post" action="/export"><button id="export">Export the report</button></form>
    <form method="post" action="/log-out"><button id="log-out">Log out</button></form>
    ${problem ? `<p id="problem" role="alert">${escape(problem)}</p>` : ''}`)
