import { gzipSync } from 'node:zlib'
import express from 'express'
import express4 from 'express4'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../../support/host.ts'
import {
  badRequest,
  change,
  type FullReply,
  ok,
  PLACE,
  PLACES,
  type Place,
  record,
  refused,
  rowsOf,
  send,
  startWire,
  untouched,
  type Wire,
} from './wire.ts'

const PATHS = {
  '/user/login': ['POST'],
  '/user/logout': ['POST'],
  '/user': ['GET', 'POST', 'PATCH', 'DELETE'],
  '/user/password': ['PATCH'],
  '/user/lock': ['POST', 'DELETE'],
  '/user/approve': ['POST'],
  '/user/reject': ['POST'],
}
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND']

const plain = ({ status, body }: FullReply) => ({ status, body })

/** What no database has a part in. */
const ROUTING_PLACES = PLACES.filter(({ database }) => database === 'sqlite')

describe.each(ROUTING_PLACES)(`methods and paths of the Zato dialect: ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  const UNLIKE = Object.entries(PATHS).flatMap(([path, allowed]) =>
    METHODS.filter((method) => !allowed.includes(method) && !(method === 'HEAD' && allowed.includes('GET'))).map(
      (method) => ({ method, path, allow: allowed.join(', ') }),
    ),
  )

  test.each(UNLIKE)(
    'ASVS 4.1.4 $method $path is not there: 405 with Allow, and nothing is done',
    async ({ method, path, allow }) => {
      const ada = await wire.person()
      const rows = await rowsOf(wire.host)
      const fields = { username: ada.name, password: PASSWORD, new_password: 'x', user_id: ada.id, ust: wire.admin.ust }
      const reply = await wire.call(method, path, fields)
      expect(reply.headers['allow']).toBe(allow)
      expect(reply.headers['cache-control']).toBe('no-store')
      expect(reply.headers['x-zato-cid']).toMatch(/^[0-9a-f]{24}$/)
      if (method === 'OPTIONS') expect(plain(reply)).toEqual({ status: 204, body: '' })
      else if (method === 'HEAD') expect(plain(reply)).toEqual({ status: 405, body: '' })
      else {
        expect(plain(reply)).toEqual({
          status: 405,
          body: { result: 'Error', cid: reply.headers['x-zato-cid'], details: 'Unsupported HTTP method' },
        })
      }
      expect(await rowsOf(wire.host)).toEqual(rows)
    },
  )

  test.each(['/user/create', '/user/nothing', '/', '', '/User', '/user/login/x', '/user/LOGIN', '/user/search/x'])(
    'the path %j falls through to the host’s own 404',
    async (path) => {
      const reply = await wire.call('POST', path, { ust: wire.admin.ust })
      expect(reply.status).toBe(404)
      expect(reply.headers['content-type']).toMatch(/^text\/html/)
      expect(reply.text).toContain(`Cannot POST /zato/sso${path}`)
    },
  )
})

describe.each(PLACES)(`the Zato dialect on the wire: ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place)
  })
  afterAll(() => wire?.host.close())

  test('a slash at the end changes nothing', async () => {
    const reply = await wire.call('POST', '/user/login/', { username: 'admin', password: PASSWORD })
    expect(plain(reply)).toEqual(ok({ ust: expect.any(String) }))
  })

  test('ASVS 4.1.1, 14.3.2 every reply is JSON, may not be cached, and carries its cid in a header, too', async () => {
    const ada = await wire.person()
    const replies = [
      await wire.call('GET', '/user', { ust: ada.ust }),
      await wire.call('PATCH', '/user', { ust: ada.ust, is_locked: true }),
      await wire.call('PATCH', '/user', { ust: 'unknown' }),
      await wire.call('POST', '/user/login', {}),
      await wire.call('POST', '/user/login', { username: 'x', password: 'x', current_app: 'Nope' }),
    ]
    expect(replies.map(({ status }) => status)).toEqual([200, 403, 403, 400, 200])
    for (const { headers, body } of replies) {
      expect([headers['content-type'], headers['cache-control'], headers['x-zato-cid']]).toEqual([
        'application/json; charset=utf-8',
        'no-store',
        body.cid,
      ])
    }
    expect(new Set(replies.map(({ body }) => body.cid)).size).toBe(replies.length)
  })

  test.each([
    undefined,
    'application/json',
    'application/json; charset=utf-8',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'nonsense',
  ])('the body is JSON whatever its Content-Type: %s', async (type) => {
    const ada = await wire.person()
    const headers = type === undefined ? {} : { 'Content-Type': type }
    const first_name = 'Zoë & co = 100%+'
    expect(plain(await wire.call('PATCH', '/user', { ust: ada.ust, first_name }, { headers }))).toEqual(ok())
    expect((await wire.stored(ada.name))['first_name']).toBe(first_name)
    const read = await wire.call('GET', '/user', { ust: ada.ust }, { headers })
    expect([read.status, read.body.first_name]).toEqual([200, first_name])
    const deleted = await wire.call('DELETE', '/user', { ust: wire.admin.ust, user_id: ada.id }, { headers })
    expect(plain(deleted)).toEqual(ok())
  })

  test('a compressed body is read', async () => {
    const ada = await wire.person()
    const body = gzipSync(JSON.stringify({ ust: ada.ust, current_app: 'CRM', first_name: 'Ada' }))
    const reply = await send(wire.host, 'PATCH', '/zato/sso/user', { headers: { 'Content-Encoding': 'gzip' }, body })
    expect(plain(reply)).toEqual(ok())
    expect((await wire.stored(ada.name))['first_name']).toBe('Ada')
  })

  describe('the query string', () => {
    test('goes over the body', async () => {
      const [ada, bob] = [await wire.person(), await wire.person()]
      const outcome = await wire.observe(bob.name, () =>
        wire.call(
          'POST',
          '/user/lock',
          { ust: wire.admin.ust, user_id: ada.id, current_app: 'Nope' },
          {
            query: `user_id=${encodeURIComponent(bob.id)}&current_app=CRM`,
          },
        ),
      )
      expect(outcome.reply).toEqual(ok())
      expect(outcome.elsewhere).toEqual(['- sso_session'])
      expect(outcome.account).toMatchObject({ is_locked: true })
    })

    test('a name that is repeated there is a list, which is no id: E008002', async () => {
      const ada = await wire.person()
      const sent = () =>
        wire.call('POST', '/user/lock', { ust: wire.admin.ust }, { query: `user_id=${ada.id}&user_id=${ada.id}` })
      expect(await wire.observe(ada.name, sent)).toEqual({ reply: refused('E008002'), ...untouched, audit: [] })
    })

    test('ASVS 14.2.1 serves POST /user, but names no one’s session', async () => {
      const reply = await wire.call(
        'POST',
        '/user',
        { ust: wire.admin.ust },
        {
          query: `username=from-${place.database}-${place.arrangement[0]}&first_name=Ada+K.&auto_approve=true`,
        },
      )
      expect(reply.body).toMatchObject({ status: 'ok', first_name: 'Ada K.', approval_status: 'approved' })
    })

    test.each([
      'ust',
      'password',
      'old_password',
      'new_password',
      'totp_code',
      'totp_key',
      'current_ust',
      'target_ust',
    ])('must not hold a secret: %s, 400', async (name) => {
      const ada = await wire.person()
      const fields = { ust: ada.ust, username: ada.name, password: PASSWORD, first_name: 'x' }
      for (const path of ['/user', '/user/login']) {
        const method = path === '/user' ? 'PATCH' : 'POST'
        const query = `${name}=${encodeURIComponent(ada.ust)}`
        expect(await wire.observe(ada.name, () => wire.call(method, path, fields, { query }))).toEqual({
          reply: badRequest(`${name} must not be sent in the query string.`),
          ...untouched,
          audit: [],
        })
      }
    })
  })

  describe('X-Zato-SSO-Current-App', () => {
    const get = async (fields: object, app: string) => {
      const ada = await wire.person()
      const headers = { 'X-Zato-SSO-Current-App': app }
      return wire.observe(ada.name, () =>
        wire.call('PATCH', '/user', { ust: ada.ust, is_locked: true, ...fields }, { headers }),
      )
    }

    test('names the application where the body does not, also in the audit trail', async () => {
      const { reply } = await get({ current_app: undefined }, 'Shop')
      expect(reply.body.sub_status).toEqual(['E008002'])
      const [audit] = await wire.host.audit({ cid: reply.body.cid })
      expect(audit?.app).toBe('Shop')
    })

    test('gives way to the body', async () => {
      const { reply } = await get({ current_app: 'CRM' }, 'Nope')
      expect(reply.body.sub_status).toEqual(['E008002'])
      const [audit] = await wire.host.audit({ cid: reply.body.cid })
      expect(audit?.app).toBe('CRM')
    })

    test('is checked like the body’s', async () => {
      const { reply } = await get({ current_app: undefined }, 'Nope')
      expect(reply).toEqual({
        status: 200,
        body: { status: 'error', cid: expect.any(String), sub_status: ['E004001'] },
      })
    })
  })

  describe('Authorization: Bearer', () => {
    const patch = async (fields: object, authorization: (ust: string) => string) => {
      const ada = await wire.person()
      const sent = () =>
        wire.call(
          'PATCH',
          '/user',
          { first_name: 'Ada', ...fields },
          { headers: { Authorization: authorization(ada.ust) } },
        )
      return { ada, outcome: await wire.observe(ada.name, sent) }
    }

    test.each(['Bearer', 'bearer', 'BEARER '])('the token may come with %j', async (scheme) => {
      const { ada, outcome } = await patch({}, (ust) => `${scheme} ${ust}`)
      expect(outcome).toEqual({
        reply: ok(),
        account: { first_name: 'Ada' },
        elsewhere: [],
        audit: [
          record('update_current_user', 'ok', {
            actor: ada.name,
            target: ada.name,
            changes: [change('first_name', null, 'Ada')],
          }),
        ],
      })
    })

    test('the same token in both places is one', async () => {
      const ada = await wire.person()
      const headers = { Authorization: `Bearer ${ada.ust}` }
      expect(plain(await wire.call('PATCH', '/user', { ust: ada.ust, first_name: 'x' }, { headers }))).toEqual(ok())
    })

    test('two tokens are one too many: 400', async () => {
      const { outcome } = await patch({ ust: wire.admin.ust }, (ust) => `Bearer ${ust}`)
      expect(outcome).toEqual({
        reply: badRequest('Credentials were sent in more than one way.'),
        ...untouched,
        audit: [],
      })
    })

    test('another scheme is no token: 400', async () => {
      for (const scheme of ['Basic', 'Token', '']) {
        const { outcome } = await patch({}, (ust) => `${scheme} ${ust}`)
        expect(outcome.reply).toEqual(badRequest('Missing: ust.'))
      }
    })

    test('an unknown token: E007001', async () => {
      const { outcome } = await patch({}, () => 'Bearer unknown')
      expect(outcome.reply).toEqual(refused('E007001'))
    })

    test('logs out', async () => {
      const ada = await wire.person()
      const headers = { Authorization: `Bearer ${ada.ust}` }
      expect(plain(await wire.call('POST', '/user/logout', {}, { headers }))).toEqual(ok())
      expect(plain(await wire.call('GET', '/user', { ust: ada.ust }))).toEqual(refused('E007001'))
    })
  })

  test('the audit trail has address, agent, application and dialect of a request', async () => {
    const ada = await wire.person()
    const headers = { 'User-Agent': 'curl/8', 'X-Forwarded-For': '9.9.9.9' }
    const { body } = await wire.call(
      'PATCH',
      '/user',
      { ust: ada.ust, current_app: 'Shop', first_name: 'x' },
      { headers },
    )
    const rows = await wire.host.audit({ cid: body.cid })
    expect(rows.map(({ seal: _, ...row }) => row)).toEqual([
      {
        id: expect.anything(),
        cid: body.cid,
        time: expect.anything(),
        operation: 'update_current_user',
        outcome: 'ok',
        error: null,
        actor_id: ada.id,
        actor_name: ada.name,
        actor_via: 'ust',
        target_id: ada.id,
        target_name: ada.name,
        app: 'Shop',
        remote_addr: '127.0.0.1',
        user_agent: 'curl/8',
        dialect: 'zato',
        changes: [change('first_name', null, 'x')],
      },
    ])
  })
})

describe.each(ROUTING_PLACES)(`the option correlationId: ${PLACE}`, (place) => {
  test('names requests in reply, header and audit trail; without one of the host’s that can be recorded, we make one', async () => {
    const wire = await startWire(place, { correlationId: (req) => req.get('X-Request-Id') })
    try {
      const ada = await wire.person()
      const cids = []
      for (const name of [undefined, '', 'request 7/#', 'x'.repeat(129)]) {
        const headers = name === undefined ? {} : { 'X-Request-Id': name }
        const { body, headers: received } = await wire.call('PATCH', '/user', { ust: ada.ust }, { headers })
        const [audit] = (await wire.host.audit()).slice(-1)
        expect([decodeURIComponent(String(received['x-zato-cid'])), audit?.cid]).toEqual([body.cid, body.cid])
        cids.push(body.cid)
      }
      const ours = expect.stringMatching(/^[0-9a-f]{24}$/)
      expect(cids).toEqual([ours, ours, 'request 7/#', ours])
    } finally {
      await wire.host.close()
    }
  })
})

const EXPRESSES = [
  { version: 'express4', ex: express4 as unknown as typeof express },
  { version: 'express5', ex: express },
] as const

/** What hosts mount in front of the routers. */
const PARSERS = (ex: typeof express) => ({
  'no parser': [],
  'express.json()': [ex.json()],
  'express.urlencoded({ extended: true })': [ex.urlencoded({ extended: true })],
  'express.urlencoded({ extended: false })': [ex.urlencoded({ extended: false })],
  'express.json() and express.urlencoded()': [ex.json(), ex.urlencoded({ extended: true })],
  'express.text() of everything': [ex.text({ type: () => true })],
  'express.raw() of everything': [ex.raw({ type: () => true })],
})

describe.each(EXPRESSES)('behind the host’s own body parsers: $version', ({ version, ex }) => {
  const place: Place = { database: 'sqlite', arrangement: 'own table', express: version }

  test.each(Object.keys(PARSERS(ex)) as (keyof ReturnType<typeof PARSERS>)[])('%s', async (name) => {
    const wire = await startWire(place, { trustedOrigins: [] }, (app) => {
      for (const parser of PARSERS(ex)[name]) app.use(parser)
    })
    try {
      for (const type of [undefined, 'application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
        const ada = await wire.person()
        const headers = type === undefined ? {} : { 'Content-Type': type }
        const fields = { ust: ada.ust, first_name: 'Ada', last_name: null, email: 'ada@example.com' }
        expect([type, plain(await wire.call('PATCH', '/user', fields, { headers }))]).toEqual([type, ok()])
        expect(await wire.stored(ada.name)).toMatchObject({
          first_name: 'Ada',
          last_name: null,
          email: 'ada@example.com',
        })
        const empty = await send(wire.host, 'GET', '/zato/sso/user', { headers })
        expect(plain(empty)).toEqual(badRequest('Missing: current_app.'))
      }
    } finally {
      await wire.host.close()
    }
  })
})
