import type { AccountDetails } from '../src/index.ts'
import { html, type Markup } from './html.ts'

/** What a member may change of himself here, and how it is called on the page. */
export const PROFILE_FIELDS = {
  display_name: 'Display name',
  email: 'Email',
  first_name: 'First name',
  middle_name: 'Middle name',
  last_name: 'Last name',
} as const

export type ProfileField = keyof typeof PROFILE_FIELDS

/** The page to sign in. */
export function signInPage(message: string | null): string {
  return page(
    'Sign in',
    html`${notice(message)}
      <form method="post" action="/sign-in">
        <label>Username <input name="username" autocomplete="username" required autofocus></label>
        <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
        <button>Sign in</button>
      </form>`,
  )
}

/** One's own account. */
export function profilePage({ user, grants, attributes }: AccountDetails, message: string | null): string {
  const fields = Object.entries(PROFILE_FIELDS).map(
    ([name, label]) =>
      html`<label>${label} <input name="${name}" value="${user[name as ProfileField]}" placeholder="NULL"></label>`,
  )
  const facts: readonly (readonly [string, readonly string[]])[] = [
    ['Roles', grants.roles.map(({ role, rights }) => `${role} (${rights})`)],
    ['Authorisations', grants.acls],
    ['Groups', grants.groups],
    ['Attributes', Object.entries(attributes).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)],
  ]
  return page(
    `${user.username}`,
    html`${notice(message)}
      <form method="post" action="/profile">
        ${fields}
        <button>Save</button> An empty field is stored as NULL.
      </form>
      <h2>New password</h2>
      <form method="post" action="/password">
        <label>Old password <input name="old" type="password" autocomplete="current-password" required></label>
        <label>New password <input name="new" type="password" autocomplete="new-password" required></label>
        <button>Change</button>
      </form>
      <h2>What was given to you</h2>
      <dl>${facts.map(([name, list]) => html`<dt>${name}</dt><dd>${list.join(', ') || 'none'}</dd>`)}</dl>
      <form method="post" action="/sign-out"><button>Sign out</button></form>`,
  )
}

/** A page that says one thing. */
export function messagePage(title: string, message: string): string {
  return page(title, html`<p>${message}</p><p><a href="/">Back</a></p>`)
}

function notice(message: string | null): Markup | null {
  return message === null ? null : html`<p role="status">${message}</p>`
}

function page(title: string, content: Markup): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>${title}</title>
      </head>
      <body>
        <h1>${title}</h1>
        ${content}
      </body>
    </html>`.text
}
