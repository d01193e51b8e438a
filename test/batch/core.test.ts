import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Options, UserLine } from '../../src/index.ts'
import { contentsOf } from '../support/contents.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { idOf, PASSWORD, type TestHost } from '../support/host.ts'
import { brief, CODE, outcome, PLACE, PLACES, type Place, startBatchHost } from './terms.ts'

describe.each<Place>(PLACES)(`batches of accounts: ${PLACE}`, (place) => {
  let database: TestDatabase
  let host: TestHost
  beforeAll(async () => {
    database = await createDatabase(place.database)
  })
  afterAll(() => database.drop())
  afterEach(() => host.close())
  const start = async (options: Partial<Options> = {}, users?: readonly string[]) => {
    host = await startBatchHost(place, { options, database, ...(users ? { users } : {}) })
  }
  const run = (lines: Iterable<UserLine>, terms: object = {}) =>
    outcome(host.sso.batch.updateUsers({ actor: CODE, lines, ...terms }))
  /** Resolves when an update of somebody is committed. */
  const recorded = (username: string) =>
    vi.waitUntil(async () => (await host.audit({ target_name: username, operation: 'update_user_by_id' })).length > 0)
  const named = async (username: string) => {
    const userId = await idOf(host, username)
    return host.sso.user.getUserDetails({ actor: CODE, userId })
  }

  test('each line stands alone, results are in order, and each has a record of its own', async () => {
    await start()
    const ada = await idOf(host, 'ada')
    const { results, totals } = await run([
      { username: 'ada', patch: { display_name: 'Ada' }, grants: { roles: { sales: 'WR' }, acls: { print: true } } },
      { username: 'nobody', patch: { display_name: 'x' } },
      { id: ada, patch: { first_name: 'Ada', last_name: null }, attributes: { shoe: 38 } },
      { username: 'bob', patch: { email: 'none', display_name: 'Bob' } },
      { username: 'bob', patch: { is_super_user: true } as never },
      null as never,
      { username: 'bob', patch: { display_name: 'Bob' }, password: 'another long secret' },
      { username: 'bob', patch: { display_name: 'Bob' } },
      { username: 'bob', id: ada, patch: {} },
      { username: 'bob' },
      { username: 'bob', patch: {}, patsch: {} } as never,
    ])
    expect(results.map(brief)).toEqual([
      '1 ok display_name,roles,acls',
      '2 error user_unknown',
      '3 ok first_name,attributes.shoe',
      '4 error email_invalid',
      '5 error attribute_forbidden',
      '6 error input_malformed',
      '7 ok password,display_name',
      '8 ok',
      '9 error input_invalid',
      '10 error input_invalid',
      '11 error attribute_unknown',
    ])
    expect(totals).toEqual({
      kind: 'totals',
      status: 'error',
      lines: 11,
      ok: 4,
      changed: 3,
      errors: 7,
      undone: 0,
      error: null,
    })
    expect(results[3]!.error!.issues.map(({ pointer }) => pointer)).toEqual(['/patch/email'])
    expect(await named('ada')).toMatchObject({
      user: { display_name: 'Ada', first_name: 'Ada', last_name: null },
      grants: { roles: [{ role: 'sales', rights: 'RW' }], acls: ['print'], groups: [] },
      attributes: { shoe: 38 },
    })
    expect((await named('bob')).user).toMatchObject({ display_name: 'Bob', email: null, is_super_user: false })
    await host.sso.user.login({ username: 'bob', password: 'another long secret', currentApp: 'CRM' })

    const [{ cid }] = (await host.audit({ outcome: 'ok', target_name: 'ada' })).slice(-1) as unknown as [
      { cid: string },
    ]
    const base = cid.slice(0, cid.lastIndexOf('-'))
    const records = (await host.audit()).filter((record) => record.cid.startsWith(`${base}-`))
    const byLine = (a: string, b: string) =>
      Number(a.split('-')[1]?.split(' ')[0]) - Number(b.split('-')[1]?.split(' ')[0])
    expect(records.map((record) => `${record.cid.replace(base, '')} ${record.outcome}`).sort(byLine)).toEqual([
      '-1 ok',
      '-2 denied',
      '-3 ok',
      '-4 invalid',
      '-5 denied',
      '-6 invalid',
      '-7 ok',
      '-8 unchanged',
      '-9 invalid',
      '-10 invalid',
      '-11 invalid',
    ])
    expect(new Set(records.map(({ actor_via, actor_name }) => `${actor_via} ${actor_name}`))).toEqual(
      new Set(['code test']),
    )
  })

  test('lines about one account are done in their order, whatever is between them', async () => {
    await start()
    const lines: UserLine[] = []
    for (let turn = 0; turn < 5; turn++) {
      lines.push({ username: 'ada', patch: { display_name: `Ada ${turn}` } })
      lines.push({ username: 'ADA', patch: { first_name: `${turn}` }, attributes: { turn } })
      lines.push({ username: 'bob', grants: { roles: turn % 2 === 0 ? { sales: 'R' } : { sales: null } } })
    }
    // A host's table tells names apart that differ in case, or does not: as it does at login.
    const { results } = await run(lines)
    const reported = results.filter(({ status }) => status === 'error').map(({ username }) => username)
    expect(new Set(reported)).toEqual(new Set(place.arrangement === 'own table' ? [] : reported))
    const { user, attributes } = await named('ada')
    expect(user.display_name).toBe('Ada 4')
    if (reported.length === 0) expect([user.first_name, attributes]).toEqual(['4', { turn: 4 }])
    expect((await named('bob')).grants.roles).toEqual([{ role: 'sales', rights: 'R' }])
    const changes = (await host.audit({ outcome: 'ok', target_name: 'ada' })).flatMap(({ changes }) => changes)
    expect(
      changes
        .filter(({ attribute }) => attribute === 'display_name')
        .map(({ to }) => to)
        .slice(-5),
    ).toEqual([0, 1, 2, 3, 4].map((turn) => `Ada ${turn}`))
  })

  test('a line authorises by what the one before it has made of the account, and knows it by its new name', async () => {
    const seen: unknown[] = []
    await start({
      hooks: {
        authorizeUpdate: ({ before, patch }) => {
          seen.push(before?.display_name)
          if (before?.display_name === 'closed') throw Object.assign(new Error('It is closed.'), { status: 403 })
          return Object.keys(patch)
        },
      },
    })
    const { results } = await run([
      { username: 'ada', patch: { display_name: 'closed' } },
      { username: 'bob', patch: { display_name: 'open' } },
      { username: 'ada', patch: { first_name: 'x' } },
      { username: 'bob', patch: { username: 'robert' } },
      { username: 'robert', patch: { first_name: 'Robert' } },
      { username: 'bob', patch: { first_name: 'Bob' } },
    ])
    expect(results.map(brief)).toEqual([
      '1 ok display_name',
      '2 ok display_name',
      '3 error hook_refused',
      '4 ok username',
      '5 ok first_name',
      '6 error user_unknown',
    ])
    expect(seen).toEqual([null, null, 'closed', 'open', 'open'].map((name) => name ?? expect.toSatisfy((v) => !v)))
  })

  test('ASVS 2.3.3 an atomic batch is done as a whole or not at all; its lines say which it was', async () => {
    await start()
    const before = await contentsOf(host)
    const wrong = await run(
      [
        { username: 'ada', patch: { display_name: 'Ada' }, grants: { roles: { sales: 'R' } } },
        { username: 'nobody', patch: {} },
        { username: 'new', create: true, patch: {} },
      ],
      { mode: 'atomic' },
    )
    expect(wrong.results.map(brief)).toEqual(['1 undone', '2 error user_unknown', '3 undone'])
    expect(wrong.totals).toMatchObject({ status: 'error', lines: 3, ok: 0, errors: 1, undone: 2 })
    expect(await contentsOf(host)).toEqual(before)

    const right = await run(
      [
        { username: 'ada', patch: { display_name: 'Ada' }, attributes: { one: { a: 1 } } },
        { username: 'ada', patch: { first_name: 'A' }, attributes: { one: { b: 2 } } },
        { username: 'new', create: true, patch: { display_name: 'New' }, grants: { groups: { staff: true } } },
      ],
      { mode: 'atomic' },
    )
    expect(right.results.map(brief)).toEqual([
      '1 ok display_name,attributes.one',
      '2 ok first_name,attributes.one',
      '3 ok username,display_name,groups',
    ])
    expect(await named('ada')).toMatchObject({
      user: { display_name: 'Ada', first_name: 'A' },
      attributes: { one: { a: 1, b: 2 } },
    })
    expect((await named('new')).grants.groups).toEqual(['staff'])
  })

  test('what the database refuses of one line undoes that line alone, and all of an atomic batch', async () => {
    await start({ email: { unique: true } }, ['ada', 'bob', 'carl'])
    const lines = [
      {
        username: 'ada',
        patch: { email: 'same@example.com', first_name: 'A' },
        grants: { roles: { r: 'R' as const } },
      },
      {
        username: 'bob',
        patch: { email: 'same@example.com', first_name: 'B' },
        grants: { roles: { r: 'R' as const } },
      },
      { username: 'carl', patch: { first_name: 'C' } },
    ]
    if (place.arrangement === 'host table') {
      // The index is the host's.
      await host.database.db.schema.alterTable('members', (table) =>
        table.unique(['mail'], { indexName: 'members_mail' }),
      )
    }
    const atomic = await run(lines, { mode: 'atomic' })
    expect(atomic.results.map(brief)).toEqual(['1 undone', '2 error email_taken', '3 undone'])
    expect((await named('ada')).user.first_name).toBeFalsy()

    const { results } = await run(lines)
    expect(results.map(brief)).toEqual(['1 ok email,first_name,roles', '2 error email_taken', '3 ok first_name'])
    const bob = await named('bob')
    expect([bob.user.first_name ?? null, bob.grants.roles]).toEqual([null, []])
    const ok = await host.audit({ outcome: 'ok', operation: 'update_user_by_id' })
    expect(ok.map(({ target_name }) => target_name)).toEqual(['ada', 'carl'])
  })

  test('a hook in the transaction sees each line written, and undoes no more than its own', async () => {
    const seen: string[] = []
    const after: string[] = []
    await start(
      {
        hooks: {
          withinUpdate: async ({ target, context }, trx) => {
            if (context.dialect === 'code' && target.username === 'bob') throw new Error('not bob')
            const [row] = await trx('sso_audit').where({ cid: context.cid }).select('outcome')
            seen.push(`${target.username} ${row?.outcome}`)
          },
          afterUpdate: ({ target }) => void after.push(target.username),
          onError: () => {},
        },
      },
      [],
    )
    const data = ['ada', 'bob', 'carl'].map((username) => ({ username, create: true, patch: { first_name: 'x' } }))
    const { results } = await run(data)
    expect(results.map(brief)).toEqual(['1 ok username,first_name', '2 error internal', '3 ok username,first_name'])
    // Written again with a savepoint for each, after the first try has failed.
    expect(seen.slice(-2)).toEqual(['ada ok', 'carl ok'])
    expect(after.slice(-2)).toEqual(['ada', 'carl'])
    const { users } = await host.sso.user.search({ actor: CODE })
    expect(users.map(({ username }) => username).sort()).toEqual(['ada', 'admin', 'carl'])
  })

  test('a dry run says what would change, keeps nothing, and tells no secret', async () => {
    await start()
    const before = await contentsOf(host)
    const { results, totals } = await run(
      [
        {
          username: 'ada',
          patch: { display_name: 'Ada' },
          password: 'another long secret',
          grants: { roles: { r: 'R' } },
        },
        { username: 'new', create: true, patch: { first_name: 'New' } },
        { username: 'bob', patch: { is_locked: true } },
      ],
      { dryRun: true },
    )
    expect(results.map(({ changes }) => changes)).toEqual([
      expect.arrayContaining([
        { attribute: 'display_name', from: expect.toSatisfy((v) => !v), to: 'Ada' },
        { attribute: 'password', from: '[redacted]', to: '[redacted]' },
        { attribute: 'roles', from: [], to: ['r|R'] },
      ]),
      expect.arrayContaining([{ attribute: 'first_name', from: null, to: 'New' }]),
      [{ attribute: 'is_locked', from: false, to: true }],
    ])
    expect(totals).toMatchObject({ status: 'ok', ok: 3, changed: 3 })
    expect(await contentsOf(host)).toEqual(before)
  })

  test('under one key a line is done once, for one caller', async () => {
    await start()
    const lines: UserLine[] = [
      { username: 'ada', patch: { display_name: 'first' } },
      { username: 'nobody', patch: {} },
      { username: 'new', create: true, patch: { first_name: 'New' } },
    ]
    const key = 'import-2026-11'
    const first = await run(lines, { key })
    await run([{ username: 'ada', patch: { display_name: 'since' } }])
    const records = (await host.audit()).length
    const second = await run([...lines, { username: 'bob', patch: { display_name: 'Bob' } }], { key })
    expect(second.results.slice(0, 3)).toEqual(
      first.results.map((result) => ({ ...result, isRepeated: true })).map(like),
    )
    expect(brief(second.results[3]!)).toBe('4 ok display_name')
    expect((await host.audit()).length).toBe(records + 1)
    expect((await named('ada')).user.display_name).toBe('since')

    const later = await run([{ username: 'ada', patch: { display_name: 'fifth' } }], { key, firstLine: 5 })
    expect(later.results.map(brief)).toEqual(['5 ok display_name'])
    // Another caller's batch of the same name is another one.
    const ust = await host.login('admin')
    const other = outcome(
      host.sso.batch.updateUsers({
        currentUst: ust,
        currentApp: 'CRM',
        key,
        lines: [{ username: 'ada', patch: { display_name: 'sixth' } }],
      }),
    )
    expect((await other).results.map(brief)).toEqual(['1 ok display_name'])
  })

  test('two calls with one key at once do each line once', async () => {
    await start()
    const lines = Array.from({ length: 60 }, (_, index) => ({
      username: index % 2 ? 'ada' : 'bob',
      attributes: { [`n${index}`]: index },
    }))
    const both = await Promise.all([run(lines, { key: 'the-same-1' }), run(lines, { key: 'the-same-1' })])
    for (const { results } of both) expect(results.map(({ status }) => status)).toEqual(lines.map(() => 'ok'))
    const records = (await host.audit({ outcome: 'ok' })).filter(({ cid }) => cid.startsWith('the-same-1-'))
    expect(records.length).toBe(60)
    expect(new Set(records.map(({ cid }) => cid)).size).toBe(60)
  })

  test('ASVS 8.3.3 who loses his rights does no further line of a batch, and who has none does nothing', async () => {
    await start()
    const ust = await host.login('admin')
    const admin = await idOf(host, 'admin')
    const mine = { currentUst: ust, currentApp: 'CRM' }
    async function* lines() {
      yield { username: 'ada', patch: { display_name: 'one' } }
      await recorded('ada')
      await host.sso.user.createSuperUser({ data: { username: 'second', password: PASSWORD } })
      await host.sso.user.lockUser({ actor: CODE, userId: admin })
      yield { username: 'bob', patch: { display_name: 'two' } }
    }
    const { results, totals } = await outcome(host.sso.batch.updateUsers({ ...mine, lines: lines() }))
    expect(results.map(brief)).toEqual(['1 ok display_name'])
    expect(totals).toMatchObject({
      status: 'error',
      lines: 1,
      error: { code: expect.stringMatching(/session_unknown|account_locked/) },
    })
    expect((await named('bob')).user.display_name).not.toBe('two')

    const as = await host.login('ada')
    const own = await outcome(
      host.sso.batch.updateUsers({
        currentUst: as,
        currentApp: 'CRM',
        lines: [
          { username: 'ada', patch: { first_name: 'Ada' } },
          { username: 'bob', patch: { first_name: 'Bob' } },
          { username: 'nobody', patch: { first_name: 'x' } },
          { username: 'ada', grants: { roles: { sales: 'R' } } },
          { username: 'new', create: true, patch: {} },
        ],
      }),
    )
    expect(own.results.map(brief)).toEqual([
      '1 ok first_name',
      '2 error super_user_required',
      '3 error super_user_required',
      '4 error attribute_forbidden',
      '5 error super_user_required',
    ])
    await expect(
      outcome(host.sso.batch.updateUsers({ currentUst: 'x'.repeat(43), currentApp: 'CRM', lines: [] })),
    ).rejects.toMatchObject({
      code: 'session_unknown',
    })
  })

  test('ASVS 2.3.4 the last super-user stays, however a batch tries', async () => {
    await start({}, ['ada'])
    await host.sso.user.createSuperUser({ data: { username: 'second', password: PASSWORD } })
    const lines = [
      { username: 'admin', patch: { is_locked: true } },
      { username: 'second', patch: { is_locked: true } },
      { username: 'ada', patch: { first_name: 'A' } },
    ]
    const { results } = await run(lines)
    expect(results.map(brief)).toEqual(['1 ok is_locked', '2 error last_super_user', '3 ok first_name'])
  })

  test('a line with an entity tag is done on the account that was read, or not', async () => {
    await start()
    const ada = await idOf(host, 'ada')
    const { etag } = await host.sso.user.updateUserById({ actor: CODE, userId: ada, data: { first_name: 'A' } })
    const { results } = await run([
      { username: 'ada', patch: { first_name: 'B' }, ifMatch: etag },
      { username: 'ada', patch: { first_name: 'C' }, ifMatch: ['"none"', etag] },
      { username: 'bob', patch: { first_name: 'D' }, ifMatch: '*' },
    ])
    expect(results.map(brief)).toEqual(['1 ok first_name', '2 error precondition_failed', '3 ok first_name'])
  })

  test('what is sent beyond the limits is not done', async () => {
    await start({ batch: { maxLines: 3, maxAtomicLines: 2 } })
    const lines = ['ada', 'bob', 'ada', 'bob'].map((username, index) => ({
      username,
      patch: { first_name: `${index}` },
    }))
    const { results, totals } = await run(lines)
    expect(totals.error?.code).toBe('batch_too_long')
    expect(results.length).toBeLessThanOrEqual(3)
    expect((await named('bob')).user.first_name).not.toBe('3')

    const atomic = await run(lines.slice(0, 3), { mode: 'atomic' })
    expect([atomic.results, atomic.totals.error?.code]).toEqual([[], 'batch_too_long'])
    for (const terms of [
      { mode: 'all' },
      { key: 'short' },
      { key: 'not a key!' },
      { firstLine: 0 },
      { firstLine: 1.5 },
    ]) {
      await expect(run([], terms)).rejects.toMatchObject({ code: 'input_invalid' })
    }
  })

  test('a signal stops the batch after the lines that are under way', async () => {
    await start()
    const controller = new AbortController()
    async function* lines() {
      yield { username: 'ada', patch: { first_name: 'A' } }
      await recorded('ada')
      controller.abort()
      yield { username: 'bob', patch: { first_name: 'B' } }
      throw new Error('nobody asks any more')
    }
    const { results, totals } = await run(lines() as never, { signal: controller.signal })
    expect(results.map(brief)).toEqual(['1 ok first_name'])
    expect([totals.status, totals.error?.code]).toEqual(['error', 'batch_stopped'])
    expect((await named('bob')).user.first_name).not.toBe('B')
  })
})

/** What a repetition is compared by: ids of what was not found are not on record. */
function like({ error, ...result }: any): object {
  return { ...result, error: error === null ? null : expect.objectContaining({ code: error.code }) }
}
