import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { createSso } from '../../src/index.ts'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases.ts'
import { createMembers, databases, HOST_COLUMNS, PASSWORD } from '../support/host.ts'
import { besidesSearch, createHostTable, type StoreSettings, storeOn } from '../support/stores.ts'

const WORKER = fileURLToPath(new URL('../support/ready-worker.ts', import.meta.url))

const SIDE_TABLES = [
  'sso_acl_grant',
  'sso_attribute',
  'sso_audit',
  'sso_audit_seal',
  'sso_audit_target',
  'sso_migrations',
  'sso_password_reset',
  'sso_role_grant',
  'sso_session_attribute',
  'sso_session',
  'sso_throttle',
]

async function onDatabase<T>(name: DatabaseName, work: (database: TestDatabase) => Promise<T>): Promise<T> {
  const database = await createDatabase(name)
  try {
    return await work(database)
  } finally {
    await database.drop()
  }
}

async function tablesOf({ name, db }: TestDatabase): Promise<readonly string[]> {
  const query = {
    sqlite: `select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`,
    mariadb: 'select table_name as name from information_schema.tables where table_schema = database()',
    postgres: 'select table_name as name from information_schema.tables where table_schema = current_schema()',
  }[name]
  const answer = await db.raw(query)
  const rows: { name: string }[] = name === 'postgres' ? answer.rows : name === 'mariadb' ? answer[0] : answer
  return rows.map((row) => row.name).sort()
}

/** Everything that the database keeps about a table: columns, keys, indexes, triggers, what refers to it. */
async function definitionOf({ name, db }: TestDatabase, table: string): Promise<unknown> {
  if (name === 'sqlite') return db('sqlite_master').select('name', 'sql').where('tbl_name', table).orderBy('name')
  if (name === 'mariadb') {
    const [[shown]] = await db.raw(`show create table ${table}`)
    const created = shown['Create Table'].replace(/ AUTO_INCREMENT=\d+/, '')
    const [references] = await db.raw(
      'select * from information_schema.key_column_usage where table_schema = database() and referenced_table_name = ?',
      [table],
    )
    const [triggers] = await db.raw('select * from information_schema.triggers where event_object_table = ?', [table])
    return { created, references, triggers }
  }
  const rows = async (sql: string) => (await db.raw(sql, [table])).rows
  return {
    columns: await rows('select * from information_schema.columns where table_name = ? order by ordinal_position'),
    indexes: await rows('select * from pg_indexes where tablename = ? order by indexname'),
    constraints: await rows(
      `select conname, pg_get_constraintdef(oid) from pg_constraint where ?::regclass in (conrelid, confrelid) order by conname`,
    ),
    triggers: await rows('select tgname from pg_trigger where not tgisinternal and tgrelid = ?::regclass'),
  }
}

async function contentOf({ db }: TestDatabase, table: string): Promise<unknown> {
  return db(table).select()
}

describe.each(databases)('the start on %s', (name) => {
  test.each(['own', 'narrow'] as const)('makes the %s table’s companions once, however often it is done', (table) =>
    onDatabase(name, async (database) => {
      if (table !== 'own') await createHostTable(database, table, 'integer')
      const start = () => storeOn(database.db, { table }).ready()
      expect(besidesSearch(await start())).toEqual({ findings: [] })
      const tables = table === 'own' ? [...SIDE_TABLES, 'sso_user'] : ['members', 'sso_account', ...SIDE_TABLES]
      expect(await tablesOf(database)).toEqual(tables.sort())

      const dump = () => Promise.all(tables.map((one) => definitionOf(database, one)))
      const [before, done] = [await dump(), await contentOf(database, 'sso_migrations')]
      expect(besidesSearch(await start())).toEqual({ findings: [] })
      expect(await dump()).toEqual(before)
      expect(await contentOf(database, 'sso_migrations')).toEqual(done)
    }),
  )

  test.each(['own', 'narrow'] as const)('is done by several processes at once (%s table)', (table) =>
    onDatabase(name, async (database) => {
      if (table !== 'own') await createHostTable(database, table, 'integer')
      await startAtOnce(1, database, { table })
      const whole = await everythingIn(database)
      await dropOwn(database)

      const replies = await startAtOnce(4, database, { table })
      expect(await everythingIn(database)).toEqual(whole)
      expect(replies).toEqual(Array(4).fill('up\nready []\n'))

      const migrations = (await database.db('sso_migrations').orderBy('name')).map((row) => row.name)
      expect(migrations).toEqual(
        [
          ...(table === 'own' ? ['user_001'] : ['account_001']),
          'acl_grant_001',
          'attribute_001',
          'audit_001',
          'audit_seal_001',
          'audit_target_001',
          'password_reset_001',
          'role_grant_001',
          'session_001',
          'session_attribute_001',
          'throttle_001',
        ].sort(),
      )
      const id = await storeOn(database.db, { table }).transaction((on) => on.insertAccount({ username: 'ada' }))
      expect((await storeOn(database.db, { table }).findAccount(id))?.values.username).toBe('ada')
    }),
  )

  test('leaves the definition of the host’s table, and the rows in it, as they were', () =>
    onDatabase(name, async (database) => {
      await createHostTable(database, 'narrow', 'integer')
      await database.db('members').insert([
        { login: 'ada', full_name: 'Ada' },
        { login: 'bob', mail: 'b@example.org' },
      ])
      const state = async () => [await definitionOf(database, 'members'), await contentOf(database, 'members')]
      const before = await state()

      const store = storeOn(database.db, { table: 'narrow' })
      await store.ready()
      expect(await state()).toEqual(before)
      await store.transaction(async (on) => {
        await on.updateAccount((await on.lockAccount('1'))!, { totp_label: 'beside it', points: 1 })
        await on.deleteAccount(await on.insertAccount({ username: 'eve' }))
      })
      expect(await state()).toEqual(before)
    }))

  test('finds what is wrong on every try until it is mended, and then starts', () =>
    onDatabase(name, async (database) => {
      const store = storeOn(database.db, { table: 'narrow' })
      for (let tries = 0; tries < 2; tries++) {
        await expect(store.ready()).rejects.toMatchObject({ code: 'table_unfit' })
        await expect(store.findAccount('1')).rejects.toMatchObject({ code: 'table_unfit' })
      }
      expect(await tablesOf(database)).toEqual([])
      await createHostTable(database, 'narrow', 'integer')
      expect(besidesSearch(await store.ready())).toEqual({ findings: [] })
      expect(await store.findAccount('1')).toBeNull()
    }))

  test('two arrangements under two prefixes live in one database', () =>
    onDatabase(name, async (database) => {
      await createMembers(database)
      const quiet = { logger: { warn: () => {}, error: () => {} } }
      const own = createSso({ db: database.db, ...quiet, tablePrefix: 'one_' })
      const host = createSso({
        db: database.db,
        ...quiet,
        tablePrefix: 'two_',
        users: { table: 'members', columns: HOST_COLUMNS },
      })
      for (const sso of [own, host]) await sso.user.createSuperUser({ data: { username: 'ada', password: PASSWORD } })
      expect(await database.db('one_audit')).toHaveLength(1)
      expect(await database.db('two_audit')).toHaveLength(1)
      expect(await database.db('members').select('login')).toEqual([{ login: 'ada' }])
    }))

  test('a start that was cut short is taken up where it stopped', () =>
    onDatabase(name, async (database) => {
      await storeOn(database.db, { table: 'own' }).ready()
      const whole = await everythingIn(database)

      // As a process leaves it that was killed between the statements of one step, and before the next.
      await database.db('sso_migrations').whereIn('name', ['user_001', 'audit_001', 'session_001']).delete()
      await database.db.schema.alterTable('sso_user', (table) => {
        table.dropUnique(['username_key'], 'sso_user_username_key_unique')
      })
      await database.db.schema.dropTable('sso_audit')
      expect(await everythingIn(database)).not.toEqual(whole)

      await storeOn(database.db, { table: 'own' }).ready()
      expect(await everythingIn(database)).toEqual(whole)
    }))
})

async function dropOwn(database: TestDatabase): Promise<void> {
  const tables = (await tablesOf(database)).filter((table) => table !== 'members')
  // Sessions and accounts last: the rest refer to them.
  const referred = ['sso_session', 'sso_user'].filter((table) => tables.includes(table))
  const sorted = [...tables.filter((table) => !referred.includes(table)), ...referred]
  for (const table of sorted) await database.db.schema.dropTable(table)
}

/** Definitions of all tables, in words that do not depend on the database's name. */
async function everythingIn(database: TestDatabase): Promise<unknown> {
  const tables = await tablesOf(database)
  const definitions = await Promise.all(tables.map((table) => definitionOf(database, table)))
  const text = JSON.stringify(tables.map((table, index) => [table, definitions[index]]))
  // PostgreSQL numbers the sequence of a serial column where another process was creating the same one.
  return JSON.parse(
    text.replaceAll(database.url.split('/').at(-1) as string, 'the database').replace(/_seq\d+/g, '_seq'),
  )
}

/** What the processes said, each of them waiting for the others before it begins. */
async function startAtOnce(count: number, { config }: TestDatabase, settings: StoreSettings): Promise<string[]> {
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--import', 'tsx', WORKER, JSON.stringify({ config, settings })], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  const said = children.map((child) => text(child.stdout))
  await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once('data', resolve))))
  for (const child of children) child.stdin.end('go\n')
  return Promise.all(said)
}
