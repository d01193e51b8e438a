import jwt from 'jsonwebtoken'
import { expect } from 'vitest'
import { PASSWORD } from '../support/host.ts'
import { JWT_SECRET } from './consumer.ts'

/** What a client hears: the status, the body where there is one, and a header if it matters. */
interface Heard {
  readonly status: number
  readonly body: unknown
  readonly header?: string | null
}

const NEW_PASSWORD = `${PASSWORD} 2`
const IBAN = 'GB33BUKB20201555555555'

/** Everything that a client of the host with JSON Web Tokens does, and every answer to it. */
export async function jwtStory(url: string): Promise<Record<string, Heard>> {
  const answers: Record<string, Heard> = {}
  const call = async (
    method: string,
    path: string,
    token: string,
    body?: object,
    more: Record<string, string> = {},
  ) => {
    const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }), ...more }
    return fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
  }
  const hear = async (name: string, called: Promise<Response>, header?: string) => {
    const response = await called
    const text = await response.text()
    const body: unknown = /json/.test(response.headers.get('Content-Type') ?? '') ? JSON.parse(text) : text
    answers[name] = { status: response.status, body, ...(header && { header: response.headers.get(header) }) }
    return response
  }
  const login = async (username: string, password: string) =>
    ((await (await call('POST', '/login', '', { username, password })).json()) as { token: string }).token

  await hear('wrong password', call('POST', '/login', '', { username: 'ada', password: 'wrong' }))
  const ada = await login('ada', PASSWORD)

  const read = await hear('read', call('GET', '/a/b/me', ada))
  const etag = read.headers.get('ETag') ?? ''
  await hear('read again', call('GET', '/a/b/me', ada, undefined, { 'If-None-Match': etag }))
  const patch = (body: object, token = ada, headers = {}) => call('PATCH', '/a/b/me', token, body, headers)
  await hear('change', patch({ nickname: 'Ada L.' }, ada, { 'If-Match': etag }))
  await hear('change of what was read before', patch({ nickname: 'A. L.' }, ada, { 'If-Match': etag }))
  await hear('NULL', patch({ nickname: null }))
  await hear('another value', patch({ theme: 'blue' }))
  await hear('another type', patch({ nickname: 7 }))
  await hear("a super-user's", patch({ seats: 9 }))
  await hear("refused by the host's hook", patch({ nickname: 'admin' }))

  const token = (secret: string, claims: object) => jwt.sign({ sub: '1', ...claims }, secret)
  const now = Math.floor(Date.now() / 1000)
  const old = token(JWT_SECRET, { iat: now - 3600 })
  await hear('old token, takes over', patch({ iban: IBAN }, old), 'WWW-Authenticate')
  await hear('old token, with the password', patch({ iban: IBAN, currentPassword: PASSWORD }, old))
  await hear('old token, harmless', patch({ theme: 'dark' }, old))
  await hear('fresh token, takes over', patch({ email: null }))

  await hear("another's, read", call('GET', '/a/b/users/2', ada))
  await hear("another's, changed", call('PATCH', '/a/b/users/2', ada, { nickname: 'Bobby' }))
  await hear("nobody's", call('GET', '/a/b/users/999', ada))

  await hear('forged token', call('GET', '/a/b/me', token('another secret', {})), 'WWW-Authenticate')
  await hear('forged token, change', patch({ nickname: 'Eve' }, token('another secret', {})))
  await hear('expired token', call('GET', '/a/b/me', token(JWT_SECRET, { iat: now - 7200, exp: now - 3600 })))
  await hear('token of nobody', call('GET', '/a/b/me', token(JWT_SECRET, { sub: '999' })))
  await hear('no token', call('GET', '/a/b/me', ''), 'WWW-Authenticate')
  await hear('guarded', call('GET', '/whoami', ada))
  await hear('guarded, no token', call('GET', '/whoami', ''))
  await hear(
    'zato',
    call('PATCH', '/a/zato/sso/user', ada, { current_app: 'CRM', display_name: null, first_name: 'Ada' }),
  )

  const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }
  await hear('new password', call('PUT', '/a/b/me/password', ada, passwords))
  await hear('old password', call('POST', '/login', '', { username: 'ada', password: PASSWORD }))
  await hear('new token', call('GET', '/a/b/me', await login('ada', NEW_PASSWORD)))

  const bob = await login('bob', PASSWORD)
  await hear('super-user', call('PATCH', '/a/b/users/1', bob, { seats: 2, display_name: null }))
  await hear("the hook's rows", call('GET', '/nicknames', bob))
  await hear("the hook's rows, not a super-user", call('GET', '/nicknames', ada))
  await hear('locked', call('PUT', '/a/b/users/1/lock', bob))
  await hear('locked, with a token', call('GET', '/a/b/me', ada))
  return answers
}

const cid = expect.stringMatching(/^[0-9a-f]{24}$/)
const problem = (status: number, code: string, ...pointers: string[]) => ({
  status,
  body: expect.objectContaining({
    status,
    code,
    cid,
    errors: pointers.map((pointer) => expect.objectContaining({ pointer })),
  }),
})

const account = {
  user_id: '1',
  username: 'ada',
  email: 'ada@example.com',
  display_name: null,
  first_name: null,
  middle_name: null,
  last_name: null,
  is_totp_enabled: false,
  totp_label: null,
  nickname: 'Countess',
  seats: 2,
  iban: null,
  theme: 'light',
}
const changed = (user: object, ...names: string[]) => ({
  status: 200,
  body: { user: { ...account, ...user }, changed: names },
})
const afterwards = { nickname: null, iban: IBAN, theme: 'dark', email: null }

/** What the story must hear, on every database. */
export const answersToJwt: Record<string, unknown> = {
  'wrong password': { status: 401, body: 'Unauthorized' },
  read: { status: 200, body: account },
  'read again': { status: 304, body: '' },
  change: changed({ nickname: 'Ada L.' }, 'nickname'),
  'change of what was read before': problem(412, 'precondition_failed'),
  NULL: changed({ nickname: null }, 'nickname'),
  'another value': problem(422, 'input_invalid', '/theme'),
  'another type': problem(422, 'input_invalid', '/nickname'),
  "a super-user's": problem(403, 'attribute_forbidden', '/seats'),
  "refused by the host's hook": problem(403, 'hook_refused'),
  'old token, takes over': {
    ...problem(401, 'reauth_required'),
    header: 'Bearer error="insufficient_user_authentication", max_age="300"',
  },
  'old token, with the password': changed({ nickname: null, iban: IBAN }, 'iban'),
  'old token, harmless': changed({ nickname: null, iban: IBAN, theme: 'dark' }, 'theme'),
  'fresh token, takes over': changed(afterwards, 'email'),
  "another's, read": problem(403, 'super_user_required'),
  "another's, changed": problem(403, 'super_user_required'),
  "nobody's": problem(403, 'super_user_required'),
  'forged token': { ...problem(401, 'session_unknown'), header: 'Bearer error="invalid_token"' },
  'forged token, change': problem(401, 'session_unknown'),
  'expired token': problem(401, 'session_unknown'),
  'token of nobody': problem(403, 'not_allowed'),
  'no token': { ...problem(401, 'credentials_missing'), header: 'Bearer' },
  guarded: { status: 200, body: { nickname: null, theme: 'dark', seats: 2, via: 'host' } },
  'guarded, no token': problem(401, 'credentials_missing'),
  zato: { status: 200, body: { status: 'ok', cid, sub_status: [] } },
  'new password': {
    status: 200,
    body: { user: { ...account, ...afterwards, first_name: 'Ada' }, changed: ['password'] },
  },
  'old password': { status: 401, body: 'Unauthorized' },
  'new token': { status: 200, body: { ...account, ...afterwards, first_name: 'Ada' } },
  'super-user': { status: 200, body: expect.objectContaining({ changed: [] }) },
  "the hook's rows": {
    status: 200,
    body: [
      { person_no: 1, nick: 'Ada L.' },
      { person_no: 1, nick: null },
    ],
  },
  "the hook's rows, not a super-user": problem(403, 'super_user_required'),
  locked: { status: 200, body: { user: expect.objectContaining({ is_locked: true }), changed: ['is_locked'] } },
  'locked, with a token': problem(403, 'account_locked'),
}
