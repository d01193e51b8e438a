import { request as httpRequest } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf } from '../../support/contents.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, done, encoded, FORMS, type Form, PATH, type Wire } from './wire.ts'

interface Case {
  readonly title: string
  /** Raw query string or body; the type of a body is the form's. */
  readonly raw: Partial<Record<Form, string | Buffer>>
  readonly status: number
}

const LOGIN = encoded({ ...ADMIN, uid: 'ada' })
const NUL = '\u0000'
const manyNames = Array.from({ length: 10_000 }, (_, index) => `k${index}`)

/** The same parameters in all forms, or in JSON alone, where types are those that were sent. */
function all(title: string, parameters: Wire, status = 400, forms: readonly Form[] = FORMS): Case {
  const wire = { ...ADMIN, uid: 'ada', ...parameters }
  const written = (form: Form) => (form === 'POST JSON' ? JSON.stringify(wire) : encoded(wire))
  return { title, raw: Object.fromEntries(forms.map((form) => [form, written(form)])), status }
}

/** A value in each place that takes one. */
function everywhere(title: string, value: unknown): Case[] {
  const forms = typeof value === 'string' ? FORMS : (['POST JSON'] as const)
  const isUnknown = typeof value === 'string' && !value.includes(NUL)
  return [
    all(`${title} as displayName`, { displayName: value }, 400, forms),
    all(`${title} as password`, { password: value }, 400, forms),
    all(`${title} as uid`, { uid: value }, isUnknown ? 404 : 400, forms),
    all(`${title} as user`, { user: value }, isUnknown ? 401 : 400, forms),
    all(`${title} as pass`, { pass: value }, isUnknown ? 401 : 400, forms),
    all(`${title} in roles`, { roles: [value] }),
    all(`${title} in rolesnoselected`, { rolesnoselected: [value] }),
    all(`${title} in acls`, { acls: [value] }),
    all(`${title} in groupaclsnoselected`, { groupaclsnoselected: [value] }),
    all(`${title} as an attribute of ours`, { attributes: { login: value } }),
  ]
}

const json = (text: string | Buffer, title: string, status = 400): Case => ({
  title,
  raw: { 'POST JSON': text },
  status,
})
const escaped = (parameter: string) => `{"user":"admin","pass":${JSON.stringify(PASSWORD)},"uid":"ada",${parameter}}`

const CASES: readonly Case[] = [
  json('{"user":', 'JSON that ends too early'),
  json('user=admin', 'a form that is called JSON'),
  json('', 'an empty body called JSON', 401),
  json('null', 'null'),
  json('[]', 'a list'),
  json('"text"', 'a text'),
  json('5', 'a number'),
  json('true', 'a boolean'),
  json(`[${escaped('"displayName":"x"')}]`, 'an object in a list'),
  json(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 'bytes that are not UTF-8'),
  json(`${'['.repeat(50_000)}`, 'brackets without end'),
  json(`${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`, 'objects in objects'),
  json(escaped('"__proto__":{"user":"admin"}'), '__proto__ as a parameter'),
  json(escaped('"constructor":{}'), 'constructor as a parameter'),
  json(escaped('"attributes":{"__proto__":{"x":1}}'), '__proto__ as an attribute'),
  json(escaped('"attributes":{"a":{"__proto__":{"x":1}}}'), '__proto__ within an attribute'),
  json(escaped(`"attributes":{"a":${'['.repeat(30)}${']'.repeat(30)}}`), 'an attribute that is too deep'),
  json(escaped('"attributes":{"a":1e999}'), 'a number that is none'),
  json(escaped('"displayName":"\\ud800"'), 'an escaped lone surrogate as displayName'),
  json(escaped('"password":"long enough \\udfff"'), 'an escaped lone surrogate as password'),
  json(escaped('"roles":["\\ud800|R"]'), 'an escaped lone surrogate in roles'),
  json(escaped('"acls":["\\ud800"]'), 'an escaped lone surrogate in acls'),
  json(escaped('"attributes":{"a":"\\ud800"}'), 'an escaped lone surrogate in an attribute'),
  json(escaped('"attributes":{"\\ud800":"a"}'), 'an escaped lone surrogate in the name of one'),
  json(escaped('"attributes":{"login":"\\ud800"}'), 'an escaped lone surrogate as a username'),
  json('{"user":"ad\\ud800min","pass":"x","uid":"ada"}', 'an escaped lone surrogate as user'),
  json('{"user":"admin","pass":"\\ud800","uid":"ada"}', 'an escaped lone surrogate as pass'),
  json('{"user":"admin","pass":"x","uid":"\\ud800"}', 'an escaped lone surrogate as uid'),
  json('{"user":{"$gt":""},"pass":{"$gt":""},"uid":{"$gt":""}}', 'operators of another database'),
  {
    title: 'a form of 10,000 names',
    raw: { 'POST form': `${LOGIN}&${manyNames.map((name) => `${name}=`).join('&')}` },
    status: 400,
  },
  json(
    JSON.stringify({ ...ADMIN, uid: 'ada', ...Object.fromEntries(manyNames.map((name) => [name, 1])) }),
    'an object of 10,000 names',
  ),
  json(
    JSON.stringify({
      ...ADMIN,
      uid: 'ada',
      attributes: Object.fromEntries(manyNames.map((name) => [name, 1])),
    }),
    '10,000 attributes',
  ),
  json(JSON.stringify({ ...ADMIN, uid: 'ada', acls: manyNames }), '10,000 ACLs'),
  {
    title: 'a body that is too large',
    raw: { 'POST form': `${LOGIN}&displayName=${'x'.repeat(102_400)}`, 'POST JSON': `{"a":"${'x'.repeat(102_400)}"}` },
    status: 413,
  },
  {
    title: 'an escaped lone surrogate in the JSON of a parameter',
    raw: { GET: `${LOGIN}&acls=["%5Cud800"]`, 'POST form': `${LOGIN}&attributes={"a":"%5Cud800"}` },
    status: 400,
  },
  {
    title: 'JSON in a parameter that ends too early',
    raw: { GET: `${LOGIN}&acls=["a"`, 'POST form': `${LOGIN}&attributes={"a":` },
    status: 400,
  },
  {
    title: '__proto__ as a parameter',
    raw: { GET: `${LOGIN}&__proto__=x`, 'POST form': `${LOGIN}&__proto__[a]=x` },
    status: 400,
  },
  {
    title: 'bytes that are not UTF-8',
    raw: { 'POST form': Buffer.concat([Buffer.from(`${LOGIN}&displayName=`), Buffer.from([0xe9])]) },
    status: 400,
  },

  ...everywhere('NUL', `long enough ${NUL} text`),
  ...everywhere('a list', ['x']),
  ...everywhere('an object', { x: 1 }),
  ...everywhere('a very long text', 'x'.repeat(3_000)),
  all('a number as displayName', { displayName: 1 }, 400, ['POST JSON']),
  all('null in a list', { acls: [null] }),
  all('a list in a list', { roles: [['a|R']] }),
  all('a text for a list', { roles: '"a|R"' }),
  all('an object for a list', { acls: { a: 1 } }),
  all('a list for an object', { attributes: ['a'] }),
  all('a text for an object', { attributes: '"a"' }),
  all('a number for an object', { attributes: '5' }),
  all('null for an object', { attributes: 'null' }),
  all('a username that is empty', { attributes: { login: '' } }),
  all('a username that is null', { attributes: { login: null } }),
  all('a username of another type', { attributes: { login: 5 } }),
  all('a username with spaces around it', { attributes: { login: ' x ' } }),
  all('a username with a line break', { attributes: { login: 'x\ny' } }),
  all('a username with an invisible character', { attributes: { login: 'a\u200bda' } }),
  all('a username of 192 characters', { attributes: { login: 'x'.repeat(192) } }),
  all('an address of 255 characters', { attributes: { digdashMail: `${'x'.repeat(243)}@example.org` } }),
  all('a name of 192 characters', { displayName: 'ß'.repeat(192) }),
  all('a custom value of 10,001 characters', { attributes: { a: 'x'.repeat(9_999) } }),
  all('a time that is not one', { attributes: { until: 'next week' } }),
  all('a time that does not exist', { attributes: { until: '2026-02-30T00:00:00Z' } }),
  all('an Invalid Date as JSON has it', { attributes: { until: 'Invalid Date' } }),
  all('the year 0', { attributes: { until: '0000-01-01T00:00:00Z' } }),
  all('a leap second', { attributes: { until: '2016-12-31T23:59:60Z' } }),
  all('a time with a small t', { attributes: { until: '2026-01-01t00:00:00Z' } }),
  all('a number for a time', { attributes: { until: 1e20 } }),
  all('a username that is taken', { attributes: { login: 'bob' } }, 409),
  all('a user_id', { attributes: { id: 'x' } }, 403),
  all('a password hash', { attributes: { hash: 'x' } }, 403),
  all('rights of a super-user', { attributes: { boss: true } }, 403),
]

describe.each(databases)('bad input of updateuser on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost
    beforeAll(async () => {
      host = await startHost(database, {
        arrangement,
        options: {
          password: { hasher: fastHasher() },
          updateuser: {
            attributes: {
              login: 'username',
              until: 'password_expiry',
              id: 'user_id',
              hash: 'password',
              boss: 'is_super_user',
            },
          },
        },
      })
    })
    afterAll(() => host.close())

    const bySending = CASES.flatMap(({ title, raw, status }) =>
      FORMS.flatMap((form) => (raw[form] === undefined ? [] : [{ title, form, raw: raw[form], status }])),
    )

    test.each(bySending)(
      '$title, by $form, is refused with $status and writes nothing',
      async ({ form, raw, status }) => {
        const before = await contentsOf(host)
        const at = await lastAudit()

        const reply = await sendRaw(host, form, raw)

        expect([reply.status, reply.body]).toEqual([
          // What no header of Node holds is refused before Express sees it.
          reply.status === 431 ? 431 : status,
          reply.status === 431
            ? null
            : {
                cid: expect.stringMatching(/^[0-9a-f]{24}$/),
                status: 'error',
                uid: reply.body.uid,
                changed: [],
                errors: expect.arrayContaining([
                  {
                    parameter: reply.body.errors[0].parameter,
                    pointer: expect.any(String),
                    code: expect.stringMatching(/^[a-z_]+$/),
                    message: expect.any(String),
                  },
                ]),
              },
        ])
        expect(await contentsOf(host)).toEqual(before)
        const records = (await host.audit()).filter(({ id }) => Number(id) > at)
        expect(records.filter(({ outcome }) => outcome === 'ok' || outcome === 'unchanged')).toEqual([])
        expect(records.every(({ changes }) => changes.length === 0)).toBe(true)
      },
    )

    test('two at once that want the same username: one gets it', async () => {
      for (const form of FORMS) {
        const login = `wanted${FORMS.indexOf(form)}`
        const replies = await Promise.all(
          ['ada', 'bob'].map((uid) =>
            sendRaw(
              host,
              form,
              form === 'POST JSON'
                ? JSON.stringify({ ...ADMIN, uid, attributes: { login } })
                : encoded({ ...ADMIN, uid, attributes: { login } }),
            ),
          ),
        )
        expect(replies.map(({ status }) => status).sort()).toEqual([200, 409])
        const winner = replies[0]?.status === 200 ? 'ada' : 'bob'
        await host.sso.user.updateuser({
          actor: { via: 'code', name: 'test' },
          uid: login,
          attributes: { login: winner },
        })
      }
    })

    test('an address behind a proxy that is no address does not break the record', async () => {
      host.app.set('trust proxy', true)
      const reply = await fetch(`${host.url}${PATH}`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'X-Forwarded-For': 'x'.repeat(5_000),
          'User-Agent': 'é'.repeat(2_000),
        },
        body: JSON.stringify({ ...ADMIN, uid: 'ada', displayName: 'proxied' }),
      })
      const body: any = await reply.json()
      host.app.set('trust proxy', false)
      expect([reply.status, body]).toEqual([200, done('ada', 'display_name')])
      const records = await host.audit({ cid: body.cid })
      expect(records.map(({ outcome, remote_addr, user_agent }) => ({ outcome, remote_addr, user_agent }))).toEqual([
        { outcome: 'ok', remote_addr: 'x'.repeat(191), user_agent: 'é'.repeat(512) },
      ])
    })

    async function lastAudit(): Promise<number> {
      const row = await host.database.db('sso_audit').max('id as id').first()
      return Number(row?.['id'] ?? 0)
    }
  })
})

interface Reply {
  readonly status: number
  readonly body: any
}

/** Sends bytes that a well-meaning client would not. */
function sendRaw(host: TestHost, form: Form, raw: string | Buffer): Promise<Reply> {
  const url = new URL(host.url)
  const type = form === 'POST JSON' ? 'application/json' : 'application/x-www-form-urlencoded'
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: url.hostname,
        port: url.port,
        method: form === 'GET' ? 'GET' : 'POST',
        path: form === 'GET' ? `${PATH}?${raw}` : PATH,
        headers: form === 'GET' ? {} : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(raw) },
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({ status: incoming.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(form === 'GET' ? undefined : raw)
  })
}
