import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { zatoCompat } from '../../../src/index.ts'
import { PASSWORD } from '../../support/host.ts'
import { codeAt, OTHER_TOTP_KEY, stepAt, TOTP_KEY, wrongCodeAt } from '../../support/one-time-codes.ts'
import {
  badRequest,
  change,
  later,
  MINUTE,
  type Outcome,
  ok,
  type Person,
  PLACE,
  PLACES,
  type Place,
  record,
  refused,
  START,
  startWire,
  untouched,
  type Wire,
} from './wire.ts'

const SEALED = expect.stringMatching(/^v1\./)
const CODE = codeAt(TOTP_KEY, START)
const OTHER_CODE = codeAt(OTHER_TOTP_KEY, START)
const opened = ok({ ust: expect.any(String) })
const proved = [change('totp_last_step', null, stepAt(START)), change('totp_is_proved', false, true)]
const keySet = change('totp_key', null, '[redacted]')

describe.each(PLACES)(`one-time codes over the Zato dialect: ${PLACE}`, (place: Place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  /** What a request by somebody did to an account. */
  const asked = (by: Person, about: Person, path: string, fields: object): Promise<Outcome> =>
    wire.observe(about.name, () => wire.call('PATCH', path, { ust: by.ust, ...fields }))
  const setKey = (by: Person, about: Person, fields: object) =>
    asked(by, about, '/user/totp', { totp_key: TOTP_KEY, totp_label: null, ...fields })
  const patched = (by: Person, about: Person, fields: object) => asked(by, about, '/user', fields)
  const login = async (who: Person, totp_code?: string) => {
    const { status, body } = await wire.call('POST', '/user/login', {
      username: who.name,
      password: PASSWORD,
      totp_code,
    })
    return { status, body }
  }
  const done = (operation: string, by: Person, about: Person, changes: readonly object[]) =>
    record(operation, changes.length > 0 ? 'ok' : 'unchanged', { actor: by.name, target: about.name, changes })
  const refusal = (operation: string, outcome: string, error: string, by: Person, target: string | null) =>
    record(operation, outcome, { error, actor: by.name, target })
  const enrolled = () => wire.person({ totp_key: TOTP_KEY, is_totp_enabled: true })

  describe('PATCH /user/totp', () => {
    test('sets one’s own key and label, stores the key encrypted and answers with it', async () => {
      const ada = await wire.person()
      expect(await setKey(ada, ada, { totp_label: 'phone' })).toEqual({
        reply: ok({ totp_key: TOTP_KEY }),
        account: { totp_key: SEALED, totp_label: 'phone' },
        elsewhere: [],
        audit: [done('set_totp_key', ada, ada, [keySet, change('totp_label', null, 'phone')])],
      })
      expect(await setKey(ada, ada, { totp_label: 'phone' })).toEqual({
        reply: ok({ totp_key: TOTP_KEY }),
        ...untouched,
        audit: [done('set_totp_key', ada, ada, [])],
      })
    })

    test.each([null, ''])('generates a key for %j, and %j is no label', async (nothing) => {
      const ada = await wire.person({ totp_label: 'old' })
      const keys = []
      for (const _ of [1, 2]) {
        const { reply } = await setKey(ada, ada, { totp_key: nothing, totp_label: nothing })
        expect(reply).toEqual(ok({ totp_key: expect.stringMatching(/^[A-Z2-7]{32}$/) }))
        keys.push(reply.body.totp_key)
      }
      expect(keys[0]).not.toBe(keys[1])
      expect(await wire.stored(ada.name)).toMatchObject({ totp_key: SEALED, totp_label: null })
      // It is the key that was stored.
      const { reply } = await patched(ada, ada, { is_totp_enabled: true, totp_code: codeAt(keys[1], START) })
      expect(reply).toEqual(ok())
    })

    test('both fields are required, and no others', async () => {
      const ada = await wire.person()
      for (const missing of ['totp_key', 'totp_label']) {
        const { reply, account } = await setKey(ada, ada, { [missing]: undefined })
        expect({ reply, account }).toEqual({ reply: badRequest(`Missing: ${missing}.`), account: {} })
      }
    })

    test('one’s own id is as good as none, null or ""', async () => {
      for (const idOf of [({ id }: Person) => id, () => null, () => '']) {
        const ada = await wire.person()
        const { reply, account } = await setKey(ada, ada, { user_id: idOf(ada) })
        expect({ reply, account }).toEqual({ reply: ok({ totp_key: TOTP_KEY }), account: { totp_key: SEALED } })
      }
    })

    test('a super-user sets everybody’s', async () => {
      const ada = await wire.person()
      expect(await setKey(wire.admin, ada, { user_id: ada.id })).toEqual({
        reply: ok({ totp_key: TOTP_KEY }),
        account: { totp_key: SEALED },
        elsewhere: ['- sso_session'],
        audit: [done('set_totp_key', wire.admin, ada, [keySet])],
      })
    })

    test('a regular user sets nobody else’s, whether or not there is one', async () => {
      const [ada, bob] = [await wire.person(), await wire.person()]
      for (const [user_id, target] of [[bob.id, bob.name] as const, ['987654321', null] as const]) {
        expect(await setKey(ada, bob, { user_id })).toEqual({
          reply: refused('E008002'),
          ...untouched,
          audit: [refusal('set_totp_key', 'denied', 'super_user_required', ada, target)],
        })
      }
    })

    test('an unknown id is told to a super-user', async () => {
      const { reply, audit } = await setKey(wire.admin, wire.admin, { user_id: '987654321' })
      expect(reply).toEqual(refused('E001100'))
      expect(audit).toEqual([refusal('set_totp_key', 'denied', 'user_unknown', wire.admin, null)])
    })

    test.each([
      'not base32',
      'jbswy3dpehpk3pxp',
      'JBSWY3DPEHPK3PX',
      'JBSWY3DPEHPK3PX=',
      '1'.repeat(16),
      'A'.repeat(65),
    ])('a key that is not base32 is refused, and not repeated: %s', async (totp_key) => {
      const ada = await wire.person()
      const { reply, ...rest } = await setKey(ada, ada, { totp_key })
      expect(reply).toEqual(refused('E008002', expect.stringMatching(/^totp_key: /)))
      expect(JSON.stringify(reply.body)).not.toContain(totp_key)
      expect(rest).toEqual({
        ...untouched,
        audit: [refusal('set_totp_key', 'invalid', 'input_invalid', ada, ada.name)],
      })
    })

    test('a code of the key proves it; a wrong one changes nothing', async () => {
      const ada = await wire.person()
      for (const totp_code of [
        wrongCodeAt(TOTP_KEY, START),
        codeAt(TOTP_KEY, START, 3),
        OTHER_CODE,
        '12345',
        'abcdef',
      ]) {
        expect(await setKey(ada, ada, { totp_code })).toEqual({
          reply: refused('E005001'),
          ...untouched,
          audit: [refusal('set_totp_key', 'denied', 'totp_invalid', ada, ada.name)],
        })
      }
      expect(await setKey(ada, ada, { totp_code: CODE })).toEqual({
        reply: ok({ totp_key: TOTP_KEY }),
        account: { totp_key: SEALED, totp_last_step: stepAt(START), totp_is_proved: true },
        elsewhere: [],
        audit: [done('set_totp_key', ada, ada, [keySet, ...proved])],
      })
      expect((await setKey(ada, ada, { totp_code: CODE })).reply).toEqual(refused('E005001'))
    })

    test('a new key without a code switches codes off, one with a code keeps them on', async () => {
      const ada = await enrolled()
      const kept = await setKey(ada, ada, { totp_key: OTHER_TOTP_KEY, totp_code: OTHER_CODE })
      expect(kept.account).toEqual({ totp_key: SEALED, totp_last_step: stepAt(START) })
      expect(await login(ada)).toEqual(refused('E005008'))
      const off = await setKey(ada, ada, {})
      expect(off.account).toEqual({
        totp_key: SEALED,
        totp_last_step: null,
        totp_is_proved: false,
        is_totp_enabled: false,
      })
      expect(off.audit).toEqual([
        done('set_totp_key', ada, ada, [
          change('totp_key', '[redacted]', '[redacted]'),
          change('totp_last_step', stepAt(START), null),
          change('totp_is_proved', true, false),
          change('is_totp_enabled', true, false),
        ]),
      ])
      expect(await login(ada)).toEqual(opened)
    })

    test('the present key, sent again, stays proved and codes stay on', async () => {
      const ada = await enrolled()
      const { reply, account } = await setKey(ada, ada, {})
      expect({ reply, account }).toEqual({ reply: ok({ totp_key: TOTP_KEY }), account: {} })
    })
  })

  describe('PATCH /user', () => {
    test.each([
      { rule: 'a key that was set before', state: { totp_key: TOTP_KEY }, fields: {} },
      { rule: 'a key of the same request', state: {}, fields: { totp_key: TOTP_KEY } },
      {
        rule: 'another key than that in use',
        state: { totp_key: TOTP_KEY, is_totp_enabled: true },
        fields: { totp_key: OTHER_TOTP_KEY },
      },
      { rule: 'an empty code', state: { totp_key: TOTP_KEY }, fields: { totp_code: '' } },
    ])('codes are not switched on without proof: $rule', async ({ state, fields }) => {
      const ada = await wire.person(state)
      for (const [by, user_id] of [
        [ada, undefined],
        [wire.admin, ada.id],
      ] as const) {
        const operation = user_id === undefined ? 'update_current_user' : 'update_user_by_id'
        expect(await patched(by, ada, { user_id, is_totp_enabled: true, ...fields })).toEqual({
          reply: refused('E008002'),
          ...untouched,
          audit: [refusal(operation, 'invalid', 'totp_proof_missing', by, ada.name)],
        })
      }
    })

    test('a code of the key switches them on, once', async () => {
      const ada = await wire.person({ totp_key: TOTP_KEY })
      const fields = { is_totp_enabled: true, totp_code: CODE }
      expect(await patched(ada, ada, { ...fields, totp_code: wrongCodeAt(TOTP_KEY, START) })).toEqual({
        reply: refused('E005001'),
        ...untouched,
        audit: [refusal('update_current_user', 'denied', 'totp_invalid', ada, ada.name)],
      })
      expect(await patched(ada, ada, fields)).toEqual({
        reply: ok(),
        account: { is_totp_enabled: true, totp_last_step: stepAt(START), totp_is_proved: true },
        elsewhere: [],
        audit: [done('update_current_user', ada, ada, [change('is_totp_enabled', false, true), ...proved])],
      })
      // The code is used up, at the login as in another change.
      expect(await login(ada, CODE)).toEqual(refused('E005001'))
      expect((await patched(ada, ada, { first_name: 'Ada', totp_code: CODE })).reply).toEqual(refused('E005001'))
      expect(await login(ada, codeAt(TOTP_KEY, START, 1))).toEqual(opened)
    })

    test('a proved key needs no second code', async () => {
      const ada = await enrolled()
      for (const is_totp_enabled of [false, true]) {
        const { reply, account } = await patched(ada, ada, { is_totp_enabled })
        expect({ reply, account }).toEqual({ reply: ok(), account: { is_totp_enabled } })
      }
    })

    test('a new key without a code switches them off', async () => {
      const ada = await enrolled()
      const { reply, account } = await patched(ada, ada, { totp_key: OTHER_TOTP_KEY })
      expect(reply).toEqual(ok())
      expect(account).toMatchObject({ is_totp_enabled: false, totp_is_proved: false, totp_last_step: null })
    })

    test('the key of codes that are on is not taken away, unless they are switched off with it', async () => {
      const ada = await enrolled()
      for (const fields of [{}, { is_totp_enabled: true }, { totp_code: CODE }]) {
        expect(await patched(ada, ada, { totp_key: null, ...fields })).toEqual({
          reply: refused('E008002'),
          ...untouched,
          audit: [refusal('update_current_user', 'invalid', 'totp_key_missing', ada, ada.name)],
        })
      }
      const { reply, account } = await patched(ada, ada, { totp_key: null, is_totp_enabled: false })
      expect(reply).toEqual(ok())
      expect(account).toEqual({ totp_key: null, is_totp_enabled: false, totp_is_proved: false, totp_last_step: null })
    })

    test('the mark is nobody’s to set', async () => {
      const ada = await wire.person({ totp_key: TOTP_KEY })
      const { reply, account } = await patched(wire.admin, ada, {
        user_id: ada.id,
        totp_is_proved: true,
        first_name: 'A',
      })
      expect({ reply, account }).toEqual({ reply: ok(), account: { first_name: 'A' } })
    })
  })

  describe('an account whose codes are on already, without the mark', () => {
    const unmarked = async () => {
      const ada = await enrolled()
      const { db } = wire.host.database
      const table = place.arrangement === 'own table' ? 'sso_user' : 'sso_account'
      await db(table).where({ user_id: ada.id }).update({ totp_is_proved: false })
      return ada
    }

    test('keeps being asked for them, and a login proves the key', async () => {
      const ada = await unmarked()
      expect(await login(ada)).toEqual(refused('E005008'))
      const outcome = await wire.observe(ada.name, () =>
        wire.call('POST', '/user/login', { username: ada.name, password: PASSWORD, totp_code: CODE }),
      )
      expect(outcome.account).toEqual({ totp_last_step: stepAt(START), totp_is_proved: true })
      expect(outcome.audit).toEqual([
        record('login', 'ok', {
          actor: ada.name,
          via: 'password',
          target: ada.name,
          changes: [change('totp_is_proved', false, true)],
        }),
      ])
    })

    test('may be changed, and told again that they are on', async () => {
      const ada = await unmarked()
      const { reply, account } = await patched(ada, ada, { first_name: 'Ada', is_totp_enabled: true })
      expect({ reply, account }).toEqual({ reply: ok(), account: { first_name: 'Ada' } })
    })
  })

  describe('POST /user', () => {
    const created = (fields: object) =>
      wire.call('POST', '/user', { ust: wire.admin.ust, auto_approve: true, ...fields })

    test('codes are not switched on without a key, nor for one that is not proved', async () => {
      for (const [fields, code] of [
        [{}, 'E008002'],
        [{ totp_key: '' }, 'E008002'],
        [{ totp_key: TOTP_KEY }, 'E008002'],
        [{ totp_key: TOTP_KEY, totp_code: OTHER_CODE }, 'E005001'],
      ] as const) {
        const { status, body } = await created({ username: 'coded', is_totp_enabled: true, ...fields })
        expect({ status, body }).toEqual(refused(code))
      }
      expect(await wire.stored('coded')).toEqual({})
    })

    test('a code of the key switches them on, and is used up; the key is not repeated', async () => {
      const { status, body } = await created({
        username: `proved ${place.arrangement}`,
        password: PASSWORD,
        is_totp_enabled: true,
        totp_key: TOTP_KEY,
        totp_code: CODE,
      })
      expect([status, body.status, body.is_totp_enabled, 'totp_key' in body]).toEqual([200, 'ok', true, false])
      const person = { name: body.username, id: body.user_id, ust: '' }
      expect(await wire.stored(person.name)).toMatchObject({ totp_is_proved: true, totp_last_step: stepAt(START) })
      expect(await login(person, CODE)).toEqual(refused('E005001'))
      expect(await login(person, codeAt(TOTP_KEY, START, 1))).toEqual(opened)
    })
  })

  test('of requests with one code at once, one passes', async () => {
    const ada = await wire.person({ totp_key: TOTP_KEY })
    const fields = { ust: ada.ust, is_totp_enabled: true, totp_code: CODE }
    const replies = await Promise.all([1, 2, 3, 4].map(() => wire.call('PATCH', '/user', fields)))
    expect(replies.map(({ body }) => body.sub_status.join()).sort()).toEqual(['', 'E005001', 'E005001', 'E005001'])
  })

  test('a key is in no reply but that which sets it, and nowhere in the audit trail', async () => {
    const ada = await wire.person()
    const key = 'CANARYCANARYCANARY'
    const replies = [
      await wire.call('PATCH', '/user', { ust: ada.ust, totp_key: key, is_totp_enabled: true }),
      await wire.call('PATCH', '/user', { ust: ada.ust, totp_key: key }),
      await wire.call('PATCH', '/user/totp', { ust: ada.ust, totp_key: key, totp_label: 'x'.repeat(192) }),
      await wire.call('PATCH', '/user/totp', { ust: ada.ust, totp_key: `${key}!`, totp_label: '' }),
      await wire.call('PATCH', '/user/totp', { ust: ada.ust, totp_key: key, totp_label: '', totp_code: '000' }),
      await wire.call('PATCH', '/user/totp', { ust: 'none', totp_key: key, totp_label: '' }),
      await wire.call('PATCH', '/user/totp', { ust: ada.ust, totp_label: '' }, { query: `totp_key=${key}` }),
      await wire.call('GET', '/user', { ust: ada.ust }),
      await wire.call('GET', '/user', { ust: wire.admin.ust, user_id: ada.id }),
    ]
    const own = await wire.call('PATCH', '/user/totp', { ust: ada.ust, totp_key: key, totp_label: '' })
    expect(own.body.totp_key).toBe(key)
    expect(JSON.stringify([replies.map(({ text }) => text), await wire.host.audit()])).not.toMatch(/canary/i)
  })
})

describe.each(PLACES)(`one-time codes under zatoCompat(): ${PLACE}`, (place: Place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place, zatoCompat())
  })
  afterAll(() => wire?.host.close())

  const login = (username: string, totp_code: string) =>
    wire.call('POST', '/user/login', { username, password: PASSWORD, totp_code })

  test('codes are switched on without proof, and a new key leaves them on', async () => {
    const ada = await wire.person()
    const enabled = await wire.observe(ada.name, () =>
      wire.call('PATCH', '/user', { ust: ada.ust, totp_key: TOTP_KEY, is_totp_enabled: true }),
    )
    expect(enabled.account).toEqual({ totp_key: SEALED, is_totp_enabled: true })
    const { reply, account } = await wire.observe(ada.name, () =>
      wire.call('PATCH', '/user/totp', { ust: ada.ust, totp_key: OTHER_TOTP_KEY, totp_label: '' }),
    )
    expect({ reply, account }).toEqual({ reply: ok({ totp_key: OTHER_TOTP_KEY }), account: { totp_key: SEALED } })
    expect((await login(ada.name, CODE)).body.sub_status).toEqual(['E005001'])
    expect((await login(ada.name, OTHER_CODE)).status).toBe(200)
  })

  test('a code that is sent along is looked at', async () => {
    const ada = await wire.person()
    const fields = { ust: ada.ust, totp_key: TOTP_KEY, totp_label: '', totp_code: OTHER_CODE }
    expect((await wire.call('PATCH', '/user/totp', fields)).body.sub_status).toEqual(['E005001'])
  })

  test('POST /user makes a key where there is none, and tells it once', async () => {
    const { admin } = wire
    const fields = {
      ust: admin.ust,
      username: 'generated',
      password: PASSWORD,
      is_totp_enabled: true,
      auto_approve: true,
    }
    const { status, body } = await wire.call('POST', '/user', fields)
    expect([status, body.totp_key]).toEqual([200, expect.stringMatching(/^[A-Z2-7]{32}$/)])
    expect((await wire.call('GET', '/user', { ust: admin.ust, user_id: body.user_id })).body).not.toHaveProperty(
      'totp_key',
    )
    expect(await wire.stored('generated')).toMatchObject({ totp_key: SEALED, totp_is_proved: false })
    wire.clock.now = later(MINUTE)
    expect((await login('generated', codeAt(body.totp_key, wire.clock.now))).status).toBe(200)
    expect(await wire.stored('generated')).toMatchObject({ totp_is_proved: true })
    wire.clock.now = START
    const trail = await wire.host.audit()
    expect(JSON.stringify(trail)).not.toContain(body.totp_key)
    const none = await wire.call('POST', '/user', { ...fields, username: 'without', is_totp_enabled: false })
    expect(none.body).not.toHaveProperty('totp_key')
    expect(await wire.stored('without')).toMatchObject({ totp_key: null })
  })
})
