import { afterEach, describe, expect, test } from 'vitest'
import type { Options } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'

const json = { 'Content-Type': 'application/json' }

/** Where one may come from, and where not. */
const LISTS: readonly (readonly [readonly string[] | '*', readonly string[], readonly string[]])[] = [
  [['192.0.2.0/24'], ['192.0.2.0', '192.0.2.255', '::ffff:192.0.2.7'], ['192.0.3.0', '::1', '2001:db8::1']],
  [['192.0.2.7'], ['192.0.2.7'], ['192.0.2.8']],
  [['::ffff:192.0.2.0/120'], ['192.0.2.9', '::ffff:192.0.2.9'], ['192.0.3.9', '::1']],
  [['2001:db8:1::/48'], ['2001:db8:1::1', '2001:DB8:1:ffff::'], ['2001:db8:2::1', '192.0.2.7']],
  [['0.0.0.0/0'], ['203.0.113.9'], ['2001:db8::1', 'not an address']],
  [
    ['192.0.2.7', '2001:db8::/32'],
    ['192.0.2.7', '2001:db8::1'],
    ['192.0.2.6', '2001:db9::1'],
  ],
  [[], [], ['127.0.0.1', '192.0.2.7', '::1']],
  ['*', ['192.0.2.7', '2001:db8::1', 'not an address'], []],
]

describe.each(databases)('address lists on %s', (database) => {
  let host: TestHost
  afterEach(() => host.close())

  const start = async (
    addresses: NonNullable<Options['addresses']>,
    settings: Parameters<typeof startHost>[1] = {},
  ) => {
    host = await startHost(database, {
      ...settings,
      before: (app) => app.set('trust proxy', true),
      options: { addresses, password: { hasher: fastHasher() }, ...settings.options },
    })
  }
  const login = (username: string, from: string) =>
    host.http
      .post('/zato/sso/user/login')
      .set({ ...json, 'X-Forwarded-For': from })
      .send({ username, password: PASSWORD, current_app: 'CRM' })
  const refusal = { status: 'error', cid: expect.any(String), sub_status: ['E005001'] }

  test('whoever is listed logs in from there and from nowhere else', async () => {
    const users = LISTS.map((_, index) => `user${index}`)
    const lists = Object.fromEntries(LISTS.map(([list], index) => [`USER${index}`, list]))
    await start({ users: lists }, { users: [...users, 'ada'] })
    for (const [index, [, inside, outside]] of LISTS.entries()) {
      for (const from of inside) expect([from, (await login(`user${index}`, from)).status]).toEqual([from, 200])
      for (const from of outside) {
        const { status, body } = await login(`user${index}`, from)
        expect([from, status, body]).toEqual([from, 403, refusal])
      }
    }
    expect((await login('ada', '203.0.113.1')).status).toBe(200)
  })

  test.each(ARRANGEMENTS)('sessions, passwords and the host’s word are held to it, too (%s)', async (arrangement) => {
    await start(
      { users: { ada: ['192.0.2.0/24'] } },
      {
        arrangement,
        options: {
          authenticate: (req) => (req.get('X-User') ? { userId: String(req.get('X-User')) } : null),
          addresses: { users: { ada: ['192.0.2.0/24'] } },
        },
      },
    )
    const { body } = await login('ada', '192.0.2.1')
    const id = await idOf(host, 'ada')
    const bearer = { Authorization: `Bearer ${body.ust}` }
    const ways = (from: string) => [
      host.http.get('/account/me').set({ ...bearer, 'X-Forwarded-For': from }),
      host.http.get('/account/me').set({ 'X-User': id, 'X-Forwarded-For': from }),
      host.http
        .get('/zato/sso/user')
        .set({ ...json, 'X-Forwarded-For': from })
        .send({ ust: body.ust, current_app: 'CRM' }),
      host.http
        .post('/ddenterpriseapi/updateuser')
        .set({ ...json, 'X-Forwarded-For': from })
        .send({ user: 'ada', pass: PASSWORD, uid: 'ada', displayName: 'Ada' }),
    ]
    for (const way of ways('192.0.2.9')) expect((await way).status).toBe(200)
    for (const way of ways('192.0.3.9')) expect((await way).status).toBe(403)
    const denials = await host.audit({ outcome: 'denied', error: 'not_allowed' })
    expect(denials).toHaveLength(4)
    expect(denials[0]).toMatchObject({ actor_name: 'ada', remote_addr: '192.0.3.9' })
  })

  test('the address comes before a lock, and after the password', async () => {
    await start({ users: { ada: [] } })
    await host.sso.user.lockUser({ actor: { via: 'code', name: 'test' }, userId: await idOf(host, 'ada') })
    expect((await login('ada', '192.0.2.1')).body).toEqual(refusal)
    expect((await host.audit({ operation: 'login' })).at(-1)).toMatchObject({ error: 'not_allowed' })
  })

  test('whoever is not listed stays out, if that is asked for', async () => {
    await start({ users: { ada: '*' }, rejectIfNotListed: true })
    expect((await login('ada', '192.0.2.1')).status).toBe(200)
    expect((await login('bob', '192.0.2.1')).body).toEqual(refusal)
    expect((await login('admin', '127.0.0.1')).body).toEqual(refusal)
  })

  test('ASVS 4.1.3 a client’s own word for its address does not count', async () => {
    await start({ users: { ada: ['192.0.2.0/24'] } }, { options: { loginMetadataApps: ['CRM'] } })
    const reply = await host.http
      .post('/zato/sso/user/login')
      .set({ ...json, 'X-Forwarded-For': '203.0.113.1' })
      .send({ username: 'ada', password: PASSWORD, current_app: 'CRM', remote_addr: '192.0.2.1' })
    expect(reply.body).toEqual(refusal)
  })
})
