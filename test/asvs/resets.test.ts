import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Options, zatoCompat } from '../../src/index.ts'
import { databases, PASSWORD } from '../support/host.ts'
import { type Mailbox, mailbox } from '../support/mailbox.ts'
import { codeAt, TOTP_KEY } from '../support/one-time-codes.ts'
import { LIMITS, startThrottled } from '../support/throttling.ts'
import {
  type Answer,
  bearer,
  code,
  http,
  inCode,
  NOW,
  type Person,
  person,
  type Stage,
  startStage,
  superUser,
  withoutCid,
} from './stage.ts'

const NEW_PASSWORD = 'another good phrase'
const MINUTE = 60_000

/** Every way to ask for a token. */
const REQUESTS: Readonly<Record<string, (on: Stage, username: string) => Promise<Answer>>> = {
  zato: (on, credential) => http(on, 'post', '/zato/sso/password/reset', {}, { current_app: 'CRM', credential }),
  rest: (on, username) => http(on, 'post', '/account/password-reset', {}, { username }),
  functions: (on, username) => inCode(() => on.host.sso.user.requestPasswordReset({ username })),
}

const exchange = (on: Stage, token: string) =>
  http(on, 'patch', '/zato/sso/password/reset', {}, { current_app: 'CRM', token })
const keyIn = ({ text }: Answer): string => JSON.parse(text).reset_key ?? ''
const byKey = (on: Stage, token: string, reset_key: string, password = NEW_PASSWORD, totp_code: string | null = null) =>
  http(on, 'delete', '/zato/sso/password/reset', {}, { current_app: 'CRM', token, reset_key, password, totp_code })

/** Every way to set a password by a token. */
const RESETS: Readonly<Record<string, (on: Stage, token: string, totpCode?: string) => Promise<Answer>>> = {
  zato: async (on, token, totpCode) => byKey(on, token, keyIn(await exchange(on, token)), NEW_PASSWORD, totpCode),
  rest: (on, token, totpCode) =>
    http(on, 'put', '/account/password-reset', {}, { token, newPassword: NEW_PASSWORD, totpCode }),
  functions: (on, token, totpCode) =>
    inCode(() =>
      on.host.sso.user.resetPassword({ token, newPassword: NEW_PASSWORD, ...(totpCode ? { totpCode } : {}) }),
    ),
}

/** Every way for a super-user to choose the password of another. */
const CHOICES: Readonly<Record<string, (on: Stage, admin: Person, who: Person) => Promise<Answer>>> = {
  zato: (on, { ust }, { id: user_id }) =>
    http(on, 'patch', '/zato/sso/user/password', {}, { current_app: 'CRM', ust, user_id, new_password: NEW_PASSWORD }),
  rest: (on, { ust }, { id }) =>
    http(on, 'put', `/account/users/${id}/password`, bearer(ust), { newPassword: NEW_PASSWORD }),
  updateuser: (on, { ust }, { name: uid }) =>
    http(on, 'post', '/ddenterpriseapi/updateuser', bearer(ust), { uid, password: NEW_PASSWORD }),
  functions: (on, { ust }, { id }) =>
    inCode(() =>
      on.host.sso.user.changePassword({ currentUst: ust, currentApp: 'CRM', userId: id, newPassword: NEW_PASSWORD }),
    ),
  'the host’s word': (on, { id: userId }, { id }) =>
    inCode(() =>
      on.host.sso.user.changePassword({ actor: { via: 'host', userId }, userId: id, newPassword: NEW_PASSWORD }),
    ),
  'a new account by zato': (on, { ust }, { name }) =>
    http(on, 'post', '/zato/sso/user', {}, { current_app: 'CRM', ust, username: `${name}z`, password: NEW_PASSWORD }),
  'a new account by rest': (on, { ust }, { name }) =>
    http(on, 'post', '/account/users', bearer(ust), { username: `${name}r`, password: NEW_PASSWORD }),
}

async function started(database: (typeof databases)[number], mail: Mailbox, options: Partial<Options> = {}) {
  const stage = await startStage(database, { hooks: { onPasswordReset: mail.take }, ...options })
  stage.host.canaries.add('new password', NEW_PASSWORD)
  return stage
}

const enters = async (on: Stage, { name }: Person, password: string) =>
  (await http(on, 'post', '/account/login', {}, { username: name, password })).isOk

describe.each(databases)('resets of passwords on %s', (database) => {
  const mail = mailbox()
  let stage: Stage
  beforeAll(async () => {
    stage = await started(database, mail, { password: { superUsersMayChoose: false } })
  })
  afterAll(() => stage.host.close())
  afterEach(() => {
    stage.clock.now = NOW
  })

  test.each(Object.entries(REQUESTS))(
    'ASVS 6.3.8 a request by %s is answered alike, whoever it is, for no more work',
    async (_, ask) => {
      const [ada, locked] = [await person(stage), await person(stage, { is_locked: true })]
      const rejected = await person(stage, { approval_status: 'rejected' })
      const [before, work] = [mail.all.length, { ...stage.count }]
      const answers: object[] = []
      for (const name of [ada.name, locked.name, rejected.name, 'nobody', '']) {
        answers.push(withoutCid(await ask(stage, name)))
      }
      expect(answers).toEqual(answers.map(() => answers[0]))
      expect(answers[0]).toMatchObject({ status: expect.toBeOneOf([200, 202]) })
      await stage.host.sso.flush()
      expect(mail.all.slice(before).map(({ user }) => user.username)).toEqual([ada.name])
      expect(stage.count).toEqual(work)
    },
  )

  test.each(Object.entries(RESETS))('ASVS 6.4.1, 6.5.1 a token works once by %s', async (_, reset) => {
    const ada = await person(stage)
    const token = await mail.tokenFor(stage.host, ada.name)
    expect((await reset(stage, 'x'.repeat(43))).isOk).toBe(false)
    expect((await reset(stage, token)).isOk).toBe(true)
    expect((await http(stage, 'get', '/account/me', bearer(ada.ust))).status).toBe(401)
    expect([await enters(stage, ada, PASSWORD), await enters(stage, ada, NEW_PASSWORD)]).toEqual([false, true])
    for (const again of Object.values(RESETS)) expect((await again(stage, token)).isOk).toBe(false)
    const late = await mail.tokenFor(stage.host, ada.name)
    stage.clock.now = new Date(NOW.getTime() + 30 * MINUTE)
    expect((await reset(stage, late)).isOk).toBe(false)
  })

  test.each(Object.entries(RESETS))('ASVS 6.4.3 a reset by %s does not get around one-time codes', async (_, reset) => {
    const ada = await person(stage)
    const data = { totp_key: TOTP_KEY, is_totp_enabled: true }
    const totpCode = codeAt(TOTP_KEY, NOW, -1)
    await stage.host.sso.user.updateUserById({ actor: code, userId: ada.id, data, totpCode })
    const [first, second] = [await mail.tokenFor(stage.host, ada.name), () => mail.tokenFor(stage.host, ada.name)]
    expect((await reset(stage, first)).isOk).toBe(false)
    expect((await reset(stage, await second(), codeAt(TOTP_KEY, NOW))).isOk).toBe(true)
    const login = { username: ada.name, password: NEW_PASSWORD, currentApp: 'CRM' }
    await expect(stage.host.sso.user.login(login)).rejects.toMatchObject({ code: 'totp_missing' })
  })

  test('contract 8.15: a token is taken for a key once, and then is worth nothing without it', async () => {
    const ada = await person(stage)
    const token = await mail.tokenFor(stage.host, ada.name)
    expect(JSON.parse((await byKey(stage, token, '')).text).sub_status).toEqual(['E010001'])
    const both = await Promise.all([exchange(stage, token), exchange(stage, token)])
    expect(both.map(({ isOk }) => isOk).toSorted()).toEqual([false, true])
    const key = keyIn(both.find(({ isOk }) => isOk)!)
    expect(key).toMatch(/^[\w-]{43}$/)
    const stored = JSON.stringify(await stage.host.database.db('sso_password_reset').where({ user_id: ada.id }))
    expect([stored.includes(token), stored.includes(key)]).toEqual([false, false])
    expect((await RESETS['rest']!(stage, token)).isOk).toBe(false)
    for (const wrong of ['gAAA', token, '']) expect((await byKey(stage, token, wrong)).isOk).toBe(false)
    const short = await byKey(stage, token, key, 'short')
    expect([short.status, JSON.parse(short.text).sub_status]).toEqual([403, ['E003002']])
    const outcomes = await Promise.all([byKey(stage, token, key), byKey(stage, token, key)])
    expect(outcomes.map(({ isOk }) => isOk).toSorted()).toEqual([false, true])
    expect(await enters(stage, ada, NEW_PASSWORD)).toBe(true)
  })

  test('contract 8.15: a missing application is as bad as an unknown one, and no secret is taken from a URL', async () => {
    const path = '/zato/sso/password/reset'
    const none = await http(stage, 'post', path, {}, { credential: 'nobody' })
    expect([none.status, JSON.parse(none.text).sub_status]).toEqual([200, ['E004001']])
    const query = '?current_app=CRM&reset_key=k&password=p'
    expect((await http(stage, 'delete', `${path}${query}`, {}, { token: 't' })).status).toBe(400)
    expect((await http(stage, 'patch', `${path}?token=t&current_app=CRM`, {})).status).toBe(400)
  })

  test.each(Object.entries(CHOICES))(
    'ASVS 6.4.6 nobody but its owner chooses a password, by %s, where the option says so',
    async (_, choose) => {
      const [admin, ada] = [await superUser(stage), await person(stage)]
      const { isOk, text } = await choose(stage, admin, ada)
      expect([isOk, text]).toEqual([false, expect.stringMatching(/attribute_forbidden|E008002/)])
      expect([await enters(stage, ada, PASSWORD), await enters(stage, ada, NEW_PASSWORD)]).toEqual([true, false])
      const name = { username: `${ada.name}z` }
      expect(await stage.host.database.db('sso_user').where(name)).toEqual([])
      // What is left to him: an account that nobody knows the password of, and a token for its owner.
      const before = mail.all.length
      const begun = await http(stage, 'post', `/account/users/${ada.id}/password-reset`, bearer(admin.ust))
      expect([begun.isOk, Object.keys(JSON.parse(begun.text))]).toEqual([true, ['expires']])
      const { token, operation } = mail.all[before]!
      expect(operation).toBe('start_password_reset')
      expect(begun.text).not.toContain(token)
      expect((await RESETS['rest']!(stage, token)).isOk).toBe(true)
    },
  )

  test('ASVS 7.4.5 by rest, too, a super-user ends the sessions of everybody', async () => {
    const [admin, ada] = [await superUser(stage), await person(stage)]
    expect((await http(stage, 'delete', '/account/sessions', bearer(ada.ust))).status).toBe(403)
    expect((await http(stage, 'delete', '/account/sessions', bearer(admin.ust))).status).toBe(204)
    expect((await http(stage, 'get', '/account/me', bearer(ada.ust))).status).toBe(401)
    expect((await http(stage, 'get', '/account/me', bearer(admin.ust))).status).toBe(200)
  })
})

test('the key ends before the token if the option says so', async () => {
  const mail = mailbox()
  const stage = await started('sqlite', mail, { passwordReset: { validMinutes: 60, keyMinutes: 10 } })
  try {
    const ada = await person(stage)
    const token = await mail.tokenFor(stage.host, ada.name)
    const key = keyIn(await exchange(stage, token))
    stage.clock.now = new Date(NOW.getTime() + 10 * MINUTE)
    expect((await byKey(stage, token, key)).isOk).toBe(false)
    stage.clock.now = new Date(NOW.getTime() + 10 * MINUTE - 1)
    expect((await byKey(stage, token, key)).isOk).toBe(true)
  } finally {
    await stage.host.close()
  }
})

test('zatoCompat(): a day, no codes, sessions that stay; `credential` names what the option says', async () => {
  const mail = mailbox()
  const { password, passwordReset, ...compat } = zatoCompat()
  const options = {
    ...compat,
    password: { ...password },
    passwordReset: { ...passwordReset, credential: 'username_or_email' },
  }
  const stage = await started('sqlite', mail, options as Partial<Options>)
  try {
    const ada = await person(stage, { email: 'ada@example.com', totp_key: TOTP_KEY, is_totp_enabled: true })
    for (const credential of ['ada@example.com', ada.name]) {
      expect((await REQUESTS['zato']!(stage, credential)).isOk).toBe(true)
      await stage.host.sso.flush()
    }
    expect(mail.all.map(({ user, expires }) => [user.username, expires])).toEqual(
      [1, 2].map(() => [ada.name, new Date(NOW.getTime() + 1440 * MINUTE)]),
    )
    stage.clock.now = new Date(NOW.getTime() + 20 * MINUTE)
    expect((await RESETS['zato']!(stage, mail.all[1]!.token)).isOk).toBe(true)
    expect((await http(stage, 'get', '/account/me', bearer(ada.ust))).status).toBe(200)
  } finally {
    await stage.host.close()
  }
})

test('without the hook nobody is sent anything, and everybody is told so', async () => {
  const stage = await startStage('sqlite')
  try {
    const [admin, ada] = [await superUser(stage), await person(stage)]
    for (const ask of Object.values(REQUESTS)) {
      const answers = [await ask(stage, ada.name), await ask(stage, 'nobody')]
      for (const { isOk, text } of answers) {
        expect([isOk, text]).toEqual([false, expect.stringMatching(/operation_invalid|E008001/)])
      }
    }
    const begun = await http(stage, 'post', `/account/users/${ada.id}/password-reset`, bearer(admin.ust))
    expect(begun.status).toBe(409)
    expect(await stage.host.database.db('sso_password_reset')).toEqual([])
  } finally {
    await stage.host.close()
  }
})

test.each(databases)('ASVS 2.4.1 requests and attempts at tokens are throttled on %s', async (database) => {
  const mail = mailbox()
  const throttled = await startThrottled(database, LIMITS, { options: { hooks: { onPasswordReset: mail.take } } })
  const { host, login } = throttled
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      () => 'ok',
      (error) => error.code as string,
    )
  const ask = (username: string, remoteAddr = '192.0.2.1') =>
    outcome(host.sso.user.requestPasswordReset({ username, remoteAddr }))
  const reset = (token: string, remoteAddr: string) =>
    outcome(host.sso.user.resetPassword({ token, newPassword: NEW_PASSWORD, remoteAddr }))
  try {
    const asked = async (name: string, times: number) => {
      const all: string[] = []
      for (let time = 0; time < times; time++) all.push(await ask(name))
      return all
    }
    // The same for an account that is there and for one that is not.
    expect(await asked('ada', 4)).toEqual(['ok', 'ok', 'ok', 'throttled'])
    expect(await ask('ada', '192.0.2.9')).toBe('ok')
    await throttled.pass(LIMITS.windowSeconds)
    expect(await asked('nobody', 4)).toEqual(['ok', 'ok', 'ok', 'throttled'])
    // The address is spent, too, but for requests alone.
    expect(await asked('bob', 4)).toEqual(['ok', 'ok', 'ok', 'throttled'])
    expect(await login('bob', '192.0.2.1', PASSWORD)).toBe('ok')
    await host.sso.flush()

    const wrong: string[] = []
    for (let guess = 0; guess < 7; guess++) wrong.push(await reset(`${guess}`.repeat(43), '192.0.2.2'))
    expect(wrong.slice(0, 6)).toEqual(Array(6).fill('reset_token_invalid'))
    expect(wrong[6]).toBe('throttled')
    const { token } = mail.all.at(-1)!
    expect([await reset(token, '192.0.2.2'), await reset(token, '192.0.2.3')]).toEqual(['throttled', 'ok'])
  } finally {
    await throttled.close()
  }
})
