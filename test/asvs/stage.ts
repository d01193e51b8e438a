import express from 'express'
import passportModule from 'passport'
import type { Caller, Options } from '../../src/index.ts'
import { SsoError } from '../../src/index.ts'
import type { DatabaseName } from '../support/databases.ts'
import { countingHasher } from '../support/fast-hasher.ts'
import { type EXPRESS, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'

export const code = { via: 'code', name: 'test' } as const
export const NOW = new Date('2031-05-06T07:08:09.000Z')

/** A host with everything mounted that somebody can prove himself to, a clock, and a count of hash computations. */
export interface Stage {
  readonly host: TestHost
  readonly clock: { now: Date }
  readonly count: { hash: number; verify: number }
}

/** Somebody with a session. */
export interface Person {
  readonly name: string
  readonly id: string
  readonly ust: string
}

/** What came of a call, in whatever dialect. */
export interface Answer {
  /** HTTP status; of a function 200, or its error's. */
  readonly status: number
  readonly isOk: boolean
  readonly text: string
}

// So that updateuser has them all by the names of the others; what it does not know is a custom attribute there.
const OWN = [
  'username',
  'email',
  'display_name',
  'first_name',
  'middle_name',
  'last_name',
  'is_totp_enabled',
  'totp_key',
  'is_locked',
]

export async function startStage(
  database: DatabaseName,
  options: Partial<Options> = {},
  version: keyof typeof EXPRESS = 'express5',
): Promise<Stage> {
  const { hasher, count } = countingHasher()
  const clock = { now: NOW }
  const { password, ...others } = options
  const host = await startHost(database, {
    users: [],
    express: version,
    options: {
      now: () => clock.now,
      password: { hasher, ...password },
      updateuser: { attributes: Object.fromEntries(OWN.map((name) => [name, name])) },
      authenticate: (req) => {
        const userId = req.get('X-Member')
        return userId === undefined ? null : { userId, authenticatedAt: clock.now }
      },
      ...others,
    },
    before: (app, sso) => {
      const passport = new passportModule.Passport()
      passport.use(sso.passport.password())
      passport.use(sso.passport.ust())
      const done: express.RequestHandler = (_req, res) => void res.json({})
      app.post('/passport', express.json(), passport.authenticate('sso-password', { session: false }), done)
      app.post('/passport/token', passport.authenticate('sso-ust', { session: false }), done)
      app.post('/user', sso.requireUser(), done)
      app.post('/super-user', sso.requireSuperUser(), done)
    },
  })
  return { host, clock, count }
}

let made = 0

/** A new account, logged in, and then changed by the host's own code. */
export async function person({ host }: Stage, state: Readonly<Record<string, unknown>> = {}): Promise<Person> {
  const name = `person${++made}`
  await host.sso.user.createUser({ actor: code, autoApprove: true, data: { username: name, password: PASSWORD } })
  const [id, ust] = [await idOf(host, name), await host.login(name)]
  if (Object.keys(state).length > 0) await host.sso.user.updateUserById({ actor: code, userId: id, data: state })
  return { name, id, ust }
}

export async function superUser(stage: Stage): Promise<Person> {
  const name = 'admin'
  return { name, id: await idOf(stage.host, name), ust: await stage.host.login(name) }
}

const JSON_TYPE = { 'Content-Type': 'application/json' }
export const bearer = (ust: string) => ({ Authorization: `Bearer ${ust}` })
export const basic = (name: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})
const member = (id: string) => ({ 'X-Member': id, 'Sec-Fetch-Site': 'same-origin' })

type Method = 'get' | 'post' | 'patch' | 'put' | 'delete'

/** Sends JSON, and tells a success by the words of the dialect. */
export async function http(
  { host }: Stage,
  method: Method,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: object = {},
): Promise<Answer> {
  const reply = await host.http[method](path)
    .set({ ...JSON_TYPE, ...headers })
    .send(body)
  const text = reply.text ?? ''
  return { status: reply.status, isOk: reply.status < 300 && !text.includes('"status":"error"'), text }
}

/** Calls a function. */
export async function inCode(call: () => Promise<unknown>): Promise<Answer> {
  try {
    return { status: 200, isOk: true, text: JSON.stringify((await call()) ?? null) }
  } catch (error) {
    // A fault, and of no concern to a client.
    if (!(error instanceof SsoError)) return { status: 500, isOk: false, text: '' }
    return { status: error.status, isOk: false, text: `${error.code} ${error.message}` }
  }
}

const zato = (ust: string | undefined, fields: object) => ({ current_app: 'CRM', ust, ...fields })
const caller = ({ ust }: Person): Caller => ({ currentUst: ust, currentApp: 'CRM' })

/** Every way to change attributes of an account, by whom and of whom. */
export const CHANGES: Readonly<Record<string, (on: Stage, by: Person, of: Person, data: object) => Promise<Answer>>> = {
  zato: (on, by, of, data) => http(on, 'patch', '/zato/sso/user', {}, zato(by.ust, { user_id: of.id, ...data })),
  rest: (on, by, of, data) => http(on, 'patch', `/account/users/${of.id}`, bearer(by.ust), data),
  updateuser: (on, by, of, data) =>
    http(on, 'post', '/ddenterpriseapi/updateuser', bearer(by.ust), { uid: of.name, attributes: data }),
  'functions, by id': (on, by, of, data) =>
    inCode(() => on.host.sso.user.updateUserById({ ...caller(by), userId: of.id, data })),
  'functions, updateuser': (on, by, of, data) =>
    inCode(() => on.host.sso.user.updateuser({ ...caller(by), uid: of.name, attributes: data })),
  'host authentication': (on, by, of, data) =>
    http(on, 'patch', '/zato/sso/user', member(by.id), zato(undefined, { user_id: of.id, ...data })),
}

/** Every way to prove a password. */
export const PASSWORD_PATHS: Readonly<Record<string, (on: Stage, name: string, password: string) => Promise<Answer>>> =
  {
    'zato login': (on, username, password) =>
      http(on, 'post', '/zato/sso/user/login', {}, zato(undefined, { username, password })),
    'rest login': (on, username, password) => http(on, 'post', '/account/login', {}, { username, password }),
    'updateuser by user and pass': (on, user, pass) =>
      http(on, 'post', '/ddenterpriseapi/updateuser', {}, { user, pass, uid: user }),
    'updateuser by Basic': (on, user, pass) =>
      http(on, 'post', '/ddenterpriseapi/updateuser', basic(user, pass), { uid: user }),
    passport: (on, username, password) => http(on, 'post', '/passport', {}, { username, password }),
    'functions, login': (on, username, password) =>
      inCode(() => on.host.sso.user.login({ username, password, currentApp: 'CRM' })),
    'functions, updateuser': (on, user, pass) =>
      inCode(() => on.host.sso.user.updateuser({ user, pass, currentApp: 'CRM', uid: user })),
  }

/** Every way to use a session that there is, or the word of the host for one. */
export const TOKEN_PATHS: Readonly<Record<string, (on: Stage, who: Person) => Promise<Answer>>> = {
  zato: (on, { ust }) => http(on, 'get', '/zato/sso/user', {}, zato(ust, {})),
  rest: (on, { ust }) => http(on, 'get', '/account/me', bearer(ust)),
  updateuser: (on, { ust, name }) => http(on, 'post', '/ddenterpriseapi/updateuser', bearer(ust), { uid: name }),
  'passport by token': (on, { ust }) => http(on, 'post', '/passport/token', bearer(ust)),
  middleware: (on, { ust }) => http(on, 'post', '/user', bearer(ust)),
  functions: (on, who) => inCode(() => on.host.sso.user.getCurrentUser(caller(who))),
}

/** The host's word for somebody. */
export const HOST_PATHS: Readonly<Record<string, (on: Stage, who: Person) => Promise<Answer>>> = {
  'zato by the host': (on, { id }) => http(on, 'get', '/zato/sso/user', member(id), zato(undefined, {})),
  'rest by the host': (on, { id }) => http(on, 'get', '/account/me', member(id)),
  'middleware by the host': (on, { id }) => http(on, 'post', '/user', member(id)),
  'functions by the host': (on, { id }) =>
    inCode(() => on.host.sso.user.getCurrentUser({ actor: { via: 'host', userId: id } })),
}

/** What differs from call to call in what is told, made equal. */
export function withoutCid({ status, text }: Answer): object {
  return { status, text: text.replace(/"cid":"[^"]*"/, '"cid":""') }
}
