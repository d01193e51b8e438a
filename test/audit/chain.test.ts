import knexFactory from 'knex'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type AuditLine, type AuditVerification, createSso, verifyExport } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, startHost, type TestHost } from '../support/host.ts'

const actor = { via: 'code', name: 'test' } as const
const quiet = { warn: () => {}, error: () => {} }

/** Every column of a record but its number and its seal's, and what somebody might put there. */
const EDITS: readonly (readonly [column: string, value: string])[] = [
  ['operation', 'login'],
  ['outcome', 'denied'],
  ['error', 'not_allowed'],
  ['actor_name', 'somebody else'],
  ['actor_id', '17'],
  ['actor_via', 'host'],
  ['target_id', '17'],
  ['target_name', 'mallory'],
  ['cid', 'another'],
  ['app', 'Shop'],
  ['remote_addr', '192.0.2.1'],
  ['user_agent', 'x'],
  ['dialect', 'zato'],
  ['changes', '[]'],
  ['time', '2029-01-01 00:00:00.000'],
]

describe.each(databases)('the chain of the audit trail on %s', (database) => {
  let host: TestHost
  let ada: string
  let now = new Date('2030-01-01T00:00:00.000Z')
  const taken: number[] = []
  let isBroken = false

  beforeAll(async () => {
    host = await startHost(database, {
      options: {
        password: { hasher: fastHasher() },
        now: () => now,
        // Sealed when the test says so.
        audit: {
          relay: true,
          firstWaitSeconds: 1000,
          maxWaitSeconds: 1000,
          sinks: [
            {
              name: 'there',
              deliver: (records) => {
                if (isBroken) throw new Error('not now')
                taken.push(...records.map(({ id }) => id))
              },
            },
          ],
        },
        logger: quiet,
      },
    })
    ada = (await host.sso.user.updateuser({ actor, uid: 'ada' })).user.user_id
  })
  afterAll(() => host.close())

  const table = () => host.database.db('sso_audit')
  const seals = () => host.database.db('sso_audit_seal')
  const rename = (display_name: string) => host.sso.user.updateUserById({ actor, userId: ada, data: { display_name } })
  /** Seals of two records each: what is committed is sealed at once. */
  async function sealed(count: number): Promise<number[]> {
    for (let index = 0; index < count; index++) {
      await rename(`name ${Math.random()}`)
      await rename(`name ${Math.random()}`)
      await host.sso.audit.getHead()
    }
    const rows = await table()
      .orderBy('id', 'desc')
      .limit(count * 2)
    return rows.map(({ id }) => Number(id)).reverse()
  }
  const faults = ({ faults }: AuditVerification) => faults.map(({ kind, id }) => (id === null ? kind : `${kind} ${id}`))

  /** Changes something behind the package's back, says what a verification finds, and puts it back. */
  async function afterEditing(edit: () => Promise<unknown>, undo: () => Promise<unknown>, heads = [] as const) {
    await edit()
    const verification = await host.sso.audit.verifyAudit({ heads })
    await undo()
    expect(faults(await host.sso.audit.verifyAudit())).toEqual([])
    expect(verification.isIntact).toBe(verification.faults.length === 0)
    return faults(verification)
  }

  beforeEach(async () => {
    await host.sso.flush()
  })

  test('ASVS 16.4.2: what nobody has touched is intact, and every record is in it', async () => {
    await sealed(2)
    const { isIntact, records, pruned, head } = await host.sso.audit.verifyAudit()
    const [{ n }] = (await table().count({ n: '*' })) as [{ n: number }]
    expect([isIntact, records, pruned, head.number]).toEqual([true, Number(n), 0, Number(n)])
    expect(await host.sso.audit.getHead()).toEqual(head)
  })

  test.each(EDITS)('ASVS 16.4.2: a record whose %s is edited by hand is named', async (column, value) => {
    const [, id] = await sealed(1)
    const before = (await table().where({ id }).first(column))[column]
    const found = await afterEditing(
      () =>
        table()
          .where({ id })
          .update({ [column]: value }),
      () =>
        table()
          .where({ id })
          .update({ [column]: before }),
    )
    expect(found).toEqual([`record_changed ${id}`])
  })

  test('ASVS 16.4.2: and no column is forgotten', async () => {
    const columns = Object.keys(await table().columnInfo())
    expect([...EDITS.map(([column]) => column), 'id', 'seal'].sort()).toEqual(columns.sort())
  })

  test('ASVS 16.4.2: a record that is given to another seal is named', async () => {
    const [first, , third] = await sealed(2)
    const of = async (id: number | undefined) => (await table().where({ id }).first('seal'))?.seal
    const [own, other] = [await of(first), await of(third)]
    const give = (seal: unknown) => table().where({ id: first }).update({ seal })
    const found = await afterEditing(
      () => give(other),
      () => give(own),
    )
    expect(found).toEqual([`record_removed ${first}`, `record_inserted ${first}`])
  })

  test('ASVS 16.4.2: removed records are named', async () => {
    const [first, second, third, fourth] = await sealed(2)
    const rows = await table().whereIn('id', [first, fourth] as number[])
    const found = await afterEditing(
      () =>
        table()
          .whereIn('id', [first, fourth] as number[])
          .delete(),
      () => table().insert(rows),
    )
    expect(found).toEqual([`record_removed ${first}`, `record_removed ${fourth}`])
    expect([second, third]).not.toContain(undefined)
  })

  test('ASVS 16.4.2: inserted records are named, whichever seal they claim', async () => {
    const [first = 0] = await sealed(1)
    const row = await table().where({ id: first }).first()
    const [one, other] = [first + 1_000_000, first + 2_000_000]
    const found = await afterEditing(
      () =>
        table().insert([
          { ...row, id: one },
          { ...row, id: other, seal: 999_999_999 },
        ]),
      () => table().whereIn('id', [one, other]).delete(),
    )
    expect(found).toEqual([`record_inserted ${one}`, `record_inserted ${other}`])
  })

  test('ASVS 16.4.2: records that have changed places are named', async () => {
    const [first, second, third] = (await sealed(2)) as [number, number, number]
    const swap = async (a: number, b: number) => {
      await table().where({ id: a }).update({ id: 8_000_000_000 })
      await table().where({ id: b }).update({ id: a })
      await table().where({ id: 8_000_000_000 }).update({ id: b })
    }
    expect(
      await afterEditing(
        () => swap(first, second),
        () => swap(first, second),
      ),
    ).toEqual([`record_changed ${first}`, `record_changed ${second}`])
    // Of two seals.
    const found = await afterEditing(
      () => swap(first, third),
      () => swap(first, third),
    )
    const missing = [`record_removed ${first}`, `record_removed ${third}`]
    expect([...found].sort()).toEqual([`record_inserted ${first}`, `record_inserted ${third}`, ...missing])
  })

  test('ASVS 16.4.2: seals that were edited, removed or made again are named', async () => {
    await sealed(3)
    const [last, middle] = await seals().orderBy('number', 'desc').limit(2)
    const numbered = ({ number }: { number: number }) => seals().where({ number })
    for (const change of [
      { time: '2031-01-01T00:00:00.000Z' },
      { record_count: 3 },
      { records: '[]' },
      { hash: 'x' },
    ]) {
      const found = await afterEditing(
        () => numbered(middle).update(change),
        () => numbered(middle).update(middle),
      )
      expect([change, found]).toEqual([change, expect.arrayContaining(['seal_changed'])])
    }

    const found = await afterEditing(
      () => numbered(middle).delete(),
      () => seals().insert(middle),
    )
    expect(found[0]).toBe('seal_removed')

    // The end of a chain can be cut off without a trace in it: an earlier head has it.
    const head = await host.sso.audit.getHead()
    const rows = await table().where({ seal: last.number })
    await table().where({ seal: last.number }).delete()
    await numbered(last).delete()
    expect(faults(await host.sso.audit.verifyAudit())).toEqual([])
    expect(faults(await host.sso.audit.verifyAudit({ heads: [head] }))).toEqual(['head_missing'])
    await seals().insert(last)
    await table().insert(rows)
    expect(faults(await host.sso.audit.verifyAudit({ heads: [head] }))).toEqual([])
  })

  test('what is exported is verified without the database, whole and in part', async () => {
    await sealed(2)
    const { head } = await host.sso.audit.verifyAudit()
    const lines: AuditLine[] = []
    for await (const line of host.sso.audit.exportAudit()) lines.push(JSON.parse(JSON.stringify(line)))
    const verification = await verifyExport(lines)
    expect([verification.isIntact, verification.head, verification.records]).toEqual([true, head, head.number])

    const records = lines.flatMap((line) => ('record' in line ? [line.record] : []))
    const rows = await host.audit()
    expect(records.map(({ id, cid }) => [id, cid])).toEqual(rows.map(({ id, cid }) => [Number(id), cid]))

    const part: AuditLine[] = []
    for await (const line of host.sso.audit.exportAudit({ after: head.number - 2 })) part.push(line)
    expect(part).toHaveLength(3)
    expect((await verifyExport(part)).isIntact).toBe(true)

    const last = part[2] as { record: { id: number } }
    expect(
      faults(await verifyExport([...part.slice(0, 2), { record: { ...last.record, cid: 'x' } } as AuditLine])),
    ).toEqual([`record_changed ${last.record.id}`])
    expect(faults(await verifyExport(part.slice(0, 2)))).toEqual([`record_removed ${last.record.id}`])
  })

  test('the latest records of the whole trail are read a page at a time, whether they are sealed or not', async () => {
    await sealed(1)
    await rename('not sealed yet')
    const rows = (await host.audit()).map(({ id }) => Number(id)).reverse()
    const first = await host.sso.audit.getRecords({ limit: 2 })
    expect(first.records.map(({ id }) => id)).toEqual(rows.slice(0, 2))
    expect(first.next).toBe(rows[1])
    const rest = await host.sso.audit.getRecords({ before: rows[1]! })
    expect(rest.records.map(({ id }) => id)).toEqual(rows.slice(2, 102))
    expect((await host.sso.audit.getRecords({ before: rows.at(-1)! })).records).toEqual([])
  })

  test('records of one request, of one account, and of both', async () => {
    await host.sso.user.updateUserById({ actor, userId: ada, data: { last_name: 'A' }, cid: 'one request' })
    await host.sso.user.updateUserById({ actor, userId: ada, data: { last_name: 'B' }, cid: 'another' })
    const bob = (await host.sso.user.updateuser({ actor, uid: 'bob' })).user.user_id
    await host.sso.user.updateUserById({ actor, userId: bob, data: { last_name: 'C' }, cid: 'one request' })

    const found = async (filter: { cid?: string; userId?: string }) => {
      const { records } = await host.sso.audit.getRecords(filter)
      return records.map(({ cid, target_name, changes }) => [cid, target_name, changes[0]?.to])
    }
    const [ofAda, ofBob] = [
      ['one request', 'ada', 'A'],
      ['one request', 'bob', 'C'],
    ] as const
    expect(await found({ cid: 'one request' })).toEqual([ofBob, ofAda])
    expect((await found({ userId: ada })).slice(0, 2)).toEqual([['another', 'ada', 'B'], ofAda])
    expect(await found({ cid: 'one request', userId: ada })).toEqual([ofAda])
    expect(await found({ cid: 'no such request' })).toEqual([])
  })

  test('the trail is followed: what is recorded from then on, each once and in order, until it is interrupted', async () => {
    await sealed(1)
    const end = new AbortController()
    const followed: number[] = []
    const since = (await host.audit()).at(-1)!.id
    const { number } = await host.sso.audit.getHead()
    await rename('followed 0')
    for await (const { id, hash } of host.sso.audit.followAudit({
      after: number,
      signal: end.signal,
      everySeconds: 0.01,
    })) {
      expect(hash).toMatch(/^[\w-]{43}$/)
      followed.push(id)
      if (followed.length < 5) await rename(`followed ${followed.length}`)
      else end.abort()
      if (followed.length > 5) throw new Error('it did not end')
    }
    const ids = (await host.audit()).map(({ id }) => Number(id)).filter((id) => id > Number(since))
    expect(followed).toEqual(ids)
  })

  test('the lag of each sink can be read', async () => {
    const lag = async () => (await host.sso.audit.getLag()).find(({ sink }) => sink === 'there')
    expect(await lag()).toEqual({ sink: 'there', behind: 0, oldest: null, failures: 0, isBusy: false })
    isBroken = true
    now = new Date('2030-02-01T00:00:00.000Z')
    await rename('late')
    now = new Date('2030-02-02T00:00:00.000Z')
    await rename('later')
    await host.sso.flush()
    expect(await lag()).toMatchObject({ behind: 2, oldest: '2030-02-01T00:00:00.000Z', isBusy: false })
    expect((await lag())?.failures).toBeGreaterThan(0)
    isBroken = false
    await host.sso.flush()
    expect(await lag()).toMatchObject({ behind: 0, oldest: null, failures: 0 })
  })

  describe('pruning', () => {
    test('takes what is old enough and delivered, and leaves seals that verify', async () => {
      now = new Date('2030-03-01T00:00:00.000Z')
      const old = await sealed(2)
      const early = await host.sso.audit.getHead()
      now = new Date('2030-04-01T00:00:00.000Z')
      const young = await sealed(1)
      await host.sso.flush()
      isBroken = true
      await rename('not taken yet')
      await host.sso.flush()
      now = new Date('2030-05-01T00:00:00.000Z')
      const before = new Date('2030-03-15T00:00:00.000Z')

      const [{ n: all }] = (await table().count({ n: '*' })) as [{ n: number }]
      const first = await host.sso.audit.pruneAudit({ before, by: 'the night watch' })
      expect(first).toEqual({ records: Number(all) - young.length - 1, heldBackBy: [] })
      expect(await table().whereIn('id', old)).toHaveLength(0)
      expect(await table().whereIn('id', young)).toHaveLength(2)
      const verification = await host.sso.audit.verifyAudit({ heads: [early] })
      expect([faults(verification), verification.pruned]).toEqual([[], first.records])
      expect(await table().where({ operation: 'prune_audit' })).toMatchObject([
        { actor_name: 'the night watch', actor_via: 'code', outcome: 'ok' },
      ])

      // What a sink has not taken stays, however old.
      const later = new Date('2030-06-01T00:00:00.000Z')
      expect(await host.sso.audit.pruneAudit({ before: later })).toMatchObject({ heldBackBy: ['there'] })
      expect(await table().where('changes', 'like', '%not taken yet%')).toHaveLength(1)
      isBroken = false
      await host.sso.flush()
      expect(await host.sso.audit.pruneAudit({ before: later })).toMatchObject({ heldBackBy: [] })
      expect(await table().where('changes', 'like', '%not taken yet%')).toHaveLength(0)
      expect(faults(await host.sso.audit.verifyAudit({ heads: [early] }))).toEqual([])
      expect(await host.sso.audit.pruneAudit({ before: new Date(0) })).toEqual({ records: 0, heldBackBy: [] })
    })

    test('by hand it is found out', async () => {
      const [first, second] = await sealed(1)
      const rows = await table().whereIn('id', [first, second] as number[])
      const { seal } = rows[0]
      const { records } = await seals().where({ number: seal }).first()
      const found = await afterEditing(
        async () => {
          await table().where({ seal }).delete()
          await seals().where({ number: seal }).update({ records: null })
        },
        async () => {
          await table().insert(rows)
          await seals().where({ number: seal }).update({ records })
        },
      )
      expect(found).toEqual(['prune_unrecorded'])
    })

    test('a date is required', async () => {
      await expect(host.sso.audit.pruneAudit({ before: 'yesterday' as never })).rejects.toMatchObject({
        code: 'input_invalid',
      })
    })

    test('a sink that is no longer used can be forgotten', async () => {
      const other = createSso({
        db: host.database.db,
        logger: quiet,
        audit: { relay: false, sinks: [{ name: 'gone', deliver: () => {} }] },
      })
      await other.ready()
      now = new Date('2030-07-01T00:00:00.000Z')
      await sealed(1)
      await host.sso.flush()
      const before = new Date('2030-08-01T00:00:00.000Z')
      expect((await host.sso.audit.pruneAudit({ before })).heldBackBy).toEqual(['gone'])
      expect(await host.sso.audit.forgetSink({ name: 'gone' })).toBe(true)
      expect(await host.sso.audit.forgetSink({ name: 'gone' })).toBe(false)
      await host.sso.flush()
      expect((await host.sso.audit.pruneAudit({ before })).heldBackBy).toEqual([])
    })
  })

  // The last one: the chain is not to be mended after it.
  test('ASVS 16.4.2: a record that is edited and passed off as one that has not been sealed is named', async () => {
    const [first] = await sealed(2)
    await table().where({ id: first }).update({ seal: null, actor_name: 'somebody else' })
    await rename('whatever comes next is sealed with it')
    await host.sso.audit.getHead()
    expect(faults(await host.sso.audit.verifyAudit())).toEqual([`record_removed ${first}`])
  })
})

describe.each(databases)('sealing on %s', (database) => {
  test.each([
    ['prepared statements', {}],
    ['statements of Knex', { preparedStatements: false }],
    ['transactions of Knex', { hooks: { withinUpdate: () => {} } }],
  ])('by several at once makes one chain (%s)', async (_, options) => {
    const quickly = { password: { hasher: fastHasher() }, logger: quiet }
    const host = await startHost(database, { options: { ...quickly, ...options } })
    const others = [1, 2, 3].map(() =>
      createSso({ db: host.database.db, apps: ['CRM', 'Shop'], ...quickly, ...options } as never),
    )
    const ada = (await host.sso.user.updateuser({ actor, uid: 'ada' })).user.user_id
    await Promise.all(
      [host.sso, ...others].map(async (sso, index) => {
        for (let turn = 0; turn < 12; turn++) {
          await sso.user.updateUserById({ actor, userId: ada, data: { display_name: `${index} ${turn}` } })
          await sso.audit.getHead()
        }
      }),
    )
    const { isIntact, records, faults } = await host.sso.audit.verifyAudit()
    expect([isIntact, faults]).toEqual([true, []])
    expect(records).toBe((await host.audit()).length)
    for (const sso of others) await sso.close()
    await host.close()
  })
})

describe.each(databases.filter((name) => name === 'mariadb'))(
  'an older %s, which cannot skip what is locked',
  (name) => {
    interface Client {
      _query(connection: object, query: { readonly sql: string }): Promise<unknown>
    }

    /** A client whose server does not know the words. */
    const olderThan = (Base: new (config: object) => Client) =>
      class extends Base {
        override _query(connection: object, query: { readonly sql: string }): Promise<unknown> {
          if (!/skip locked/i.test(query.sql)) return super._query(connection, query)
          const error = new Error('You have an error in your SQL syntax')
          return Promise.reject(Object.assign(error, { code: 'ER_PARSE_ERROR' }))
        }
      }

    test('seals all the same, and several at once make one chain', async () => {
      const faults: unknown[] = []
      const options = {
        password: { hasher: fastHasher() },
        preparedStatements: false,
        hooks: { onError: (error: unknown) => void faults.push(error) },
      }
      const host = await startHost(name, { options })
      const ada = (await host.sso.user.updateuser({ actor, uid: 'ada' })).user.user_id
      const db = knexFactory({
        ...host.database.config,
        client: olderThan(host.database.db.client.constructor) as never,
      })
      const instances = [1, 2, 3].map(() => createSso({ db, apps: ['CRM', 'Shop'], ...options }))
      await Promise.all(
        instances.map(async (sso, index) => {
          for (let turn = 0; turn < 8; turn++) {
            await sso.user.updateUserById({ actor, userId: ada, data: { display_name: `${index} ${turn}` } })
            await sso.audit.getHead()
          }
        }),
      )
      const { isIntact, records } = await host.sso.audit.verifyAudit()
      expect([isIntact, records, faults]).toEqual([true, (await host.audit()).length, []])
      for (const sso of instances) await sso.close()
      await db.destroy()
      await host.close()
    })
  },
)
