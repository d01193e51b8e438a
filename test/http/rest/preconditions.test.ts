import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DATABASE_PLACES, PLACE, PLACES } from '../zato/wire.ts'
import { type Client, problem, startClient } from './client.ts'

describe.each(PLACES)(`entity tags (${PLACE})`, (place) => {
  let client: Client
  beforeAll(async () => {
    client = await startClient(place)
  })
  afterAll(() => client.host.close())

  test('two clients edit one account from the same ETag: the second gets 412, and nothing of his is written', async () => {
    const { person, send, tagOf, admin, stored, observe } = client
    const ada = await person({ display_name: 'Ada', first_name: 'Ada' })
    const etag = await tagOf(ada)
    expect(etag).toMatch(/^"[\w-]{27}"$/)

    const first = await send('PATCH', `/users/${ada.id}`, {
      as: admin,
      headers: { 'If-Match': etag },
      body: { display_name: 'From the admin' },
    })
    expect(first).toMatchObject({ status: 200, body: { changed: ['display_name'] } })

    const second = await observe(ada.name, () =>
      send('PATCH', '/me', { as: ada, headers: { 'If-Match': etag }, body: { display_name: 'mine', first_name: 'X' } }),
    )
    expect(second.reply).toMatchObject({ status: 412, body: { code: 'precondition_failed' } })
    expect(second).toMatchObject({
      account: {},
      elsewhere: [],
      audit: [{ operation: 'update_current_user', outcome: 'invalid', error: 'precondition_failed' }],
    })
    expect(await stored(ada.name)).toMatchObject({ display_name: 'From the admin', first_name: 'Ada' })

    // The tag of the reply is that of the next read, whoever reads; with it the second one goes through.
    expect(first.headers.etag).toBe(await tagOf(ada))
    const again = await send('PATCH', '/me', {
      as: ada,
      headers: { 'If-Match': `"another", ${first.headers.etag}` },
      body: { display_name: 'mine' },
    })
    expect(again.status).toBe(200)
    expect(again.headers.etag).toBe(await tagOf(ada))
    expect((await send('GET', `/users/${ada.id}`, { as: admin })).headers.etag).toBe(again.headers.etag)
  })

  test('of many at once from one ETag, one is written', async () => {
    const { person, send, tagOf, stored, admin } = client
    const ada = await person()
    const etag = await tagOf(ada)
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        send('PATCH', index % 2 === 0 ? '/me' : `/users/${ada.id}`, {
          as: index % 2 === 0 ? ada : admin,
          headers: { 'If-Match': etag },
          body: { display_name: `name ${index}` },
        }),
      ),
    )
    const winners = replies.flatMap(({ status, body }) => (status === 200 ? [body.user.display_name] : []))
    expect(winners).toHaveLength(1)
    expect(replies.filter(({ status }) => status === 412)).toHaveLength(11)
    expect(await stored(ada.name)).toMatchObject({ display_name: winners[0] })
  })

  test('a change elsewhere makes another tag, a login, a renewal and another account do not', async () => {
    const { person, send, tagOf, admin, host } = client
    const [ada, bob] = [await person(), await person()]
    const etag = await tagOf(ada)
    await host.login(ada.name)
    await send('PATCH', '/me', { as: bob, body: { display_name: 'Bob' } })
    await send('PATCH', '/me', {
      as: ada,
      body: { display_name: (await send('GET', '/me', { as: ada })).body.display_name },
    })
    expect(await tagOf(ada)).toBe(etag)

    const code = { via: 'code', name: 'test' } as const
    await host.sso.user.updateUserById({ actor: code, userId: ada.id, data: { password_expiry: '2345-12-27' } })
    const changed = await tagOf(ada)
    expect(changed).not.toBe(etag)
    await send('PUT', `/users/${ada.id}/lock`, { as: admin })
    const locked = await send('GET', `/users/${ada.id}`, { as: admin })
    expect(locked.headers.etag).not.toBe(changed)
    const late = await send('DELETE', `/users/${ada.id}/lock`, { as: admin, headers: { 'If-Match': changed } })
    expect(late).toEqual(problem(412, 'precondition_failed'))
    const stale = await send('DELETE', `/users/${ada.id}`, { as: admin, headers: { 'If-Match': changed } })
    expect(stale).toEqual(problem(412, 'precondition_failed'))
    const gone = await send('DELETE', `/users/${ada.id}`, {
      as: admin,
      headers: { 'If-Match': String(locked.headers.etag) },
    })
    expect(gone.status).toBe(204)
  })

  test('the functions take the same tags', async () => {
    const { person, host, tagOf } = client
    const ada = await person()
    const own = { currentUst: ada.ust, currentApp: 'CRM' }
    const { etag } = await host.sso.user.getUserDetails(own)
    expect(etag).toBe(await tagOf(ada))
    const { etag: next } = await host.sso.user.updateCurrentUser({ ...own, ifMatch: etag, data: { display_name: 'A' } })
    expect(next).toBe(await tagOf(ada))
    await expect(
      host.sso.user.updateCurrentUser({ ...own, ifMatch: [etag, '"x"'], data: { display_name: 'B' } }),
    ).rejects.toMatchObject({ code: 'precondition_failed', status: 412 })
  })
})

describe.each(DATABASE_PLACES.slice(0, 1))('how tags are written (%j)', (place) => {
  let client: Client
  beforeAll(async () => {
    client = await startClient(place)
  })
  afterAll(() => client.host.close())

  test('If-None-Match on a read is answered 304 without a body', async () => {
    const { person, send, tagOf } = client
    const ada = await person()
    const etag = await tagOf(ada)
    for (const header of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
      const reply = await send('GET', '/me', { as: ada, headers: { 'If-None-Match': header } })
      expect([reply.status, reply.text, reply.headers.etag]).toEqual([304, '', etag])
    }
    expect((await send('GET', '/me', { as: ada, headers: { 'If-None-Match': '"x"' } })).status).toBe(200)
    expect((await send('GET', '/me', { as: ada, headers: { 'If-None-Match': `"x" ${etag}` } })).status).toBe(200)
  })

  test('If-None-Match is looked at whatever Cache-Control says: fetch adds no-cache to it by itself', async () => {
    const { person, send, tagOf } = client
    const ada = await person()
    const headers = { 'If-None-Match': await tagOf(ada), 'Cache-Control': 'no-cache', Pragma: 'no-cache' }
    expect((await send('GET', '/me', { as: ada, headers })).status).toBe(304)
  })

  test('If-Match: * is any state, a weak tag is none, and what is no list of tags is refused', async () => {
    const { person, send, tagOf } = client
    const ada = await person()
    const etag = await tagOf(ada)
    const patch = (header: string) =>
      send('PATCH', '/me', { as: ada, headers: { 'If-Match': header }, body: { display_name: header } })
    expect((await patch('*')).status).toBe(200)
    expect(await patch(`W/${await tagOf(ada)}`)).toEqual(problem(412, 'precondition_failed'))
    expect(await patch('""')).toEqual(problem(412, 'precondition_failed'))
    for (const header of ['', 'x', etag.slice(1), `${etag} ${etag}`, '*, *', `${etag},`]) {
      expect(await patch(header)).toEqual(problem(400, 'input_malformed'))
    }
  })

  test('where there is no tag, If-Match is refused rather than passed over', async () => {
    const { person, send } = client
    const ada = await person()
    const reply = await send('DELETE', '/me/sessions', { as: ada, headers: { 'If-Match': '*' } })
    expect(reply).toEqual(problem(400, 'input_malformed'))
  })

  test('with requireIfMatch, a change without a tag is refused with 428, a read is not', async () => {
    const strict = await startClient(place, { rest: { requireIfMatch: true } })
    try {
      const ada = await strict.person()
      const { send, admin } = strict
      const changes = [
        ['PATCH', '/me', ada, { display_name: 'x' }],
        ['PATCH', `/users/${ada.id}`, admin, { display_name: 'x' }],
        ['PUT', `/users/${ada.id}/lock`, admin, undefined],
        ['PATCH', `/users/${ada.id}/grants`, admin, { acls: { a: true } }],
        ['DELETE', `/users/${ada.id}`, admin, undefined],
      ] as const
      for (const [method, path, as, body] of changes) {
        expect(await send(method, path, { as, body })).toEqual(problem(428, 'precondition_required'))
      }
      const etag = await strict.tagOf(ada)
      const reply = await send('PATCH', '/me', { as: ada, headers: { 'If-Match': etag }, body: { display_name: 'x' } })
      expect(reply.status).toBe(200)
      // What is not a change of an account in a state that was read.
      expect((await send('DELETE', '/me/sessions', { as: ada })).status).toBe(204)
    } finally {
      await strict.host.close()
    }
  })

  test('grants have a tag of their own', async () => {
    const { person, send, admin, tagOf } = client
    const ada = await person()
    const path = `/users/${ada.id}/grants`
    const { etag } = (await send('GET', path, { as: ada })).headers
    expect(etag).not.toBe(await tagOf(ada))
    const patch = (tag: unknown, body: object) =>
      send('PATCH', path, { as: admin, body, headers: { 'If-Match': String(tag) } })
    const first = await patch(etag, { roles: { sales: 'RX' } })
    expect(first).toMatchObject({ status: 200, body: { roles: { sales: 'RX' }, changed: ['roles'] } })
    expect(await patch(etag, { roles: { sales: null } })).toEqual(problem(412, 'precondition_failed'))
    expect(first.headers.etag).toBe((await send('GET', path, { as: ada })).headers.etag)
    expect((await patch(first.headers.etag, { roles: { sales: null } })).body.roles).toEqual({})
  })
})
