import type { Knex } from 'knex'
import type { Catalogue } from '../core/schema/catalogue.ts'
import { KEY_EXPANSION } from '../core/schema/text.ts'
import { attributeColumn, ID_LENGTH, idColumn, orderedColumn, searchedBy, timeColumn } from './columns.ts'
import { createTable, key } from './create-table.ts'
import { isTransient } from './failures.ts'
import { type Layout, searchable, shadowName, stored } from './layout.ts'

const HASH_LENGTH = 64
const MOST_TRIES = 20
const PAUSE_MS = 500

/** Collation of the host's id column, which ours must share to be joined with it (MySQL and MariaDB). */
export interface IdCollation {
  readonly charset: string
  readonly collation: string
}

interface Migration {
  readonly name: string
  readonly up: (schema: Knex.SchemaBuilder) => Knex.SchemaBuilder
}

/**
 * Creates the package's own tables. Several processes may do it at once, and one that was killed may have left it half
 * done: each statement takes what is there already for its own work, and a step is on record when all of it is there. A
 * lock would not do better: MySQL commits DDL at once, and a killed process would keep the lock for good.
 */
export async function migrate(
  db: Knex,
  layout: Layout,
  catalogue: Catalogue,
  idCollation: IdCollation | null,
): Promise<void> {
  const record = layout.table('migrations')
  if (!(await db.schema.hasTable(record))) {
    await build(db, (schema) =>
      schema.createTable(record, (builder) => {
        builder.string('name', ID_LENGTH).primary(key(record))
        builder.string('migration_time', 24).notNullable()
      }),
    )
  }
  const rows: readonly object[] = await db(record).select('name')
  const done = new Set(rows.map((row) => Object.values(row)[0]))

  for (const { name, up } of migrations(db, layout, catalogue, idCollation)) {
    if (done.has(name)) continue
    await build(db, up)
    await unlessThere(() => db(record).insert({ name, migration_time: new Date().toISOString() }))
  }
}

/** Runs each statement of a definition on its own. */
async function build(db: Knex, up: Migration['up']): Promise<void> {
  const statements = up(db.schema).toSQL() as unknown as readonly { readonly sql: string }[]
  for (const { sql } of statements) await unlessThere(() => db.raw(sql))
}

/** Runs one statement, again while others are at it, and lets it pass if its work is done. */
async function unlessThere(run: () => PromiseLike<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run()
      return
    } catch (error) {
      if (isThere(error)) return
      if (tries >= MOST_TRIES || !isTransient(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS))
    }
  }
}

// Tables, indexes, constraints and rows that exist; in PostgreSQL also those that another is creating right now.
const THERE =
  /^(42P07|42710|23505|ER_TABLE_EXISTS_ERROR|ER_DUP_KEYNAME|ER_FK_DUP_NAME|ER_DUP_ENTRY|SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY))$/

function isThere(error: unknown): boolean {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string }
  // MySQL says of a foreign key that exists: errno 121, "Duplicate key on write or update".
  return THERE.test(code) || /already exists|there is already|errno: 121/i.test(message)
}

/** Every step, each called after the table that it is about, in order. */
export function migrations(
  db: Knex,
  layout: Layout,
  catalogue: Catalogue,
  idCollation: IdCollation | null,
): readonly Migration[] {
  const { table } = layout
  const ownAccounts = layout.side === null

  const userId = (builder: Knex.CreateTableBuilder): Knex.ColumnBuilder => {
    const column = idColumn(builder, layout)
    const collated = idCollation && layout.idKind === 'string'
    return collated ? column.collate(idCollation.collation) : column
  }
  const owned = (builder: Knex.CreateTableBuilder) => {
    userId(builder).notNullable()
    // On a host's table a foreign key would change what its own deletions do.
    if (ownAccounts) builder.foreign('user_id').references('user_id').inTable(table('user')).onDelete('CASCADE')
  }
  const time = (builder: Knex.CreateTableBuilder, name: string) => timeColumn(builder, name, layout)
  const customAttribute = (builder: Knex.CreateTableBuilder) => {
    builder.string('name', ID_LENGTH).notNullable()
    builder.text('value').notNullable()
    builder.boolean('is_encrypted').notNullable()
    time(builder, 'creation_time').notNullable()
    time(builder, 'last_modified').notNullable()
    time(builder, 'expiration_time')
  }

  const shadowColumns = (builder: Knex.CreateTableBuilder) => {
    for (const { name } of searchable(catalogue)) {
      orderedColumn(builder, shadowName(name), ID_LENGTH * KEY_EXPANSION, layout)
    }
  }

  const accounts: Migration = ownAccounts
    ? {
        name: 'user_001',
        up: createTable(layout, table('user'), (builder) => {
          builder.string('user_id', ID_LENGTH).primary(key(table('user')))
          for (const attribute of stored(catalogue)) {
            const isOrdered = attribute.name === 'username'
            const column = isOrdered
              ? orderedColumn(builder, attribute.name, ID_LENGTH, layout)
              : attributeColumn(builder, attribute, layout)
            if (!attribute.nullable && attribute.fallback !== null) column.notNullable()
          }
          builder.string('username_key', ID_LENGTH * KEY_EXPANSION).notNullable()
          builder.string('email_key', 254 * KEY_EXPANSION)
          shadowColumns(builder)
          builder.text('extra')
          builder.integer('row_version').notNullable().defaultTo(1)
          builder.unique(['username_key'], { indexName: `${table('user')}_username_key_unique` })
          builder.unique(['email_key'], { indexName: `${table('user')}_email_key_unique` })
          for (const name of ['email', 'approval_status', 'sign_up_status']) {
            builder.index([name], `${table('user')}_${name}_index`)
          }
          for (const { name } of searchable(catalogue)) {
            builder.index(searchedBy(db, layout, name) as string[], `${table('user')}_${name}_index`)
          }
        }),
      }
    : {
        name: 'account_001',
        up: createTable(layout, table('account'), (builder) => {
          userId(builder)
            .notNullable()
            .primary(key(table('account')))
          for (const attribute of stored(catalogue)) attributeColumn(builder, attribute, layout)
          builder.text('extra')
          shadowColumns(builder)
          for (const { name } of searchable(catalogue)) {
            builder.index([shadowName(name)], `${table('account')}_${name}_index`)
          }
        }),
      }

  return [
    accounts,
    {
      name: 'session_001',
      up: createTable(layout, table('session'), (builder) => {
        builder.string('ust_hash', HASH_LENGTH).primary(key(table('session')))
        owned(builder)
        time(builder, 'creation_time').notNullable()
        time(builder, 'expiration_time').notNullable()
        builder.text('remote_addr')
        builder.text('user_agent')
        builder.string('app', ID_LENGTH)
        builder.string('session_id', 32).notNullable()
        time(builder, 'last_use_time').notNullable()
        builder.text('state_changes').notNullable()
        builder.unique(['session_id'], { indexName: `${table('session')}_session_id_unique` })
        builder.index(['user_id'], `${table('session')}_user_id_index`)
        builder.index(['expiration_time'], `${table('session')}_expiration_index`)
      }),
    },
    {
      name: 'attribute_001',
      up: createTable(layout, table('attribute'), (builder) => {
        owned(builder)
        customAttribute(builder)
        builder.primary(['user_id', 'name'], key(table('attribute')))
      }),
    },
    {
      name: 'session_attribute_001',
      up: createTable(layout, table('session_attribute'), (builder) => {
        builder.string('ust_hash', HASH_LENGTH).notNullable()
        // Whatever ends a session, its attributes go with it.
        builder.foreign('ust_hash').references('ust_hash').inTable(table('session')).onDelete('CASCADE')
        customAttribute(builder)
        builder.primary(['ust_hash', 'name'], key(table('session_attribute')))
      }),
    },
    {
      name: 'role_grant_001',
      up: createTable(layout, table('role_grant'), (builder) => {
        owned(builder)
        builder.string('role_id', ID_LENGTH).notNullable()
        builder.string('rights', 3).notNullable()
        builder.primary(['user_id', 'role_id'], key(table('role_grant')))
      }),
    },
    {
      name: 'acl_grant_001',
      up: createTable(layout, table('acl_grant'), (builder) => {
        owned(builder)
        builder.string('kind', 10).notNullable()
        builder.string('acl_id', ID_LENGTH).notNullable()
        builder.primary(['user_id', 'kind', 'acl_id'], key(table('acl_grant')))
      }),
    },
    {
      name: 'throttle_001',
      up: createTable(layout, table('throttle'), (builder) => {
        builder.string('bucket', ID_LENGTH).primary(key(table('throttle')))
        builder.integer('points').notNullable()
        // Milliseconds since 1970.
        builder.bigInteger('end_time').notNullable()
        builder.index(['end_time'], `${table('throttle')}_end_index`)
      }),
    },
    {
      name: 'audit_001',
      up: createTable(layout, table('audit'), (builder) => {
        builder.bigIncrements('id')
        builder.string('cid', ID_LENGTH).notNullable()
        time(builder, 'time').notNullable()
        builder.string('operation', 40).notNullable()
        builder.string('outcome', 20).notNullable()
        builder.string('error', 40)
        for (const name of ['actor_id', 'actor_name', 'target_id', 'target_name', 'app'])
          builder.string(name, ID_LENGTH)
        builder.string('actor_via', 20)
        builder.string('remote_addr', ID_LENGTH)
        builder.text('user_agent')
        builder.string('dialect', 20).notNullable()
        builder.text('changes', 'longtext').notNullable()
        // Number of its seal; null until there is one.
        builder.bigInteger('seal')
        builder.index(['target_id', 'id'], `${table('audit')}_target_index`)
        builder.index(['cid'], `${table('audit')}_cid_index`)
        builder.index(['seal', 'id'], `${table('audit')}_seal_index`)
      }),
    },
    {
      name: 'audit_seal_001',
      up: createTable(layout, table('audit_seal'), (builder) => {
        builder.bigInteger('number').primary(key(table('audit_seal')))
        builder.integer('record_count').notNullable()
        builder.string('time', 24).notNullable()
        builder.string('previous_hash', HASH_LENGTH).notNullable()
        builder.string('records_hash', HASH_LENGTH).notNullable()
        builder.string('hash', HASH_LENGTH).notNullable()
        builder.text('records', 'longtext')
        // No two seals upon one: the chain cannot fork, whoever seals.
        builder.unique(['previous_hash'], { indexName: `${table('audit_seal')}_previous_unique` })
      }),
    },
    {
      name: 'password_reset_001',
      up: createTable(layout, table('password_reset'), (builder) => {
        owned(builder)
        builder.string('token_hash', HASH_LENGTH).notNullable()
        builder.string('key_hash', HASH_LENGTH)
        time(builder, 'creation_time').notNullable()
        time(builder, 'expiration_time').notNullable()
        // A new token ends the one before it.
        builder.primary(['user_id'], key(table('password_reset')))
        builder.unique(['token_hash'], { indexName: `${table('password_reset')}_token_unique` })
      }),
    },
    {
      name: 'audit_target_001',
      up: createTable(layout, table('audit_target'), (builder) => {
        builder.string('name', ID_LENGTH).primary(key(table('audit_target')))
        builder.bigInteger('delivered').notNullable()
        builder.string('owner', 36)
        builder.bigInteger('beat').notNullable()
        builder.integer('failures').notNullable()
      }),
    },
  ]
}
