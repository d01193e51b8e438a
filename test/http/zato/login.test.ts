import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { argon2Hasher } from '../../../src/core/passwords/hasher.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { PASSWORD } from '../../support/host.ts'
import { codeAt as codeOf, TOTP_KEY as KEY, OTHER_TOTP_KEY } from '../../support/one-time-codes.ts'
import {
  appRefused,
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
  type Reply,
  record,
  refused,
  START,
  startWire,
  untouched,
  type Wire,
  warned,
} from './wire.ts'

const STEP = 30_000
const NEW_PASSWORD = 'a new horse battery'
const opened = ok({ ust: expect.stringMatching(/^[\w-]{43}$/) })

/** The code of the authenticator so many steps from the clock. */
const codeAt = (now: Date, steps = 0) => codeOf(KEY, now, steps)

/** What a login did. */
const loggedIn = (wire: Wire, { name }: Pick<Person, 'name'>, fields: object = {}): Promise<Outcome> =>
  wire.observe(name, () => wire.call('POST', '/user/login', { username: name, password: PASSWORD, ...fields }))

const login = (outcome: string, target: string | null, error: string | null = null, changes: readonly object[] = []) =>
  record('login', outcome, {
    error,
    actor: outcome === 'ok' ? target : null,
    via: outcome === 'ok' ? 'password' : null,
    target,
    changes,
  })

/** What a refused login leaves: an audit record. */
const denied = (reply: Reply, error: string, target: string | null) => ({
  reply,
  ...untouched,
  audit: [login('denied', target, error)],
})

describe.each(PLACES)(`POST /user/login: ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  test('a name and its password open a session', async () => {
    const ada = await wire.person()
    const outcome = await loggedIn(wire, ada)
    expect(outcome).toEqual({
      reply: opened,
      account: {},
      elsewhere: ['+ sso_session'],
      audit: [login('ok', ada.name)],
    })
    const { ust } = outcome.reply.body
    const read = await wire.call('GET', '/user', { ust })
    expect(read.body.username).toBe(ada.name)
  })

  test('sessions are independent, any number of one user', async () => {
    const ada = await wire.person()
    const tokens = [(await loggedIn(wire, ada)).reply.body.ust, (await loggedIn(wire, ada)).reply.body.ust, ada.ust]
    expect(new Set(tokens).size).toBe(3)
    await wire.call('POST', '/user/logout', { ust: tokens[0] })
    const statuses = []
    for (const ust of tokens) statuses.push((await wire.call('GET', '/user', { ust })).status)
    expect(statuses).toEqual([403, 200, 200])
  })

  test('ASVS 7.2.3 the token is not in the database', async () => {
    const ada = await wire.person()
    const rows = await wire.host.database.db('sso_session').select()
    expect(JSON.stringify(rows)).not.toContain(ada.ust)
  })

  test.each([
    { rule: '1: no username', fields: { username: undefined }, message: 'Missing: username.' },
    { rule: '1: no password', fields: { password: undefined }, message: 'Missing: password.' },
    {
      rule: '1: neither',
      fields: { username: undefined, password: undefined },
      message: 'Missing: username, password.',
    },
    { rule: '1: no application', fields: { current_app: undefined }, message: 'Missing: current_app.' },
    {
      rule: '1 goes before 2: no password, from an unknown application',
      fields: { password: undefined, current_app: 'Nope' },
      message: 'Missing: password.',
    },
  ])('step $rule: 400', async ({ fields, message }) => {
    const ada = await wire.person()
    expect(await loggedIn(wire, ada, fields)).toEqual({ reply: badRequest(message), ...untouched, audit: [] })
  })

  test('step 2: an unknown application, whatever else is wrong: E004001, HTTP 200', async () => {
    const ada = await wire.person()
    for (const fields of [{}, { password: 'wrong' }, { username: 'nobody' }, { totp_code: 5 }]) {
      expect(await loggedIn(wire, ada, { ...fields, current_app: 'Nope' })).toEqual(
        denied(appRefused('E004001'), 'app_invalid', null),
      )
    }
  })

  describe('steps 3 and 4: what is wrong with name or password is not told: E005001', () => {
    test.each([
      { rule: 'no such user', fields: { username: 'nobody' } },
      { rule: 'a name that is null', fields: { username: null } },
      { rule: 'an empty name', fields: { username: '' } },
      { rule: 'a name that cannot be one', fields: { username: 'a\u0000b' } },
    ])('$rule', async ({ fields }) => {
      const ada = await wire.person()
      expect(await loggedIn(wire, ada, fields)).toEqual(denied(refused('E005001'), 'credentials_invalid', null))
    })

    test.each([
      { rule: 'a wrong password', fields: { password: 'wrong' } },
      { rule: 'a password that is null', fields: { password: null } },
      { rule: 'an empty password', fields: { password: '' } },
      { rule: 'a password in another case', fields: { password: PASSWORD.toUpperCase() } },
    ])('$rule', async ({ fields }) => {
      const ada = await wire.person()
      expect(await loggedIn(wire, ada, fields)).toEqual(denied(refused('E005001'), 'credentials_invalid', ada.name))
    })

    test.each(['before_decision', 'rejected'])('a user who is not approved: %s', async (approval_status) => {
      const ada = await wire.person({ approval_status, is_locked: true })
      expect(await loggedIn(wire, ada)).toEqual(denied(refused('E005001'), 'credentials_invalid', ada.name))
    })
  })

  describe('steps 5 and 6: one-time codes', () => {
    const withCodes = () => wire.person({ totp_key: KEY, is_totp_enabled: true })

    test('without one: E005008; with an empty one, too', async () => {
      const ada = await withCodes()
      for (const totp_code of [undefined, null, '']) {
        expect(await loggedIn(wire, ada, { totp_code })).toEqual(denied(refused('E005008'), 'totp_missing', ada.name))
      }
    })

    test('the password is looked at first', async () => {
      const ada = await withCodes()
      expect(await loggedIn(wire, ada, { password: 'wrong' })).toEqual(
        denied(refused('E005001'), 'credentials_invalid', ada.name),
      )
    })

    test.each(['000000', '12345', '1234567', 'abcdef', '１２３４５６', '\ud83d\ude00'.repeat(3), ' '.repeat(6), '-1'])(
      'a wrong code is refused, whatever it is made of: %j, E005001',
      async (totp_code) => {
        const ada = await withCodes()
        expect(await loggedIn(wire, ada, { totp_code })).toEqual(denied(refused('E005001'), 'totp_invalid', ada.name))
      },
    )

    test('the current code, and the one before and after, are accepted', async () => {
      for (const steps of [-1, 0, 1]) {
        const ada = await withCodes()
        expect(await loggedIn(wire, ada, { totp_code: codeAt(START, steps) })).toEqual({
          reply: opened,
          account: { totp_last_step: Math.floor(START.getTime() / STEP) + steps },
          elsewhere: ['+ sso_session'],
          audit: [login('ok', ada.name)],
        })
      }
    })

    test.each([-2, 2])('a code that is %i steps off is not', async (steps) => {
      const ada = await withCodes()
      expect(await loggedIn(wire, ada, { totp_code: codeAt(START, steps) })).toEqual(
        denied(refused('E005001'), 'totp_invalid', ada.name),
      )
    })

    test('ASVS 6.5.1 a code works once; neither it nor an older one works again', async () => {
      const ada = await withCodes()
      await loggedIn(wire, ada, { totp_code: codeAt(START) })
      for (const steps of [0, -1]) {
        expect(await loggedIn(wire, ada, { totp_code: codeAt(START, steps) })).toEqual(
          denied(refused('E005001'), 'totp_invalid', ada.name),
        )
      }
      const next = await loggedIn(wire, ada, { totp_code: codeAt(START, 1) })
      expect(next.reply).toEqual(opened)
    })

    test('a code that is not asked for is ignored', async () => {
      const ada = await wire.person()
      const outcome = await loggedIn(wire, ada, { totp_code: 'whatever' })
      expect(outcome.reply).toEqual(opened)
    })

    test('a new key makes the steps of the old one meaningless', async () => {
      const ada = await withCodes()
      await loggedIn(wire, ada, { totp_code: codeAt(START, 1) })
      const actor = { via: 'code', name: 'setup' } as const
      const totpCode = codeOf(OTHER_TOTP_KEY, START, -1)
      await wire.host.sso.user.setTotpKey({ actor, userId: ada.id, totpKey: OTHER_TOTP_KEY, totpCode })
      const totp_code = codeOf(OTHER_TOTP_KEY, START)
      expect((await loggedIn(wire, ada, { totp_code })).reply).toEqual(opened)
    })
  })

  describe('steps 9 to 11: the state of the account, in order', () => {
    const expired = { password_expiry: later(-1) }
    test.each([
      { rule: 'locked', state: { is_locked: true }, code: 'E005002', error: 'account_locked' },
      {
        rule: 'locked, not confirmed, expired and due for a change',
        state: { is_locked: true, sign_up_status: 'before_confirmation', password_must_change: true, ...expired },
        code: 'E005002',
        error: 'account_locked',
      },
      {
        rule: 'not confirmed',
        state: { sign_up_status: 'before_confirmation' },
        code: 'E005003',
        error: 'sign_up_not_final',
      },
      {
        rule: 'not confirmed, expired and due for a change',
        state: { sign_up_status: 'before_confirmation', password_must_change: true, ...expired },
        code: 'E005003',
        error: 'sign_up_not_final',
      },
      { rule: 'with an expired password', state: expired, code: 'E005001', error: 'not_allowed' },
      {
        rule: 'with an expired password that must change',
        state: { password_must_change: true, ...expired },
        code: 'E005001',
        error: 'not_allowed',
      },
    ])('an account that is $rule: $code', async ({ state, code, error }) => {
      const ada = await wire.person(state)
      expect(await loggedIn(wire, ada)).toEqual(denied(refused(code), error, ada.name))
    })

    test('the state is told to whoever has the password only', async () => {
      const ada = await wire.person({ is_locked: true })
      expect(await loggedIn(wire, ada, { password: 'wrong' })).toEqual(
        denied(refused('E005001'), 'credentials_invalid', ada.name),
      )
    })

    test('a locked account is not opened by a new password either', async () => {
      const ada = await wire.person({ is_locked: true, password_must_change: true })
      expect(await loggedIn(wire, ada, { new_password: NEW_PASSWORD })).toEqual(
        denied(refused('E005002'), 'account_locked', ada.name),
      )
    })
  })

  describe('step 12: a password that will expire soon', () => {
    test.each([
      { rule: 'in 30 days and a second', expiry: later(30 * DAY + 1000), reply: opened },
      { rule: 'in 30 days', expiry: later(30 * DAY), reply: opened },
      {
        rule: 'in a millisecond less',
        expiry: later(30 * DAY - 1),
        reply: warned('W003005', { ust: opened.body.ust }),
      },
      { rule: 'this very moment', expiry: later(0), reply: warned('W003005', { ust: opened.body.ust }) },
    ])('$rule', async ({ expiry, reply }) => {
      const ada = await wire.person({ password_expiry: expiry })
      expect(await loggedIn(wire, ada)).toEqual({
        reply,
        account: {},
        elsewhere: ['+ sso_session'],
        audit: [login('ok', ada.name)],
      })
    })
  })

  describe('steps 13 to 15: a password that must change', () => {
    test('without a new one: E003007; with null or an empty one, too', async () => {
      const ada = await wire.person({ password_must_change: true })
      for (const new_password of [undefined, null, '']) {
        expect(await loggedIn(wire, ada, { new_password })).toEqual(
          denied(refused('E003007'), 'password_must_change', ada.name),
        )
      }
    })

    test.each([
      { rule: 'too short', new_password: 'seven77', code: 'E003002', error: 'password_too_short' },
      { rule: 'too long', new_password: 'ab'.repeat(129), code: 'E003003', error: 'password_too_long' },
      { rule: 'on the reject list', new_password: 'xxLetMeInxx', code: 'E003001', error: 'password_rejected' },
    ])('with one that is $rule: $code, and the old one stays', async ({ new_password, code, error }) => {
      const ada = await wire.person({ password_must_change: true })
      expect(await loggedIn(wire, ada, { new_password })).toEqual({
        reply: refused(code),
        ...untouched,
        audit: [login('invalid', ada.name, error)],
      })
    })

    test('with a good one: it is set, the flag is cleared, other sessions end', async () => {
      const ada = await wire.person({ password_must_change: true })
      wire.clock.now = later(MINUTE)
      const outcome = await loggedIn(wire, ada, { new_password: NEW_PASSWORD })
      wire.clock.now = START
      expect(outcome).toEqual({
        reply: opened,
        account: {
          password: '[hash]',
          password_last_set: later(MINUTE).toISOString(),
          password_must_change: false,
        },
        elsewhere: ['- sso_session', '+ sso_session'],
        audit: [
          login('ok', ada.name, null, [
            change('password', '[redacted]', '[redacted]'),
            ...(['password_last_set', 'password_must_change'] as const).map((attribute) =>
              attribute === 'password_last_set'
                ? change(attribute, START.toISOString(), later(MINUTE).toISOString())
                : change(attribute, true, false),
            ),
          ]),
        ],
      })
      expect((await loggedIn(wire, ada)).reply).toEqual(refused('E005001'))
      expect((await loggedIn(wire, ada, { password: NEW_PASSWORD })).reply).toEqual(opened)
    })

    test('an expired password may be changed at login, with the old one', async () => {
      const ada = await wire.person({ password_expiry: later(-1) })
      const { reply, account } = await loggedIn(wire, ada, { new_password: NEW_PASSWORD })
      expect(reply).toEqual(opened)
      expect(account).toEqual({ password: '[hash]', password_expiry: null })
    })

    test('a new password that is not asked for is ignored', async () => {
      const ada = await wire.person()
      const outcome = await loggedIn(wire, ada, { new_password: NEW_PASSWORD })
      expect(outcome).toEqual({
        reply: opened,
        account: {},
        elsewhere: ['+ sso_session'],
        audit: [login('ok', ada.name)],
      })
      expect((await loggedIn(wire, ada)).reply).toEqual(opened)
    })

    test('a new password is not set where the one-time code is wrong', async () => {
      const ada = await wire.person({ totp_key: KEY, is_totp_enabled: true, password_must_change: true })
      const fields = { new_password: NEW_PASSWORD, totp_code: '000000' }
      expect(await loggedIn(wire, ada, fields)).toEqual(denied(refused('E005001'), 'totp_invalid', ada.name))
    })
  })

  test('address and agent in the body are not believed', async () => {
    const ada = await wire.person()
    await wire.host.database.db('sso_session').delete()
    const fields = { username: ada.name, password: PASSWORD, remote_addr: '1.2.3.4', user_agent: 'Forged' }
    await wire.call('POST', '/user/login', fields, {
      headers: { 'User-Agent': 'Honest', 'X-Forwarded-For': '1.2.3.4', 'X-Zato-Forwarded-For': '1.2.3.4' },
    })
    const [session] = await wire.host.database.db('sso_session').select()
    expect([session.remote_addr, session.user_agent, session.app]).toEqual(['127.0.0.1', 'Honest', 'CRM'])
    const [audit] = (await wire.host.audit({ operation: 'login', target_name: ada.name })).slice(-1)
    expect(audit).toMatchObject({ remote_addr: '127.0.0.1', user_agent: 'Honest', app: 'CRM', dialect: 'zato' })
    wire = await relogin(wire)
  })

  test('a login without a User-Agent is a login', async () => {
    const ada = await wire.person()
    expect(await loggedIn(wire, ada)).toMatchObject({ reply: opened })
    const [audit] = (await wire.host.audit({ operation: 'login', target_name: ada.name })).slice(-1)
    expect(audit).toMatchObject({ user_agent: null, outcome: 'ok' })
  })

  describe('POST /user/logout', () => {
    const loggedOut = (person: Person, fields: object) =>
      wire.observe(person.name, () => wire.call('POST', '/user/logout', fields))

    test('ends the session, and no other', async () => {
      const ada = await wire.person()
      await loggedIn(wire, ada)
      expect(await loggedOut(ada, { ust: ada.ust })).toEqual({
        reply: ok(),
        account: {},
        elsewhere: ['- sso_session'],
        audit: [record('logout', 'ok', { actor: ada.name, target: ada.name })],
      })
      const { status, body } = await wire.call('GET', '/user', { ust: ada.ust })
      expect({ status, body }).toEqual(refused('E007001'))
    })

    test.each(['unknown', '', null, 5, ['x'], { a: 1 }])('is ok whatever the token is: %j', async (ust) => {
      const ada = await wire.person()
      expect(await loggedOut(ada, { ust })).toEqual({ reply: ok(), ...untouched, audit: [] })
    })

    test('is ok a second time', async () => {
      const ada = await wire.person()
      await loggedOut(ada, { ust: ada.ust })
      expect(await loggedOut(ada, { ust: ada.ust })).toEqual({ reply: ok(), ...untouched, audit: [] })
    })

    test('ends the session of a locked user, too', async () => {
      const ada = await wire.person({ is_locked: true })
      const { reply, elsewhere } = await loggedOut(ada, { ust: ada.ust })
      expect({ reply, elsewhere }).toEqual({ reply: ok(), elsewhere: ['- sso_session'] })
    })

    test('asks for a token and an application', async () => {
      const ada = await wire.person()
      expect(await loggedOut(ada, {})).toEqual({ reply: badRequest('Missing: ust.'), ...untouched, audit: [] })
      expect(await loggedOut(ada, { ust: ada.ust, current_app: 'Nope' })).toEqual({
        reply: appRefused('E004001'),
        ...untouched,
        audit: [record('logout', 'denied', { error: 'app_invalid' })],
      })
    })
  })
})

/** The administrator's session went with the others. */
async function relogin(wire: Wire): Promise<Wire> {
  return { ...wire, admin: { ...wire.admin, ust: await wire.host.login('admin') } }
}

describe.each(DATABASE_PLACES)('POST /user/login under other options: $database', (place) => {
  const wires: Wire[] = []
  afterAll(() => Promise.all(wires.map(({ host }) => host.close())))

  const under = async (options: Parameters<typeof startWire>[1]): Promise<Wire> => {
    const wire = await startWire(place, options)
    wires.push(wire)
    return wire
  }

  const NONE = {
    appInvalid: false,
    totpMissing: false,
    locked: false,
    notConfirmed: false,
    passwordAboutToExpire: false,
    passwordMustChange: false,
    passwordInvalid: false,
    passwordExpired: false,
  }
  const due = { password_must_change: true }

  describe('with every inform option off, nothing but E005001 is told, and nobody is let in', () => {
    let wire: Wire
    beforeAll(async () => {
      wire = await under({ inform: NONE, loginApps: ['CRM'] })
    })

    test.each([
      { rule: 'a one-time code is missing', state: { totp_key: KEY, is_totp_enabled: true }, fields: {} },
      { rule: 'one may not log in from the application', state: {}, fields: { current_app: 'Shop' } },
      { rule: 'locked', state: { is_locked: true }, fields: {} },
      { rule: 'not confirmed', state: { sign_up_status: 'before_confirmation' }, fields: {} },
      { rule: 'the password has expired', state: { password_expiry: later(-1) }, fields: {} },
      { rule: 'the password will expire soon', state: { password_expiry: later(DAY) }, fields: {} },
      { rule: 'the password must change', state: due, fields: {} },
      { rule: 'the new password is too short', state: due, fields: { new_password: 'short' } },
      { rule: 'the new password is on the reject list', state: due, fields: { new_password: 'my password' } },
    ])('$rule', async ({ rule, state, fields }) => {
      const ada = await wire.person(state)
      const asIfWrong = ['a one-time code is missing', 'locked', 'not confirmed']
      const error = asIfWrong.includes(rule) ? 'credentials_invalid' : 'not_allowed'
      expect(await loggedIn(wire, ada, fields)).toEqual(denied(refused('E005001'), error, ada.name))
    })

    test('an unknown application is told as E005001, too, with HTTP 200', async () => {
      const ada = await wire.person()
      const outcome = await loggedIn(wire, ada, { current_app: 'Nope' })
      expect(outcome).toEqual(denied(appRefused('E005001'), 'app_invalid', null))
    })
  })

  test('inform.passwordExpired on: E003004', async () => {
    const wire = await under({ inform: { passwordExpired: true } })
    const ada = await wire.person({ password_expiry: later(-1) })
    expect(await loggedIn(wire, ada)).toEqual(denied(refused('E003004'), 'password_expired', ada.name))
  })

  test('step 7: an application that one may not log in from: E004001, after password and code, before the state', async () => {
    const wire = await under({ loginApps: ['CRM'] })
    const fromShop = async (state: Readonly<Record<string, unknown>>, fields: object, code: string, error: string) => {
      const ada = await wire.person(state)
      const outcome = await loggedIn(wire, ada, { current_app: 'Shop', ...fields })
      expect(outcome).toEqual(denied(refused(code), error, ada.name))
    }
    await fromShop({}, {}, 'E004001', 'app_not_allowed')
    await fromShop({ is_locked: true }, {}, 'E004001', 'app_not_allowed')
    await fromShop({}, { password: 'wrong' }, 'E005001', 'credentials_invalid')
    await fromShop({ totp_key: KEY, is_totp_enabled: true }, {}, 'E005008', 'totp_missing')
  })

  test('an application that is trusted with them tells address and agent of the session', async () => {
    const wire = await under({ loginMetadataApps: ['CRM'] })
    const ada = await wire.person()
    const fields = { remote_addr: '1.2.3.4', user_agent: 'Browser behind the app' }
    expect((await loggedIn(wire, ada, fields)).reply).toEqual(opened)
    const sessions = await wire.host.database.db('sso_session').select()
    const told = sessions.map(({ remote_addr, user_agent }) => [remote_addr, user_agent])
    expect(told).toContainEqual(Object.values(fields))

    for (const value of ['a\u0000b', '\ud800', 'two\nlines', 'x'.repeat(513), 5, ['x']]) {
      expect(await loggedIn(wire, ada, { remote_addr: value })).toEqual({
        reply: refused('E008002'),
        ...untouched,
        audit: [],
      })
    }
  })

  test('password.expiryDays counts from the new password, aboutToExpireDays from its end', async () => {
    const wire = await under({ password: { expiryDays: 90, aboutToExpireDays: 6 } })
    const ada = await wire.person({ password_expiry: later(-DAY) })
    expect((await loggedIn(wire, ada, { new_password: NEW_PASSWORD })).account).toEqual({
      password: '[hash]',
      password_expiry: later(90 * DAY).toISOString(),
    })
    const warnings = []
    for (const days of [7, 5]) {
      const bob = await wire.person({ password_expiry: later(days * DAY) })
      warnings.push((await loggedIn(wire, bob)).reply.body.sub_status)
    }
    expect(warnings).toEqual([[], ['W003005']])
  })

  test('session.revokeOnChange off keeps the other sessions; lifetimeMinutes is how long each lives', async () => {
    const wire = await under({ session: { revokeOnChange: false, lifetimeMinutes: 5 } })
    const ada = await wire.person(due)
    expect((await loggedIn(wire, ada, { new_password: NEW_PASSWORD })).elsewhere).toEqual(['+ sso_session'])
    const statuses = []
    for (const minutes of [5 - 1 / 60_000, 5]) {
      wire.clock.now = later(minutes * MINUTE)
      statuses.push((await wire.call('GET', '/user', { ust: ada.ust })).status)
    }
    expect(statuses).toEqual([200, 403])
  })

  test('totp.window and totp.allowReplay are as they are set', async () => {
    const wire = await under({ totp: { window: 0, allowReplay: true } })
    const ada = await wire.person({ totp_key: KEY, is_totp_enabled: true })
    for (const steps of [-1, 1]) {
      expect((await loggedIn(wire, ada, { totp_code: codeAt(START, steps) })).reply).toEqual(refused('E005001'))
    }
    for (const _ of [1, 2]) expect((await loggedIn(wire, ada, { totp_code: codeAt(START) })).reply).toEqual(opened)
  })

  test('ASVS 2.3.4, 6.5.1 one code that is sent thrice at once opens one session', async () => {
    const { verify, ...others } = fastHasher()
    let [expected, arrived] = [0, 0]
    let open: () => void = () => {}
    const gathered = new Promise<void>((resolve) => {
      open = resolve
    })
    // Every login has read the account before the first of them writes its step.
    const gathering: typeof verify = async (hash, password) => {
      if (expected > 0 && ++arrived === expected) open()
      if (expected > 0) await gathered
      return verify(hash, password)
    }
    const wire = await under({ password: { hasher: { verify: gathering, ...others } } })
    const ada = await wire.person({ totp_key: KEY, is_totp_enabled: true })
    expected = 3
    const fields = { username: ada.name, password: PASSWORD, totp_code: codeAt(START) }
    const replies = await Promise.all([1, 2, 3].map(() => wire.call('POST', '/user/login', fields)))
    expect(replies.map(({ body }) => body.sub_status.join()).sort()).toEqual(['', 'E005001', 'E005001'])
  })

  test('two logins at once that both re-hash an older password both succeed', async () => {
    const wire = await under({ password: { hasher: argon2Hasher } })
    const ada = await wire.person()
    const bcrypt = '$2b$04$F3/CmIb7jF/R9E./GYTh6OxjbRNVjighkk1nv7svwhekFkA2la81q'
    await wire.host.database.db('sso_user').where({ username: ada.name }).update({ password: bcrypt })
    const fields = { username: ada.name, password: 'correct horse battery' }
    const replies = await Promise.all([1, 2, 3].map(() => wire.call('POST', '/user/login', fields)))
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(await wire.stored(ada.name)).toMatchObject({ password: expect.stringMatching(/^\$argon2id\$/) })
    const wrong = await wire.call('POST', '/user/login', { ...fields, password: 'correct horse' })
    expect(wrong.status).toBe(403)
  })
})
