import { setTimeout as sleep } from 'node:timers/promises'
import knexFactory, { type Knex } from 'knex'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Change, SealedRecord } from '../../src/index.ts'
import { type DatabaseServer, startDatabaseServer } from '../support/database-server.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, type Arrangement, idOf, startHost, type TestHost } from '../support/host.ts'
import { expectNothingLost, type Load, startLoad } from '../support/load.ts'

// A request that has met the fault waits for nothing of the host's settings: those of a minute are not met.
const LONGEST_MS = 20_000
const TIMEOUT_MS = 300

/** A host whose own writes are part of every change, and a sink that keeps what it gets. */
interface Watched extends TestHost {
  readonly takesNotes: boolean
  readonly delivered: readonly SealedRecord[]
  readonly faults: readonly unknown[]
}

describe.each(['mariadb', 'postgres'] as const)('%s', (name) => {
  let server: DatabaseServer
  const hosts: Watched[] = []
  beforeAll(async () => {
    server = await startDatabaseServer(name)
    for (const arrangement of ARRANGEMENTS) hosts.push(await watched(arrangement))
  })
  afterAll(async () => {
    for (const host of hosts) {
      await host.close()
      await host.database.db.destroy()
    }
    await server?.drop()
  })

  async function watched(arrangement: Arrangement): Promise<Watched> {
    const database = await createDatabase(name, {}, server.origin)
    const delivered: SealedRecord[] = []
    const faults: unknown[] = []
    const takesNotes = arrangement === 'host table'
    const note = async ({ operation, context: { cid } }: Change, trx: Knex.Transaction) => {
      if (operation.startsWith('update_')) await trx('host_notes').insert({ cid })
    }
    const host = await startHost(name, {
      arrangement,
      database,
      prepare: ({ db }) => db.schema.createTable('host_notes', (table) => void table.string('cid', 191).primary()),
      options: {
        password: { hasher: fastHasher() },
        audit: { sinks: [(record) => void delivered.push(record)], firstWaitSeconds: 0.01 },
        // With one there is a Knex transaction, without one there is none.
        hooks: { onError: (error) => void faults.push(error), ...(takesNotes ? { withinUpdate: note } : {}) },
      },
    })
    return { ...host, takesNotes, delivered, faults }
  }

  let loads: readonly Load[]
  beforeEach(async () => {
    loads = await Promise.all(hosts.map(startLoad))
    await Promise.all(loads.map((load) => load.flows()))
  })

  afterEach(async () => {
    for (const load of loads) await load.stop()
  })

  /** It goes on by itself; then everything is looked at. */
  async function expectRecovery(): Promise<void> {
    await Promise.all(loads.map((load) => load.flows()))
    await Promise.all(loads.map((load) => load.stop()))
    for (const [index, host] of hosts.entries()) {
      const load = loads[index] as Load
      expect(Math.max(...load.sent.map(({ waited }) => waited))).toBeLessThan(LONGEST_MS)
      await expectNothingLost(host, load)
      await expectOwnWrites(host)
      await expectDelivered(host)
    }
  }

  test('killed under load and started again', async () => {
    await server.kill()
    await sleep(300)
    for (const host of hosts) await expectForms(host)
    await server.start()
    await expectRecovery()
    for (const { sent } of loads) {
      const failures = sent.map(({ failure }) => failure).filter((failure) => failure !== null)
      expect(failures.length).toBeGreaterThan(0)
      expect(failures.filter((failure) => !isHonest(failure))).toEqual([])
    }
    for (const { faults } of hosts) expect(faults.length).toBeGreaterThan(0)
  })

  test('standing still under load and going on: everything waits, and nothing fails', async () => {
    const faults = hosts.map((host) => host.faults.length)
    server.pause(true)
    await sleep(1500)
    server.pause(false)
    await expectRecovery()
    for (const { sent } of loads) {
      expect(sent.filter(({ isAcknowledged }) => !isAcknowledged)).toEqual([])
      expect(Math.max(...sent.map(({ waited }) => waited))).toBeGreaterThan(1000)
    }
    expect(hosts.map((host) => host.faults.length)).toEqual(faults)
  })
})

describe('PostgreSQL standing still for longer than query_timeout', () => {
  let server: DatabaseServer
  let database: TestDatabase
  let other: Knex
  beforeAll(async () => {
    server = await startDatabaseServer('postgres')
    const created = await createDatabase('postgres', {}, server.origin)
    const connection = { connectionString: created.url, query_timeout: TIMEOUT_MS }
    other = created.db
    database = { ...created, db: knexFactory({ ...created.config, connection, pool: { min: 0, max: 1 } }) }
  })
  afterAll(async () => {
    await database?.db.destroy()
    await other?.destroy()
    await server?.drop()
  })

  const standStill = async (ms: number) => {
    server.pause(true)
    setTimeout(() => server.pause(false), ms)
  }

  // For longer than the first answer is waited for, and than the second.
  test.each(
    [TIMEOUT_MS * 1.5, TIMEOUT_MS * 3].flatMap((ms) => [
      { at: 'the beginning', ms, usesTransactor: false },
      { at: 'the beginning', ms, usesTransactor: true },
      { at: 'a statement', ms, usesTransactor: true },
    ]),
  )(
    'at $at for $ms ms leaves no transaction behind (with a hook within: $usesTransactor)',
    async ({ at, ms, usesTransactor }) => {
      let isFaulty = false
      const host = await startHost('postgres', {
        database,
        options: {
          password: { hasher: fastHasher() },
          audit: { relay: false },
          hooks: {
            onError: () => {},
            beforeUpdate: async () => {
              if (isFaulty && at === 'the beginning') await standStill(ms)
            },
            ...(usesTransactor
              ? {
                  withinUpdate: async ({ operation }, trx) => {
                    if (operation !== 'update_user_by_id') return
                    if (isFaulty && at === 'a statement') await standStill(ms)
                    await trx.raw('select 1')
                  },
                }
              : {}),
          },
        },
      })
      const actor = { via: 'code', name: 'test' } as const
      const userId = await idOf(host, 'ada')
      const update = (display_name: string) => host.sso.user.updateUserById({ actor, userId, data: { display_name } })
      isFaulty = true
      await expect(update('given up')).rejects.toThrow()
      isFaulty = false
      // It asks on the connection that the pool lends next.
      await host.sso.user.getUserById({ actor, userId }).catch(() => {})
      const open = `select state from pg_stat_activity where datname = current_database() and state like 'idle in%'`
      expect((await other.raw(open)).rows).toEqual([])

      await host.sso.user.lockUser({ actor, userId })

      const rows = await other('sso_audit').where({ target_id: userId, outcome: 'ok' }).orderBy('id')
      expect(rows.map(({ operation }) => operation)).toEqual(['create_user', 'lock_user'])
      await update('done')
      expect((await other('sso_user').where({ user_id: userId }).first()).display_name).toBe('done')
      await host.close()
    },
  )
})

/** What the host wrote in the same transactions is there exactly where the records are. */
async function expectOwnWrites(host: Watched): Promise<void> {
  if (host.takesNotes) {
    const records = await host.audit({ outcome: 'ok' })
    const updates = records.filter(({ operation }) => operation.startsWith('update_'))
    const notes: { cid: string }[] = await host.database.db('host_notes')
    expect(notes.map(({ cid }) => cid).sort()).toEqual(updates.map(({ cid }) => cid).sort())
  }
}

/** Every record has reached the sink, in the order of the seals; some may have come again. */
async function expectDelivered(host: Watched): Promise<void> {
  await host.sso.flush()
  const rows = await host.audit()
  const inOrder = [...rows].sort((a, b) => Number(a.seal) - Number(b.seal) || Number(a.id) - Number(b.id))
  expect([...new Set(host.delivered.map(({ id }) => id))]).toEqual(inOrder.map(({ id }) => Number(id)))
  const { isIntact } = await host.sso.audit.verifyAudit()
  expect(isIntact).toBe(true)
}

/** Nothing of what broke is in a reply: a status, a number to ask for, and no detail. */
async function expectForms({ http }: Watched): Promise<void> {
  const message = 'An error has occurred.'
  const cid = expect.any(String)
  const zato = await http.patch('/zato/sso/user').send({ ust: 'x', current_app: 'CRM', display_name: 'x' })
  expect([zato.status, zato.body]).toEqual([500, { status: 'error', cid, sub_status: ['E008004'] }])
  const updateuser = await http
    .post('/ddenterpriseapi/updateuser')
    .type('form')
    .send({ user: 'admin', pass: 'x', uid: 'ada' })
  const errors = [{ parameter: null, pointer: '', code: 'internal', message }]
  expect([updateuser.status, JSON.parse(updateuser.text)]).toEqual([
    500,
    { cid, status: 'error', uid: 'ada', changed: [], errors },
  ])
  const rest = await http.get('/account/me').set('Authorization', 'Bearer x')
  expect([rest.status, rest.body]).toEqual([
    500,
    { type: 'about:blank', title: message, status: 500, code: 'internal', cid, errors: [] },
  ])
}

/** A function throws what the database said; a reply says no more than that it failed. */
function isHonest(failure: unknown): boolean {
  if (failure instanceof Error) return true
  const { status, body } = failure as { status: number; body: Record<string, unknown> }
  return status === 500 && Object.keys(body).sort().join() === 'cid,status,sub_status'
}
