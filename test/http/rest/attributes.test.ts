import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PLACE, PLACES } from '../zato/wire.ts'
import { type Client, problem, startClient } from './client.ts'

describe.each(PLACES)(`custom attributes (${PLACE})`, (place) => {
  let client: Client
  beforeAll(async () => {
    client = await startClient(place, { updateuser: { protectedAttributes: ['rank'] } })
  })
  afterAll(() => client.host.close())

  test('are read and merged, one’s own and by a super-user everybody’s', async () => {
    const { person, send, admin } = client
    const ada = await person()
    const first = await send('PATCH', '/me/attributes', {
      as: ada,
      body: { theme: { colour: 'blue', size: 3 }, langs: ['en', null], n: 0, flag: false },
    })
    expect(first).toMatchObject({ status: 200, body: { changed: ['theme', 'langs', 'n', 'flag'] } })
    const second = await send('PATCH', `/users/${ada.id}/attributes`, {
      as: admin,
      body: { theme: { size: null, shape: { round: true, gone: null } }, n: null, never: null },
    })
    expect(second.body).toEqual({
      attributes: { theme: { colour: 'blue', shape: { round: true } }, langs: ['en', null], flag: false },
      changed: ['theme', 'n'],
    })
    const read = await send('GET', '/me/attributes', { as: ada })
    expect(read.body).toEqual(second.body.attributes)
    expect(read.headers.etag).toBe(second.headers.etag)
    expect((await send('GET', `/users/${ada.id}/attributes`, { as: admin })).body).toEqual(read.body)
  })

  test('from one ETag, the second edit gets 412 and nothing of it is written', async () => {
    const { person, send, observe, admin } = client
    const ada = await person()
    const { etag } = (await send('GET', '/me/attributes', { as: ada })).headers
    const patch = (body: object) =>
      send('PATCH', `/users/${ada.id}/attributes`, { as: admin, body, headers: { 'If-Match': String(etag) } })
    expect((await patch({ a: 1 })).status).toBe(200)
    const second = await observe(ada.name, () => patch({ a: 2, b: 2 }))
    expect(second.reply).toEqual(problem(412, 'precondition_failed'))
    expect(second.elsewhere).toEqual([])

    const { etag: now } = (await send('GET', '/me/attributes', { as: ada })).headers
    const many = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        send('PATCH', '/me/attributes', { as: ada, body: { [`k${index}`]: 1 }, headers: { 'If-Match': String(now) } }),
      ),
    )
    expect(many.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(many.filter(({ status }) => status === 412)).toHaveLength(7)
  })

  test('secret ones are kept encrypted and not shown; a dry run keeps nothing', async () => {
    const { person, send, observe, host } = client
    const ada = await person()
    const set = await send('PATCH', '/me/attributes', { as: ada, body: { digdashMailPassword: 's3cret-canary', a: 1 } })
    expect(set.body).toEqual({ attributes: { a: 1 }, changed: ['digdashMailPassword', 'a'] })
    expect((await send('GET', '/me/attributes', { as: ada })).body).toEqual({ a: 1 })
    expect(JSON.stringify(await host.database.db('sso_attribute'))).not.toContain('s3cret-canary')

    const tried = await observe(ada.name, () =>
      send('PATCH', '/me/attributes?dryRun=true', { as: ada, body: { a: 2, b: 1 } }),
    )
    expect(tried).toMatchObject({
      reply: { status: 200, body: { attributes: { a: 2, b: 1 }, changed: ['a', 'b'], dryRun: true } },
      elsewhere: [],
      audit: [],
    })
  })

  test('what is wrong is said of each, with nothing written', async () => {
    const { person, send, observe } = client
    const [ada, bob] = [await person(), await person()]
    const patch = (path: string, body: object) => observe(ada.name, () => send('PATCH', path, { as: ada, body }))
    const wrong = await patch('/me/attributes', { ' a': 1, fine: 1, long: 'x'.repeat(20_000), 'b/~': '\u0000' })
    expect(wrong.reply).toEqual(
      problem(422, 'input_invalid', ['/ a', 'input_invalid'], ['/long', 'input_invalid'], ['/b~1~0', 'input_invalid']),
    )
    const guarded = await patch('/me/attributes', { rank: 1, fine: 1 })
    expect(guarded.reply).toEqual(problem(403, 'attribute_forbidden', ['/rank', 'attribute_forbidden']))
    const others = await patch(`/users/${bob.id}/attributes`, { fine: 1 })
    expect(others.reply).toEqual(problem(403, 'super_user_required'))
    for (const { elsewhere } of [wrong, guarded, others]) expect(elsewhere).toEqual([])
    // Each half fits, the whole does not.
    expect((await patch('/me/attributes', { grows: { a: 'x'.repeat(6000) } })).reply.status).toBe(200)
    expect((await patch('/me/attributes', { grows: { b: 'x'.repeat(6000) } })).reply).toEqual(
      problem(422, 'input_invalid', ['/grows', 'input_invalid']),
    )
  })
})
