import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, idOf, startHost, type TestHost } from '../../support/host.ts'

const CID = expect.stringMatching(/^[0-9a-f]{24}$/)
const TIME = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{6})?$/)
const MINUTE = 60_000

describe.each(databases)('sessions of the Zato dialect on %s', (name) => {
  let host: TestHost
  let now = new Date('2030-01-02T03:04:05.006Z')
  const ok = (fields: object = {}) => ({ status: 'ok', cid: CID, sub_status: [], ...fields })
  const refused = (code: string) => ({ status: 'error', cid: CID, sub_status: [code] })
  const call = async (method: 'get' | 'post' | 'patch', path: string, body: object) => {
    const reply = await host.http[method](`/zato/sso${path}`)
      .set('User-Agent', 'test')
      .send({ current_app: 'CRM', ...body })
    return { status: reply.status, body: reply.body }
  }

  beforeAll(async () => {
    host = await startHost(name, {
      options: { now: () => now, session: { lifetimeMinutes: 60, absoluteMinutes: 100, inactivityMinutes: 30 } },
    })
  })
  afterAll(() => host.close())

  test('a super-user reads a session by its token', async () => {
    const [current_ust, target_ust] = [await host.login('admin'), await host.login('ada')]
    expect(await call('get', '/user/session', { current_ust, target_ust })).toEqual({
      status: 200,
      body: ok({
        creation_time: '2030-01-02T03:04:05.006000',
        expiration_time: '2030-01-02T04:04:05.006000',
        remote_addr: null,
        user_agent: null,
      }),
    })
  })

  test('nobody else does, and there is no session without a token', async () => {
    const [admin, ada] = [await host.login('admin'), await host.login('ada')]
    const get = async (body: object) => (await call('get', '/user/session', body)).body
    expect(await get({ current_ust: ada, target_ust: ada })).toEqual(refused('E005001'))
    expect(await get({ current_ust: admin })).toEqual(refused('E007001'))
    expect(await get({ current_ust: admin, target_ust: 'unknown' })).toEqual(refused('E007001'))
    expect(await get({ target_ust: ada })).toEqual(refused('E007001'))
  })

  test('verifying says whether the whole gate would let the session in', async () => {
    const [current_ust, target_ust] = [await host.login('admin'), await host.login('ada')]
    const verify = async (body: object) => (await call('post', '/user/session', body)).body
    expect(await verify({ current_ust, target_ust })).toEqual(ok({ is_valid: true }))
    expect(await verify({ current_ust, target_ust: 'unknown' })).toEqual(ok({ is_valid: false }))
    expect(await verify({ current_ust: target_ust, target_ust })).toEqual(refused('E005001'))

    const userId = await idOf(host, 'ada')
    // In the table, as a host does without us: the package would end the session.
    const lock = (is_locked: boolean) => host.database.db('sso_user').where({ user_id: userId }).update({ is_locked })
    await lock(true)
    expect(await verify({ current_ust, target_ust })).toEqual(ok({ is_valid: false }))
    expect((await call('get', '/user/session', { current_ust, target_ust })).body).toEqual(refused('E005002'))
    await lock(false)
  })

  test('ASVS 7.3.2 renewing puts off the end, up to the absolute lifetime, and is kept in the history', async () => {
    const start = now
    const ust = await host.login('bob')
    now = new Date(start.getTime() + 20 * MINUTE)
    expect((await call('patch', '/user/session', { ust })).body).toEqual(
      ok({ expiration_time: '2030-01-02T04:24:05.006000' }),
    )
    now = new Date(start.getTime() + 45 * MINUTE)
    expect((await call('patch', '/user/session', { ust })).body).toEqual(
      ok({ expiration_time: '2030-01-02T04:44:05.006000' }),
    )
    const { body } = await call('get', '/user/session/list', { ust })
    expect(body).toEqual(
      ok({
        result: [
          {
            ust: expect.stringMatching(/^[\w-]{16}$/),
            creation_time: '2030-01-02T03:04:05.006000',
            expiration_time: '2030-01-02T04:44:05.006000',
            remote_addr: null,
            user_agent: null,
            auth_type: 'default',
            auth_principal: 'bob',
            ext_session_id: '',
            session_state_change_list: ['login', 'renew', 'renew'].map((ctx_source, index) => ({
              remote_addr: index === 0 ? null : '127.0.0.1',
              user_agent: index === 0 ? null : 'test',
              timestamp_utc: TIME,
              ctx_source,
              idx: index + 1,
            })),
          },
        ],
      }),
    )
    now = start
  })

  test('ASVS 7.2.2 what a list names a session by does not open it', async () => {
    const ust = await host.login('bob')
    const { body } = await call('get', '/user/session/list', { ust })
    for (const { ust: named } of body.result) {
      expect((await call('get', '/user', { ust: named })).body).toEqual(refused('E007001'))
    }
    const { db } = host.database
    expect(JSON.stringify(await db('sso_session'))).not.toContain(ust)
  })

  test("a super-user lists anybody's sessions by the pair; both forms at once make no sense", async () => {
    const [current_ust, target_ust] = [await host.login('admin'), await host.login('ada')]
    const list = async (body: object) => (await call('get', '/user/session/list', body)).body
    const { result } = await list({ current_ust, target_ust, ust: '' })
    expect(new Set(result.map((item: { auth_principal: string }) => item.auth_principal))).toEqual(new Set(['ada']))
    expect(await list({ current_ust: target_ust, target_ust })).toEqual(refused('E005001'))
    expect(await list({ current_ust, target_ust, ust: current_ust })).toMatchObject(refused('E008002'))
  })

  test('ASVS 7.3.1 a session that is not used ends; one that is used lives on', async () => {
    const start = now
    const [used, idle] = [await host.login('ada'), await host.login('bob')]
    now = new Date(start.getTime() + 20 * MINUTE)
    expect((await call('get', '/user', { ust: used })).status).toBe(200)
    now = new Date(start.getTime() + 40 * MINUTE)
    expect((await call('get', '/user', { ust: used })).status).toBe(200)
    expect((await call('get', '/user', { ust: idle })).body).toEqual(refused('E007001'))
    now = start
  })
})
