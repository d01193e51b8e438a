import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { AuditRecord, Change } from '../../../src/index.ts'
import { PLACE, PLACES } from '../zato/wire.ts'
import { type Client, problem, startClient } from './client.ts'

describe.each(PLACES)(`a dry run (${PLACE})`, (place) => {
  const within: Change[] = []
  const after: Change[] = []
  const delivered: AuditRecord[] = []
  let client: Client
  let hasNotes = false

  beforeAll(async () => {
    client = await startClient(place, {
      hooks: {
        async withinUpdate(change, trx) {
          if (!hasNotes) return
          within.push(change)
          await trx('host_notes').insert({ note: change.operation })
          if (change.after?.display_name === 'refused') throw Object.assign(new Error('Not that.'), { status: 422 })
        },
        afterUpdate: (change) => void after.push(change),
      },
      audit: { sinks: [(record) => void delivered.push(record)] },
    })
    await client.host.database.db.schema.createTable('host_notes', (table) => table.string('note', 40))
    hasNotes = true
  })
  afterAll(() => client.host.close())
  beforeEach(async () => {
    await client.host.sso.flush()
    for (const list of [within, after, delivered]) list.length = 0
  })

  test('goes all the way, the host’s own writes included, and keeps nothing', async () => {
    const { person, send, observe, host, tagOf } = client
    const ada = await person({ display_name: 'Ada' })
    const etag = await tagOf(ada)
    const notes = () => host.database.db('host_notes').count({ n: '*' })
    const before = await notes()
    await host.sso.flush()
    within.length = after.length = delivered.length = 0

    const tried = await observe(ada.name, () =>
      send('PATCH', '/me?dryRun=true', {
        as: ada,
        headers: { 'If-Match': etag },
        body: { display_name: 'B', last_name: 'L' },
      }),
    )
    expect(tried).toMatchObject({
      reply: {
        status: 200,
        body: { user: { display_name: 'B', last_name: 'L' }, changed: ['display_name', 'last_name'], dryRun: true },
      },
      account: {},
      elsewhere: [],
      audit: [],
    })
    await host.sso.flush()
    expect(within).toMatchObject([{ isDryRun: true, after: { display_name: 'B' } }])
    expect([after, delivered]).toEqual([[], []])
    expect(await notes()).toEqual(before)
    expect(await tagOf(ada)).toBe(etag)
    expect((await send('GET', '/me', { as: ada })).body.display_name).toBe('Ada')
  })

  test('of what would be refused is refused, and that is in the audit trail', async () => {
    const { person, send, observe } = client
    const [ada, bob] = [await person(), await person()]
    const cases = [
      [{ display_name: 'refused' }, problem(403, 'hook_refused'), 'denied'],
      [{ is_locked: true }, problem(403, 'attribute_forbidden', ['/is_locked', 'attribute_forbidden']), 'denied'],
      [{ username: bob.name }, problem(409, 'username_taken'), 'invalid'],
    ] as const
    for (const [body, reply, outcome] of cases) {
      const tried = await observe(ada.name, () => send('PATCH', '/me?dryRun=true', { as: ada, body }))
      expect(tried.reply).toEqual(reply)
      expect(tried).toMatchObject({ account: {}, audit: [{ outcome }] })
    }
  })

  test('creates, deletes, locks, grants and sets passwords for nobody', async () => {
    const { person, send, observe, admin, host } = client
    const ada = await person()
    const tries = [
      ['POST', '/users', { username: 'would-be' }, { user: { username: 'would-be' }, dryRun: true }],
      ['DELETE', `/users/${ada.id}`, undefined, { dryRun: true }],
      ['PUT', `/users/${ada.id}/lock`, undefined, { user: { is_locked: true }, changed: ['is_locked'], dryRun: true }],
      [
        'PATCH',
        `/users/${ada.id}/grants`,
        { roles: { r: 'X' } },
        { roles: { r: 'X' }, changed: ['roles'], dryRun: true },
      ],
      [
        'PUT',
        `/users/${ada.id}/password`,
        { newPassword: 'another good one' },
        { changed: ['password'], dryRun: true },
      ],
    ] as const
    for (const [method, path, body, expected] of tries) {
      const tried = await observe(ada.name, () => send(method, `${path}?dryRun=true`, { as: admin, body }))
      expect(tried.reply).toMatchObject({ status: 200, body: expected })
      expect(tried).toMatchObject({ account: {}, elsewhere: [], audit: [] })
    }
    expect((await send('GET', '/me', { as: ada })).status).toBe(200)
    await expect(host.login('would-be')).rejects.toMatchObject({ code: 'credentials_invalid' })
  })
})
