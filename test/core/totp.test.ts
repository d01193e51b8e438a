import { URI } from 'otpauth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Caller, Options } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'
import { codeAt, OTHER_TOTP_KEY, stepAt, TOTP_KEY, wrongCodeAt } from '../support/one-time-codes.ts'

const NOW = new Date('2031-05-06T07:08:09.000Z')
const CODE = codeAt(TOTP_KEY, NOW)
const WRONG = wrongCodeAt(TOTP_KEY, NOW)
const actor = { via: 'code', name: 'test' } as const
const currentApp = 'CRM'
const options: Partial<Options> = { password: { hasher: fastHasher() }, now: () => NOW }

const cases = databases.flatMap((database) => ARRANGEMENTS.map((arrangement) => [database, arrangement] as const))

describe.each(cases)('one-time codes in code on %s, %s', (database, arrangement) => {
  let host: TestHost
  let admin: Caller
  let count = 0
  beforeAll(async () => {
    host = await startHost(database, { arrangement, options, users: [] })
    admin = { currentUst: await host.login('admin'), currentApp }
  })
  afterAll(() => host?.close())

  /** A regular user with a key that nobody has proved. */
  const person = async () => {
    const username = `user${++count}`
    const data = { username, password: PASSWORD, totp_key: TOTP_KEY }
    const { user_id: userId } = await host.sso.user.createUser({ actor, autoApprove: true, data })
    const own = { currentUst: await host.login(username), currentApp }
    return { username, userId, own }
  }
  const isProved = async (userId: string) => (await host.sso.user.getUserById({ actor, userId })).totp_is_proved

  describe('setTotpKey', () => {
    test('ASVS 6.5.3 generates 160 bits, and gives them as base32 and as a URI', async () => {
      const { username, own } = await person()
      const { totpKey, uri, user, changed } = await host.sso.user.setTotpKey(own)
      expect({ changed, name: user.username, totpKey }).toEqual({
        changed: ['totp_key'],
        name: username,
        totpKey: expect.stringMatching(/^[A-Z2-7]{32}$/),
      })
      expect(uri).toBe(`otpauth://totp/CRM:${username}?issuer=CRM&secret=${totpKey}&algorithm=SHA1&digits=6&period=30`)
      expect(user).not.toHaveProperty('totp_key')
      const code = URI.parse(uri).generate({ timestamp: NOW.getTime() } as object)
      expect(await host.sso.user.validateTotpCode({ ...own, code })).toEqual({ isValid: true })
    })

    test('the label names the account; absent it stays, null and "" remove it', async () => {
      const { username, userId, own } = await person()
      const labelled = await host.sso.user.setTotpKey({ ...own, totpKey: OTHER_TOTP_KEY, totpLabel: 'Ada: phone/1' })
      expect(labelled.changed).toEqual(['totp_key', 'totp_label'])
      expect(labelled.uri).toContain('otpauth://totp/CRM:Ada%3A%20phone%2F1?issuer=CRM&')
      const kept = await host.sso.user.setTotpKey({ ...own, userId, totpKey: OTHER_TOTP_KEY })
      expect([kept.changed, kept.user.totp_label]).toEqual([[], 'Ada: phone/1'])
      for (const totpLabel of [null, '']) {
        const bare = await host.sso.user.setTotpKey({ ...own, totpKey: OTHER_TOTP_KEY, totpLabel })
        expect([bare.user.totp_label, bare.uri]).toEqual([null, expect.stringContaining(`CRM:${username}?`)])
      }
    })

    test('on others by super-users, by the host’s code and in the name of its users, but by no one else', async () => {
      const [ada, bob] = [await person(), await person()]
      const adminId = await idOf(host, 'admin')
      const callers = [admin, { actor }, { actor: { via: 'host', userId: adminId } as const }]
      for (const caller of callers) {
        const { user } = await host.sso.user.setTotpKey({ ...caller, userId: bob.userId })
        expect(user.user_id).toBe(bob.userId)
        const unknown = host.sso.user.setTotpKey({ ...caller, userId: '987654321' })
        await expect(unknown).rejects.toMatchObject({ code: 'user_unknown' })
      }
      for (const caller of [ada.own, { actor: { via: 'host', userId: ada.userId } as const }]) {
        for (const userId of [bob.userId, '987654321']) {
          const denied = host.sso.user.setTotpKey({ ...caller, userId })
          await expect(denied).rejects.toMatchObject({ code: 'super_user_required' })
        }
      }
      await expect(host.sso.user.setTotpKey({ actor })).rejects.toMatchObject({ code: 'user_unknown' })
    })

    test('what is no key, label or code is refused', async () => {
      const { own } = await person()
      const wrong: [object, string][] = [
        [{ totpKey: 'not base32' }, 'input_invalid'],
        [{ totpKey: 5 }, 'input_invalid'],
        [{ totpLabel: 5 }, 'input_invalid'],
        [{ totpCode: 123456 }, 'input_invalid'],
        [{ totpKey: TOTP_KEY, totpCode: WRONG }, 'totp_invalid'],
      ]
      for (const [input, code] of wrong) {
        await expect(host.sso.user.setTotpKey({ ...own, ...input })).rejects.toMatchObject({ code })
      }
    })
  })

  describe('validateTotpCode', () => {
    test('ASVS 6.5.1 accepts a code once, whether or not codes are on, and proves the key', async () => {
      const { username, userId, own } = await person()
      const trail = await host.audit()
      expect(await host.sso.user.validateTotpCode({ ...own, code: WRONG })).toEqual({ isValid: false })
      expect(await isProved(userId)).toBe(false)
      const results = []
      for (const _ of [1, 2]) results.push(await host.sso.user.validateTotpCode({ ...own, code: CODE }))
      expect(results).toEqual([{ isValid: true }, { isValid: false }])
      expect(await isProved(userId)).toBe(true)
      const records = (await host.audit()).slice(trail.length)
      expect(records.map(({ operation, outcome, error, changes }) => [operation, outcome, error, changes])).toEqual([
        ['validate_totp_code', 'denied', 'totp_invalid', []],
        [
          'validate_totp_code',
          'ok',
          null,
          [
            { attribute: 'totp_last_step', from: null, to: stepAt(NOW) },
            { attribute: 'totp_is_proved', from: false, to: true },
          ],
        ],
        ['validate_totp_code', 'denied', 'totp_invalid', []],
      ])

      const { user } = await host.sso.user.updateCurrentUser({ ...own, data: { is_totp_enabled: true } })
      expect(user.is_totp_enabled).toBe(true)
      // What was used here is used up at the login, and the other way round.
      const login = (totpCode: string) => host.sso.user.login({ username, password: PASSWORD, currentApp, totpCode })
      await expect(login(CODE)).rejects.toMatchObject({ code: 'totp_invalid' })
      const next = codeAt(TOTP_KEY, NOW, 1)
      await login(next)
      expect(await host.sso.user.validateTotpCode({ ...own, code: next })).toEqual({ isValid: false })
    })

    test('ASVS 6.5.5 accepts the codes of the window, and no others', async () => {
      for (const [steps, isValid] of [
        [-2, false],
        [-1, true],
        [0, true],
        [1, true],
        [2, false],
      ] as const) {
        const { own } = await person()
        const code = codeAt(TOTP_KEY, NOW, steps)
        expect(await host.sso.user.validateTotpCode({ ...own, code }), String(steps)).toEqual({ isValid })
      }
    })

    test('ASVS 6.5.4 what is not six digits is no code', async () => {
      const { own } = await person()
      for (const code of ['', ' ', CODE.slice(1), `${CODE}0`, ` ${CODE}`, 'abcdef', '१२३४५६', '\u0000']) {
        expect(await host.sso.user.validateTotpCode({ ...own, code })).toEqual({ isValid: false })
      }
      const number = host.sso.user.validateTotpCode({ ...own, code: Number(CODE) as never })
      await expect(number).rejects.toMatchObject({ code: 'input_invalid' })
    })

    test('without a key no code is right', async () => {
      const { own } = await person()
      await host.sso.user.updateCurrentUser({ ...own, data: { totp_key: null } })
      expect(await host.sso.user.validateTotpCode({ ...own, code: CODE })).toEqual({ isValid: false })
    })

    test('of others by id or username: super-users and the host’s code', async () => {
      for (const caller of [admin, { actor }]) {
        for (const by of ['userId', 'username'] as const) {
          const ada = await person()
          const asked = { ...caller, [by]: ada[by] }
          expect(await host.sso.user.validateTotpCode({ ...asked, code: WRONG })).toEqual({ isValid: false })
          expect(await host.sso.user.validateTotpCode({ ...asked, code: CODE })).toEqual({ isValid: true })
          expect(await isProved(ada.userId)).toBe(true)
        }
        for (const nobody of [{ userId: '987654321' }, { username: 'nobody' }, { username: 'no\u0000body' }]) {
          const unknown = host.sso.user.validateTotpCode({ ...caller, ...nobody, code: CODE })
          await expect(unknown).rejects.toMatchObject({ code: 'user_unknown' })
        }
      }
      const both = host.sso.user.validateTotpCode({ actor, userId: '1', username: 'admin', code: CODE })
      await expect(both).rejects.toMatchObject({ code: 'input_invalid' })
    })

    test('a regular user asks about himself alone, and does not hear who exists', async () => {
      const [ada, bob] = [await person(), await person()]
      const others = [
        { userId: bob.userId },
        { username: bob.username },
        { username: 'nobody' },
        { userId: '987654321' },
      ]
      for (const other of others) {
        const denied = host.sso.user.validateTotpCode({ ...ada.own, ...other, code: CODE })
        await expect(denied).rejects.toMatchObject({ code: 'super_user_required' })
      }
      const [byId, byName] = [codeAt(TOTP_KEY, NOW, -1), CODE]
      expect(await host.sso.user.validateTotpCode({ ...ada.own, userId: ada.userId, code: byId })).toEqual({
        isValid: true,
      })
      expect(await host.sso.user.validateTotpCode({ ...ada.own, username: ada.username, code: byName })).toEqual({
        isValid: true,
      })
    })

    test('ASVS 2.3.4, 6.5.1 of calls with one code at once, by whichever way, one passes', async () => {
      const { username, userId, own } = await person()
      const data = { is_totp_enabled: true }
      await host.sso.user.updateCurrentUser({ ...own, data, totpCode: codeAt(TOTP_KEY, NOW, -1) })
      const accepted = await Promise.all([
        ...[1, 2].map(async () => (await host.sso.user.validateTotpCode({ ...own, code: CODE })).isValid),
        ...[1, 2].map(() =>
          host.sso.user.login({ username, password: PASSWORD, currentApp, totpCode: CODE }).then(
            () => true,
            () => false,
          ),
        ),
        host.sso.user.updateUserById({ actor, userId, data: { first_name: 'Ada' }, totpCode: CODE }).then(
          () => true,
          () => false,
        ),
      ])
      expect(accepted.filter(Boolean)).toHaveLength(1)
    })
  })

  describe('createUser and createSuperUser', () => {
    test('switch codes on with a code of the key, and not without', async () => {
      const { sso } = host
      const data = { username: `coded${++count}`, password: PASSWORD, totp_key: TOTP_KEY, is_totp_enabled: true }
      const refusals: [() => Promise<unknown>, string][] = [
        [() => sso.user.createUser({ actor, data }), 'totp_proof_missing'],
        [() => sso.user.createSuperUser({ data }), 'totp_proof_missing'],
        [() => sso.user.createUser({ actor, data: { ...data, totp_key: null } }), 'totp_key_missing'],
        [() => sso.user.createUser({ actor, data, totpCode: WRONG }), 'totp_invalid'],
      ]
      for (const [attempt, code] of refusals) await expect(attempt()).rejects.toMatchObject({ code })
      const created = [
        await sso.user.createUser({ actor, data, totpCode: CODE }),
        await sso.user.createSuperUser({ data: { ...data, username: `coded${++count}` }, totpCode: CODE }),
      ]
      for (const user of created) {
        expect(user).toMatchObject({ is_totp_enabled: true, totp_is_proved: true })
        expect(user).not.toHaveProperty('totp_key')
      }
    })
  })
})

test.each(databases)('over the rest dialect a code goes as totpCode, on %s', async (database) => {
  const host = await startHost(database, {
    options,
    before: (app, sso) => app.use('/account', sso.rest),
  })
  const [ada, admin] = [await host.login('ada'), await host.login('admin')]
  const patch = (body: object) => host.http.patch('/account/me').set('Authorization', `Bearer ${ada}`).send(body)
  const data = { totp_key: TOTP_KEY, is_totp_enabled: true }
  const missing = await patch(data)
  expect([missing.status, missing.body.code]).toEqual([422, 'totp_proof_missing'])
  const wrong = await patch({ ...data, totpCode: WRONG })
  expect([wrong.status, wrong.body.code]).toEqual([401, 'totp_invalid'])
  const right = await patch({ ...data, totpCode: CODE })
  expect([right.status, right.body.user.is_totp_enabled]).toEqual([200, true])
  const created = await host.http
    .post('/account/users')
    .set('Authorization', `Bearer ${admin}`)
    .send({ username: 'new', ...data, totpCode: CODE })
  expect([created.status, created.body.totp_is_proved]).toEqual([201, true])
  await host.close()
})

describe('options', () => {
  const [database] = databases

  test('totp.issuer names the service; its default is the default application', async () => {
    for (const [more, issuer] of [
      [{ totp: { issuer: 'Café & Co' } }, 'Café & Co'],
      [{ defaultApp: 'Shop' }, 'Shop'],
    ] as const) {
      const host = await startHost(database!, { options: { ...options, ...more } })
      const { uri } = await host.sso.user.setTotpKey({ actor, userId: await idOf(host, 'ada') })
      expect(URI.parse(uri)).toMatchObject({ issuer, label: 'ada', algorithm: 'SHA1', digits: 6, period: 30 })
      await host.close()
    }
  })

  test('without an encryption key none is set, and none is told', async () => {
    const host = await startHost(database!, { options: { ...options, encryptionKeys: [] } })
    const attempt = host.sso.user.setTotpKey({ actor, userId: await idOf(host, 'ada') })
    await expect(attempt).rejects.toMatchObject({ code: 'encryption_key_missing' })
    await host.close()
  })

  test('without totp.requireProof createUser makes a key, and gives it to its caller alone', async () => {
    const seen: unknown[] = []
    const host = await startHost(database!, {
      options: {
        ...options,
        totp: { requireProof: false },
        hooks: { beforeUpdate: (change) => void seen.push(change), afterUpdate: (change) => void seen.push(change) },
      },
    })
    const data = { username: 'new', password: PASSWORD, is_totp_enabled: true }
    const user = await host.sso.user.createUser({ actor, autoApprove: true, data })
    expect(user).toMatchObject({ is_totp_enabled: true, totp_is_proved: false, totp_key: expect.any(String) })
    const totpCode = codeAt(user.totp_key ?? '', NOW)
    await host.sso.user.login({ username: 'new', password: PASSWORD, currentApp, totpCode })
    expect(seen.length).toBeGreaterThan(1)
    expect(JSON.stringify(seen)).not.toContain(user.totp_key)
    await host.close()
  })
})
