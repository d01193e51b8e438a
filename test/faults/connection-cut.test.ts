import { setTimeout as sleep } from 'node:timers/promises'
import knexFactory, { type Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Options } from '../../src/index.ts'
import { createDatabase, type ServerName, type TestDatabase } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, idOf, startHost, type TestHost } from '../support/host.ts'

const POOL = { min: 0, max: 2 }
const actor = { via: 'code', name: 'test' } as const

/** How a server is asked. */
interface Words {
  /** The number of the connection that asks. */
  readonly own: string
  readonly cut: (connection: number) => string
  /** Lets nobody write to the trail until the transaction ends. */
  readonly lock: string
  readonly unlock: string
  /** Connections that wait for that. */
  readonly waiting: string
  /** Those on which a transaction is open. */
  readonly open: string
}

const WORDS: Readonly<Record<ServerName, Words>> = {
  mariadb: {
    own: 'select connection_id() as id',
    cut: (connection) => `kill ${connection}`,
    lock: 'lock tables sso_audit write',
    unlock: 'unlock tables',
    waiting: `select id from information_schema.processlist where db = database() and state like 'Waiting for table%'`,
    open: `select trx_mysql_thread_id as id from information_schema.innodb_trx
      where trx_mysql_thread_id in (select id from information_schema.processlist where db = database())`,
  },
  postgres: {
    own: 'select pg_backend_pid() as id',
    cut: (connection) => `select pg_terminate_backend(${connection})`,
    lock: 'lock table sso_audit in exclusive mode',
    unlock: 'select 1',
    waiting: `select pid as id from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    open: `select pid as id from pg_stat_activity
      where datname = current_database() and state like 'idle in transaction%'`,
  },
}

describe.each(databases.filter((name) => name !== 'sqlite'))(
  'a connection that is cut in mid-transaction on %s',
  (name) => {
    const words = WORDS[name]
    let database: TestDatabase
    let other: Knex
    beforeAll(async () => {
      database = await createDatabase(name, POOL)
      other = knexFactory(database.config)
    })
    afterAll(async () => {
      await other.destroy()
      await database.drop()
    })

    const idsOf = async (sql: string, on: Knex = other): Promise<number[]> => {
      const answer = await on.raw(sql)
      return (name === 'postgres' ? answer.rows : answer[0]).map(({ id }: { id: number }) => Number(id))
    }
    const cut = async (connections: readonly number[]) => {
      for (const connection of connections) await other.raw(words.cut(connection))
    }

    let host: TestHost

    async function start(hooks: NonNullable<Options['hooks']> = {}): Promise<string> {
      host = await startHost(name, {
        database,
        options: {
          password: { hasher: fastHasher() },
          // Nobody else is to wait for the trail.
          audit: { relay: false },
          hooks: { onError: () => {}, ...hooks },
        },
      })
      return idOf(host, 'ada')
    }

    /** Refused, without a trace but the record of it; and the next one goes through, on a connection that is new or clean. */
    async function expectRefusal(update: (value: string) => Promise<unknown>, userId: string): Promise<void> {
      try {
        await expect(update('cut off')).rejects.toThrow()
        const before = await host.audit({ operation: 'update_user_by_id' })
        expect(before.map(({ outcome, error, changes }) => [outcome, error, changes])).toEqual([
          ['failed', 'internal', []],
        ])
        await expect.poll(() => idsOf(words.open)).toEqual([])
        await Promise.all(Array.from({ length: POOL.max * 3 }, () => host.sso.user.getUserById({ actor, userId })))

        await update('gone through')
        const { display_name } = await host.sso.user.getUserById({ actor, userId })
        const after = await host.audit({ operation: 'update_user_by_id', outcome: 'ok' })
        expect([display_name, after.map(({ changes }) => changes[0]?.to)]).toEqual(['gone through', ['gone through']])
        expect(await idsOf(words.open)).toEqual([])
      } finally {
        await host.close()
      }
    }

    test('between the update and its record, with nobody else in the transaction', async () => {
      const userId = await start()
      await expectRefusal(async (display_name) => {
        if (display_name !== 'cut off') return host.sso.user.updateUserById({ actor, userId, data: { display_name } })
        let update: Promise<unknown> = Promise.resolve()
        await other.transaction(async (lock) => {
          await lock.raw(words.lock)
          update = host.sso.user.updateUserById({ actor, userId, data: { display_name } })
          update.catch(() => {})
          let waiting: number[] = []
          while (waiting.length === 0) {
            await sleep(10)
            waiting = await idsOf(words.waiting)
          }
          await cut(waiting)
          await expect.poll(async () => (await idsOf(words.waiting)).filter((id) => waiting.includes(id))).toEqual([])
          await lock.raw(words.unlock)
        })
        return update
      }, userId)
    })

    test.each([
      ['within a hook that goes on', true],
      ['between the last hook and the commit', false],
    ])('%s', async (_, goesOn) => {
      const userId = await start({
        withinUpdate: async ({ after }, trx) => {
          if (after?.display_name !== 'cut off') return
          await cut(await idsOf(words.own, trx))
          if (goesOn) await idsOf(words.own, trx)
        },
      })
      await expectRefusal(
        (display_name) => host.sso.user.updateUserById({ actor, userId, data: { display_name } }),
        userId,
      )
    })
  },
)
