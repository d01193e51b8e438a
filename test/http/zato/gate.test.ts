import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  appRefused,
  badRequest,
  DATABASE_PLACES,
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
} from './wire.ts'

/** Every endpoint behind the session gate, with fields that would do. */
const ENDPOINTS = [
  { method: 'GET', path: '/user', operation: 'get_user', fields: {} },
  { method: 'POST', path: '/user', operation: 'create_user', fields: { username: 'somebody-new' } },
  { method: 'PATCH', path: '/user', operation: 'update_current_user', fields: { first_name: 'x' } },
  { method: 'DELETE', path: '/user', operation: 'delete_user', fields: { user_id: '1' } },
  {
    method: 'PATCH',
    path: '/user/password',
    operation: 'change_password',
    fields: { old_password: 'correct horse battery', new_password: 'a new horse battery' },
  },
  { method: 'POST', path: '/user/lock', operation: 'lock_user', fields: { user_id: '1' } },
  { method: 'DELETE', path: '/user/lock', operation: 'unlock_user', fields: { user_id: '1' } },
  { method: 'POST', path: '/user/approve', operation: 'approve_user', fields: { user_id: '1' } },
  { method: 'POST', path: '/user/reject', operation: 'reject_user', fields: { user_id: '1' } },
] as const
type Endpoint = (typeof ENDPOINTS)[number]

const asked = (
  wire: Wire,
  { name, ust }: Person,
  { method, path, fields }: Endpoint,
  more: object = {},
): Promise<Outcome> => wire.observe(name, () => wire.call(method, path, { ust, ...fields, ...more }))

/** A refusal by the gate, and its record. */
const denied = (reply: Reply, { operation }: Endpoint, error: string, actor: string | null) => ({
  reply,
  ...untouched,
  audit: [record(operation, 'denied', { error, actor })],
})

describe.each(PLACES)(`the session gate: ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  describe.each(ENDPOINTS)('$method $path', (endpoint) => {
    test('no token: 400, before anything else', async () => {
      const ada = await wire.person()
      for (const more of [{}, { current_app: 'Nope' }]) {
        expect(await asked(wire, ada, endpoint, { ust: undefined, ...more })).toEqual({
          reply: badRequest('Missing: ust.'),
          ...untouched,
          audit: [],
        })
      }
    })

    test('no application: 400', async () => {
      const ada = await wire.person()
      expect(await asked(wire, ada, endpoint, { current_app: undefined })).toEqual({
        reply: badRequest('Missing: current_app.'),
        ...untouched,
        audit: [],
      })
    })

    test('an application that is not configured: E004001, HTTP 200, and nothing else is run', async () => {
      const ada = await wire.person()
      for (const current_app of ['Nope', '', null, ['CRM'], 'crm']) {
        expect(await asked(wire, ada, endpoint, { current_app, ust: 'unknown' })).toEqual(
          denied(appRefused('E004001'), endpoint, 'app_invalid', null),
        )
      }
    })

    test('an unknown application is told before anything that is wrong with the other fields', async () => {
      const ada = await wire.person()
      const wrong = { user_id: {}, username: 5, password: 5, new_password: 5, is_totp_enabled: null }
      expect(await asked(wire, ada, endpoint, { current_app: 'Nope', ...wrong })).toEqual({
        ...denied(appRefused('E004001'), endpoint, 'app_invalid', null),
        audit: [expect.objectContaining({ outcome: 'denied', error: 'app_invalid', actor: null })],
      })
    })

    test('a token that no session has: E007001', async () => {
      const ada = await wire.person({ is_locked: true })
      for (const ust of [
        'unknown',
        '',
        null,
        5,
        ['x'],
        { a: 1 },
        `${ada.ust} `,
        ada.ust.toUpperCase(),
        '\ud800\u0000',
      ]) {
        expect(await asked(wire, ada, endpoint, { ust })).toEqual(
          denied(refused('E007001'), endpoint, 'session_unknown', null),
        )
      }
    })

    test('ASVS 7.2.3 what is stored of a session is not its token', async () => {
      const ada = await wire.person()
      const [{ ust_hash }] = await wire.host.database.db('sso_session').select().limit(1)
      expect(await asked(wire, ada, endpoint, { ust: ust_hash })).toEqual(
        denied(refused('E007001'), endpoint, 'session_unknown', null),
      )
    })

    test('ASVS 7.4.1 a session that has expired: E007001', async () => {
      const ada = await wire.person()
      wire.clock.now = later(60 * MINUTE)
      const outcome = await asked(wire, ada, endpoint)
      wire.clock.now = START
      expect(outcome).toEqual(denied(refused('E007001'), endpoint, 'session_unknown', null))
    })

    test.each([
      {
        rule: 'rejected',
        state: { approval_status: 'rejected', is_locked: true },
        code: 'E007001',
        error: 'session_unknown',
      },
      { rule: 'undecided', state: { approval_status: 'before_decision' }, code: 'E007001', error: 'session_unknown' },
      {
        rule: 'locked, whatever else',
        state: { is_locked: true, sign_up_status: 'before_confirmation', password_expiry: later(-1) },
        code: 'E005002',
        error: 'account_locked',
      },
      {
        rule: 'not confirmed, and expired',
        state: { sign_up_status: 'before_confirmation', password_expiry: later(-1) },
        code: 'E005003',
        error: 'sign_up_not_final',
      },
    ])('the account is $rule: $code', async ({ state, code, error }) => {
      const ada = await wire.person(state)
      const actor = error === 'session_unknown' ? null : ada.name
      expect(await asked(wire, ada, endpoint)).toEqual(denied(refused(code), endpoint, error, actor))
    })

    test('the password has expired: E005001, but for its owner’s change of it', async () => {
      const ada = await wire.person({ password_expiry: later(-1) })
      const outcome = await asked(wire, ada, endpoint)
      if (endpoint.operation === 'change_password') expect(outcome.reply).toEqual(ok())
      else expect(outcome).toEqual(denied(refused('E005001'), endpoint, 'not_allowed', ada.name))
    })

    test('a password that must change, or expires this moment, leaves the session as it is', async () => {
      const ada = await wire.person({ password_must_change: true, password_expiry: START })
      const { reply } = await asked(wire, ada, endpoint)
      expect(reply.status === 200 || ['E005001', 'E008002'].includes(reply.body.sub_status[0])).toBe(true)
      const read = await asked(wire, ada, ENDPOINTS[0])
      expect(read.reply.status).toBe(200)
    })
  })

  test('using a session does not prolong it', async () => {
    const ada = await wire.person()
    wire.clock.now = later(59 * MINUTE)
    const first = await asked(wire, ada, ENDPOINTS[0])
    wire.clock.now = later(60 * MINUTE)
    const second = await asked(wire, ada, ENDPOINTS[0])
    wire.clock.now = START
    expect([first.reply.status, second.reply]).toEqual([200, refused('E007001')])
  })

  test('a super-user whose password has expired changes his own, and nobody else’s', async () => {
    await wire.host.sso.user.createSuperUser({ data: { username: 'root', password: 'correct horse battery' } })
    const { user } = await wire.host.sso.user.login({
      username: 'root',
      password: 'correct horse battery',
      currentApp: 'CRM',
    })
    const root = { name: 'root', id: user.user_id, ust: await wire.host.login('root') }
    const ada = await wire.person()
    const actor = { via: 'code', name: 'setup' } as const
    await wire.host.sso.user.updateUserById({ actor, userId: root.id, data: { password_expiry: later(-1) } })

    const others = await wire.observe(ada.name, () =>
      wire.call('PATCH', '/user/password', { ust: root.ust, user_id: ada.id, new_password: 'a new horse battery' }),
    )
    expect(others).toEqual({
      reply: refused('E005001'),
      ...untouched,
      audit: [record('change_password', 'denied', { error: 'not_allowed', actor: 'root', target: ada.name })],
    })
    const own = await asked(wire, root, ENDPOINTS[4])
    expect(own.reply).toEqual(ok())
  })
})

describe.each(DATABASE_PLACES)('the session gate with every inform option turned: $database', (place) => {
  let wire: Wire
  beforeAll(async () => {
    const inform = { appInvalid: false, locked: false, notConfirmed: false, passwordExpired: true }
    wire = await startWire(place, { inform })
  })
  afterAll(() => wire?.host.close())

  test.each([
    { rule: 'locked', state: { is_locked: true }, code: 'E005001', error: 'not_allowed' },
    { rule: 'not confirmed', state: { sign_up_status: 'before_confirmation' }, code: 'E005001', error: 'not_allowed' },
    { rule: 'expired', state: { password_expiry: later(-1) }, code: 'E003004', error: 'password_expired' },
  ])('an account that is $rule: $code', async ({ state, code, error }) => {
    for (const endpoint of ENDPOINTS) {
      if (endpoint.operation === 'change_password' && error === 'password_expired') continue
      const ada = await wire.person(state)
      expect(await asked(wire, ada, endpoint)).toEqual(denied(refused(code), endpoint, error, ada.name))
    }
  })

  test('an unknown application: E005001, HTTP 200', async () => {
    for (const endpoint of ENDPOINTS) {
      const ada = await wire.person()
      const outcome = await asked(wire, ada, endpoint, { current_app: 'Nope' })
      expect(outcome).toEqual(denied(appRefused('E005001'), endpoint, 'app_invalid', null))
    }
  })
})
