import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../../support/host.ts'
import { codeAt, stepAt, TOTP_KEY } from '../../support/one-time-codes.ts'
import {
  badRequest,
  change,
  DATABASE_PLACES,
  later,
  MINUTE,
  type Outcome,
  ok,
  type Person,
  PLACE,
  PLACES,
  record,
  refused,
  rowsOf,
  START,
  START_TEXT,
  startWire,
  trailOf,
  untouched,
  type Wire,
} from './wire.ts'

const NOW = START.toISOString()
/** An id that no account has, whatever the type of ids. */
const NOBODY = '987654321'

/** Contract section 8.3, left column: what everybody reads of himself. */
const ownFields = (name: string) => ({
  username: name,
  email: null,
  display_name: '',
  first_name: null,
  middle_name: null,
  last_name: null,
  is_totp_enabled: false,
  totp_label: '',
})

/** Section 8.3: what a super-user reads of anybody. */
const allFields = ({ id, name }: Pick<Person, 'id' | 'name'>, by = 'setup') => ({
  user_id: id,
  ...ownFields(name),
  is_active: true,
  is_internal: false,
  is_super_user: false,
  is_locked: false,
  is_approval_needed: false,
  approval_status: 'approved',
  approval_status_mod_time: START_TEXT,
  approval_status_mod_by: by,
  locked_time: null,
  locked_by: null,
  creation_ctx: 'null',
  password_expiry: null,
  password_is_set: true,
  password_must_change: false,
  password_last_set: START_TEXT,
  sign_up_status: 'final',
  sign_up_time: START_TEXT,
})

describe.each(PLACES)(`accounts over the Zato dialect: ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  /** What a request by somebody about an account did. */
  const asked = ({ name }: Person, by: Person, method: string, path: string, fields: object): Promise<Outcome> =>
    wire.observe(name, () => wire.call(method, path, { ust: by.ust, ...fields }))

  describe('GET /user', () => {
    test('a regular user reads the fields that are for him, and no others', async () => {
      const ada = await wire.person()
      expect(await asked(ada, ada, 'GET', '/user', {})).toEqual({
        reply: ok(ownFields(ada.name)),
        ...untouched,
        audit: [],
      })
    })

    test('a regular user may name his own id', async () => {
      const ada = await wire.person()
      const outcome = await asked(ada, ada, 'GET', '/user', { user_id: ada.id })
      expect(outcome).toEqual({ reply: ok(ownFields(ada.name)), ...untouched, audit: [] })
    })

    test('a super-user reads every field of anybody by his id', async () => {
      const ada = await wire.person()
      const outcome = await asked(ada, wire.admin, 'GET', '/user', { user_id: ada.id })
      expect(outcome).toEqual({ reply: ok(allFields(ada)), ...untouched, audit: [] })
    })

    test('a super-user reads every field of himself, too', async () => {
      const expected = ok({ ...allFields(wire.admin, 'createSuperUser'), is_super_user: true })
      for (const fields of [{}, { user_id: wire.admin.id }]) {
        const outcome = await asked(wire.admin, wire.admin, 'GET', '/user', fields)
        expect(outcome).toEqual({ reply: expected, ...untouched, audit: [] })
      }
    })

    test('an id of digits may be a number', async () => {
      const ada = await wire.person()
      const id = /^\d{1,15}$/.test(ada.id) ? Number(ada.id) : null
      const outcome = await asked(ada, wire.admin, 'GET', '/user', { user_id: id ?? Number(NOBODY) })
      expect(outcome.reply).toEqual(id === null ? refused('E001100') : ok(allFields(ada)))
    })

    test.each([
      { rule: 'another’s account is not for a regular user', user_id: () => wire.admin.id, target: 'admin' },
      { rule: 'nor does he learn that there is none', user_id: () => NOBODY, target: null },
      { rule: 'an id that is null counts as an id', user_id: () => null, target: null },
      { rule: 'an id that is empty counts as an id', user_id: () => '', target: null },
    ])('$rule: E005001', async ({ user_id, target }) => {
      const ada = await wire.person()
      expect(await asked(ada, ada, 'GET', '/user', { user_id: user_id() })).toEqual({
        reply: refused('E005001'),
        ...untouched,
        audit: [record('get_user', 'denied', { error: 'super_user_required', actor: ada.name, target })],
      })
    })

    test.each([NOBODY, 'no-such-id', '', null])(
      'a super-user hears that there is no account %j: E001100',
      async (user_id) => {
        expect(await asked(wire.admin, wire.admin, 'GET', '/user', { user_id })).toEqual({
          reply: refused('E001100'),
          ...untouched,
          audit: [record('get_user', 'denied', { error: 'user_unknown', actor: 'admin' })],
        })
      },
    )
  })

  describe('PATCH /user', () => {
    const updated = (changes: readonly object[], by: Person, target: Person, operation = 'update_current_user') =>
      record(operation, 'ok', { actor: by.name, target: target.name, changes })

    test('an attribute that is sent is stored, one that is not keeps its value', async () => {
      const ada = await wire.person({ first_name: 'Ada', middle_name: 'King', last_name: 'Lovelace' })
      const fields = { display_name: 'Ada Lovelace', email: 'ada@example.com', middle_name: null }
      expect(await asked(ada, ada, 'PATCH', '/user', fields)).toEqual({
        reply: ok(),
        account: { display_name: 'Ada Lovelace', email: 'ada@example.com', middle_name: null },
        elsewhere: [],
        audit: [
          updated(
            [
              change('display_name', '', 'Ada Lovelace'),
              change('email', null, 'ada@example.com'),
              change('middle_name', 'King', null),
            ],
            ada,
            ada,
          ),
        ],
      })
      expect(await asked(ada, ada, 'GET', '/user', {})).toEqual({
        reply: ok({
          ...ownFields(ada.name),
          display_name: 'Ada Lovelace',
          email: 'ada@example.com',
          first_name: 'Ada',
          last_name: 'Lovelace',
        }),
        ...untouched,
        audit: [],
      })
    })

    const NULLABLE = ['email', 'display_name', 'first_name', 'middle_name', 'last_name', 'totp_label']

    test.each(NULLABLE)('%s takes text, null and, but for an address, empty text, each as it is', async (name) => {
      const value = name === 'email' ? 'first@example.com' : '  Ångström 🌟  '
      const ada = await wire.person({ [name]: 'old@example.com' })
      const expectChange = async (from: unknown, to: unknown) =>
        expect(await asked(ada, ada, 'PATCH', '/user', { [name]: to })).toEqual({
          reply: ok(),
          account: { [name]: to },
          elsewhere: [],
          audit: [updated([change(name, from, to)], ada, ada)],
        })
      await expectChange('old@example.com', value)
      await expectChange(value, null)
      if (name !== 'email') await expectChange(null, '')
    })

    test('one’s own username may change, and one logs in with the new one', async () => {
      const ada = await wire.person()
      const username = `${ada.name}-renamed`
      expect(await asked(ada, ada, 'PATCH', '/user', { username })).toEqual({
        reply: ok(),
        account: { username },
        elsewhere: [],
        audit: [updated([change('username', ada.name, username)], ada, ada)],
      })
      expect(await wire.call('POST', '/user/login', { username, password: PASSWORD })).toMatchObject(
        ok({ ust: expect.any(String) }),
      )
    })

    test('values that are there already are no change, and are audited as none', async () => {
      const ada = await wire.person({ first_name: 'Ada' })
      expect(await asked(ada, ada, 'PATCH', '/user', { first_name: 'Ada', username: ada.name })).toEqual({
        reply: ok(),
        ...untouched,
        audit: [record('update_current_user', 'unchanged', { actor: ada.name, target: ada.name })],
      })
    })

    test('a regular user may name his own id; null and "" mean himself', async () => {
      const ada = await wire.person()
      const byId = await asked(ada, ada, 'PATCH', '/user', { user_id: ada.id, first_name: 'Ada' })
      expect(byId).toEqual({
        reply: ok(),
        account: { first_name: 'Ada' },
        elsewhere: [],
        audit: [updated([change('first_name', null, 'Ada')], ada, ada, 'update_user_by_id')],
      })
      for (const [user_id, from, to] of [
        [null, 'Ada', 'Augusta'],
        ['', 'Augusta', 'A.'],
      ] as const) {
        expect(await asked(ada, ada, 'PATCH', '/user', { user_id, first_name: to })).toEqual({
          reply: ok(),
          account: { first_name: to },
          elsewhere: [],
          audit: [updated([change('first_name', from, to)], ada, ada)],
        })
      }
    })

    test('a super-user changes another’s account, and every field that is his to change', async () => {
      const ada = await wire.person()
      const fields = {
        display_name: 'Ada',
        is_locked: true,
        password_expiry: '2345-12-27T11:22:33',
        password_must_change: true,
        sign_up_status: 'before_confirmation',
        approval_status: 'rejected',
      }
      wire.clock.now = later(3 * MINUTE)
      const outcome = await asked(ada, wire.admin, 'PATCH', '/user', { user_id: ada.id, ...fields })
      wire.clock.now = START
      const time = later(3 * MINUTE).toISOString()
      expect(outcome).toEqual({
        reply: ok(),
        account: {
          ...fields,
          password_expiry: '2345-12-27T11:22:33.000Z',
          locked_time: time,
          locked_by: wire.admin.id,
          approval_status_mod_time: time,
          approval_status_mod_by: wire.admin.id,
          is_approval_needed: true,
        },
        elsewhere: ['- sso_session'],
        audit: [
          updated(
            [
              change('display_name', '', 'Ada'),
              change('is_locked', false, true),
              change('password_expiry', null, '2345-12-27T11:22:33.000Z'),
              change('password_must_change', false, true),
              change('sign_up_status', 'final', 'before_confirmation'),
              change('approval_status', 'approved', 'rejected'),
              change('locked_time', null, time),
              change('locked_by', null, wire.admin.id),
              change('approval_status_mod_time', NOW, time),
              change('approval_status_mod_by', 'setup', wire.admin.id),
              change('is_approval_needed', false, true),
            ],
            wire.admin,
            ada,
            'update_user_by_id',
          ),
        ],
      })
      expect((await asked(ada, wire.admin, 'GET', '/user', { user_id: ada.id })).reply).toEqual(
        ok({
          ...allFields(ada),
          ...fields,
          locked_time: '2031-05-06T07:11:09',
          locked_by: wire.admin.id,
          approval_status_mod_time: '2031-05-06T07:11:09',
          approval_status_mod_by: wire.admin.id,
          is_approval_needed: true,
        }),
      )
    })

    test.each([
      ['2030-02-28', '2030-02-28T00:00:00'],
      ['2030-02-28 12:34', '2030-02-28T12:34:00'],
      ['2030-02-28T12:34:56.789', '2030-02-28T12:34:56.789000'],
      ['2030-02-28T12:34:56.000001', '2030-02-28T12:34:56'],
      ['2030-02-28T12:34:56Z', '2030-02-28T12:34:56'],
      ['2030-02-28T12:34:56+02:00', '2030-02-28T10:34:56'],
    ])('the time %s comes back as %s: naive UTC, a fraction only if there is one', async (sent, shown) => {
      const ada = await wire.person()
      await asked(ada, wire.admin, 'PATCH', '/user', { user_id: ada.id, password_expiry: sent })
      const { reply } = await asked(ada, wire.admin, 'GET', '/user', { user_id: ada.id })
      expect(reply).toEqual(ok({ ...allFields(ada), password_expiry: shown }))
    })

    describe('ASVS 8.2.2, 8.2.3 a regular user is refused, whatever he reaches for', () => {
      const REFUSALS = [
        {
          rule: 'another’s account',
          fields: () => ({ user_id: wire.admin.id, first_name: 'x' }),
          error: 'super_user_required',
        },
        {
          rule: 'an account that does not exist',
          fields: () => ({ user_id: NOBODY, first_name: 'x' }),
          error: 'super_user_required',
        },
        { rule: 'his own lock', fields: () => ({ is_locked: false }), error: 'attribute_forbidden' },
        {
          rule: 'his own password expiry',
          fields: () => ({ password_expiry: '2345-12-27T11:22:33' }),
          error: 'attribute_forbidden',
        },
        { rule: 'password_must_change', fields: () => ({ password_must_change: false }), error: 'attribute_forbidden' },
        { rule: 'his sign-up status', fields: () => ({ sign_up_status: 'final' }), error: 'attribute_forbidden' },
        { rule: 'his approval', fields: () => ({ approval_status: 'approved' }), error: 'attribute_forbidden' },
        {
          rule: 'one forbidden field beside an allowed one',
          fields: () => ({ first_name: 'x', approval_status: 'approved' }),
          error: 'attribute_forbidden',
        },
      ]

      test.each(REFUSALS)('$rule: E008002', async ({ fields, error }) => {
        const ada = await wire.person()
        const sent: Readonly<Record<string, unknown>> = fields()
        const [operation, target] =
          sent['user_id'] === undefined
            ? ['update_current_user', ada.name]
            : ['update_user_by_id', sent['user_id'] === NOBODY ? null : 'admin']
        const line = expect.stringMatching(/^\w+: The attribute may not be changed by the caller\.$/)
        expect(await asked(ada, ada, 'PATCH', '/user', sent)).toEqual({
          reply: error === 'attribute_forbidden' ? refused('E008002', line) : refused('E008002'),
          ...untouched,
          audit: [record(operation, 'denied', { error, actor: ada.name, target })],
        })
      })
    })

    test('an account that does not exist is told to a super-user: E001100', async () => {
      const outcome = await asked(wire.admin, wire.admin, 'PATCH', '/user', { user_id: NOBODY, first_name: 'x' })
      expect(outcome).toEqual({
        reply: refused('E001100'),
        ...untouched,
        audit: [record('update_user_by_id', 'denied', { error: 'user_unknown', actor: 'admin' })],
      })
    })

    const TOO_LONG = 'x'.repeat(192)
    test.each([
      { rule: 'a username that is null', fields: { username: null }, code: 'E008002', error: 'input_invalid' },
      { rule: 'an empty username', fields: { username: '' }, code: 'E001001', error: 'username_invalid' },
      {
        rule: 'a username with white space around it',
        fields: { username: ' x' },
        code: 'E001004',
        error: 'username_has_whitespace',
      },
      {
        rule: 'a username that is too long',
        fields: { username: TOO_LONG },
        code: 'E001003',
        error: 'username_too_long',
      },
      {
        rule: 'a username with an invisible character',
        fields: { username: 'a\u200bb' },
        code: 'E001001',
        error: 'username_invalid',
      },
      { rule: 'a taken username', fields: { username: 'admin' }, code: 'E001002', error: 'username_taken' },
      { rule: 'text that is not an address', fields: { email: 'nobody' }, code: 'E002001', error: 'email_invalid' },
      { rule: 'an empty address', fields: { email: '' }, code: 'E002001', error: 'email_invalid' },
      {
        rule: 'an address that is too long',
        fields: { email: `${'x'.repeat(60)}@${`${'y'.repeat(60)}.`.repeat(4)}example` },
        code: 'E002003',
        error: 'email_too_long',
      },
      { rule: 'a name that is too long', fields: { display_name: TOO_LONG }, code: 'E008002', error: 'input_invalid' },
      { rule: 'a boolean that is null', fields: { is_totp_enabled: null }, code: 'E008002', error: null },
      { rule: 'a boolean that is empty', fields: { is_totp_enabled: '' }, code: 'E008002', error: 'input_invalid' },
      {
        rule: 'one-time codes without a key',
        fields: { is_totp_enabled: true },
        code: 'E008002',
        error: 'totp_key_missing',
      },
      {
        rule: 'a key that is not base32',
        fields: { totp_key: 'not base32!' },
        code: 'E008002',
        error: 'input_invalid',
      },
    ])('$rule is refused: $code', async ({ fields, code, error }) => {
      const ada = await wire.person()
      const { reply, ...done } = await asked(ada, ada, 'PATCH', '/user', fields)
      const { details, ...body } = reply.body
      expect({ status: reply.status, body }).toEqual(refused(code))
      if (error?.endsWith('_taken') || error === 'totp_key_missing') expect(details).toBeUndefined()
      else expect(details).toEqual([expect.stringContaining(`${Object.keys(fields)[0]}: `)])
      const audit = record('update_current_user', 'invalid', {
        error: error ?? 'input_invalid',
        actor: ada.name,
        target: ada.name,
      })
      expect(done).toEqual({ ...untouched, audit: error === null ? [] : [audit] })
    })

    test.each([
      { rule: 'a lock that is null', fields: { is_locked: null } },
      { rule: 'a password_must_change that is null', fields: { password_must_change: null } },
      { rule: 'an expiry that is null', fields: { password_expiry: null } },
      { rule: 'an impossible date', fields: { password_expiry: '2030-02-30' } },
      { rule: 'an Invalid Date', fields: { password_expiry: 'Invalid Date' } },
      { rule: 'an empty date', fields: { password_expiry: '' } },
      { rule: 'a date before the year 1000', fields: { password_expiry: '0999-12-31' } },
      { rule: 'a number for a date', fields: { password_expiry: 90 } },
      { rule: 'an unknown approval status', fields: { approval_status: 'maybe' } },
      { rule: 'an empty approval status', fields: { approval_status: '' } },
      { rule: 'an approval status that is null', fields: { approval_status: null } },
      { rule: 'an unknown sign-up status', fields: { sign_up_status: 'to_approve' } },
      { rule: 'an empty sign-up status', fields: { sign_up_status: '' } },
      { rule: 'a sign-up status that is null', fields: { sign_up_status: null } },
    ])('$rule is refused to a super-user, too: E008002', async ({ fields }) => {
      const ada = await wire.person()
      const { reply, account, elsewhere, audit } = await asked(ada, wire.admin, 'PATCH', '/user', {
        user_id: ada.id,
        ...fields,
      })
      const { details, ...body } = reply.body
      expect({ status: reply.status, body }).toEqual(refused('E008002'))
      // A value of a wrong type is not one of those listed either: two lines for one attribute.
      expect(details.length).toBeGreaterThan(0)
      expect(details.filter((line: string) => !line.startsWith(`${Object.keys(fields)[0]}: `))).toEqual([])
      expect({ account, elsewhere }).toEqual(untouched)
      expect(audit.every((row) => (row as { outcome: string }).outcome === 'invalid')).toBe(true)
    })

    test.each([
      { rule: 'an empty body', fields: {} },
      { rule: 'unknown fields alone', fields: { is_approved: true, is_super_user: true, favourite_colour: 'blue' } },
      {
        rule: 'fields that nobody may change',
        fields: { locked_by: 'me', sign_up_time: '2030-01-01', totp_last_step: 0 },
      },
    ])('$rule is nothing to update: E008003', async ({ fields }) => {
      const ada = await wire.person()
      expect(await asked(ada, ada, 'PATCH', '/user', fields)).toEqual({
        reply: refused('E008003'),
        ...untouched,
        audit: [
          record('update_current_user', 'invalid', { error: 'nothing_to_update', actor: ada.name, target: ada.name }),
        ],
      })
    })

    test('unknown fields beside known ones are ignored', async () => {
      const ada = await wire.person()
      const fields = { first_name: 'Ada', is_super_user: true, password: 'another one!', is_approved: false }
      expect(await asked(ada, ada, 'PATCH', '/user', fields)).toEqual({
        reply: ok(),
        account: { first_name: 'Ada' },
        elsewhere: [],
        audit: [updated([change('first_name', null, 'Ada')], ada, ada)],
      })
    })

    test('data is taken from the body alone, not from the query string', async () => {
      const ada = await wire.person()
      const sent = () =>
        wire.call('PATCH', '/user', { ust: ada.ust, first_name: 'Ada' }, { query: 'first_name=Eve&last_name=Eve' })
      expect(await wire.observe(ada.name, sent)).toEqual({
        reply: ok(),
        account: { first_name: 'Ada' },
        elsewhere: [],
        audit: [updated([change('first_name', null, 'Ada')], ada, ada)],
      })
    })

    test('a key for one-time codes is stored encrypted and never shown, and enables them', async () => {
      const ada = await wire.person()
      const { reply, account, elsewhere, audit } = await asked(ada, ada, 'PATCH', '/user', {
        totp_key: TOTP_KEY,
        is_totp_enabled: true,
        totp_label: 'CRM',
        totp_code: codeAt(TOTP_KEY, START),
      })
      expect({ reply, elsewhere }).toEqual({ reply: ok(), elsewhere: [] })
      expect(account).toEqual({
        is_totp_enabled: true,
        totp_label: 'CRM',
        totp_key: expect.stringMatching(/^v1\./),
        totp_last_step: stepAt(START),
        totp_is_proved: true,
      })
      expect(audit).toEqual([
        updated(
          [
            change('totp_key', null, '[redacted]'),
            change('is_totp_enabled', false, true),
            change('totp_label', null, 'CRM'),
            change('totp_last_step', null, stepAt(START)),
            change('totp_is_proved', false, true),
          ],
          ada,
          ada,
        ),
      ])
      const shown = await asked(ada, wire.admin, 'GET', '/user', { user_id: ada.id })
      expect(shown.reply).toEqual(ok({ ...allFields(ada), is_totp_enabled: true, totp_label: 'CRM' }))
    })
  })

  describe('POST /user', () => {
    let count = 0
    const newName = () => `new${++count}`
    const idOf = async (name: string) => String((await wire.stored(name))['user_id'])

    /** What a creation did; the new account is among the changed rows, not elsewhere. */
    const created = async (fields: Readonly<Record<string, unknown>>, by = wire.admin) => {
      const before = await rowsOf(wire.host)
      const trail = await trailOf(wire.host)
      const { status, body } = await wire.call('POST', '/user', { ust: by.ust, ...fields })
      const [after, audit] = [await rowsOf(wire.host), await trail()]
      return {
        reply: { status, body },
        rows: Object.fromEntries(
          [...after].map(([table, rows]) => [table, rows.length - (before.get(table)?.length ?? 0)]),
        ),
        isSame: JSON.stringify([...before]) === JSON.stringify([...after]),
        audit,
      }
    }

    test('a super-user creates a regular account from a name alone; it waits for approval', async () => {
      const username = newName()
      const { reply, audit } = await created({ username })
      const id = await idOf(username)
      const { locked_time, locked_by, creation_ctx, email, ...fields } = allFields(
        { id, name: username },
        wire.admin.id,
      )
      expect(reply).toEqual(ok({ ...fields, approval_status: 'before_decision', is_approval_needed: true }))
      expect(audit).toMatchObject([
        {
          operation: 'create_user',
          outcome: 'ok',
          error: null,
          actor_name: 'admin',
          target_id: id,
          target_name: username,
        },
      ])
      expect(audit[0]?.changes).toContainEqual(change('password', null, '[redacted]'))
    })

    test('a name that is put together of others is cut to what its column holds', async () => {
      const username = newName()
      const long = '\u{1F600}'.repeat(190)
      const { reply } = await created({ username, first_name: 'Ada', last_name: long })
      expect(reply.body).toMatchObject({
        status: 'ok',
        last_name: long,
        display_name: `Ada ${long}`.slice(0, 4 + 187 * 2),
      })
    })

    test('every field that Zato takes is taken', async () => {
      const username = newName()
      const { reply } = await created({
        username,
        password: 'a long enough one',
        password_must_change: 'yes',
        display_name: ' Shown ',
        first_name: ' Ada',
        middle_name: '',
        last_name: 'Lovelace ',
        email: 'ada@example.com',
        is_locked: true,
        sign_up_status: 'before_confirmation',
        is_totp_enabled: 1,
        totp_key: TOTP_KEY,
        totp_label: 'CRM',
        totp_code: codeAt(TOTP_KEY, START),
        auto_approve: true,
        is_rate_limit_active: true,
        rate_limit_def: '*=1/d',
      })
      const id = await idOf(username)
      const { locked_time, locked_by, creation_ctx, ...fields } = allFields({ id, name: username }, wire.admin.id)
      expect(reply).toEqual(
        ok({
          ...fields,
          password_must_change: true,
          display_name: 'Shown',
          first_name: 'Ada',
          last_name: 'Lovelace',
          email: 'ada@example.com',
          is_locked: true,
          sign_up_status: 'before_confirmation',
          is_totp_enabled: true,
          totp_label: 'CRM',
        }),
      )
      expect(await wire.stored(username)).toMatchObject({
        is_super_user: false,
        is_rate_limit_active: true,
        rate_limit_def: '*=1/d',
        locked_by: wire.admin.id,
        locked_time: NOW,
        totp_key: expect.stringMatching(/^v1\./),
      })
    })

    test.each([
      { first: 'Ada', middle: ' King ', last: 'Lovelace', shown: 'Ada King Lovelace' },
      { first: 'Ada', middle: null, last: '', shown: 'Ada' },
      { first: null, middle: null, last: null, shown: '' },
    ])('without a display_name, it is put together: "$shown"', async ({ first, middle, last, shown }) => {
      const username = newName()
      const { reply } = await created({ username, first_name: first, middle_name: middle, last_name: last })
      expect(reply.body).toMatchObject({ status: 'ok', display_name: shown })
    })

    test('the computed display_name is searchable: its upper-cased shadow follows', async () => {
      const username = newName()
      await created({ username, first_name: 'Straße', last_name: 'Ångström' })
      // The host may change its names without us: a shadow beside them would not follow.
      if (place.arrangement === 'host table')
        return expect(await wire.stored(username)).toMatchObject({
          display_name: 'Straße Ångström',
          display_name_upper: null,
        })
      expect(await wire.stored(username)).toMatchObject({
        display_name: 'Straße Ångström',
        display_name_upper: 'STRASSE ÅNGSTRÖM',
        first_name_upper: 'STRASSE',
        middle_name_upper: null,
        last_name_upper: 'ÅNGSTRÖM',
      })
      await wire.call('PATCH', '/user', { ust: wire.admin.ust, user_id: await idOf(username), first_name: null })
      expect(await wire.stored(username)).toMatchObject({ first_name: null, first_name_upper: null })
    })

    test('fields that have no effect have none', async () => {
      const username = newName()
      const { reply } = await created({
        username,
        user_id: 'mine',
        password_expiry: '2345-12-27T11:22:33',
        approval_status: 'approved',
        is_super_user: true,
        is_active: false,
      })
      expect(reply.body).toMatchObject({
        status: 'ok',
        user_id: await idOf(username),
        password_expiry: null,
        approval_status: 'before_decision',
        is_super_user: false,
        is_active: true,
      })
    })

    test.each([
      { rule: 'no username', fields: {}, code: 'E001001' },
      { rule: 'a username that is null', fields: { username: null }, code: 'E001001' },
      { rule: 'an empty username', fields: { username: '' }, code: 'E001001' },
      { rule: 'a username that is a number', fields: { username: 5 }, code: 'E001001' },
      { rule: 'a taken username', fields: { username: 'admin' }, code: 'E001002' },
      { rule: 'a password from the reject list', fields: { username: 'n', password: 'MyPassWord!' }, code: 'E003001' },
      { rule: 'a short password', fields: { username: 'n', password: 'seven77' }, code: 'E003002' },
      { rule: 'a long password', fields: { username: 'n', password: 'ab'.repeat(129) }, code: 'E003003' },
      { rule: 'a password that is a number', fields: { username: 'n', password: 12345678 }, code: 'E008002' },
      { rule: 'a wrong address', fields: { username: 'n', email: 'nobody' }, code: 'E002001' },
      { rule: 'an unknown sign-up status', fields: { username: 'n', sign_up_status: 'x' }, code: 'E008002' },
      { rule: 'one-time codes without a key', fields: { username: 'n', is_totp_enabled: true }, code: 'E008002' },
      { rule: 'a boolean that is null', fields: { username: 'n', is_locked: null }, code: 'E008002' },
      { rule: 'an auto_approve that is null', fields: { username: 'n', auto_approve: null }, code: 'E008002' },
      { rule: 'an auto_approve that is no boolean', fields: { username: 'n', auto_approve: 'maybe' }, code: 'E008002' },
    ])('$rule is refused: $code', async ({ fields, code }) => {
      const { reply, isSame, audit } = await created(fields)
      const { details: _, ...body } = reply.body
      expect({ status: reply.status, body }).toEqual(refused(code))
      expect(isSame).toBe(true)
      expect(audit.map(({ outcome }) => outcome)).not.toContain('ok')
    })

    test('a regular user creates nobody: E005001, whatever he sends', async () => {
      const ada = await wire.person()
      for (const fields of [{ username: newName() }, { username: '' }, {}]) {
        const { reply, isSame, audit } = await created(fields, ada)
        expect(reply).toEqual(refused('E005001'))
        expect(isSame).toBe(true)
        expect(audit).toMatchObject([
          { operation: 'create_user', outcome: 'denied', error: 'super_user_required', actor_name: ada.name },
        ])
      }
    })

    test('two creations of one name at once: one account, one E001002', async () => {
      const username = newName()
      const sent = Array.from({ length: 4 }, () => wire.call('POST', '/user', { ust: wire.admin.ust, username }))
      const replies = (await Promise.all(sent)).map(({ status, body }) => [status, body.sub_status])
      expect(replies.sort()).toEqual([[200, []], ...Array.from({ length: 3 }, () => [403, ['E001002']])])
      const done = await wire.host.audit({ operation: 'create_user', target_name: username, outcome: 'ok' })
      expect(done).toHaveLength(1)
    })

    test('two users who take one name at once: one has it, the other keeps his', async () => {
      const [ada, bob] = [await wire.person(), await wire.person()]
      const username = newName()
      const sent = [ada, bob].map(({ ust }) => wire.call('PATCH', '/user', { ust, username }))
      const replies = (await Promise.all(sent)).map(({ status, body }) => [status, body.sub_status])
      expect(replies.sort()).toEqual([
        [200, []],
        [403, ['E001002']],
      ])
      const kept = [await wire.stored(ada.name), await wire.stored(bob.name)].filter(({ username }) => username)
      expect(kept).toHaveLength(1)
    })

    test('in our own table, names that differ in case or Unicode form only are one', async () => {
      if (place.arrangement === 'host table') return expect(wire.host.database.name).toBe(place.database)
      const username = newName()
      await created({ username: `${username}-straße`, password: PASSWORD, auto_approve: true })
      for (const twin of [`${username.toUpperCase()}-STRASSE`, `${username}-ſtraße`]) {
        expect((await created({ username: twin })).reply).toEqual(refused('E001002'))
      }
      const login = await wire.call('POST', '/user/login', {
        username: `${username}-STRASSE`.toUpperCase(),
        password: PASSWORD,
      })
      expect({ status: login.status, body: login.body }).toEqual(ok({ ust: expect.any(String) }))
    })
  })

  describe('DELETE /user', () => {
    test('a super-user deletes an account, and its sessions go with it', async () => {
      const ada = await wire.person()
      const outcome = await asked(ada, wire.admin, 'DELETE', '/user', { user_id: ada.id })
      expect(outcome.reply).toEqual(ok())
      expect(await wire.stored(ada.name)).toEqual({})
      expect(outcome.elsewhere).toEqual(['- sso_session'])
      expect(outcome.audit).toEqual([record('delete_user', 'ok', { actor: 'admin', target: ada.name })])
      const gone = await wire.call('GET', '/user', { ust: ada.ust })
      expect({ status: gone.status, body: gone.body }).toEqual(refused('E007001'))
    })

    test.each([
      {
        rule: 'oneself',
        id: () => wire.admin.id,
        code: 'E008001',
        outcome: 'invalid',
        error: 'operation_invalid',
        target: 'admin',
      },
      {
        rule: 'an account that does not exist',
        id: () => NOBODY,
        code: 'E001100',
        outcome: 'denied',
        error: 'user_unknown',
        target: null,
      },
    ])('a super-user cannot delete $rule: $code', async ({ id, code, outcome, error, target }) => {
      expect(await asked(wire.admin, wire.admin, 'DELETE', '/user', { user_id: id() })).toEqual({
        reply: refused(code),
        ...untouched,
        audit: [record('delete_user', outcome, { error, actor: 'admin', target })],
      })
    })

    test.each(['himself', 'another', 'nobody'])(
      'a regular user deletes neither himself nor another: %s, E005001',
      async (whom) => {
        const [ada, bob] = [await wire.person(), await wire.person()]
        const user_id = { himself: ada.id, another: bob.id, nobody: NOBODY }[whom]
        const target = { himself: ada.name, another: bob.name, nobody: null }[whom] ?? null
        expect(await asked(ada, ada, 'DELETE', '/user', { user_id })).toEqual({
          reply: refused('E005001'),
          ...untouched,
          audit: [record('delete_user', 'denied', { error: 'super_user_required', actor: ada.name, target })],
        })
      },
    )

    test('an id is required: 400; null and "" are no ids: E008002', async () => {
      const absent = await asked(wire.admin, wire.admin, 'DELETE', '/user', {})
      expect(absent).toEqual({ reply: badRequest('Missing: user_id.'), ...untouched, audit: [] })
      for (const user_id of [null, '']) {
        const { reply } = await asked(wire.admin, wire.admin, 'DELETE', '/user', { user_id })
        expect(reply).toEqual(refused('E008002'))
      }
    })
  })

  describe('POST and DELETE /user/lock, POST /user/approve and /user/reject', () => {
    const STATUS = [
      { method: 'POST', path: '/user/lock', operation: 'lock_user', stranger: 'E005001' },
      { method: 'DELETE', path: '/user/lock', operation: 'unlock_user', stranger: 'E005001' },
      { method: 'POST', path: '/user/approve', operation: 'approve_user', stranger: 'E008002' },
      { method: 'POST', path: '/user/reject', operation: 'reject_user', stranger: 'E008002' },
    ] as const

    /** Where each begins, so that it changes something, and what it leaves. */
    const effect = (operation: (typeof STATUS)[number]['operation']) => {
      const [admin, time] = [wire.admin.id, later(MINUTE).toISOString()]
      const lock = (from: boolean) => ({
        is_locked: [from, !from],
        locked_time: [from ? NOW : null, time],
        locked_by: [from ? 'setup' : null, admin],
      })
      const approval = (from: string, to: string) => ({
        approval_status: [from, to],
        approval_status_mod_time: [NOW, time],
        approval_status_mod_by: ['setup', admin],
        is_approval_needed: [from !== 'approved', to !== 'approved'],
      })
      return {
        lock_user: { state: {}, changes: lock(false) },
        unlock_user: { state: { is_locked: true }, changes: lock(true) },
        approve_user: { state: { approval_status: 'rejected' }, changes: approval('rejected', 'approved') },
        reject_user: { state: {}, changes: approval('approved', 'rejected') },
      }[operation]
    }

    test.each(STATUS)(
      '$method $path by a super-user: done, stamped with whom and when, repeatable',
      async ({ method, path, operation }) => {
        const { state, changes } = effect(operation)
        const ada = await wire.person(state)
        wire.clock.now = later(MINUTE)
        const first = await asked(ada, wire.admin, method, path, { user_id: ada.id })
        wire.clock.now = later(2 * MINUTE)
        const second = await asked(ada, wire.admin, method, path, { user_id: ada.id })
        wire.clock.now = START
        expect(first).toEqual({
          reply: ok(),
          account: Object.fromEntries(Object.entries(changes).map(([name, [, to]]) => [name, to])),
          elsewhere: ['- sso_session'],
          audit: [
            record(operation, 'ok', {
              actor: 'admin',
              target: ada.name,
              changes: Object.entries(changes).map(([name, [from, to]]) => change(name, from, to)),
            }),
          ],
        })
        expect(second).toEqual({
          reply: ok(),
          ...untouched,
          audit: [record(operation, 'unchanged', { actor: 'admin', target: ada.name })],
        })
      },
    )

    test.each(STATUS)(
      '$method $path by a regular user: $stranger, for himself, another and nobody',
      async ({ method, path, operation, stranger }) => {
        const [ada, bob] = [await wire.person(), await wire.person()]
        for (const [user_id, target] of [
          [ada.id, ada.name],
          [bob.id, bob.name],
          [NOBODY, null],
        ] as const) {
          expect(await asked(ada, ada, method, path, { user_id })).toEqual({
            reply: refused(stranger),
            ...untouched,
            audit: [record(operation, 'denied', { error: 'super_user_required', actor: ada.name, target })],
          })
        }
      },
    )

    test.each(STATUS)(
      '$method $path: an unknown id is E001100, none is 400, an empty one E008002',
      async ({ method, path, operation }) => {
        expect(await asked(wire.admin, wire.admin, method, path, { user_id: NOBODY })).toEqual({
          reply: refused('E001100'),
          ...untouched,
          audit: [record(operation, 'denied', { error: 'user_unknown', actor: 'admin' })],
        })
        const absent = await asked(wire.admin, wire.admin, method, path, {})
        expect(absent).toEqual({ reply: badRequest('Missing: user_id.'), ...untouched, audit: [] })
        for (const user_id of [null, '', {}, [], true, 1.5]) {
          const { reply, account, elsewhere } = await asked(wire.admin, wire.admin, method, path, { user_id })
          expect({ reply, account, elsewhere }).toEqual({ reply: refused('E008002'), ...untouched })
        }
      },
    )

    test('a super-user does not lock himself out', async () => {
      await wire.host.sso.user.createSuperUser({ data: { username: 'root2', password: PASSWORD } })
      const root: Person = { name: 'root2', id: await idOfStored('root2'), ust: await wire.host.login('root2') }
      const locked = await asked(root, root, 'POST', '/user/lock', { user_id: root.id })
      expect(locked.reply).toEqual(refused('E008001'))
      const after = await asked(root, root, 'GET', '/user', {})
      expect(after.reply.status).toBe(200)
    })

    const idOfStored = async (name: string) => String((await wire.stored(name))['user_id'])

    test('a rejection ends the sessions, and a later approval does not give them back', async () => {
      const ada = await wire.person()
      await asked(ada, wire.admin, 'POST', '/user/reject', { user_id: ada.id })
      expect((await asked(ada, ada, 'GET', '/user', {})).reply).toEqual(refused('E007001'))
      await asked(ada, wire.admin, 'POST', '/user/approve', { user_id: ada.id })
      expect((await asked(ada, ada, 'GET', '/user', {})).reply).toEqual(refused('E007001'))
    })
  })
})

describe.each(DATABASE_PLACES)('accounts under other options: $database', (place) => {
  test('email.unique: an address that another has, in any case: E002002, to create and to change', async () => {
    const wire = await startWire(place, { email: { unique: true } })
    try {
      const [ada, bob] = [await wire.person({}, { email: 'Ada@example.com' }), await wire.person()]
      for (const email of ['Ada@example.com', 'ada@EXAMPLE.com']) {
        const rows = await rowsOf(wire.host)
        const created = await wire.call('POST', '/user', { ust: wire.admin.ust, username: 'new', email })
        const changed = await wire.call('PATCH', '/user', { ust: bob.ust, email })
        const codes = [created, changed].map(({ status, body }) => ({ status, body }))
        expect(codes).toEqual([refused('E002002'), refused('E002002')])
        expect(await rowsOf(wire.host)).toEqual(rows)
      }
      const own = await wire.call('PATCH', '/user', { ust: ada.ust, email: 'ada@example.com' })
      expect(own.body.status).toBe('ok')
      const atOnce = [ada, bob].map(({ ust }) => wire.call('PATCH', '/user', { ust, email: 'both@example.com' }))
      const replies = (await Promise.all(atOnce)).map(({ status, body }) => [status, ...body.sub_status])
      expect(replies.sort()).toEqual([[200], [403, 'E002002']])
    } finally {
      await wire.host.close()
    }
  })

  test('signUp.approvalNeeded off: new accounts are approved at once', async () => {
    const wire = await startWire(place, { signUp: { approvalNeeded: false } })
    try {
      const { body } = await wire.call('POST', '/user', { ust: wire.admin.ust, username: 'new' })
      expect([body.approval_status, body.is_approval_needed]).toEqual(['approved', false])
    } finally {
      await wire.host.close()
    }
  })

  test('attributes of the host follow Zato’s in replies, and are changed by whom its schema lets', async () => {
    const wire = await startWire(place, {
      attributes: {
        properties: {
          colour: { type: ['string', 'null'], maxLength: 20, 'x-sso': { editableBy: 'self', readableBy: 'self' } },
          rank: { type: ['integer', 'null'], 'x-sso': { editableBy: 'super_user', readableBy: 'super_user' } },
          since: { type: ['string', 'null'], format: 'date-time', 'x-sso': { editableBy: 'self', readableBy: 'self' } },
        },
      },
    })
    try {
      const ada = await wire.person()
      const patch = async (by: Person, fields: object) => {
        const { status, body } = await wire.call('PATCH', '/user', { ust: by.ust, user_id: ada.id, ...fields })
        return { status, body }
      }
      expect(await patch(ada, { colour: 'green', since: '2030-01-02' })).toEqual(ok())
      expect(await patch(wire.admin, { rank: 5 })).toEqual(ok())
      expect(await patch(ada, { rank: 6 })).toEqual(refused('E008002', expect.stringMatching(/^rank: /)))
      expect(await patch(ada, { colour: 'x'.repeat(21) })).toEqual(
        refused('E008002', expect.stringMatching(/^colour: /)),
      )
      const read = async (by: Person) => (await wire.call('GET', '/user', { ust: by.ust, user_id: ada.id })).body
      const [own, all] = [await read(ada), await read(wire.admin)]
      expect(own).toEqual(ok({ ...ownFields(ada.name), colour: 'green', since: '2030-01-02T00:00:00' }).body)
      expect(all).toEqual(ok({ ...allFields(ada), colour: 'green', rank: 5, since: '2030-01-02T00:00:00' }).body)
    } finally {
      await wire.host.close()
    }
  })

  test.each(['uuid', 'string'] as const)('ids of a host’s table may be of the type %s', async (idType) => {
    const wire = await startWire({ ...place, arrangement: 'host table', idType })
    try {
      const ada = await wire.person()
      // PostgreSQL knows UUIDs, the others keep them as text.
      const inCapitals = wire.host.database.name === 'postgres' && idType === 'uuid' ? ada.id.toUpperCase() : ada.id
      const replies = []
      for (const user_id of [ada.id, inCapitals]) {
        // The lock of the round before has ended the session.
        const ust = await wire.host.login(ada.name)
        replies.push(await wire.call('GET', '/user', { ust, user_id }))
        replies.push(await wire.call('PATCH', '/user', { ust, user_id, first_name: user_id.slice(0, 5) }))
        replies.push(await wire.call('POST', '/user/lock', { ust: wire.admin.ust, user_id }))
        replies.push(await wire.call('DELETE', '/user/lock', { ust: wire.admin.ust, user_id }))
      }
      expect(replies.map(({ status }) => status)).toEqual(Array(8).fill(200))
      const deleted = await wire.call('DELETE', '/user', { ust: wire.admin.ust, user_id: ada.id })
      expect(deleted.body.status).toBe('ok')
      expect(await wire.stored(ada.name)).toEqual({})
    } finally {
      await wire.host.close()
    }
  })
})
