import { setTimeout as sleep } from 'node:timers/promises'
import knexFactory, { type Knex } from 'knex'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, idOf, startHost, type TestHost } from '../support/host.ts'

const REQUESTS = 50
// What Knex would wait for a connection is a minute.
const ACQUIRE_MS = 500
const LONGEST_MS = 20_000
const actor = { via: 'code', name: 'test' } as const

describe.each(databases)('more requests than connections on %s', (name) => {
  let created: TestDatabase
  let host: TestHost
  beforeAll(async () => {
    created = await createDatabase(name)
  })
  afterEach(async () => {
    await host.close()
    await host.database.db.destroy()
  })
  afterAll(() => created.drop())

  /** Sends them all at once, half over HTTP and half by function. @returns those that are done, and the longest wait */
  async function crowd(withinUpdate: () => Promise<unknown>, settings: Knex.Config = {}) {
    // SQLite's is one connection in any case.
    const config = { ...created.config, pool: { min: 0, max: name === 'sqlite' ? 1 : 2 }, ...settings }
    const database = { ...created, db: knexFactory(config), config }
    let isCrowded = false
    const faults: unknown[] = []
    host = await startHost(name, {
      database,
      options: {
        password: { hasher: fastHasher() },
        hooks: {
          withinUpdate: async () => void (isCrowded && (await withinUpdate())),
          onError: (error) => void faults.push(error),
        },
      },
    })
    const [ust, ada, bob] = [await host.login('ada'), await idOf(host, 'ada'), await idOf(host, 'bob')]
    const patch = async (display_name: string) => {
      const { status, body } = await host.http.patch('/zato/sso/user').send({ ust, current_app: 'CRM', display_name })
      expect([200, 500]).toContain(status)
      return body.status === 'ok'
    }
    const call = (display_name: string) =>
      host.sso.user.updateUserById({ actor, userId: bob, data: { display_name } }).then(
        () => true,
        () => false,
      )
    isCrowded = true
    const begun = performance.now()
    const done = await Promise.all(
      Array.from({ length: REQUESTS }, (_, index) => (index % 2 === 0 ? patch : call)(`name ${index}`)),
    )
    const waited = performance.now() - begun
    isCrowded = false
    const names = done.flatMap((isDone, index) => (isDone ? [`name ${index}`] : []))
    return { names, waited, faults, accounts: [ada, bob] }
  }

  async function recorded(): Promise<readonly unknown[]> {
    const rows = (await host.audit({ outcome: 'ok' })).filter(({ operation }) => operation.startsWith('update_'))
    return rows.map(({ changes }) => changes[0]?.to)
  }

  test('hooks that take their time: all are done, one after the other', async () => {
    const { names, faults } = await crowd(() => sleep(2))
    expect([names.length, faults]).toEqual([REQUESTS, []])
    expect([...(await recorded())].sort()).toEqual(names.sort())
  })

  test('hooks that want a connection of their own: all are answered in time, and the next one is done', async () => {
    const { names, waited, accounts } = await crowd(() => host.database.db.raw('select 1'), {
      acquireConnectionTimeout: ACQUIRE_MS,
    })
    expect([...(await recorded())].sort()).toEqual(names.sort())
    expect(names.length).toBeLessThan(REQUESTS)
    expect(waited).toBeLessThan(LONGEST_MS)
    for (const userId of accounts) {
      await host.sso.user.updateUserById({ actor, userId, data: { display_name: 'afterwards' } })
      expect((await host.sso.user.getUserById({ actor, userId })).display_name).toBe('afterwards')
    }
  })
})
