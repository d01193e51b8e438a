import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import knexFactory from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { StoreConflict } from '../../src/core/store.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { databases } from '../support/host.ts'
import {
  createTimesStore,
  createTimesTable,
  TIME_COLUMNS,
  type TimesTask,
  timesOf,
  withSessionZone,
} from '../support/times-table.ts'

const WORKER = fileURLToPath(new URL('../support/times-worker.ts', import.meta.url))

// Hours that some local time leaves out or has twice: St John's, Kathmandu and New York are among them.
const TIMES = [
  '2026-03-08T02:30:00.001Z',
  '2026-03-08T05:59:59.999Z',
  '2026-11-01T04:30:00.500Z',
  '2026-11-01T05:30:00.120Z',
  '2024-02-29T23:59:59.999Z',
  '2037-12-31T00:00:00.000Z',
]

/** All attributes at one time. */
const everywhere = (time: string) => Object.fromEntries(Object.keys(TIME_COLUMNS).map((name) => [name, time]))

async function inProcess(zone: string, task: TimesTask) {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', WORKER, JSON.stringify(task)], {
    env: { ...process.env, TZ: zone },
  })
  return JSON.parse(stdout) as { read: Record<string, unknown>; written: string[]; offset: number }
}

describe.each(databases)('times on %s', (name) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await createDatabase(name)
    await createTimesTable(database.db, name)
  })
  afterAll(() => database?.drop())

  test.each([true, false])(
    'are the same instant for processes and connections in any time zone (prepared statements: %s)',
    async (prepared) => {
      const store = createTimesStore(database.db, { prepared })
      const task = { name, config: database.config, prepared, sessionZone: '+05:45' } as const
      const mine: string[] = []
      for (const [index, time] of TIMES.entries()) {
        const username = `here ${prepared} ${index}`
        mine.push(await store.transaction((on) => on.insertAccount({ username, ...dates(everywhere(time)) })))
      }

      const there = await inProcess('America/St_Johns', {
        ...task,
        read: mine,
        write: TIMES.map((time, index) => ({ username: `there ${prepared} ${index}`, values: everywhere(time) })),
      })
      expect(there.offset).toBe(150)
      expect(Object.values(there.read)).toEqual(TIMES.map(everywhere))

      const theirs = await Promise.all(there.written.map((id) => store.findAccount(id)))
      expect(theirs.map((account) => timesOf(account!.values))).toEqual(TIMES.map(everywhere))
      const elsewhere = await inProcess('Asia/Kathmandu', {
        ...task,
        sessionZone: '-03:30',
        read: there.written,
        write: [],
      })
      expect(Object.values(elsewhere.read)).toEqual(TIMES.map(everywhere))
    },
  )

  test('of every year that is accepted come back, wherever the connection’s clock stands', async () => {
    const extremes = ['1000-01-01T00:00:00.000Z', '1800-06-01T12:00:00.001Z', '1970-01-01T00:00:00.000Z']
    extremes.push('1969-12-31T23:59:59.999Z', '1972-06-30T23:59:59.999Z', '9999-12-31T23:59:59.999Z')
    const zones = name === 'postgres' ? ['America/St_Johns', 'Asia/Kathmandu', 'UTC'] : ['-03:30', '+05:45', '+00:00']
    for (const zone of zones) {
      const db = knexFactory(
        name === 'postgres'
          ? { ...database.config, pool: { afterCreate: setZone(`set time zone '${zone}'`) } }
          : withSessionZone({ name, config: database.config, prepared: true, sessionZone: zone, read: [], write: [] }),
      )
      const store = createTimesStore(db, { prepared: true })
      for (const [index, time] of extremes.entries()) {
        const values = { password_expiry: new Date(time), sign_up_time: new Date(time) }
        const id = await store.transaction((on) => on.insertAccount({ username: `${zone} ${index}`, ...values }))
        expect((await store.findAccount(id))?.values, `${time} in ${zone}`).toMatchObject(values)
      }
      await db.destroy()
    }
  })

  test('that the host’s column cannot hold are refused, not stored as something else', async () => {
    if (name !== 'mariadb') return
    const store = createTimesStore(database.db, { prepared: true })
    for (const text of ['1969-12-31T23:59:59.999Z', '1970-01-01T00:00:00.000Z', '2038-01-19T03:14:08.000Z']) {
      const write = store.transaction((on) => on.insertAccount({ username: text, locked_time: new Date(text) }))
      const error = await write.catch((thrown) => thrown)
      expect(error, text).toBeInstanceOf(StoreConflict)
      expect(error).toMatchObject({ reason: 'value' })
    }
    for (const text of ['1970-01-01T00:00:01.000Z', '2038-01-19T03:14:07.999Z']) {
      const id = await store.transaction((on) => on.insertAccount({ username: text, locked_time: new Date(text) }))
      expect((await store.findAccount(id))?.values.locked_time).toEqual(new Date(text))
    }
  })
})

describe('what the host changes about its driver', () => {
  test.runIf(databases.includes('postgres')).each([true, false])(
    'type parsers of pg do not reach the store (prepared statements: %s)',
    async (prepared) => {
      const database = await createDatabase('postgres')
      await createTimesTable(database.db, 'postgres')
      const { default: pg } = await import('pg')
      // boolean, bigint, double, timestamp with and without time zone, numeric
      const kinds = [16, 20, 701, 1114, 1184, 1700]
      const before = kinds.map((kind) => pg.types.getTypeParser(kind))
      for (const kind of kinds) pg.types.setTypeParser(kind, (text: string) => ({ odd: text }) as never)
      try {
        await roundTrip(knexFactory(database.config), prepared)
      } finally {
        kinds.forEach((kind, index) => {
          pg.types.setTypeParser(kind, before[index] as never)
        })
        await database.drop()
      }
    },
  )

  test.runIf(databases.includes('mariadb')).each([true, false])(
    'typeCast, dateStrings, time zone and number options of mysql2 do not reach the store (prepared statements: %s)',
    async (prepared) => {
      const variants = [
        { timezone: '+05:45', typeCast: oddCast },
        { dateStrings: true, supportBigNumbers: true, bigNumberStrings: true, timezone: '-03:30' },
        { decimalNumbers: true, flags: '-FOUND_ROWS', jsonStrings: true },
        { namedPlaceholders: true, multipleStatements: true },
      ]
      for (const variant of variants) {
        const database = await createDatabase('mariadb')
        await createTimesTable(database.db, 'mariadb')
        const { connection } = database.config
        const url = new URL(connection as string)
        const given = {
          host: url.hostname,
          port: Number(url.port),
          user: url.username,
          database: url.pathname.slice(1),
        }
        try {
          await roundTrip(knexFactory({ client: 'mysql2', connection: { ...given, ...variant } as never }), prepared)
        } finally {
          await database.drop()
        }
      }
    },
  )

  /** As hosts do for TINYINT(1), and worse for times and numbers. */
  function oddCast(field: { type: string; string(): string | null }, next: () => unknown): unknown {
    return ['TINY', 'DATETIME', 'TIMESTAMP', 'NEWDECIMAL'].includes(field.type) ? { odd: field.string() } : next()
  }

  async function roundTrip(db: knexFactory.Knex, prepared: boolean): Promise<void> {
    const store = createTimesStore(db, { prepared })
    const time = new Date('2026-03-08T02:30:00.001Z')
    const values = {
      ...dates(everywhere(time.toISOString())),
      username: 'ada',
      is_locked: true,
      totp_last_step: 9_007_199_254_740_991,
      display_name: '😀',
    }
    const id = await store.transaction((on) => on.insertAccount(values))
    expect((await store.findAccount(id))?.values).toMatchObject({ ...values, user_id: id, is_super_user: false })
    await db.destroy()
  }
})

function dates(texts: Readonly<Record<string, string>>): Record<string, Date> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, new Date(text)]))
}

function setZone(statement: string) {
  return (
    connection: { query(sql: string, done: (error: unknown) => void): void },
    done: (...given: unknown[]) => void,
  ) => connection.query(statement, (error) => done(error, connection))
}
