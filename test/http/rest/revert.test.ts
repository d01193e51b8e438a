import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../../support/host.ts'
import { change, DATABASE_PLACES, later, MINUTE, type Person, PLACE, PLACES, record, START } from '../zato/wire.ts'
import { type Client, problem, type Sending, startClient } from './client.ts'

describe.each(PLACES)(`POST /users/{id}/revert (${PLACE})`, (place) => {
  let client: Client
  beforeAll(async () => {
    client = await startClient(place, {
      attributes: {
        properties: { settings: { type: ['object', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } } },
      },
    })
  })
  afterAll(() => client.host.close())

  const revert = ({ id }: Person, auditId: unknown, { query = '', ...sending }: Sending & { query?: string } = {}) =>
    client.send('POST', `/users/${id}/revert${query}`, { as: client.admin, body: { auditId }, ...sending })
  /** The record of the latest change, as the trail's endpoint tells it. */
  const latestOf = async ({ id }: Person): Promise<number> => {
    const { body } = await client.send('GET', `/users/${id}/audit?limit=1`, { as: client.admin })
    return body.records[0].id
  }

  test('undoes a lock, and what it did is undone in turn', async () => {
    const { person, send, observe, admin, tagOf } = client
    const ada = await person({ display_name: 'Ada' })
    await send('PUT', `/users/${ada.id}/lock`, { as: admin })
    const lock = await latestOf(ada)

    const undone = await observe(ada.name, () => revert(ada, lock))
    expect(undone).toMatchObject({
      reply: { status: 200, body: { user: { is_locked: false, display_name: 'Ada' }, changed: ['is_locked'] } },
      account: { is_locked: false },
      elsewhere: [],
      audit: [{ operation: 'revert_change', outcome: 'ok', actor: 'admin', via: 'ust', target: ada.name }],
    })
    const unlock = await latestOf(ada)
    const back = { ...ada, ust: await client.host.login(ada.name) }
    const etag = await tagOf(back)
    const locked = await observe(ada.name, () =>
      revert(ada, unlock, { headers: { 'If-Match': etag, Prefer: 'return=minimal' } }),
    )
    expect(locked).toMatchObject({ reply: { status: 204 }, account: { is_locked: true }, elsewhere: ['- sso_session'] })
    expect(await send('GET', '/me', { as: back })).toMatchObject({ status: 401, body: { code: 'session_unknown' } })
  })

  test('undoes grants and custom attributes; a dry run says so and keeps nothing', async () => {
    const { person, send, observe, admin } = client
    const ada = await person()
    await send('PATCH', `/users/${ada.id}/grants`, { as: admin, body: { roles: { sales: 'RX' }, acls: { a: true } } })
    const grants = await latestOf(ada)
    await send('PATCH', `/users/${ada.id}/attributes`, { as: admin, body: { theme: { dark: true } } })
    const attributes = await latestOf(ada)

    const tried = await observe(ada.name, () => revert(ada, grants, { query: '?dryRun=true' }))
    expect(tried).toMatchObject({
      reply: { status: 200, body: { changed: ['roles', 'acls'], dryRun: true } },
      account: {},
      elsewhere: [],
      audit: [],
    })
    const changes = [change('roles', ['sales|RX'], []), change('acls', ['a'], [])]
    expect(await observe(ada.name, () => revert(ada, grants))).toMatchObject({
      elsewhere: ['- sso_role_grant', '- sso_acl_grant'],
      audit: [record('revert_change', 'ok', { actor: 'admin', target: ada.name, changes })],
    })
    expect(await observe(ada.name, () => revert(ada, attributes))).toMatchObject({
      reply: { status: 200, body: { changed: ['attributes.theme'] } },
      elsewhere: ['- sso_attribute'],
    })
  })

  test('puts a JSON attribute back as it was, rather than merging it into what is there', async () => {
    const { person, send } = client
    const ada = await person({ settings: { a: 1, b: { c: 2 } } })
    await send('PATCH', '/me', { as: ada, body: { settings: { a: null, b: { d: 3 } } } })
    expect(await revert(ada, await latestOf(ada))).toMatchObject({
      status: 200,
      body: { user: { settings: { a: 1, b: { c: 2 } } }, changed: ['settings'] },
    })
    const { body } = await send('GET', '/me', { as: ada })
    expect(body.settings).toEqual({ a: 1, b: { c: 2 } })
  })

  test('what it cannot undo it names, and writes nothing but the refusal', async () => {
    const { person, send, observe, admin } = client
    const [ada, bob] = [await person({ display_name: 'Ada', first_name: 'A' }), await person()]
    const nothing = (reply: object, ...error: readonly [string, string?]) => ({
      reply: expect.objectContaining(reply),
      account: {},
      elsewhere: [],
      audit: [expect.objectContaining({ operation: 'revert_change', outcome: error[1] ?? 'invalid', error: error[0] })],
    })
    const refusal = (status: number, code: string, ...pointers: readonly string[]) => ({
      status,
      body: expect.objectContaining({
        code,
        errors: pointers.map((pointer) => ({ pointer, code, message: expect.any(String) })),
      }),
    })

    await send('PATCH', `/users/${ada.id}`, { as: admin, body: { display_name: 'B', first_name: 'B' } })
    const names = await latestOf(ada)
    await send('PATCH', '/me', { as: ada, body: { display_name: 'C', first_name: 'C' } })
    expect(await observe(ada.name, () => revert(ada, names))).toEqual(
      nothing(refusal(409, 'change_superseded', '/display_name', '/first_name'), 'change_superseded'),
    )
    await send('PUT', `/users/${ada.id}/password`, { as: admin, body: { newPassword: `${PASSWORD}!` } })
    const password = await latestOf(ada)
    expect(await observe(ada.name, () => revert(ada, password))).toEqual(
      nothing(refusal(422, 'change_irrevocable', '/password'), 'change_irrevocable'),
    )
    for (const id of [names, 999_999]) {
      expect(await observe(bob.name, () => revert(bob, id))).toEqual(
        nothing(refusal(404, 'audit_record_unknown'), 'audit_record_unknown', 'denied'),
      )
    }
    expect(await observe(bob.name, () => revert(bob, names, { as: bob }))).toEqual(
      nothing(refusal(403, 'super_user_required'), 'super_user_required', 'denied'),
    )

    const stale = { headers: { 'If-Match': '"x"' } }
    await send('PATCH', '/me', { as: bob, body: { display_name: 'Bob' } })
    const name = await latestOf(bob)
    expect(await observe(bob.name, () => revert(bob, name, stale))).toEqual(
      nothing(refusal(412, 'precondition_failed'), 'precondition_failed'),
    )
  })
})

describe.each(DATABASE_PLACES.slice(0, 1))('how a change is named (%j)', (place) => {
  let client: Client
  beforeAll(async () => {
    client = await startClient(place)
  })
  afterAll(() => client.host.close())

  test('the body has a whole number, and nothing that is not known', async () => {
    const { person, send, admin } = client
    const { id } = await person()
    const post = (body: object) => send('POST', `/users/${id}/revert`, { as: admin, body })
    for (const auditId of [0, -1, 1.5, '1', null, 2 ** 60]) {
      expect(await post({ auditId })).toEqual(problem(422, 'input_invalid', ['/auditId', 'input_invalid']))
    }
    expect(await post({})).toEqual(problem(400, 'input_missing', ['/auditId', 'input_missing']))
    expect(await post({ auditId: 1, id: 2 })).toEqual(problem(422, 'attribute_unknown', ['/id', 'attribute_unknown']))
  })

  test('what an account could be taken over by needs a fresh proof here, too', async () => {
    const { person, send, admin, host, clock } = client
    const ada = await person({ email: 'ada@example.com' })
    await host.sso.user.updateUserById({
      actor: { via: 'code', name: 'test' },
      userId: ada.id,
      data: { email: 'eve@example.com' },
    })
    const [latest] = (await send('GET', `/users/${ada.id}/audit`, { as: admin })).body.records
    const post = (body: object) =>
      send('POST', `/users/${ada.id}/revert`, { as: admin, body: { auditId: latest.id, ...body } })
    clock.now = later(6 * MINUTE)
    expect(await post({})).toMatchObject({ status: 401, body: { code: 'reauth_required' } })
    expect(await post({ currentPassword: 'wrong' })).toMatchObject({
      status: 401,
      body: { code: 'credentials_invalid' },
    })
    expect(await post({ currentPassword: PASSWORD })).toMatchObject({
      status: 200,
      body: { user: { email: 'ada@example.com' }, changed: ['email'] },
    })
    clock.now = START
  })
})
