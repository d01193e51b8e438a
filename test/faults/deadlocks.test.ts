import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Options } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, idOf, startHost, type TestHost } from '../support/host.ts'

const actor = { via: 'code', name: 'test' } as const
type Within = Extract<NonNullable<NonNullable<Options['hooks']>['withinUpdate']>, (...of: never[]) => unknown>

let database: TestDatabase
let host: TestHost

async function start(name: TestDatabase['name'], withinUpdate: Within, preparedStatements = true): Promise<void> {
  host = await startHost(name, {
    database,
    prepare: async ({ db }) => {
      await db.schema.dropTableIfExists('host_notes')
      await db.schema.createTable('host_notes', (table) => void table.string('text', 191).primary())
    },
    options: { password: { hasher: fastHasher() }, preparedStatements, hooks: { withinUpdate, onError: () => {} } },
  })
}

async function rename(username: string, display_name: string): Promise<unknown> {
  const userId = await idOf(host, username)
  return host.sso.user.updateUserById({ actor, userId, data: { display_name } })
}

/** What is in the table, and what the trail says has been done to it. */
async function namesOf(...usernames: readonly string[]): Promise<unknown> {
  return Promise.all(
    usernames.map(async (username) => {
      const userId = await idOf(host, username)
      const { display_name } = await host.sso.user.getUserById({ actor, userId })
      const records = await host.audit({ operation: 'update_user_by_id', target_id: userId, outcome: 'ok' })
      return [display_name, records.map(({ changes }) => changes[0]?.to)]
    }),
  )
}

/** Resolves, for all that wait, when so many do. */
function gathering(size: number): () => Promise<void> {
  let open = () => {}
  let missing = size
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return async () => {
    missing--
    if (missing === 0) open()
    await opened
  }
}

function onDatabase(name: TestDatabase['name']): void {
  beforeAll(async () => {
    database = await createDatabase(name)
  })
  afterEach(() => host.close())
  afterAll(() => database.drop())
}

// SQLite has one writer at a time.
describe.each(databases.filter((name) => name !== 'sqlite'))('two that wait for each other on %s', (name) => {
  onDatabase(name)

  /** Updates of ada and bob, each of which has its own row and then wants the other's; and how often the hook ran. */
  async function cross(goOn: (error: unknown) => void) {
    const meet = gathering(2)
    let runs = 0
    await start(name, async ({ operation, target }, trx) => {
      if (operation !== 'update_user_by_id') return
      runs++
      await meet()
      const username = target.username === 'ada' ? 'bob' : 'ada'
      await trx('sso_user')
        .where({ username })
        .forUpdate()
        .select('user_id')
        .then(() => {}, goOn)
    })
    const settled = await Promise.allSettled([rename('ada', 'done'), rename('bob', 'done')])
    return { outcomes: settled.map(({ status }) => status), runs }
  }

  test('the one that the database gives up is run again, and both are done', async () => {
    const { outcomes, runs } = await cross((error) => {
      throw error
    })
    expect(outcomes).toEqual(['fulfilled', 'fulfilled'])
    expect(runs).toBeGreaterThan(2)
    expect(await namesOf('ada', 'bob')).toEqual(Array(2).fill(['done', ['done']]))
  })

  test('a hook that catches the deadlock does not make a success of it', async () => {
    const { outcomes } = await cross(() => {})
    expect([...outcomes].sort()).toEqual(['fulfilled', 'rejected'])
    expect(await namesOf('ada', 'bob')).toEqual(
      outcomes.map((outcome) => (outcome === 'fulfilled' ? ['done', ['done']] : ['', []])),
    )
  })
})

describe.each(databases)('a hook that catches an error of the database on %s', (name) => {
  onDatabase(name)

  test.each([true, false])('what is acknowledged is there, with preparedStatements: %s', async (prepared) => {
    await start(
      name,
      async ({ operation }, trx) => {
        if (operation !== 'update_user_by_id') return
        await trx('host_notes').insert({ text: 'twice' })
        await trx('host_notes')
          .insert({ text: 'twice' })
          .then(
            () => {},
            () => {},
          )
      },
      prepared,
    )
    const isDone = await rename('ada', 'Ada').then(
      () => true,
      () => false,
    )
    expect(await namesOf('ada')).toEqual([isDone ? ['Ada', ['Ada']] : ['', []]])
    expect(await database.db('host_notes')).toHaveLength(isDone ? 1 : 0)
    // Where the statement alone is undone, the hook may go on.
    expect(isDone).toBe(name !== 'postgres')
  })

  test('in a savepoint, it is undone by itself', async () => {
    await start(name, async ({ operation }, trx) => {
      if (operation !== 'update_user_by_id') return
      await trx('host_notes').insert({ text: 'twice' })
      await trx.transaction((nested) => nested('host_notes').insert({ text: 'twice' })).catch(() => {})
    })
    await rename('ada', 'Ada')
    expect(await namesOf('ada')).toEqual([['Ada', ['Ada']]])
    expect(await database.db('host_notes')).toHaveLength(1)
  })
})
