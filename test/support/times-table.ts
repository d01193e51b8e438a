import type { Knex } from 'knex'
import { buildCatalogue } from '../../src/core/schema/catalogue.ts'
import type { StoredUser } from '../../src/core/schema/user.gen.ts'
import { buildValidator } from '../../src/core/schema/validate.ts'
import type { Store } from '../../src/core/store.ts'
import { buildStore } from '../../src/knex/store.ts'
import type { DatabaseName } from './databases.ts'

/** What one process does with the table of times. */
export interface TimesTask {
  readonly name: DatabaseName
  readonly config: Knex.Config
  readonly prepared: boolean
  /** Time zone of the database connections, as an offset. */
  readonly sessionZone: string
  /** Ids of accounts to read. */
  readonly read: readonly string[]
  readonly write: readonly { readonly username: string; readonly values: Readonly<Record<string, string>> }[]
}

/** Attributes that are times, and the column type that each has in the host's table. */
export const TIME_COLUMNS: Readonly<Record<string, Readonly<Record<DatabaseName, string>>>> = {
  password_expiry: { sqlite: 'datetime', mariadb: 'datetime(3)', postgres: 'timestamp(3) with time zone' },
  locked_time: { sqlite: 'varchar(30)', mariadb: 'timestamp(3) null', postgres: 'timestamp(3) without time zone' },
  password_last_set: { sqlite: 'bigint', mariadb: 'bigint', postgres: 'bigint' },
  // Not in the host's table, hence in ours beside it.
  sign_up_time: { sqlite: '', mariadb: '', postgres: '' },
}

export async function createTimesTable(db: Knex, name: DatabaseName): Promise<void> {
  await db.schema.createTable('members', (table) => {
    table.increments('user_id')
    table.string('username', 191).notNullable().unique()
    for (const [attribute, types] of Object.entries(TIME_COLUMNS)) {
      if (types[name] !== '') table.specificType(attribute, types[name])
    }
  })
}

export function createTimesStore(db: Knex, { prepared }: Pick<TimesTask, 'prepared'>): Store {
  const catalogue = buildCatalogue(undefined)
  return buildStore({
    db,
    catalogue,
    validator: buildValidator(catalogue, { checkEmail: true }),
    prefix: 'sso_',
    users: { table: 'members', columns: {}, timestamps: { created: null, updated: null } },
    emailIsUnique: false,
    usesTransactor: false,
    prepared,
    sinks: [],
    defaults: {},
    now: () => new Date(),
    newUserId: () => '',
    newUuid: () => '',
    hostMakesIds: false,
    lookups: ['username'],
  })
}

/** Configuration of connections whose session is in another time zone than the server. */
export function withSessionZone({ name, config, sessionZone }: TimesTask): Knex.Config {
  if (name === 'sqlite') return config
  const statement =
    name === 'postgres' ? `set time zone interval '${sessionZone}' hour to minute` : `set time_zone = '${sessionZone}'`
  const afterCreate = (
    connection: { query(sql: string, done: (error: unknown) => void): void },
    done: (...given: unknown[]) => void,
  ) => connection.query(statement, (error) => done(error, connection))
  return { ...config, pool: { min: 0, max: 4, afterCreate } }
}

export function timesOf(values: StoredUser): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(TIME_COLUMNS).map((name) => {
      const time = values[name as keyof StoredUser]
      return [name, time instanceof Date ? time.toISOString() : time]
    }),
  )
}
