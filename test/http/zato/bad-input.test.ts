import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../../support/host.ts'
import {
  CID,
  type FullReply,
  type Person,
  PLACE,
  PLACES,
  type Place,
  rowsOf,
  send,
  startWire,
  trailOf,
  type Wire,
} from './wire.ts'

interface People {
  readonly admin: Person
  /** A regular user. */
  readonly ada: Person
  /** His password must change. */
  readonly due: Person
  /** He logs in with one-time codes. */
  readonly coded: Person
}

interface Route {
  readonly name: string
  readonly method: string
  readonly path: string
  /** Fields of a request that would be carried out, so that it is the bad one that it is refused for. */
  readonly good: (people: People) => Readonly<Record<string, unknown>>
  /** Fields that are read; each of them is spoilt in turn. */
  readonly texts: readonly string[]
  readonly others?: readonly string[]
}

const NAMES = ['display_name', 'first_name', 'middle_name', 'last_name']
const about = ({ admin, ada }: People) => ({ ust: admin.ust, user_id: ada.id })

const ROUTES: readonly Route[] = [
  {
    name: 'POST /user/login',
    method: 'POST',
    path: '/user/login',
    good: ({ ada }) => ({ username: ada.name, password: PASSWORD }),
    texts: ['username', 'password', 'remote_addr', 'user_agent'],
  },
  {
    name: 'POST /user/login with a new password',
    method: 'POST',
    path: '/user/login',
    good: ({ due }) => ({ username: due.name, password: PASSWORD, new_password: 'a new horse battery' }),
    texts: ['new_password'],
  },
  {
    name: 'POST /user/login with a code',
    method: 'POST',
    path: '/user/login',
    good: ({ coded }) => ({ username: coded.name, password: PASSWORD, totp_code: '000000' }),
    texts: ['totp_code'],
  },
  { name: 'GET /user', method: 'GET', path: '/user', good: about, texts: ['ust', 'user_id'] },
  {
    name: 'POST /user',
    method: 'POST',
    path: '/user',
    good: ({ admin }) => ({ ust: admin.ust, username: 'somebody-new' }),
    texts: [
      'ust',
      'username',
      'password',
      'email',
      ...NAMES,
      'sign_up_status',
      'totp_key',
      'totp_label',
      'totp_code',
      'rate_limit_def',
    ],
    others: ['password_must_change', 'is_locked', 'is_totp_enabled', 'auto_approve', 'is_rate_limit_active'],
  },
  {
    name: 'PATCH /user',
    method: 'PATCH',
    path: '/user',
    good: ({ ada }) => ({ ust: ada.ust, first_name: 'Changed' }),
    texts: ['ust', 'username', 'email', ...NAMES, 'totp_key', 'totp_label', 'totp_code'],
    others: ['is_totp_enabled'],
  },
  {
    name: 'PATCH /user by a super-user',
    method: 'PATCH',
    path: '/user',
    good: (people) => ({ ...about(people), first_name: 'Changed' }),
    texts: ['user_id', 'username', 'email', ...NAMES, 'sign_up_status', 'approval_status', 'password_expiry'],
    others: ['is_locked', 'password_must_change'],
  },
  { name: 'DELETE /user', method: 'DELETE', path: '/user', good: about, texts: ['ust', 'user_id'] },
  {
    name: 'PATCH /user/password',
    method: 'PATCH',
    path: '/user/password',
    good: ({ ada }) => ({ ust: ada.ust, old_password: PASSWORD, new_password: 'a new horse battery' }),
    texts: ['ust', 'old_password', 'new_password', 'password_expiry'],
    others: ['must_change'],
  },
  {
    name: 'PATCH /user/password by a super-user',
    method: 'PATCH',
    path: '/user/password',
    good: (people) => ({ ...about(people), new_password: 'a new horse battery' }),
    texts: ['ust', 'user_id', 'new_password', 'password_expiry'],
    others: ['must_change'],
  },
  {
    name: 'PATCH /user/totp',
    method: 'PATCH',
    path: '/user/totp',
    good: ({ ada }) => ({ ust: ada.ust, totp_key: 'KRSXG5CTMVRXEZLU', totp_label: 'phone' }),
    texts: ['ust', 'totp_key', 'totp_label', 'totp_code'],
  },
  {
    name: 'PATCH /user/totp by a super-user',
    method: 'PATCH',
    path: '/user/totp',
    good: (people) => ({ ...about(people), totp_key: 'KRSXG5CTMVRXEZLU', totp_label: 'phone' }),
    texts: ['ust', 'user_id', 'totp_key', 'totp_label', 'totp_code'],
  },
  { name: 'POST /user/lock', method: 'POST', path: '/user/lock', good: about, texts: ['ust', 'user_id'] },
  { name: 'DELETE /user/lock', method: 'DELETE', path: '/user/lock', good: about, texts: ['ust', 'user_id'] },
  { name: 'POST /user/approve', method: 'POST', path: '/user/approve', good: about, texts: ['ust', 'user_id'] },
  { name: 'POST /user/reject', method: 'POST', path: '/user/reject', good: about, texts: ['ust', 'user_id'] },
]

/** Whatever is sent, logging out answers with ok, lest tokens be told apart (section 8.2). */
const LOGOUT: Route = {
  name: 'POST /user/logout',
  method: 'POST',
  path: '/user/logout',
  good: ({ ada }) => ({ ust: ada.ust }),
  texts: [],
}

/** Bodies that are refused before a field is looked at. @param good a body that would be carried out, as JSON */
const BODIES: readonly {
  readonly rule: string
  readonly body: (good: string) => string | Buffer
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
}[] = [
  { rule: 'text that is not JSON', body: () => 'ust=abc&first_name=x', status: 400 },
  { rule: 'JSON that breaks off', body: (good) => good.slice(0, -1), status: 400 },
  { rule: 'JSON with something after it', body: (good) => `${good}{}`, status: 400 },
  { rule: 'JSON with a comma too many', body: (good) => `${good.slice(0, -1)},}`, status: 400 },
  {
    rule: 'JSON with a bare NUL in a text',
    body: (good) => `${good.slice(0, -1)},"first_name":"\u0000"}`,
    status: 400,
  },
  { rule: 'NaN', body: (good) => `${good.slice(0, -1)},"first_name":NaN}`, status: 400 },
  { rule: 'an array', body: (good) => `[${good}]`, status: 400 },
  { rule: 'a text', body: (good) => JSON.stringify(good), status: 400 },
  { rule: 'a number', body: () => '5', status: 400 },
  { rule: 'true', body: () => 'true', status: 400 },
  { rule: 'null', body: () => 'null', status: 400 },
  { rule: 'nothing', body: () => '', status: 400 },
  { rule: 'white space', body: () => ' \n ', status: 400 },
  { rule: 'an empty object', body: () => '{}', status: 400 },
  { rule: 'brackets, nested ten thousand times', body: () => '['.repeat(10_000), status: 400 },
  {
    rule: 'bytes that are not UTF-8',
    body: (good) =>
      Buffer.concat([Buffer.from(good.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]),
    status: 400,
  },
  { rule: 'UTF-16', body: (good) => Buffer.from(good, 'utf16le'), status: 400 },
  {
    rule: 'more bytes than the limit',
    body: (good) => `${good.slice(0, -1)},"filler":"${'x'.repeat(102_400)}"}`,
    status: 413,
  },
  {
    rule: 'gzip that grows beyond the limit',
    body: (good) => gzipSync(`${good.slice(0, -1)},"filler":"${'x'.repeat(10_000_000)}"}`),
    headers: { 'Content-Encoding': 'gzip' },
    status: 413,
  },
  { rule: 'gzip that is none', body: (good) => good, headers: { 'Content-Encoding': 'gzip' }, status: 400 },
  {
    rule: 'gzip that breaks off',
    body: (good) => gzipSync(good).subarray(0, -12),
    headers: { 'Content-Encoding': 'gzip' },
    status: 400,
  },
  { rule: 'deflate that is none', body: (good) => good, headers: { 'Content-Encoding': 'deflate' }, status: 400 },
  {
    rule: 'an unknown Content-Encoding',
    body: (good) => good,
    headers: { 'Content-Encoding': 'zstd-of-mine' },
    status: 415,
  },
  {
    rule: 'ten thousand keys',
    body: (good) => `${good.slice(0, -1)},${Array.from({ length: 10_000 }, (_, i) => `"k${i}":0`).join()}}`,
    status: 403,
  },
  { rule: '__proto__', body: (good) => `${good.slice(0, -1)},"__proto__":{"is_super_user":true}}`, status: 403 },
  {
    rule: 'constructor',
    body: (good) => `${good.slice(0, -1)},"constructor":{"prototype":{"is_super_user":true}}}`,
    status: 403,
  },
  { rule: 'prototype', body: (good) => `${good.slice(0, -1)},"prototype":1}`, status: 403 },
]

/** Values that no text field takes. */
const TEXT_FAULTS: readonly { readonly rule: string; readonly values: readonly unknown[] }[] = [
  { rule: 'NUL', values: ['a\u0000b', 'long enough\u0000'] },
  { rule: 'lone surrogates', values: ['\ud800', 'long enough\udfff'] },
  { rule: 'arrays', values: [[], ['x'], [null, ['x']]] },
  { rule: 'objects', values: [{}, { toString: 'x', length: 1 }] },
  { rule: 'booleans and numbers', values: [true, false, -1.5] },
  { rule: 'texts longer than any column', values: ['🌟'.repeat(5000), `${'x'.repeat(5000)}@example.com`] },
]

const BOOLEAN_FAULTS = [null, '', 'maybe', '\u0000', '\ud800', [], [true], {}, { a: 1 }, 2, -1, 0.5, 'x'.repeat(5000)]

const TIMES = [
  'Invalid Date',
  '2030-02-30',
  '2030-02-29',
  '2030-13-01',
  '2030-01-01T25:00:00',
  '2030-01-01T24:00:00',
  '2030-01-01T00:60:00',
  '2030-01-01T00:00:00+99:00',
  '0000-00-00',
  '0999-12-31T23:59:59',
  '10000-01-01',
  '+275760-09-13',
  '9999-12-31T23:59:59-01:00',
  'tomorrow',
  '1e3',
  '',
  null,
  0,
  1_900_000_000_000,
  true,
  [],
  ['2030-01-01'],
  {},
]

/** A failure in the words of the dialect, and in no others. */
function expectClearError({ status, body, text }: FullReply): void {
  const envelope =
    status === 403 || status === 200
      ? { status: 'error', cid: CID, sub_status: [expect.stringMatching(/^E00\d{4}$/)] }
      : { result: 'Error', cid: CID, details: expect.stringMatching(/^[A-Z][a-z ]+$/) }
  const { details, message, ...rest } = body
  expect([200, 400, 403, 413, 415]).toContain(status)
  expect('result' in envelope ? { ...rest, details } : rest).toEqual(envelope)
  if (message !== undefined) expect(message).toMatch(/^[\w"'_,.:; -]+$/)
  // Nothing of the database or of our own code.
  expect(text).not.toMatch(/sqlite|mysql|postgres|knex|duplicate|constraint|insert into|node_modules/i)
}

describe.each(PLACES)(`what bad input gets: ${PLACE}`, (place: Place) => {
  let wire: Wire
  let people: People
  beforeAll(async () => {
    wire = await startWire(place)
    people = {
      admin: wire.admin,
      ada: await wire.person({ first_name: 'Ada' }),
      due: await wire.person({ password_must_change: true }),
      coded: await wire.person({ totp_key: 'JBSWY3DPEHPK3PXP', is_totp_enabled: true }),
    }
  })
  afterAll(() => wire?.host.close())

  /** Whatever these requests get, they write nothing, and no record claims that they did. */
  const expectNothingDone = async (act: () => Promise<void>) => {
    const [rows, trail] = [await rowsOf(wire.host), await trailOf(wire.host)]
    await act()
    const audit = await trail()
    expect(audit.filter(({ outcome }) => outcome !== 'denied' && outcome !== 'invalid')).toEqual([])
    expect(audit.flatMap(({ changes }) => changes)).toEqual([])
    expect(await rowsOf(wire.host)).toEqual(rows)
  }

  const goodBody = (route: Route) => JSON.stringify({ current_app: 'CRM', ...route.good(people) })

  // What is refused before a database is asked for more than an audit record is tried on one of them.
  describe.each(place.database === 'sqlite' ? [...ROUTES, LOGOUT] : ROUTES.slice(0, 1))('$name', (route) => {
    test('a body that is not what it must be is refused with its own status', async () => {
      await expectNothingDone(async () => {
        for (const { rule, body, headers = {}, status } of BODIES) {
          const sending = { headers, body: body(goodBody(route)) }
          const reply = await send(wire.host, route.method, `/zato/sso${route.path}`, sending)
          expect([rule, reply.status]).toEqual([rule, status])
          expectClearError(reply)
        }
      })
    })

    test('an application that cannot be one is not configured', async () => {
      await expectNothingDone(async () => {
        for (const current_app of TEXT_FAULTS.flatMap(({ values }) => values)) {
          const reply = await wire.call(route.method, route.path, { ...route.good(people), current_app })
          expect([reply.status, reply.body.sub_status]).toEqual([200, ['E004001']])
          expectClearError(reply)
        }
      })
    })
  })

  describe.each(ROUTES)('$name', (route) => {
    test.each(TEXT_FAULTS)('$rule in a text field', async ({ values }) => {
      await expectNothingDone(async () => {
        for (const name of route.texts) {
          for (const value of values) {
            const reply = await wire.call(route.method, route.path, { ...route.good(people), [name]: value })
            expect([name, value, reply.status]).toEqual([name, value, 403])
            expectClearError(reply)
          }
        }
      })
    })

    test('text, lists and objects in a boolean field', async () => {
      await expectNothingDone(async () => {
        for (const name of route.others ?? []) {
          for (const value of BOOLEAN_FAULTS) {
            const reply = await wire.call(route.method, route.path, { ...route.good(people), [name]: value })
            expect([name, value, reply.status]).toEqual([name, value, 403])
            expectClearError(reply)
          }
        }
      })
    })
  })

  test('a time that is none', async () => {
    await expectNothingDone(async () => {
      for (const password_expiry of TIMES) {
        const reply = await wire.call('PATCH', '/user', { ...about(people), password_expiry })
        expect([password_expiry, reply.status, reply.body.sub_status]).toEqual([password_expiry, 403, ['E008002']])
        expectClearError(reply)
      }
    })
  })

  test('a username that is taken', async () => {
    await expectNothingDone(async () => {
      const sent = [
        ['POST', { ust: people.admin.ust, username: people.ada.name }],
        ['PATCH', { ust: people.ada.ust, username: 'admin' }],
        ['PATCH', { ...about(people), username: people.due.name }],
      ] as const
      for (const [method, fields] of sent) {
        const reply = await wire.call(method, '/user', fields)
        expect(reply.body.sub_status).toEqual(['E001002'])
        expectClearError(reply)
      }
    })
  })

  test('a username whose caseless form is much longer than itself', async () => {
    await expectNothingDone(async () => {
      for (const [method, fields] of [
        ['POST', { ust: people.admin.ust, username: 'ﷺ'.repeat(191) }],
        ['PATCH', { ust: people.ada.ust, username: 'ﷺ'.repeat(191) }],
      ] as const) {
        const reply = await wire.call(method, '/user', fields)
        expect(reply.body.sub_status).toEqual(['E001003'])
        expectClearError(reply)
      }
      const login = await wire.call('POST', '/user/login', { username: 'ﷺ'.repeat(191), password: PASSWORD })
      expect(login.body.sub_status).toEqual(['E005001'])
    })
  })

  test('logging out with what is no token is ok, and ends nothing', async () => {
    await expectNothingDone(async () => {
      for (const ust of [...TEXT_FAULTS.flatMap(({ values }) => values), null, '', people.ada.id]) {
        const { status, body } = await wire.call('POST', '/user/logout', { ust })
        expect({ status, body }).toEqual({ status: 200, body: { status: 'ok', cid: CID, sub_status: [] } })
      }
    })
  })

  test('headers that hold what they should not', async () => {
    const fields = { current_app: undefined, first_name: 'x' }
    const latin1 = Buffer.from('é'.repeat(300), 'latin1').toString('latin1')
    await expectNothingDone(async () => {
      for (const headers of [
        { 'X-Zato-SSO-Current-App': latin1 },
        { 'X-Zato-SSO-Current-App': 'x'.repeat(5000) },
        { 'X-Zato-SSO-Current-App': 'CRM', Authorization: `Bearer ${'x'.repeat(5000)}` },
        { 'X-Zato-SSO-Current-App': 'CRM', Authorization: `Bearer ${latin1}` },
        { 'X-Zato-SSO-Current-App': 'CRM', Authorization: 'Bearer unknown', 'User-Agent': latin1.repeat(10) },
        { 'X-Zato-SSO-Current-App': 'CRM', Authorization: 'Bearer' },
      ] as Record<string, string>[]) {
        const reply = await wire.call('PATCH', '/user', fields, { headers })
        expectClearError(reply)
      }
    })
  })
})
