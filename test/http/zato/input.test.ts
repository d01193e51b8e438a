import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  change,
  DATABASE_PLACES,
  type Outcome,
  ok,
  type Person,
  record,
  refused,
  startWire,
  untouched,
  type Wire,
} from './wire.ts'

/** Zato's spellings (section 2), in any case, trimmed. */
const TRUE = [true, 1, 'true', 'TRUE', ' True ', 'yes', 'on', 'y', 't', 'T', '1']
const FALSE = [false, 0, 'false', 'FALSE', ' False ', 'no', 'off', 'n', 'f', 'F', '0']
/** Truthy or falsy in Python, an accident in a client. */
const NEITHER = [null, '', 'maybe', 'truee', 'wahr', 2, -1, 0.5, [], [true], {}, { a: 1 }]

describe.each(DATABASE_PLACES)('input rules: $database', (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  const patch = ({ name, id }: Person, fields: object): Promise<Outcome> =>
    wire.observe(name, () => wire.call('PATCH', '/user', { ust: wire.admin.ust, user_id: id, ...fields }))

  describe('booleans', () => {
    test.each(TRUE)('%j is true', async (value) => {
      const ada = await wire.person()
      const { reply, account } = await patch(ada, { password_must_change: value })
      expect({ reply, account }).toEqual({ reply: ok(), account: { password_must_change: true } })
    })

    test.each(FALSE)('%j is false', async (value) => {
      const ada = await wire.person({ password_must_change: true })
      const { reply, account } = await patch(ada, { password_must_change: value })
      expect({ reply, account }).toEqual({ reply: ok(), account: { password_must_change: false } })
    })

    test.each(NEITHER)('%j is neither: E008002, for every boolean', async (value) => {
      const ada = await wire.person({ is_locked: true, password_must_change: true })
      for (const name of ['is_locked', 'password_must_change', 'is_totp_enabled']) {
        const { reply, account, elsewhere } = await patch(ada, { [name]: value })
        expect({ reply, account, elsewhere }).toEqual({
          reply: refused('E008002', expect.stringMatching(`^${name}: `)),
          ...untouched,
        })
      }
    })

    test('one that is absent is not touched', async () => {
      const ada = await wire.person({ is_locked: true, password_must_change: true })
      expect((await patch(ada, { first_name: 'Ada' })).account).toEqual({ first_name: 'Ada' })
    })

    test.each(TRUE)('auto_approve %j approves a new account at once', async (auto_approve) => {
      const username = `approved-${TRUE.indexOf(auto_approve)}`
      const { body } = await wire.call('POST', '/user', { ust: wire.admin.ust, username, auto_approve })
      expect([body.status, body.approval_status]).toEqual(['ok', 'approved'])
    })
  })

  describe('text', () => {
    const TEXTS = ['username', 'email', 'display_name', 'first_name', 'middle_name', 'last_name', 'totp_label']

    test.each([5, 0, 1.5, true, false, ['x'], [], {}, { a: 1 }])(
      '%j is not text: E008002, for every field',
      async (value) => {
        const ada = await wire.person({ first_name: 'Ada' })
        for (const name of TEXTS) {
          expect(await patch(ada, { [name]: value })).toEqual({
            reply: refused('E008002', expect.stringMatching(`^${name}: The value must be of type string`)),
            ...untouched,
            audit: [
              record('update_user_by_id', 'invalid', { error: 'input_invalid', actor: 'admin', target: ada.name }),
            ],
          })
        }
      },
    )

    test.each([5, true, ['x'], { a: 1 }])(
      '%j is no username, password or code to log in with: E008002',
      async (value) => {
        const ada = await wire.person()
        for (const name of ['username', 'password', 'totp_code', 'new_password', 'remote_addr', 'user_agent']) {
          const fields = { username: ada.name, password: 'correct horse battery', [name]: value }
          expect(await wire.observe(ada.name, () => wire.call('POST', '/user/login', fields))).toEqual({
            reply: refused('E008002'),
            ...untouched,
            audit: [],
          })
        }
      },
    )

    test('composed and decomposed text are stored composed', async () => {
      const ada = await wire.person()
      const { account, audit } = await patch(ada, { first_name: 'Zoe\u0308' })
      expect(account).toEqual({ first_name: 'Zoë' })
      expect(audit).toEqual([
        record('update_user_by_id', 'ok', {
          actor: 'admin',
          target: ada.name,
          changes: [change('first_name', null, 'Zoë')],
        }),
      ])
    })

    test('the longest that is accepted comes back whole, in characters and not in bytes', async () => {
      const ada = await wire.person()
      const display_name = '🌟'.repeat(191)
      expect((await patch(ada, { display_name })).account).toEqual({ display_name })
      const { body } = await wire.call('GET', '/user', { ust: ada.ust })
      expect(body.display_name).toBe(display_name)
    })
  })

  describe('ids', () => {
    test.each([true, 1.5, -0.5, 1e300, ['x'], [1], {}, { id: 1 }])('%j is no id: E008002', async (user_id) => {
      for (const [method, path] of [
        ['GET', '/user'],
        ['PATCH', '/user'],
        ['DELETE', '/user'],
        ['PATCH', '/user/password'],
        ['POST', '/user/lock'],
      ] as const) {
        const fields = { ust: wire.admin.ust, user_id, first_name: 'x', new_password: 'long enough' }
        expect(await wire.observe('admin', () => wire.call(method, path, fields))).toEqual({
          reply: refused('E008002'),
          ...untouched,
          audit: [],
        })
      }
    })

    test.each(['x'.repeat(192), 'x'.repeat(10_000), 'a\u0000b', '\ud800', ' ', "' or 1=1 --", '%', '0x1', '１'])(
      'no account has the id %j: E001100, or E005001 to a regular user',
      async (user_id) => {
        const ada = await wire.person()
        for (const [by, code] of [
          [wire.admin, 'E001100'],
          [ada, 'E005001'],
        ] as const) {
          const { reply, account, elsewhere } = await wire.observe(by.name, () =>
            wire.call('POST', '/user/lock', { ust: by.ust, user_id }),
          )
          expect({ reply, account, elsewhere }).toEqual({ reply: refused(code), ...untouched })
        }
      },
    )
  })
})
