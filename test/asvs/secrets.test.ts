import { expect, test } from 'vitest'
import { REST_ROUTES } from '../../src/http/rest/router.ts'
import { ENDPOINTS } from '../../src/http/zato/endpoints.ts'
import { encoded } from '../http/updateuser/wire.ts'
import { databases, PASSWORD } from '../support/host.ts'
import { codeAt, OTHER_TOTP_KEY, TOTP_KEY } from '../support/one-time-codes.ts'
import { basic, bearer, code, type Person, person, type Stage, startStage, superUser } from './stage.ts'

const SECRETS = {
  newPassword: 'canary of a new password',
  guess: 'canary of a wrong guess',
  pin: 'canary-pin',
  encrypted: 'canary of an encrypted value',
  mail: 'canary of a mailbox',
  deadToken: 'canary-token-of-a-session-that-is-no-more-x',
} as const

interface Actors {
  readonly ada: Person
  readonly bob: Person
  readonly admin: Person
}

/** A body as somebody who means it would send it, and bodies that have its secrets where they should not be. */
function bodiesOf(right: object, secrets: Readonly<Record<string, string>>, elsewhere: readonly string[]) {
  const wrong = [
    (secret: string) => [secret],
    (secret: string) => ({ x: secret }),
    (secret: string) => `${secret}\u0000`,
  ].map((shape) => ({
    ...right,
    ...Object.fromEntries(Object.entries(secrets).map(([name, it]) => [name, shape(it)])),
  }))
  const misplaced = elsewhere.flatMap((name) =>
    Object.values(secrets)
      .slice(-1)
      .map((secret) => ({ ...right, [name]: secret })),
  )
  const text = JSON.stringify({ ...right, ...secrets })
  const broken = [
    text.slice(0, -1),
    `${text},`,
    `[${text}]`,
    JSON.stringify(Object.values(secrets).join(' ')),
    `x${text}`,
  ]
  return [{ ...right, ...secrets }, broken[0] as string, right, ...wrong, ...misplaced, ...broken.slice(1)]
}

type Send = (method: string, path: string, headers: Record<string, string>, body: object | string) => Promise<unknown>

async function throughZato(send: Send, { ada, bob, admin }: Actors, most: number): Promise<void> {
  const elsewhere = ['current_app', 'user_id', 'email', 'is_locked', 'password_expiry', 'approval_status', 'session_id']
  elsewhere.push('must_change', 'cur_page', 'page_size', 'remote_addr', 'user_agent', 'expiration', 'target_ust')
  for (const { method, path } of ENDPOINTS) {
    // Not those after which there would be nobody left to ask.
    const asks = path === '/user/logout' || method === 'DELETE' ? [{ ...bob, ust: SECRETS.deadToken }] : [ada, admin]
    for (const by of asks) {
      const secrets = {
        password: SECRETS.guess,
        old_password: SECRETS.guess,
        new_password: SECRETS.newPassword,
        totp_key: OTHER_TOTP_KEY,
        ust: by.ust,
      }
      const right = { current_app: 'CRM', ust: by.ust, user_id: bob.id, username: by.name, first_name: 'Ada' }
      const bodies = bodiesOf(right, secrets, elsewhere).slice(0, by === ada ? 2 : most)
      for (const body of bodies) await send(method, `/zato/sso${path}`, {}, body)
    }
  }
}

async function throughRest(send: Send, { ada, bob, admin }: Actors, most: number): Promise<void> {
  const elsewhere = ['email', 'is_locked', 'password_expiry', 'status', 'expiryDays', 'autoApprove', 'nothing']
  for (const { method, path } of REST_ROUTES) {
    // Names of custom attributes say whether they are secret, and these are not.
    if (method === 'delete' || path === '/logout' || path.endsWith('/attributes')) continue
    for (const by of [ada, admin]) {
      const secrets = {
        password: SECRETS.guess,
        currentPassword: SECRETS.guess,
        newPassword: SECRETS.newPassword,
        totpKey: OTHER_TOTP_KEY,
        pin: SECRETS.pin,
      }
      const headers = path === '/login' ? {} : bearer(by.ust)
      const url = `/account${path.replace(':id', path.includes('sessions/') ? 'x' : bob.id)}`
      const right = path === '/login' ? { username: by.name, password: SECRETS.guess } : { first_name: 'Ada' }
      const bodies = bodiesOf(right, secrets, elsewhere).slice(0, by === ada ? 2 : most)
      for (const body of bodies) await send(method, url, headers, body)
      for (const scheme of by === ada ? [] : ['Bearer ', 'Basic ', '', 'Digest ']) {
        await send(method, url, { Authorization: `${scheme}${SECRETS.deadToken}` }, right)
      }
    }
  }
}

async function throughUpdateuser({ host }: Stage, send: Send, { ada, bob, admin }: Actors): Promise<void> {
  const path = '/ddenterpriseapi/updateuser'
  const attributes = { digdashMailPassword: SECRETS.mail }
  for (const by of [ada, admin]) {
    const secrets = { pass: SECRETS.guess, password: SECRETS.newPassword }
    const right = { user: by.name, pass: PASSWORD, uid: bob.name, displayName: 'Bob', attributes }
    for (const body of bodiesOf(right, secrets, ['roles', 'acls', 'attributes', 'pass'])) {
      await send('post', path, {}, body)
      if (typeof body === 'string') continue
      await send('post', path, { 'Content-Type': 'application/x-www-form-urlencoded' }, encoded(body as typeof right))
      // There, what has not the name of a secret stays in the URL.
      if ('roles' in body || 'acls' in body) continue
      await host.http.get(`${path}?${encoded(body as typeof right)}`)
      await host.http.get(`${path}?${encoded(body as typeof right)}`).set(basic(by.name, SECRETS.guess))
    }
  }
}

async function throughFunctions({ host, clock }: Stage, { ada, bob, admin }: Actors): Promise<void> {
  const { user, session, attributes } = host.sso
  const caller = (by: Person) => ({ currentUst: by.ust, currentApp: 'CRM' })
  const misplaced = [ada.ust, PASSWORD, SECRETS.deadToken, SECRETS.guess, TOTP_KEY]
  const totp = codeAt(TOTP_KEY, clock.now)
  host.canaries.add('one-time code', totp)
  const calls: (() => Promise<unknown>)[] = [
    () => user.changePassword({ ...caller(ada), oldPassword: SECRETS.guess, newPassword: SECRETS.newPassword }),
    () => user.changePassword({ ...caller(admin), userId: bob.id, newPassword: SECRETS.newPassword }),
    () => user.setTotpKey({ ...caller(bob), totpKey: TOTP_KEY, totpCode: totp } as never),
    () => user.setTotpKey({ actor: code, userId: bob.id, totpKey: TOTP_KEY, totpCode: totp } as never),
    () => user.validateTotpCode({ actor: code, userId: bob.id, code: totp }),
    () => user.updateUserById({ actor: code, userId: bob.id, data: { is_totp_enabled: true }, totpCode: totp }),
    () =>
      user.createUser({ actor: code, data: { username: 'eve', password: SECRETS.newPassword, totp_key: TOTP_KEY } }),
    () => user.updateUserById({ actor: code, userId: bob.id, data: { pin: SECRETS.pin } as never }),
    () => attributes.set({ actor: code, userId: bob.id, name: 'x', value: SECRETS.encrypted, encrypt: true } as never),
    () => attributes.set({ actor: code, userId: bob.id, name: 'digdashMailPassword', value: SECRETS.mail } as never),
    () => attributes.remove({ actor: code, userId: bob.id, name: 'x' } as never),
    ...misplaced.flatMap((secret) => [
      () => user.getUserById({ ...caller(admin), userId: secret }),
      () => user.getUserById({ ...caller(ada), userId: secret }),
      () => user.updateUserById({ actor: code, userId: secret, data: { first_name: 'x' } }),
      () => user.lockUser({ ...caller(admin), userId: secret }),
      () => user.updateuser({ ...caller(admin), uid: secret, displayName: 'x' }),
      () => user.login({ username: secret, password: secret, currentApp: 'CRM' }),
      () => user.login({ username: 'ada', password: secret, currentApp: secret }),
      () => user.validateTotpCode({ actor: code, username: secret, code: secret } as never),
      () => session.get({ ...caller(admin), targetUst: secret }),
      () => session.end({ ...caller(ada), id: secret }),
      () => session.list({ ...caller(admin), userId: secret }),
      () => user.updateCurrentUser({ ...caller(ada), data: secret as never }),
      () => user.updateCurrentUser({ ...caller(ada), data: { email: secret } }),
      () => user.updateCurrentUser({ currentUst: secret, currentApp: 'CRM', data: {} }),
    ]),
  ]
  for (const call of calls) await call().catch(() => {})
}

test.each(databases)('ASVS 16.2.5 no secret is told, whatever is sent and wherever, on %s', async (database) => {
  const told: unknown[] = []
  const stage = await startStage(database, {
    logger: { warn: () => {}, error: () => {} },
    audit: { sinks: [(record) => void told.push(record)] },
    hooks: { onError: (error) => void told.push(error) },
    attributes: {
      properties: {
        pin: { type: ['string', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self', secret: true } },
      },
    },
  })
  const { host } = stage
  for (const [kind, secret] of Object.entries(SECRETS)) host.canaries.add(kind, secret)
  const actors = { ada: await person(stage), bob: await person(stage), admin: await superUser(stage) }
  const statuses = new Map<number, number>()
  const send: Send = async (method, path, headers, body) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const type = method === 'PATCH' || method === 'patch' ? 'application/merge-patch+json' : 'application/json'
    const { status } = await host.http[method.toLowerCase() as 'post'](path)
      .set({ 'Content-Type': path.startsWith('/account') ? type : 'application/json', ...headers })
      .send(text)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }

  // What is refused before a database is asked is refused alike on all: one hears every wrong body, the others some.
  const most = database === databases[0] ? Number.POSITIVE_INFINITY : 3
  await throughZato(send, actors, most)
  await throughRest(send, actors, most)
  await throughUpdateuser(stage, send, actors)
  await throughFunctions(stage, actors)
  await host.sso.flush()

  expect([...statuses.keys()].sort()).toEqual(expect.arrayContaining([200, 400, 401, 403, 422]))
  expect(told.length).toBeGreaterThan(200)
  await host.close()
})
