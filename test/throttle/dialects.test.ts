import express from 'express'
import passportModule from 'passport'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createSso } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, idOf } from '../support/host.ts'
import { codeAt, TOTP_KEY, wrongCodeAt } from '../support/one-time-codes.ts'
import { LIMITS, PASSWORD, startThrottled, type Throttled, WRONG } from '../support/throttling.ts'

const { perAccount, firstWaitSeconds: first } = LIMITS
const actor = { via: 'code', name: 'test' } as const
const json = { 'Content-Type': 'application/json' }
const basic = (password: string) => `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`

/** A guess of ada's password in each dialect: what it is sent as, and what it is answered. */
const GUESSES = {
  'zato login': async ({ host }: Throttled, password: string) =>
    host.http.post('/zato/sso/user/login').set(json).send({ username: 'ada', password, current_app: 'CRM' }),
  'rest login': async ({ host }: Throttled, password: string) =>
    host.http.post('/account/login').set(json).send({ username: 'ada', password }),
  'updateuser by user and pass': async ({ host }: Throttled, password: string) =>
    host.http
      .post('/ddenterpriseapi/updateuser')
      .set(json)
      .send({ user: 'ada', pass: password, uid: 'ada', displayName: 'Ada' }),
  'updateuser by Basic': async ({ host }: Throttled, password: string) =>
    host.http
      .post('/ddenterpriseapi/updateuser')
      .set({ ...json, Authorization: basic(password) })
      .send({ uid: 'ada', displayName: 'Ada' }),
  passport: async ({ host }: Throttled, password: string) =>
    host.http.post('/passport').set(json).send({ username: 'ada', password }),
} as const

/** Something that a session proves with a password or a code. */
const PROOFS = {
  'the old password': async ({ host }: Throttled, ust: string, password: string) =>
    host.http
      .patch('/zato/sso/user/password')
      .set(json)
      .send({ ust, current_app: 'CRM', old_password: password, new_password: 'another good one' }),
  'the present password': async ({ host }: Throttled, ust: string, password: string) =>
    host.http
      .patch('/account/me')
      .set({ 'Content-Type': 'application/merge-patch+json', Authorization: `Bearer ${ust}` })
      .send({ email: 'ada@example.com', currentPassword: password }),
} as const

describe.each(databases)('throttling on %s', (database) => {
  let on: Throttled
  afterEach(() => on.close())

  const start = (more: Parameters<typeof startThrottled>[2] = {}) =>
    startThrottled(database, LIMITS, {
      ...more,
      before: (app, sso) => {
        const passport = new passportModule.Passport()
        passport.use(sso.passport.password())
        app.post(
          '/passport',
          express.json(),
          passport.authenticate('sso-password', { session: false }),
          (_req, res) => {
            res.json({})
          },
        )
      },
    })
  const refusals = (where = {}) => on.host.audit({ error: 'throttled', ...where })

  describe.each(Object.keys(GUESSES) as (keyof typeof GUESSES)[])('ASVS 6.3.1: %s', (name) => {
    const guess = GUESSES[name]

    test('is 429 with Retry-After, recorded, and told to onDenied', async () => {
      const onDenied = vi.fn()
      const arrangement = name.startsWith('updateuser') ? 'host table' : 'own table'
      on = await start({ arrangement, options: { hooks: { onDenied } } })
      for (let count = 0; count < perAccount; count++) expect((await guess(on, WRONG)).status).toBeOneOf([401, 403])
      const { verify } = on.count
      const [wrong, right] = [await guess(on, WRONG), await guess(on, PASSWORD)]

      expect([wrong.status, wrong.headers['retry-after']]).toEqual([429, String(first)])
      expect([right.status, right.headers['retry-after']]).toEqual([429, String(first)])
      expect({ ...right.body, cid: null }).toEqual({ ...wrong.body, cid: null })
      expect(on.count.verify).toBe(verify)
      const records = await refusals()
      expect(records).toHaveLength(2)
      for (const record of records) expect(record).toMatchObject({ outcome: 'denied', target_name: 'ada', changes: [] })
      expect(onDenied.mock.calls.map(([, { code }]) => code).filter((code) => code === 'throttled')).toHaveLength(2)

      on.clock.now = new Date(on.clock.now.getTime() + first * 1000)
      expect((await guess(on, PASSWORD)).status).toBe(200)
    })
  })

  test('each dialect says it in its words', async () => {
    on = await start()
    for (let count = 0; count < perAccount; count++) await on.login('ada', '127.0.0.1')
    const cid = expect.stringMatching(/^[0-9a-f]{24}$/)
    expect((await GUESSES['zato login'](on, WRONG)).body).toEqual({ status: 'error', cid, sub_status: ['E005001'] })
    expect(JSON.parse((await GUESSES['rest login'](on, WRONG)).text)).toMatchObject({ status: 429, code: 'throttled' })
    expect((await GUESSES['updateuser by Basic'](on, WRONG)).body).toMatchObject({
      status: 'error',
      errors: [{ parameter: null, pointer: '', code: 'throttled' }],
    })
  })

  test('guesses in all dialects are counted together', async () => {
    on = await start()
    const all = Object.values(GUESSES)
    const statuses = []
    for (const guess of all) statuses.push((await guess(on, WRONG)).status)
    expect(statuses.filter((status) => status !== 429)).toHaveLength(perAccount)
    expect(statuses.slice(perAccount)).toEqual(Array(all.length - perAccount).fill(429))
  })

  describe.each(Object.keys(PROOFS) as (keyof typeof PROOFS)[])('%s of somebody who has a session', (name) => {
    test('is guessed no more often than at a login', async () => {
      on = await start()
      const ust = await on.host.login('ada')
      for (let count = 0; count < perAccount; count++) {
        expect((await PROOFS[name](on, ust, WRONG)).status).toBeOneOf([401, 403])
      }
      const { verify } = on.count
      const reply = await PROOFS[name](on, ust, PASSWORD)
      expect([reply.status, reply.headers['retry-after'], on.count.verify]).toEqual([429, String(first), verify])
      on.clock.now = new Date(on.clock.now.getTime() + first * 1000)
      expect((await PROOFS[name](on, ust, PASSWORD)).status).toBe(200)
    })
  })

  describe('ASVS 6.6.3: one-time codes', () => {
    async function startWithKey() {
      on = await start()
      const userId = await idOf(on.host, 'ada')
      const data = { totp_key: TOTP_KEY, is_totp_enabled: true }
      await on.host.sso.user.updateUserById({ actor, userId, data, totpCode: codeAt(TOTP_KEY, on.clock.now, -1) })
      const totpCode = codeAt(TOTP_KEY, on.clock.now)
      const { ust } = await on.host.sso.user.login({ username: 'ada', password: PASSWORD, totpCode, currentApp: 'CRM' })
      const wrong = wrongCodeAt(TOTP_KEY, on.clock.now)
      const origin = { currentUst: ust, currentApp: 'CRM', remoteAddr: '192.0.2.1' }
      const validate = (code: string) => on.host.sso.user.validateTotpCode({ ...origin, code })
      return { wrong, origin, userId, validate }
    }
    /** A code that has not been used. */
    const right = () => codeAt(TOTP_KEY, on.clock.now, 1)
    const throttled = { code: 'throttled', retryAfter: first }

    test('are not guessed by validating them', async () => {
      const { wrong, validate } = await startWithKey()
      for (let count = 0; count < perAccount; count++) expect(await validate(wrong)).toEqual({ isValid: false })
      await expect(validate(right())).rejects.toMatchObject(throttled)
      on.clock.now = new Date(on.clock.now.getTime() + first * 1000)
      expect(await validate(right())).toEqual({ isValid: true })
    })

    test('are not guessed by sending them with a change, be it a dry run', async () => {
      const { wrong, origin } = await startWithKey()
      const change = (totpCode: string) =>
        on.host.sso.user.updateCurrentUser({ ...origin, data: { first_name: 'Ada' }, totpCode, dryRun: true })
      for (let count = 0; count < perAccount; count++) {
        await expect(change(wrong)).rejects.toMatchObject({ code: 'totp_invalid' })
      }
      await expect(change(right())).rejects.toMatchObject(throttled)
    })

    test('are not guessed at the login; the password alone is neither a failure nor a success', async () => {
      const { wrong } = await startWithKey()
      const login = (totpCode?: string) =>
        on.host.sso.user
          .login({
            username: 'ada',
            password: PASSWORD,
            remoteAddr: '192.0.2.1',
            currentApp: 'CRM',
            ...(totpCode ? { totpCode } : {}),
          })
          .then(
            () => 'ok',
            ({ code }) => code,
          )
      for (let count = 0; count < perAccount; count++) {
        expect([await login(), await login(wrong)]).toEqual(['totp_missing', 'totp_invalid'])
      }
      expect([await login(), await login(right())]).toEqual(['throttled', 'throttled'])
      on.clock.now = new Date(on.clock.now.getTime() + first * 1000)
      expect(await login(right())).toBe('ok')
    })

    test('the host’s own code may try as often as it likes', async () => {
      const { wrong, userId } = await startWithKey()
      for (let count = 0; count < 10; count++) {
        expect(await on.host.sso.user.validateTotpCode({ actor, userId, code: wrong })).toEqual({ isValid: false })
      }
    })
  })

  test('ASVS 16.5.3: where attempts cannot be counted, they are refused', async () => {
    const onError = vi.fn()
    on = await start({ options: { hooks: { onError } } })
    const ust = await on.host.login('ada')
    await on.host.database.db.schema.dropTable('sso_throttle')
    const { verify } = on.count
    for (const guess of Object.values(GUESSES)) expect((await guess(on, PASSWORD)).status).toBe(500)
    for (const prove of Object.values(PROOFS)) expect((await prove(on, ust, PASSWORD)).status).toBe(500)
    expect(on.count.verify).toBe(verify)
    expect(onError).toHaveBeenCalled()
    expect((await on.host.http.get('/account/me').set('Authorization', `Bearer ${ust}`)).status).toBe(200)
  })

  test('what is not a guess does not touch the counters, and what succeeds leaves few traces', async () => {
    on = await start()
    const ust = await on.host.login('ada')
    const { db } = on.host.database
    const rows = await db('sso_throttle').orderBy('bucket')
    expect(rows).toEqual([{ bucket: 'address unknown', points: 0, end_time: expect.anything() }])
    const bearer = { Authorization: `Bearer ${ust}` }
    const headers = { ...bearer, 'Content-Type': 'application/merge-patch+json' }
    expect((await on.host.http.patch('/account/me').set(headers).send({ first_name: 'Ada' })).status).toBe(200)
    await on.host.http.get('/account/me').set('Authorization', 'Bearer wrong')
    expect(await db('sso_throttle').orderBy('bucket')).toEqual(rows)
  })

  test('what was typed for a username is not stored', async () => {
    on = await start()
    await on.login('my secret password')
    const buckets = await on.host.database.db('sso_throttle').orderBy('bucket').pluck('bucket')
    expect(buckets).toEqual([expect.stringMatching(/^account [\w-]{43}$/), 'address 192.0.2.1'])
  })

  test('a login costs four statements more, which MariaDB needs transactions for; a session none', async () => {
    const counts = async (enabled: boolean) => {
      const { db } = on.host.database
      const settings = {
        db,
        preparedStatements: false,
        now: () => on.clock.now,
        password: { hasher: fastHasher() },
        // What is done in the background is not the login's.
        audit: { relay: false },
      }
      const sso = createSso({ ...settings, throttle: { enabled } })
      let statements = 0
      const count = () => void statements++
      await sso.ready()
      db.on('query', count)
      const { ust } = await sso.user.login({ username: 'ada', password: PASSWORD, currentApp: 'CRM' })
      const ofLogin = statements
      await sso.user.getCurrentUser({ currentUst: ust, currentApp: 'CRM' })
      db.off('query', count)
      return [ofLogin, statements - ofLogin] as const
    }
    on = await start()
    await counts(true)
    const [[login, read], [throttledLogin, throttledRead]] = [await counts(false), await counts(true)]
    expect(throttledLogin - login).toBe(database === 'mariadb' ? 10 : 4)
    expect([read > 0, throttledRead - read]).toEqual([true, 0])
  })
})
