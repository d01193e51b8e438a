import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, type IdType, idOf, PASSWORD, startHost, type TestHost } from './support/host.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const

const cases = databases.flatMap((name) => [
  [name, 'own table', 'string'] as const,
  ...(['integer', 'uuid', 'string'] as const).map((idType) => [name, 'host table', idType] as const),
])

/** Ids that nobody has; a database that converts or folds what it compares would find some of them. */
function strangers(id: string): readonly string[] {
  const numbers = [
    '0',
    '-1',
    '007',
    '7abc',
    '1e0',
    '0x1',
    '1.0',
    '+1',
    '٧',
    '2147483648',
    '99999999999',
    '9'.repeat(40),
  ]
  const uuids = ['00000000-0000-0000-0000-00000000000', 'zzzzzzzz-0000-4000-8000-000000000000', '{', id.slice(0, -1)]
  const texts = [`${id} `, ` ${id}`, `0${id}`, `${id}abc`, `${id}.0`, `${id}\t`, `${id}\u0000`, 'a\u0000b', '\ud800']
  const others = ['😀', 'null', 'true', '%', '_', "' or 1=1 --", 'x'.repeat(5000), '__proto__']
  return [...numbers, ...uuids, ...texts, ...others].filter((stranger) => stranger !== id && stranger !== '')
}

describe.each(cases)('ids on %s, %s of %s ids', (name, arrangement, idType: IdType) => {
  let host: TestHost
  let faults: unknown[]
  let ust: string
  let id: string

  beforeAll(async () => {
    faults = []
    const hooks = { onError: (error: unknown) => void faults.push(error) }
    host = await startHost(name, { arrangement, idType, options: { hooks } })
    ust = await host.login('admin')
    id = await idOf(host, 'ada')
  })
  afterAll(() => host?.close())

  const rows = () => host.database.db(arrangement === 'own table' ? 'sso_user' : 'members')

  test('that are not of their canonical form name nobody, and break nothing', async () => {
    const before = await rows()
    for (const userId of strangers(id)) {
      const shown = JSON.stringify(userId.slice(0, 50))
      const records = (await host.audit()).length
      const calls = await Promise.allSettled([
        host.sso.user.getUserById({ ...CODE, userId }),
        host.sso.user.updateUserById({ ...CODE, userId, data: { display_name: 'x' } }),
        host.sso.user.lockUser({ ...CODE, userId }),
        host.sso.user.changePassword({ ...CODE, userId, newPassword: PASSWORD }),
        host.sso.user.deleteUserById({ ...CODE, userId }),
      ])
      expect(calls, shown).toEqual(
        Array(5).fill({ status: 'rejected', reason: expect.objectContaining({ code: 'user_unknown' }) }),
      )
      const body = { ust, current_app: 'CRM', user_id: userId }
      const replies = [
        await host.http.get('/zato/sso/user').send(body),
        await host.http.patch('/zato/sso/user').send({ ...body, display_name: 'x' }),
        await host.http.post('/zato/sso/user/lock').send(body),
        await host.http.patch('/zato/sso/user/password').send({ ...body, new_password: PASSWORD }),
        await host.http.delete('/zato/sso/user').send(body),
      ]
      expect(
        replies.map(({ status, body }) => [status, body]),
        shown,
      ).toEqual(replies.map(() => [403, { status: 'error', cid: expect.any(String), sub_status: ['E001100'] }]))
      const added = (await host.audit()).slice(records)
      expect(
        added.map(({ outcome, error }) => [outcome, error]),
        shown,
      ).toEqual(Array(10).fill(['denied', 'user_unknown']))
    }
    expect(await rows()).toEqual(before)
    expect(faults).toEqual([])
  })

  test('of numbers may come as numbers, if they are whole', async () => {
    const send = (userId: unknown) => host.http.get('/zato/sso/user').send({ ust, current_app: 'CRM', user_id: userId })
    if (arrangement === 'host table' && idType === 'integer') {
      expect(await host.sso.user.getUserById({ ...CODE, userId: Number(id) })).toMatchObject({ user_id: id })
      expect((await send(Number(id))).body).toMatchObject({ status: 'ok', user_id: id, username: 'ada' })
    }
    for (const odd of [1.5, -0.1, 2 ** 53, true, [id], { id }]) {
      const { status, body } = await send(odd)
      expect([status, body], JSON.stringify(odd)).toEqual([
        403,
        { status: 'error', cid: expect.any(String), sub_status: ['E008002'] },
      ])
    }
    expect(faults).toEqual([])
  })

  test('of the uid of updateuser are names, not ids, and take no liberties either', async () => {
    for (const uid of [' ada', 'ada ', 'ada\u0000', '\ud800', 'ada%', id, 'x'.repeat(5000)]) {
      const reply = await host.http
        .post('/ddenterpriseapi/updateuser')
        .auth('admin', PASSWORD)
        .send({ uid, displayName: 'x' })
      expect([400, 404], `${JSON.stringify(uid)} ${reply.status}`).toContain(reply.status)
      expect(reply.body.status).toBe('error')
    }
    expect(faults).toEqual([])
  })
})
