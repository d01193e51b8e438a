import knexFactory, { type Knex } from 'knex'
import { describe, expect, test } from 'vitest'
import { createSso, type Options, type Sso } from '../../src/index.ts'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases.ts'
import { databases, ENCRYPTION_KEY, PASSWORD } from '../support/host.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const

/** What knexSnakeCaseMappers of Objection do. */
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
const mapKeys = (value: unknown, map: (name: string) => string): unknown =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
    ? Object.fromEntries(Object.entries(value).map(([name, item]) => [map(name), item]))
    : value
const MAPPERS: Readonly<Record<string, Partial<Knex.Config>>> = {
  'snake case in the database, camel case in code': {
    wrapIdentifier: (name, wrap) => wrap(name === '*' ? name : snake(name)),
    postProcessResponse: (result) =>
      Array.isArray(result) ? result.map((row) => mapKeys(row, camel)) : mapKeys(result, camel),
  },
  'upper case in the database': {
    wrapIdentifier: (name, wrap) => wrap(name === '*' ? name : snake(name).toUpperCase()),
    postProcessResponse: (result) => {
      const lower = (name: string) => camel(name.toLowerCase())
      return Array.isArray(result) ? result.map((row) => mapKeys(row, lower)) : mapKeys(result, lower)
    },
  },
}

function ssoOn(db: Knex, options: Partial<Options> = {}): Sso {
  return createSso({ db, encryptionKeys: [ENCRYPTION_KEY], logger: { warn: () => {}, error: () => {} }, ...options })
}

async function onDatabase(name: DatabaseName, work: (database: TestDatabase) => Promise<void>): Promise<void> {
  const database = await createDatabase(name)
  try {
    await work(database)
  } finally {
    await database.drop()
  }
}

/** The whole life of an account: each kind of statement once. */
async function live(sso: Sso): Promise<void> {
  await sso.ready()
  const created = await sso.user.createUser({
    ...CODE,
    autoApprove: true,
    data: { username: 'ada', password: PASSWORD, first_name: 'Ada', last_name: 'Lovelace' },
  })
  const id = created.user_id
  const { ust } = await sso.user.login({ username: 'ada', password: PASSWORD, currentApp: 'CRM' })
  const caller = { currentUst: ust, currentApp: 'CRM' }
  await sso.user.updateCurrentUser({ ...caller, data: { middle_name: 'King', totp_label: 'phone' } })
  await sso.user.updateUserById({ ...CODE, userId: id, data: { is_locked: true, password_expiry: '2030-01-01' } })
  await sso.user.updateuser({
    ...CODE,
    uid: 'ada',
    roles: ['sales|RW'],
    acls: ['a'],
    groupacls: ['g'],
    attributes: { langChoice: '1', digdashMailPassword: 's3cret' },
  })
  expect(await sso.user.getUserDetails({ ...CODE, userId: id })).toMatchObject({
    user: {
      user_id: id,
      username: 'ada',
      display_name: 'Ada Lovelace',
      middle_name: 'King',
      totp_label: 'phone',
      is_locked: true,
      password_expiry: new Date('2030-01-01'),
    },
    grants: { roles: [{ role: 'sales', rights: 'RW' }], acls: ['a'], groups: ['g'] },
    attributes: { langChoice: '1' },
  })
  const again = sso.user.createUser({ ...CODE, data: { username: 'ada' } })
  await expect(again).rejects.toMatchObject({ code: 'username_taken' })
  await sso.user.deleteUserById({ ...CODE, userId: id })
  await expect(sso.user.getUserById({ ...CODE, userId: id })).rejects.toMatchObject({ code: 'user_unknown' })
}

describe.each(databases)('names on %s', (name) => {
  describe.each(Object.entries(MAPPERS))('%s', (_, mapper) => {
    test.each([true, false])(
      'a host that maps identifiers keeps its accounts here (prepared: %s)',
      (preparedStatements) =>
        onDatabase(name, async ({ config }) => {
          const db = knexFactory({ ...config, ...mapper })
          try {
            await live(ssoOn(db, { preparedStatements }))
            await ssoOn(db, { preparedStatements }).ready()
          } finally {
            await db.destroy()
          }
        }),
    )

    test.each([true, false])(
      'and has its own table mapped in the names of its code (prepared: %s)',
      (preparedStatements) =>
        onDatabase(name, async ({ config }) => {
          const db = knexFactory({ ...config, ...mapper })
          try {
            await db.schema.createTable('appMembers', (table) => {
              table.increments('memberId')
              table.string('loginName', 100).notNullable().unique()
              table.string('passwordHash', 255)
              table.string('fullName', 100)
              table.boolean('isBlocked').notNullable().defaultTo(false)
            })
            const users = {
              table: 'appMembers',
              columns: {
                user_id: 'memberId',
                username: 'loginName',
                password: 'passwordHash',
                display_name: 'fullName',
                is_locked: 'isBlocked',
              },
            }
            await live(ssoOn(db, { users, preparedStatements }))
            await db('appMembers').insert({ loginName: 'bob', isBlocked: true })
            const { user } = await ssoOn(db, { users, preparedStatements }).user.updateuser({ ...CODE, uid: 'bob' })
            expect(user).toMatchObject({ username: 'bob', is_locked: true })
          } finally {
            await db.destroy()
          }
        }),
    )
  })

  test('names that are reserved words, or mixed in case, are taken as they are', () =>
    onDatabase(name, async ({ db }) => {
      await db.schema.createTable('Order', (table) => {
        table.increments('Key')
        table.string('user', 100).notNullable().unique()
        table.string('passWord', 255)
        table.string('select', 100)
        table.boolean('Is Locked?').notNullable().defaultTo(false)
      })
      const columns = { user_id: 'Key', username: 'user', password: 'passWord', display_name: 'select' }
      await live(ssoOn(db, { users: { table: 'Order', columns } }))
    }))
})

test.runIf(databases.includes('postgres')).each([true, false])(
  'a table in another schema of PostgreSQL is found by schema.table (prepared: %s)',
  (preparedStatements) =>
    onDatabase('postgres', async ({ db }) => {
      await db.raw('create schema crm')
      const make = (schema: string) =>
        db.schema.withSchema(schema).createTable('members', (table) => {
          table.uuid('user_id').primary()
          table
            .string('username', schema === 'crm' ? 100 : 20)
            .notNullable()
            .unique()
          table.string('password', 255)
        })
      await make('public')
      await make('crm')
      const sso = ssoOn(db, { users: { table: 'crm.members' }, preparedStatements })
      await live(sso)
      // Longer than the other schema's column, which is not the one to be examined.
      await sso.user.createUser({ ...CODE, data: { username: 'x'.repeat(60) } })
      expect(await db('public.members')).toEqual([])
      expect(await db('crm.members').select('username')).toEqual([{ username: 'x'.repeat(60) }])
    }),
)

test.runIf(databases.includes('postgres'))('the search path of PostgreSQL decides where tables are', () =>
  onDatabase('postgres', async ({ db, config }) => {
    await db.raw('create schema crm')
    const there = knexFactory({ client: 'pg', connection: config.connection as string, searchPath: ['crm'] })
    try {
      await live(ssoOn(there))
      const { rows } = await db.raw(
        `select distinct table_schema from information_schema.tables where table_name like 'sso_%'`,
      )
      expect(rows).toEqual([{ table_schema: 'crm' }])
    } finally {
      await there.destroy()
    }
  }),
)

describe.runIf(databases.includes('mariadb'))('on MariaDB', () => {
  test('a table in another database is found by database.table', () =>
    onDatabase('mariadb', async (here) =>
      onDatabase('mariadb', async (there) => {
        await there.db.schema.createTable('members', (table) => {
          table.increments('user_id')
          table.string('username', 100).notNullable().unique()
          table.string('password', 255)
        })
        const schema = there.url.split('/').at(-1)
        await live(ssoOn(here.db, { users: { table: `${schema}.members` } }))
      }),
    ))

  test('how the host’s Knex is told of its database does not matter', () =>
    onDatabase('mariadb', async ({ db, config }) => {
      await db.schema.createTable('members', (table) => {
        table.increments('user_id')
        table.string('username', 100).notNullable().unique()
        table.string('password', 255)
      })
      const { hostname: host, port, username: user, pathname } = new URL(config.connection as string)
      const connection = { host, port: Number(port), user, database: pathname.slice(1) }
      const ways: Knex.Config[] = [
        { client: 'mysql2', connection: () => connection },
        { client: 'mysql2', connection: { uri: config.connection as string } },
        {
          client: 'mysql2',
          connection: { ...connection, database: '' },
          pool: {
            afterCreate: (
              raw: { query(sql: string, done: (error: unknown) => void): void },
              done: (...given: unknown[]) => void,
            ) => raw.query(`use ${connection.database}`, (error) => done(error, raw)),
          },
        },
      ]
      for (const way of ways) {
        const other = knexFactory(way)
        try {
          await live(ssoOn(other, { users: { table: 'members' } }))
        } finally {
          await other.destroy()
        }
      }
    }))

  test.each([
    ['latin1', 'latin1_swedish_ci'],
    ['utf8mb3', 'utf8mb3_unicode_ci'],
    ['utf8mb4', 'utf8mb4_general_ci'],
    ['utf8mb4', 'utf8mb4_uca1400_ai_ci'],
    ['ascii', 'ascii_bin'],
  ])('ids of a text column in %s, %s are joined with ours, by index', (charset, collation) =>
    onDatabase('mariadb', async ({ db }) => {
      await db.raw(
        `create table members (user_id varchar(60) character set ${charset} collate ${collation} primary key,
         username varchar(100) character set ${charset} not null unique, password varchar(255))`,
      )
      const sso = ssoOn(db, { users: { table: 'members' }, preparedStatements: charset !== 'ascii' })
      await live(sso)
      await db('members').insert([
        { user_id: 'Abc-1', username: 'abc' },
        { user_id: 'xyz', username: 'xyz' },
      ])
      await sso.user.updateUserById({ ...CODE, userId: 'Abc-1', data: { totp_label: 'mine' } })
      for (const other of ['abc-1', 'ABC-1', 'Abc-1 ', 'Äbc-1', '😀']) {
        await expect(sso.user.getUserById({ ...CODE, userId: other })).rejects.toMatchObject({ code: 'user_unknown' })
      }
      expect(await sso.user.getUserById({ ...CODE, userId: 'Abc-1' })).toMatchObject({ totp_label: 'mine' })
      const login = sso.user.login({ username: 'a😀', password: PASSWORD, currentApp: 'CRM' })
      await expect(login).rejects.toMatchObject({ code: 'credentials_invalid' })

      const [plan] = await db.raw(
        'explain select * from members u left join sso_account a on a.user_id = u.user_id where u.user_id = ?',
        ['Abc-1'],
      )
      expect(plan.map((step: { type: string }) => step.type)).toEqual(['const', 'const'])
    }),
  )
})
