import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../../support/host.ts'
import { DATABASE_PLACES, later, MINUTE, type Person, PLACE, PLACES, START } from '../zato/wire.ts'
import { type Client, problem, startClient } from './client.ts'

const NOBODY = '2147483647'

describe.each(PLACES)(`accounts (${PLACE})`, (place) => {
  let client: Client
  beforeAll(async () => {
    client = await startClient(place)
  })
  afterAll(() => client.host.close())

  test('a patch changes what it names, null empties, and the reply is the account with what changed', async () => {
    const { person, send, observe } = client
    const ada = await person({ first_name: 'Ada', last_name: 'King', email: 'ada@example.org' })
    const patched = await observe(ada.name, () =>
      send('PATCH', '/me', { as: ada, body: { first_name: 'Augusta', email: null, last_name: 'King' } }),
    )
    expect(patched).toMatchObject({
      reply: {
        status: 200,
        body: {
          user: { user_id: ada.id, first_name: 'Augusta', email: null, last_name: 'King' },
          changed: ['first_name', 'email'],
        },
      },
      account: { first_name: 'Augusta', email: null },
      elsewhere: [],
      audit: [{ operation: 'update_current_user', outcome: 'ok' }],
    })
    expect((await send('GET', '/me', { as: ada })).body).toEqual((patched.reply.body as { user: object }).user)
    expect(await client.host.audit({ actor_id: ada.id, operation: 'update_current_user' })).toMatchObject([
      { dialect: 'rest', app: 'CRM', actor_via: 'ust', remote_addr: '127.0.0.1' },
    ])
  })

  test('everything that is wrong is said at once, with a pointer each, and nothing is written', async () => {
    const { person, send, observe, admin } = client
    const ada = await person()
    const body = { 'no/such~one': 1, email: 'not an address', display_name: 5, first_name: 'fine' }
    const tried = await observe(ada.name, () => send('PATCH', `/users/${ada.id}`, { as: admin, body }))
    expect(tried.reply).toEqual(problem(422, 'attribute_unknown', ['/no~1such~0one', 'attribute_unknown']))
    const { 'no/such~one': _, ...known } = body
    const again = await observe(ada.name, () => send('PATCH', `/users/${ada.id}`, { as: admin, body: known }))
    expect(again.reply).toEqual(
      problem(422, 'email_invalid', ['/email', 'email_invalid'], ['/display_name', 'input_invalid']),
    )
    expect([tried.account, again.account]).toEqual([{}, {}])
  })

  test('ASVS 8.2.2 an id that nobody has is 404 to super-users and 403 to others, as is anybody else’s', async () => {
    const { person, send, admin } = client
    const [ada, bob] = [await person(), await person()]
    const requests = [
      ['GET', '', undefined],
      ['PATCH', '', { display_name: 'x' }],
      ['DELETE', '', undefined],
      ['PUT', '/password', { newPassword: 'a good long one' }],
      ['PUT', '/lock', undefined],
      ['DELETE', '/lock', undefined],
      ['PUT', '/approval', { status: 'approved' }],
      ['GET', '/grants', undefined],
      ['PATCH', '/grants', { acls: { a: true } }],
      ['GET', '/sessions', undefined],
      ['DELETE', '/sessions', undefined],
      ['GET', '/schema', undefined],
    ] as const
    for (const [method, rest, body] of requests) {
      expect(await send(method, `/users/${NOBODY}${rest}`, { as: admin, body })).toEqual(problem(404, 'user_unknown'))
      for (const id of [NOBODY, bob.id]) {
        expect(await send(method, `/users/${id}${rest}`, { as: ada, body })).toEqual(
          problem(403, 'super_user_required'),
        )
      }
      expect(await send(method, `/users/${bob.id}${rest}`, { body })).toEqual(problem(401, 'credentials_missing'))
    }
    expect((await send('GET', '/me', { as: bob })).status).toBe(200)

    // What was tried on an id that nobody has is on record as well.
    const audit = (id: string, as: Person) => send('GET', `/users/${id}/audit`, { as })
    expect(await audit('2147483646', admin)).toEqual(problem(404, 'user_unknown'))
    expect((await audit(NOBODY, admin)).status).toBe(200)
    for (const id of [NOBODY, bob.id, ada.id]) expect(await audit(id, ada)).toEqual(problem(403, 'super_user_required'))
  })

  test('one’s own id is oneself', async () => {
    const { person, send } = client
    const ada = await person()
    expect((await send('GET', `/users/${ada.id}`, { as: ada })).body).toEqual(
      (await send('GET', '/me', { as: ada })).body,
    )
    const reply = await send('PATCH', `/users/${ada.id}`, { as: ada, body: { display_name: 'Ada' } })
    expect(reply).toMatchObject({ status: 200, body: { user: { display_name: 'Ada' } } })
    expect(await send('PATCH', `/users/${ada.id}`, { as: ada, body: { is_locked: false } })).toEqual(
      problem(403, 'attribute_forbidden', ['/is_locked', 'attribute_forbidden']),
    )
  })

  test('a super-user creates, locks, lets in and deletes', async () => {
    const { send, admin, host } = client
    const created = await send('POST', '/users', {
      as: admin,
      body: { username: 'newcomer', password: PASSWORD, first_name: ' New ', email: 'new@example.org' },
    })
    const { user_id: id } = created.body
    expect(created).toMatchObject({
      status: 201,
      headers: { location: `/account/users/${id}`, etag: expect.stringMatching(/^"/) },
      body: { username: 'newcomer', first_name: 'New', display_name: 'New', approval_status: 'before_decision' },
    })
    expect((await send('GET', `/users/${id}`, { as: admin })).headers.etag).toBe(created.headers.etag)
    await expect(host.login('newcomer')).rejects.toThrow()

    const steps = [
      ['PUT', `/users/${id}/approval`, { status: 'approved' }, { approval_status: 'approved' }],
      ['PUT', `/users/${id}/lock`, undefined, { is_locked: true }],
      ['DELETE', `/users/${id}/lock`, undefined, { is_locked: false }],
    ] as const
    for (const [method, path, body, user] of steps) {
      expect(await send(method, path, { as: admin, body })).toMatchObject({ status: 200, body: { user } })
    }
    const ust = await host.login('newcomer')
    expect(await send('PUT', `/users/${id}/approval`, { as: admin, body: { status: 'rejected' } })).toMatchObject({
      status: 200,
      body: { user: { approval_status: 'rejected' } },
    })
    expect(await send('GET', '/me', { as: { ust } })).toEqual(problem(401, 'session_unknown'))
    expect((await send('DELETE', `/users/${id}`, { as: admin })).status).toBe(204)
    expect(await send('GET', `/users/${id}`, { as: admin })).toEqual(problem(404, 'user_unknown'))
    expect(await send('DELETE', `/users/${admin.id}`, { as: admin })).toEqual(problem(409, 'operation_invalid'))

    // The trail outlives the account.
    const { body } = await send('GET', `/users/${id}/audit`, { as: admin })
    expect(
      body.records.map(({ operation, outcome }: { operation: string; outcome: string }) => [operation, outcome]),
    ).toEqual(
      expect.arrayContaining([
        ['delete_user', 'ok'],
        ['lock_user', 'ok'],
        ['create_user', 'ok'],
      ]),
    )
  })

  test('the audit trail of an account comes in pages, the latest first', async () => {
    const { person, send, admin } = client
    const ada = await person()
    for (let index = 0; index < 5; index++) {
      await send('PATCH', '/me', { as: ada, body: { display_name: `Ada ${index}` } })
    }
    const all = (await send('GET', `/users/${ada.id}/audit`, { as: admin })).body
    expect(all.next).toBeNull()
    expect(all.records[0]).toMatchObject({
      operation: 'update_current_user',
      actor_id: ada.id,
      target_id: ada.id,
      changes: [{ attribute: 'display_name', from: 'Ada 3', to: 'Ada 4' }],
    })
    const paged: unknown[] = []
    for (let before: number | null = null; ; ) {
      const query: string = before === null ? '' : `&before=${before}`
      const { body } = await send('GET', `/users/${ada.id}/audit?limit=2${query}`, { as: admin })
      expect(body.records.length).toBeLessThanOrEqual(2)
      paged.push(...body.records)
      before = body.next
      if (before === null) break
    }
    expect(paged).toEqual(all.records)
    expect(await send('GET', `/users/${ada.id}/audit?limit=0&before=x&more=1`, { as: admin })).toMatchObject({
      status: 422,
      body: {
        errors: expect.arrayContaining(
          ['/limit', '/before', '/more'].map((pointer) => expect.objectContaining({ pointer })),
        ),
      },
    })
  })

  test('a super-user searches, by the names of attributes, in pages', async () => {
    const { person, send, admin } = client
    const people = []
    for (const first_name of ['Zoë', 'zoe', 'ZOË']) people.push(await person({ first_name, last_name: 'Searched' }))
    const search = async (query: string) => (await send('GET', `/users?${query}`, { as: admin })).body
    const names = async (query: string) =>
      (await search(query)).users.map(({ first_name }: { first_name: string }) => first_name).sort()
    expect(await names(`first_name=${encodeURIComponent('zoë')}&last_name=searched`)).toEqual(['ZOË', 'Zoë'])
    expect(await names('last_name=EARCH&isNameExact=false')).toEqual(['ZOË', 'Zoë', 'zoe'])
    expect(await names('last_name=Searched&first_name=nobody&nameOp=or')).toHaveLength(3)
    expect(await names(`username=${people[1]?.name}`)).toEqual(['zoe'])
    const { users: _, ...page } = await search('last_name=searched&pageSize=2&curPage=2')
    expect(page).toEqual({
      total: 3,
      numPages: 2,
      pageSize: 2,
      curPage: 2,
      hasPrevPage: true,
      hasNextPage: false,
      prevPage: 1,
      nextPage: null,
    })
    expect(await send('GET', '/users?first_nam=x&curPage=0&nameOp=xor', { as: admin })).toMatchObject({
      status: 422,
      body: {
        errors: expect.arrayContaining(
          ['/first_nam', '/curPage', '/nameOp'].map((pointer) => expect.objectContaining({ pointer })),
        ),
      },
    })
    expect(await send('GET', '/users', { as: people[0] as Person })).toEqual(problem(403, 'super_user_required'))
  })

  test('grants are given and taken by a merge patch', async () => {
    const { person, send, admin, observe } = client
    const ada = await person()
    const path = `/users/${ada.id}/grants`
    const patch = (body: object) => send('PATCH', path, { as: admin, body })
    expect(
      (await patch({ roles: { sales: 'WR', hr: 'X' }, acls: { a: true, b: true }, groups: { g: true } })).body,
    ).toEqual({
      roles: { hr: 'X', sales: 'RW' },
      acls: { a: true, b: true },
      groups: { g: true },
      changed: ['roles', 'acls', 'groups'],
    })
    expect((await patch({ roles: { hr: null, sales: 'R' }, acls: { b: null, never: null } })).body).toEqual({
      roles: { sales: 'R' },
      acls: { a: true },
      groups: { g: true },
      changed: ['roles', 'acls'],
    })
    expect((await send('GET', path, { as: ada })).body).toEqual({
      roles: { sales: 'R' },
      acls: { a: true },
      groups: { g: true },
    })
    const refused = await observe(ada.name, () =>
      patch({ roles: { sales: 'RR', ' x': 'R' }, acls: { 'a|b': true }, groups: { g: null } }),
    )
    expect(refused.reply).toMatchObject({
      status: 422,
      body: {
        errors: ['/roles/sales', '/roles/ x', '/acls/a|b'].map((pointer) => expect.objectContaining({ pointer })),
      },
    })
    expect(refused.elsewhere).toEqual([])
    expect(await patch({ roles: { r: 5 }, rolls: {} })).toMatchObject({
      status: 422,
      body: {
        errors: expect.arrayContaining([expect.objectContaining({ pointer: '/rolls', code: 'attribute_unknown' })]),
      },
    })
  })

  test('a list of grants is the whole of them: what is not in it is taken away', async () => {
    const { person, send, admin, observe } = client
    const ada = await person()
    const path = `/users/${ada.id}/grants`
    const patch = (body: object) => send('PATCH', path, { as: admin, body })
    await patch({ roles: { sales: 'RW', hr: 'X' }, acls: { a: true, b: true }, groups: { g: true } })
    expect((await patch({ roles: ['hr|XR', 'it|R'], acls: ['b'] })).body).toEqual({
      roles: { hr: 'RX', it: 'R' },
      acls: { b: true },
      groups: { g: true },
      changed: ['roles', 'acls'],
    })
    const again = await patch({ roles: ['it|R', 'hr|RX'], acls: ['b'], groups: ['g'] })
    expect(again.body).toMatchObject({ changed: [] })
    expect((await patch({ roles: [], groups: [], acls: { b: null, c: true } })).body).toEqual({
      roles: {},
      acls: { c: true },
      groups: {},
      changed: ['roles', 'acls', 'groups'],
    })
    const refused = await observe(ada.name, () => patch({ roles: ['hr', 'it|R', 'it|W'], acls: ['a', 'a|b'] }))
    expect(refused.reply).toMatchObject({
      status: 422,
      body: {
        errors: ['/roles/0', '/roles/2', '/acls/1'].map((pointer) => expect.objectContaining({ pointer })),
      },
    })
    expect(refused.elsewhere).toEqual([])
  })

  test('ASVS 7.4.5, 7.5.2 sessions are listed and ended, one’s own and others’', async () => {
    const { person, send, admin, host } = client
    const ada = await person()
    client.clock.now = later(1)
    const others = [await host.login(ada.name), await host.login(ada.name)]
    client.clock.now = START
    const list = async (as: Pick<Person, 'ust'>, path = '/me/sessions') =>
      (await send('GET', path, { as })).body.sessions
    const sessions = await list(ada)
    expect(sessions.map(({ isCurrent }: { isCurrent: boolean }) => isCurrent)).toEqual([true, false, false])
    const [, second] = sessions
    expect((await send('DELETE', `/me/sessions/${second.id}`, { as: ada })).status).toBe(204)
    expect(await send('DELETE', `/me/sessions/${second.id}`, { as: ada })).toMatchObject({
      status: 404,
      body: { code: 'session_missing' },
    })
    expect(await list(ada)).toHaveLength(2)
    expect((await send('DELETE', '/me/sessions', { as: ada })).status).toBe(204)
    expect(await list(ada)).toHaveLength(1)
    for (const ust of others) expect((await send('GET', '/me', { as: { ust } })).status).toBe(401)

    expect(await list(admin, `/users/${ada.id}/sessions`)).toHaveLength(1)
    expect((await send('DELETE', `/users/${ada.id}/sessions`, { as: admin })).status).toBe(204)
    expect((await send('GET', '/me', { as: ada })).status).toBe(401)
  })

  test('a login opens a session, a logout ends it and tells nothing', async () => {
    const { person, send } = client
    const { name, id } = await person()
    const login = await send('POST', '/login', { body: { username: name, password: PASSWORD } })
    expect(login).toMatchObject({ status: 200, body: { isPasswordAboutToExpire: false, user: { user_id: id } } })
    const as = { ust: login.body.ust as string }
    expect((await send('GET', '/me', { as })).status).toBe(200)
    client.clock.now = later(10 * MINUTE)
    const renewed = await send('POST', '/renew', { as })
    expect(renewed).toMatchObject({ status: 200, body: { expirationTime: later(70 * MINUTE).toISOString() } })
    client.clock.now = later(69 * MINUTE)
    expect((await send('GET', '/me', { as })).status).toBe(200)
    client.clock.now = START
    for (let tries = 0; tries < 2; tries++) expect((await send('POST', '/logout', { as })).status).toBe(204)
    expect(await send('POST', '/renew', { as })).toEqual(problem(401, 'session_unknown'))
    expect(await send('GET', '/me', { as })).toEqual(problem(401, 'session_unknown'))
    expect(await send('POST', '/login', { body: { username: name, password: 'wrong' } })).toEqual(
      problem(401, 'credentials_invalid'),
    )
    expect(await send('POST', '/login', { body: { username: name } })).toEqual(
      problem(400, 'input_missing', ['/password', 'input_missing']),
    )
  })

  test('the schema is that of what this caller may change here', async () => {
    const { person, send, admin } = client
    const ada = await person()
    const own = (await send('GET', '/me/schema', { as: ada })).body
    expect(own).toMatchObject({ type: 'object', additionalProperties: false })
    expect(Object.keys(own.properties)).toEqual(
      expect.arrayContaining(['username', 'email', 'display_name', 'totp_key']),
    )
    expect(own.properties.is_locked).toBeUndefined()
    expect(own.properties.totp_key).toMatchObject({ writeOnly: true, 'x-reauth': true })
    expect((await send('GET', `/users/${ada.id}/schema`, { as: ada })).body).toEqual(own)
    const theirs = (await send('GET', `/users/${ada.id}/schema`, { as: admin })).body
    expect(theirs.properties).toMatchObject({ ...own.properties, is_locked: { type: 'boolean' } })
    // What the schema lets through, the endpoint takes.
    for (const name of ['display_name', 'first_name']) {
      const { maxLength } = own.properties[name]
      const patch = (length: number) => send('PATCH', '/me', { as: ada, body: { [name]: 'x'.repeat(length) } })
      expect((await patch(maxLength)).status).toBe(200)
      expect((await patch(maxLength + 1)).status).toBe(422)
    }
  })
})

describe.each(DATABASE_PLACES)(`JSON attributes (${PLACE})`, (place) => {
  test('are merged under the row’s lock: of two at once, neither is lost', async () => {
    const client = await startClient(place, {
      attributes: {
        properties: {
          settings: {
            type: ['object', 'null'],
            'x-sso': { editableBy: 'self', readableBy: 'self' },
            additionalProperties: { type: ['number', 'object'], additionalProperties: { type: 'number' } },
            maxProperties: 9,
          },
        },
      },
    })
    try {
      const { person, send } = client
      const ada = await person()
      const patch = (settings: unknown) => send('PATCH', '/me', { as: ada, body: { settings } })
      const settings = async () => (await send('GET', '/me', { as: ada })).body.settings
      expect((await patch({ a: 1, deep: { x: 1, y: null } })).status).toBe(200)
      expect(await settings()).toEqual({ a: 1, deep: { x: 1 } })
      expect((await patch({ a: null, deep: { y: 2 } })).body.user.settings).toEqual({ deep: { x: 1, y: 2 } })

      const replies = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((n) => patch({ [`k${n}`]: n })))
      expect(replies.map(({ status }) => status)).toEqual(Array(8).fill(200))
      expect(await settings()).toEqual({ deep: { x: 1, y: 2 }, k1: 1, k2: 2, k3: 3, k4: 4, k5: 5, k6: 6, k7: 7, k8: 8 })
      // The tenth property is one too many for the schema, whatever the patch alone looks like.
      expect(await patch({ k9: 9 })).toEqual(problem(422, 'input_invalid', ['/settings', 'input_invalid']))
      expect((await patch(null)).body.user.settings).toBeNull()
    } finally {
      await client.host.close()
    }
  })
})
