import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SsoError } from '../../../src/index.ts'
import { PASSWORD } from '../../support/host.ts'
import {
  badRequest,
  change,
  DATABASE_PLACES,
  DAY,
  later,
  MINUTE,
  type Outcome,
  ok,
  type Person,
  PLACE,
  PLACES,
  record,
  refused,
  START,
  startWire,
  untouched,
  type Wire,
} from './wire.ts'

const NEW = 'a new horse battery'
const NOW = START.toISOString()
const THEN = later(MINUTE).toISOString()

/** What a change of password did, a minute after everything else. */
async function changed(wire: Wire, { name }: Person, by: Person, fields: object): Promise<Outcome> {
  wire.clock.now = later(MINUTE)
  const outcome = await wire.observe(name, () =>
    wire.call('PATCH', '/user/password', { ust: by.ust, new_password: NEW, ...fields }),
  )
  wire.clock.now = START
  return outcome
}

async function canLogIn(wire: Wire, { name }: Person, password: string): Promise<boolean> {
  const { status } = await wire.call('POST', '/user/login', { username: name, password })
  return status === 200
}

const CHANGES = [change('password', '[redacted]', '[redacted]'), change('password_last_set', NOW, THEN)]
const SET = { password: '[hash]', password_last_set: THEN }

const done = (by: Person, target: Person, more: readonly object[] = []) =>
  record('change_password', 'ok', { actor: by.name, target: target.name, changes: [...CHANGES, ...more] })

const refusal = (outcome: string, error: string, by: Person, target: string | null) =>
  record('change_password', outcome, { error, actor: by.name, target })

describe.each(PLACES)(`PATCH /user/password: ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  describe('one’s own', () => {
    test('with the old one: it is set, other sessions end, this one goes on', async () => {
      const ada = await wire.person()
      const other = await wire.host.login(ada.name)
      const outcome = await changed(wire, ada, ada, { old_password: PASSWORD })
      expect(outcome).toEqual({ reply: ok(), account: SET, elsewhere: ['- sso_session'], audit: [done(ada, ada)] })
      expect([await canLogIn(wire, ada, NEW), await canLogIn(wire, ada, PASSWORD)]).toEqual([true, false])
      const statuses = []
      for (const ust of [ada.ust, other]) statuses.push((await wire.call('GET', '/user', { ust })).status)
      expect(statuses).toEqual([200, 403])
    })

    test('by one’s own id, by null and by ""', async () => {
      for (const idOf of [({ id }: Person) => id, () => null, () => '']) {
        const ada = await wire.person()
        const outcome = await changed(wire, ada, ada, { old_password: PASSWORD, user_id: idOf(ada) })
        expect(outcome).toEqual({ reply: ok(), account: SET, elsewhere: [], audit: [done(ada, ada)] })
      }
    })

    test('the old one may be the new one', async () => {
      const ada = await wire.person()
      const { reply } = await changed(wire, ada, ada, { old_password: PASSWORD, new_password: PASSWORD })
      expect(reply).toEqual(ok())
      expect(await canLogIn(wire, ada, PASSWORD)).toBe(true)
    })

    test.each([
      {},
      { old_password: null },
      { old_password: '' },
      { old_password: 'wrong' },
      { old_password: 'wrong', new_password: 'short' },
    ])('without the right old one: E005001 (%j)', async (fields) => {
      const ada = await wire.person()
      expect(await changed(wire, ada, ada, fields)).toEqual({
        reply: refused('E005001'),
        ...untouched,
        audit: [refusal('denied', 'credentials_invalid', ada, ada.name)],
      })
      expect(await canLogIn(wire, ada, PASSWORD)).toBe(true)
    })

    test('a super-user needs his own old one, too', async () => {
      const { admin } = wire
      for (const user_id of [undefined, admin.id]) {
        expect(await changed(wire, admin, admin, { user_id })).toEqual({
          reply: refused('E005001'),
          ...untouched,
          audit: [refusal('denied', 'credentials_invalid', admin, 'admin')],
        })
      }
    })

    test('an expired one may be changed, and is then good for as long as the configuration says', async () => {
      const ada = await wire.person({ password_expiry: later(-DAY) })
      expect(await changed(wire, ada, ada, { old_password: PASSWORD })).toEqual({
        reply: ok(),
        account: { ...SET, password_expiry: null },
        elsewhere: [],
        audit: [done(ada, ada, [change('password_expiry', later(-DAY).toISOString(), null)])],
      })
    })

    test('password_must_change stays as it was', async () => {
      const ada = await wire.person({ password_must_change: true })
      const { account } = await changed(wire, ada, ada, { old_password: PASSWORD })
      expect(account).toEqual(SET)
      expect((await wire.stored(ada.name))['password_must_change']).toBe(true)
    })

    test('a regular user’s password_expiry and password_must_change are dropped silently', async () => {
      const ada = await wire.person({ password_must_change: true })
      const fields = { old_password: PASSWORD, password_expiry: 10, password_must_change: false }
      expect(await changed(wire, ada, ada, fields)).toEqual({
        reply: ok(),
        account: SET,
        elsewhere: [],
        audit: [done(ada, ada)],
      })
    })

    test('must_change is not a regular user’s: E008002', async () => {
      for (const must_change of [true, false]) {
        const ada = await wire.person()
        expect(await changed(wire, ada, ada, { old_password: PASSWORD, must_change })).toEqual({
          reply: refused('E008002', expect.stringMatching(/^password_must_change: /)),
          ...untouched,
          audit: [refusal('denied', 'attribute_forbidden', ada, ada.name)],
        })
      }
    })
  })

  describe('another’s', () => {
    test('a super-user sets it without the old one; all of its sessions end', async () => {
      const ada = await wire.person()
      const outcome = await changed(wire, ada, wire.admin, { user_id: ada.id })
      expect(outcome).toEqual({
        reply: ok(),
        account: SET,
        elsewhere: ['- sso_session'],
        audit: [done(wire.admin, ada)],
      })
      expect(await canLogIn(wire, ada, NEW)).toBe(true)
    })

    test.each(['another', 'nobody'])('a regular user does not: %s, E008002', async (whom) => {
      const [ada, bob] = [await wire.person(), await wire.person()]
      const user_id = whom === 'another' ? bob.id : '987654321'
      const outcome = await changed(wire, bob, ada, { user_id, old_password: PASSWORD })
      expect(outcome).toEqual({
        reply: refused('E008002'),
        ...untouched,
        audit: [refusal('denied', 'super_user_required', ada, whom === 'another' ? bob.name : null)],
      })
    })

    test('an unknown id is told to a super-user: E001100', async () => {
      expect(await changed(wire, wire.admin, wire.admin, { user_id: '987654321' })).toEqual({
        reply: refused('E001100'),
        ...untouched,
        audit: [refusal('denied', 'user_unknown', wire.admin, null)],
      })
    })

    test.each([
      [10, later(MINUTE + 10 * DAY)],
      ['10', later(MINUTE + 10 * DAY)],
      [36_500, later(MINUTE + 36_500 * DAY)],
      [0, null],
      [-5, null],
      [null, null],
      ['', null],
    ])('password_expiry %j is days from now, the default where it is none', async (password_expiry, expected) => {
      const ada = await wire.person()
      const { reply, account } = await changed(wire, ada, wire.admin, { user_id: ada.id, password_expiry })
      expect(reply).toEqual(ok())
      expect(account).toEqual({ ...SET, ...(expected ? { password_expiry: expected.toISOString() } : {}) })
    })

    test.each([36_501, 1.5, 'ten', '1e3', true, [10], { days: 10 }, 1e300])(
      'password_expiry %j is refused: E008002',
      async (password_expiry) => {
        const ada = await wire.person()
        const { reply, account, elsewhere, audit } = await changed(wire, ada, wire.admin, {
          user_id: ada.id,
          password_expiry,
        })
        expect({ reply, account, elsewhere }).toEqual({ reply: refused('E008002'), ...untouched })
        expect(audit).toEqual(
          password_expiry === 36_501 ? [refusal('invalid', 'input_invalid', wire.admin, ada.name)] : [],
        )
      },
    )

    test.each([
      [true, false, true],
      ['yes', false, true],
      [false, true, false],
      [0, true, false],
    ])('must_change %j is honoured', async (must_change, before, after) => {
      const ada = await wire.person(before ? { password_must_change: true } : {})
      expect(await changed(wire, ada, wire.admin, { user_id: ada.id, must_change })).toEqual({
        reply: ok(),
        account: { ...SET, password_must_change: after },
        elsewhere: ['- sso_session'],
        audit: [done(wire.admin, ada, [change('password_must_change', before, after)])],
      })
    })

    test.each([null, '', 'maybe', 5, [true], {}])('must_change %j is refused: E008002', async (must_change) => {
      const ada = await wire.person()
      const { reply, account, elsewhere } = await changed(wire, ada, wire.admin, { user_id: ada.id, must_change })
      expect({ reply, account, elsewhere }).toEqual({ reply: refused('E008002'), ...untouched })
    })
  })

  test('new_password is required: 400; null counts as an empty one', async () => {
    const ada = await wire.person()
    expect(await changed(wire, ada, ada, { old_password: PASSWORD, new_password: undefined })).toEqual({
      reply: badRequest('Missing: new_password.'),
      ...untouched,
      audit: [],
    })
    for (const new_password of [null, '']) {
      const { reply } = await changed(wire, ada, ada, { old_password: PASSWORD, new_password })
      expect(reply).toEqual(refused('E003002'))
    }
  })

  // Section 8.16. Characters are counted, not UTF-16 units.
  describe.each(['his own', 'another’s'])('the rules of a new password, for %s', (whose) => {
    test.each([
      { rule: 'seven characters', password: 'abcdefg', code: 'E003002', error: 'password_too_short' },
      {
        rule: 'seven characters of two units each',
        password: '😀'.repeat(7),
        code: 'E003002',
        error: 'password_too_short',
      },
      { rule: '257 characters', password: `${'ab'.repeat(128)}c`, code: 'E003003', error: 'password_too_long' },
      { rule: 'one of the reject list', password: 'mynoobpet', code: 'E003001', error: 'password_rejected' },
      {
        rule: 'one of the reject list in another case',
        password: 'xxQWERTYxx',
        code: 'E003001',
        error: 'password_rejected',
      },
      { rule: 'short, and of the reject list', password: '111111', code: 'E003002', error: 'password_too_short' },
      { rule: 'NUL', password: 'abcdefgh\u0000', code: 'E003001', error: 'password_rejected' },
      { rule: 'half a surrogate pair', password: 'abcdefgh\ud800', code: 'E003001', error: 'password_rejected' },
    ])('$rule: $code', async ({ password, code, error }) => {
      const ada = await wire.person()
      const by = whose === 'his own' ? ada : wire.admin
      const fields = { user_id: ada.id, old_password: PASSWORD, new_password: password }
      expect(await changed(wire, ada, by, fields)).toEqual({
        reply: refused(code),
        ...untouched,
        audit: [refusal('invalid', error, by, ada.name)],
      })
    })

    test.each([
      { rule: 'eight characters', password: 'abcdefgh' },
      { rule: 'eight characters of two units each', password: '😀'.repeat(8) },
      { rule: '256 characters', password: 'ab'.repeat(128) },
      { rule: 'white space and control characters', password: ' \t\n \r\n ab' },
    ])('$rule is good', async ({ password }) => {
      const ada = await wire.person()
      const by = whose === 'his own' ? ada : wire.admin
      const fields = { user_id: ada.id, old_password: PASSWORD, new_password: password }
      expect((await changed(wire, ada, by, fields)).reply).toEqual(ok())
      expect(await canLogIn(wire, ada, password)).toBe(true)
    })
  })
})

describe.each(DATABASE_PLACES)('PATCH /user/password under other options: $database', (place) => {
  test('length, reject list, the host’s own rule, expiry and the fate of sessions are as they are set', async () => {
    const seen: unknown[] = []
    const wire = await startWire(place, {
      password: {
        minLength: 4,
        maxLength: 25,
        rejectList: ['ZaToX'],
        rejectMostCommon: 0,
        expiryDays: 90,
        validate(password, about) {
          if (password === 'aaaa') throw new SsoError('password_too_simple')
          seen.push([password, about])
        },
      },
      session: { revokeOnChange: false },
    })
    try {
      const ada = await wire.person({}, { password: 'first', email: 'ada@example.com' })
      const codes: unknown[] = []
      for (const new_password of ['abc', 'abcdefghijklmnopqrstuvwxyz', 'xzatox', 'aaaa']) {
        codes.push((await changed(wire, ada, wire.admin, { user_id: ada.id, new_password })).reply.body.sub_status)
      }
      expect(codes).toEqual([['E003002'], ['E003003'], ['E003001'], ['E003008']])

      seen.length = 0
      const { reply, account, elsewhere } = await changed(wire, ada, ada, {
        old_password: 'first',
        new_password: 'good',
      })
      expect({ reply, account, elsewhere }).toEqual({
        reply: ok(),
        account: { ...SET, password_expiry: later(MINUTE + 90 * DAY).toISOString() },
        elsewhere: [],
      })
      expect(seen).toEqual([['good', { username: ada.name, email: 'ada@example.com', names: [] }]])
      expect((await wire.call('GET', '/user', { ust: ada.ust })).status).toBe(200)
    } finally {
      await wire.host.close()
    }
  })
})
