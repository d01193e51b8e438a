import { join } from 'node:path'
import knexFactory, { type Knex } from 'knex'
import { type Settings, StartRefused } from './settings.ts'

/** A row of `members`, the table that this app had before express-sso-users came along. */
export interface Member {
  readonly id: string
  readonly login: string
  readonly password_hash: string | null
  readonly mail: string | null
  readonly full_name: string | null
  readonly first_name: string | null
  readonly middle_name: string | null
  readonly last_name: string | null
  readonly department: string
  // Databases differ in what they return for these two: 0 and 1, or false and true; text, or a Date.
  readonly admin: unknown
  readonly blocked: unknown
  readonly password_expires: unknown
}

/** Opens the database. The app owns the connection: express-sso-users borrows it, and never closes it. */
export function openDatabase({ databaseUrl, dataDirectory }: Settings): Knex {
  if (databaseUrl === null) return openSqlite(join(dataDirectory, 'members.sqlite'))
  if (/^(mysql|mariadb):/.test(databaseUrl)) {
    return knexFactory({
      client: 'mysql2',
      connection: { uri: databaseUrl, timezone: 'Z' } as Knex.MySql2ConnectionConfig,
    })
  }
  if (/^postgres(ql)?:/.test(databaseUrl)) return knexFactory({ client: 'pg', connection: databaseUrl })
  // The URL itself may hold a password.
  throw new StartRefused('DATABASE_URL must begin with mysql: or postgres:. Leave it unset for SQLite.')
}

interface SqliteConnection {
  pragma(text: string): unknown
}

function openSqlite(filename: string): Knex {
  return knexFactory({
    client: 'better-sqlite3',
    connection: { filename },
    useNullAsDefault: true,
    pool: {
      afterCreate(connection: SqliteConnection, done: () => void) {
        connection.pragma('journal_mode = WAL')
        // With WAL, SQLite's usual choice may lose the last commits in a power cut. What was answered must stay.
        connection.pragma('synchronous = FULL')
        done()
      },
    },
  })
}

/** Creates `members` where it is missing. Most columns are not named as express-sso-users names them: see sso.ts. */
export async function createMembers(db: Knex): Promise<void> {
  if (await db.schema.hasTable('members')) return
  await db.schema.createTable('members', (table) => {
    table.string('id', 80).primary()
    table.string('login', 191).notNullable().unique()
    table.string('password_hash', 255)
    table.string('mail', 254)
    for (const name of ['full_name', 'first_name', 'middle_name', 'last_name']) table.string(name, 191)
    table.boolean('admin').notNullable().defaultTo(false)
    table.boolean('blocked').notNullable().defaultTo(false)
    // Text, so that whoever looks into the SQLite file can read the time.
    if (db.client.dialect === 'sqlite3') table.string('password_expires', 24)
    else table.datetime('password_expires', { precision: 3 })
    // The app's own: express-sso-users knows nothing of it, and leaves it alone.
    table.string('department', 50).notNullable().defaultTo('Sales')
  })
}

/** All members, for those who may see them, without what nobody may see. */
export async function listMembers(db: Knex): Promise<readonly Omit<Member, 'password_hash'>[]> {
  const rows = await db<Member>('members').orderBy('login')
  return rows.map(({ password_hash, ...shown }) => shown)
}
