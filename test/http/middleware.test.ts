import type { Express, Request, RequestHandler } from 'express'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { HostIdentity, Sso } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, EXPRESS, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'

const actor = { via: 'code', name: 'test' } as const

/** Whom the host takes a request for: what its cookie says. */
function hostIdentity(req: Request): HostIdentity | null {
  const cookie = /member=([^;]+)(;.*admin=(\w+))?/.exec(req.get('Cookie') ?? '')
  if (!cookie) return null
  const isSuperUser = cookie[3] === undefined ? {} : { isSuperUser: cookie[3] === 'true' }
  return { userId: decodeURIComponent(cookie[1] ?? ''), ...isSuperUser }
}

const show: RequestHandler = (req, res) => {
  const identity = req.sso
  res.json(
    identity
      ? { username: identity.user.username, via: identity.actor.via, super: identity.actor.isSuperUser }
      : { sso: identity },
  )
}

function mount(app: Express, sso: Sso): void {
  app.all('/plain', show)
  app.all('/anyone', sso.authenticate(), show)
  app.all('/users', sso.requireUser(), show)
  app.all('/supers', sso.requireSuperUser(), show)
  app.all('/sales', sso.requireRole('sales', 'W'), show)
  app.all('/chain', sso.authenticate(), sso.requireUser(), sso.requireRole('sales', 'R'), show)
}

/** A refusal, whole. */
function problem(status: number, code: string, title: string) {
  return { type: 'about:blank', title, status, code, cid: expect.stringMatching(/^[0-9a-f]{24}$/), errors: [] }
}
const MISSING = problem(401, 'credentials_missing', 'Credentials are required.')
const UNKNOWN = problem(401, 'session_unknown', 'There is no such session.')
const NOT_ALLOWED = problem(403, 'not_allowed', 'The operation is not allowed.')
const SUPERS_ONLY = problem(403, 'super_user_required', 'Only a super-user may do this.')
const CROSS_SITE = problem(403, 'cross_site', 'The request comes from another site.')
const LOCKED = problem(403, 'account_locked', 'The account is locked.')

describe.each(databases)("middleware on a host's routes on %s", (database) => {
  describe.each(Object.keys(EXPRESS) as (keyof typeof EXPRESS)[])('under %s', (version) => {
    let host: TestHost
    const tokens: Record<string, string> = {}
    const ids: Record<string, string> = {}

    beforeAll(async () => {
      host = await startHost(database, {
        express: version,
        users: ['ada', 'bob', 'seller', 'reader'],
        options: {
          password: { hasher: fastHasher() },
          authenticate: hostIdentity,
          trustedOrigins: ['https://trusted.example'],
        },
        before: mount,
      })
      for (const name of ['admin', 'ada', 'bob', 'seller', 'reader']) {
        tokens[name] = await host.login(name)
        ids[name] = await idOf(host, name)
      }
      await host.sso.user.updateuser({ actor, uid: 'seller', roles: ['sales|RW'] })
      await host.sso.user.updateuser({ actor, uid: 'reader', roles: ['sales|R', 'other|RWX'] })
    })
    afterAll(() => host.close())

    const bearer = (name: string) => ({ Authorization: `Bearer ${tokens[name]}` })
    const cookie = (name: string, more = '') => ({ Cookie: `member=${ids[name]}${more}` })
    const get = (path: string, headers: Record<string, string> = {}) => host.http.get(path).set(headers)

    test('where no middleware ran, req.sso is absent', async () => {
      const reply = await get('/plain', bearer('ada'))
      expect([reply.status, reply.body]).toEqual([200, {}])
    })

    test.each([
      ['a session token', () => bearer('ada'), { username: 'ada', via: 'ust', super: false }],
      ["a super-user's token", () => bearer('admin'), { username: 'admin', via: 'ust', super: true }],
      ["the host's own identity", () => cookie('ada'), { username: 'ada', via: 'host', super: false }],
      ['a super-user of the host', () => cookie('ada', '; admin=true'), { username: 'ada', via: 'host', super: true }],
      [
        'one whom the host says is none',
        () => cookie('admin', '; admin=false'),
        { username: 'admin', via: 'host', super: false },
      ],
      [
        'both: the token',
        () => ({ ...bearer('bob'), ...cookie('ada') }),
        { username: 'bob', via: 'ust', super: false },
      ],
    ])('authenticate takes %s', async (_, headers, identity) => {
      for (const path of ['/anyone', '/users']) {
        const reply = await get(path, headers())
        expect([reply.status, reply.body]).toEqual([200, identity])
      }
    })

    test.each([
      ['nobody', {}],
      ['a wrong token', { Authorization: `Bearer ${'x'.repeat(43)}` }],
      ['an account that is not there', { Cookie: 'member=999999' }],
      ['an id that cannot be one', { Cookie: `member=${encodeURIComponent("' or 1=1")}` }],
      ['Basic, which is for the dialect', { Authorization: `Basic ${Buffer.from('ada:x').toString('base64')}` }],
    ])('authenticate lets %s pass as nobody', async (_, headers) => {
      const reply = await get('/anyone', headers)
      expect([reply.status, reply.body]).toEqual([200, { sso: null }])
    })

    test.each([
      ['/users', {}, MISSING],
      ['/supers', {}, MISSING],
      ['/sales', {}, MISSING],
      ['/chain', {}, MISSING],
      ['/users', { Authorization: `Bearer ${'x'.repeat(43)}` }, UNKNOWN],
      ['/chain', { Authorization: `Bearer ${'x'.repeat(43)}` }, UNKNOWN],
      ['/users', { Cookie: 'member=999999' }, NOT_ALLOWED],
    ])('%s refuses %j', async (path, headers, expected) => {
      const reply = await get(path, headers)
      expect([reply.status, reply.type, reply.body]).toEqual([
        (expected as { status: number }).status,
        'application/problem+json',
        expected,
      ])
      expect(reply.headers['cache-control']).toBe('no-store')
      expect(reply.headers['www-authenticate']).toBe(reply.status === 401 ? 'Bearer' : undefined)
    })

    test('requireSuperUser lets super-users pass, by token or by the word of the host', async () => {
      expect((await get('/supers', bearer('admin'))).status).toBe(200)
      expect((await get('/supers', cookie('bob', '; admin=true'))).status).toBe(200)
      for (const headers of [bearer('ada'), cookie('ada'), cookie('admin', '; admin=false')]) {
        const reply = await get('/supers', headers)
        expect([reply.status, reply.body]).toEqual([403, SUPERS_ONLY])
      }
    })

    test('requireRole asks for the role with that very right, of super-users, too', async () => {
      expect((await get('/sales', bearer('seller'))).status).toBe(200)
      expect((await get('/chain', bearer('reader'))).body).toEqual({ username: 'reader', via: 'ust', super: false })
      for (const name of ['reader', 'ada', 'admin']) {
        const reply = await get('/sales', bearer(name))
        expect([reply.status, reply.body]).toEqual([403, NOT_ALLOWED])
      }
    })

    test('ASVS 8.3.2 a role that is taken away is gone on the next request', async () => {
      await host.sso.user.updateuser({ actor, uid: 'seller', rolesnoselected: ['sales'] })
      expect((await get('/sales', bearer('seller'))).status).toBe(403)
      await host.sso.user.updateuser({ actor, uid: 'seller', roles: ['sales|XWR'] })
      expect((await get('/sales', bearer('seller'))).status).toBe(200)
    })

    test('ASVS 8.3.2 an account that is locked or rejected is refused on the next request, whoever proves it', async () => {
      const userId = ids['bob'] ?? ''
      for (const headersOf of [() => bearer('bob'), () => cookie('bob')]) {
        const headers = headersOf()
        const isCookie = 'Cookie' in headers
        expect((await get('/users', headers)).status).toBe(200)

        await host.sso.user.lockUser({ actor, userId })
        const locked = await get('/users', headers)
        // The package's session has ended; the host's it cannot end, and refuses.
        expect([locked.status, locked.body]).toEqual(isCookie ? [403, LOCKED] : [401, UNKNOWN])
        expect((await get('/anyone', headers)).body).toEqual({ sso: null })
        await host.sso.user.unlockUser({ actor, userId })

        await host.sso.user.rejectUser({ actor, userId })
        const rejected = await get('/users', headers)
        expect([rejected.status, rejected.body]).toEqual(isCookie ? [403, NOT_ALLOWED] : [401, UNKNOWN])
        await host.sso.user.approveUser({ actor, userId })
        tokens['bob'] = await host.login('bob')
        expect((await get('/users', headersOf())).status).toBe(200)
      }
    })

    test('a refusal is in the audit trail', async () => {
      await host.sso.user.lockUser({ actor, userId: ids['bob'] ?? '' })
      const reply = await get('/users', cookie('bob'))
      await host.sso.user.unlockUser({ actor, userId: ids['bob'] ?? '' })
      expect(await host.audit({ cid: reply.body.cid })).toEqual([
        expect.objectContaining({
          operation: 'authenticate',
          outcome: 'denied',
          error: 'account_locked',
          actor_id: ids['bob'],
          actor_name: 'bob',
          actor_via: 'host',
          dialect: 'middleware',
          app: 'CRM',
          changes: [],
        }),
      ])
    })

    test('what is not secret of the account is on req.sso, and what is secret is not', async () => {
      const seen: any[] = []
      const other = await startHost(database, {
        express: version,
        options: { password: { hasher: fastHasher() } },
        before: (app, sso) => {
          app.get('/me', sso.requireUser(), (req, res) => {
            seen.push(req.sso)
            res.end()
          })
        },
      })
      const ust = await other.login('ada')
      await other.http.get('/me').set({ Authorization: `Bearer ${ust}`, 'User-Agent': 'test' })
      expect(seen[0]).toEqual({
        user: expect.objectContaining({ username: 'ada', display_name: '' }),
        actor: {
          via: 'ust',
          userId: seen[0].user.user_id,
          name: 'ada',
          isSuperUser: false,
          sessionHash: expect.any(String),
        },
        context: expect.objectContaining({ dialect: 'middleware', app: 'CRM', userAgent: 'test' }),
      })
      expect(seen[0].user).not.toHaveProperty('password')
      expect(seen[0].user).not.toHaveProperty('is_super_user')
      expect(JSON.stringify(seen)).not.toContain(ust)
      await other.close()
    })

    describe("a change with the host's cookies must come from the same site", () => {
      const change = (headers: Record<string, string>, method: 'post' | 'patch' | 'put' | 'delete' = 'post') =>
        host.http[method]('/users').set({ ...cookie('ada'), ...headers })

      test.each([
        ['no sign of where it comes from', {}],
        ['another origin', { Origin: 'https://evil.example' }],
        ['an opaque origin', { Origin: 'null' }],
        ['an origin that cannot be read', { Origin: 'nonsense' }],
        ['Sec-Fetch-Site: cross-site', { 'Sec-Fetch-Site': 'cross-site' }],
        ['Sec-Fetch-Site: cross-site with our origin', { 'Sec-Fetch-Site': 'cross-site', Origin: 'OURS' }],
        ['an origin that only begins like a trusted one', { Origin: 'https://trusted.example.evil.example' }],
        ['Basic that the browser adds by itself', { Authorization: `Basic ${Buffer.from('a:b').toString('base64')}` }],
      ])('%s is refused', async (_, headers) => {
        const ours = new URL(host.url).origin
        const given = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, value === 'OURS' ? ours : value]),
        )
        for (const method of ['post', 'patch', 'put', 'delete'] as const) {
          const reply = await change(given, method)
          expect([reply.status, reply.body]).toEqual([403, CROSS_SITE])
        }
      })

      test.each([
        ['the same origin', { Origin: 'OURS' }],
        ['Sec-Fetch-Site: same-origin', { 'Sec-Fetch-Site': 'same-origin' }],
        ['Sec-Fetch-Site: same-site', { 'Sec-Fetch-Site': 'same-site', Origin: 'https://sub.site.example' }],
        ['Sec-Fetch-Site: none', { 'Sec-Fetch-Site': 'none' }],
        ['a trusted origin', { Origin: 'https://trusted.example', 'Sec-Fetch-Site': 'cross-site' }],
        ['a scheme that a script must have added', { Authorization: 'Token abc' }],
      ])('%s is let through', async (_, headers) => {
        const ours = new URL(host.url).origin
        const given = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, value === 'OURS' ? ours : value]),
        )
        const reply = await change(given)
        expect([reply.status, reply.body]).toEqual([200, { username: 'ada', via: 'host', super: false }])
      })

      test('reading needs no such proof, and a token is proof by itself', async () => {
        expect((await get('/users', { ...cookie('ada'), Origin: 'https://evil.example' })).status).toBe(200)
        const token = await host.http.post('/users').set({ ...bearer('ada'), Origin: 'https://evil.example' })
        expect([token.status, token.body]).toEqual([200, { username: 'ada', via: 'ust', super: false }])
      })

      test('authenticate takes such a request for nobody’s', async () => {
        const reply = await host.http.post('/anyone').set({ ...cookie('ada'), Origin: 'https://evil.example' })
        expect([reply.status, reply.body]).toEqual([200, { sso: null }])
      })

      test('the dialect refuses it and changes nothing', async () => {
        const body = { current_app: 'CRM', display_name: 'forged' }
        const forged = await host.http
          .patch('/zato/sso/user')
          .set({ ...cookie('ada'), Origin: 'https://evil.example' })
          .send(body)
        expect([forged.status, forged.body.status]).toEqual([403, 'error'])
        expect((await host.sso.user.getUserById({ actor, userId: ids['ada'] ?? '' })).display_name).toBe('')
      })
    })
  })

  describe("faults of the host's own authenticate", () => {
    let host: TestHost
    const answers: (() => unknown)[] = []
    beforeAll(async () => {
      host = await startHost(database, {
        options: {
          password: { hasher: fastHasher() },
          authenticate: (async () => answers[0]?.()) as never,
        },
        before: (app, sso) => {
          mount(app, sso)
        },
      })
      host.app.use(((error, _req, res, _next) => {
        res.status(599).json({ message: error.message })
      }) as import('express').ErrorRequestHandler)
    })
    afterAll(() => host.close())
    beforeEach(() => {
      answers.length = 0
    })

    test("what it throws goes to the host's error handler, not to the client as a refusal", async () => {
      answers.push(() => {
        throw new Error('session store down')
      })
      for (const path of ['/anyone', '/users', '/sales']) {
        const reply = await host.http.get(path)
        expect([reply.status, reply.body]).toEqual([599, { message: 'session store down' }])
      }
    })

    test.each([[null], [undefined], [false]])('%s means nobody', async (nothing) => {
      answers.push(() => nothing)
      expect((await host.http.get('/anyone')).body).toEqual({ sso: null })
      const reply = await host.http.get('/users')
      expect([reply.status, reply.body]).toEqual([401, MISSING])
    })
  })

  test('a middleware has a name that tells it in a stack trace', async () => {
    const host = await startHost(database, { users: [], options: { password: { hasher: fastHasher() } } })
    const { sso } = host
    expect(
      [sso.authenticate(), sso.requireUser(), sso.requireSuperUser(), sso.requireRole('a', 'R')].map(
        ({ name }) => name,
      ),
    ).toEqual(['ssoAuthenticate', 'ssoRequireUser', 'ssoRequireSuperUser', 'ssoRequireRole'])
    await host.close()
  })

  test('a session that has ended is over for the routes, too', async () => {
    let now = new Date('2026-01-01T00:00:00.000Z')
    const host = await startHost(database, {
      options: { password: { hasher: fastHasher() }, now: () => now, session: { lifetimeMinutes: 10 } },
      before: mount,
    })
    const headers = { Authorization: `Bearer ${await host.login('ada', PASSWORD)}` }
    now = new Date('2026-01-01T00:09:59.999Z')
    expect((await host.http.get('/users').set(headers)).status).toBe(200)
    now = new Date('2026-01-01T00:10:00.000Z')
    const reply = await host.http.get('/users').set(headers)
    expect([reply.status, reply.body]).toEqual([401, UNKNOWN])
    await host.close()
  })
})
