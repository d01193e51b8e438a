import type { Knex } from 'knex'
import { type Layout, shadowName, type stored } from './layout.ts'

/** Characters of ids and names. */
export const ID_LENGTH = 191

/** Id of an account, of the type that the host's table has. */
export function idColumn(builder: Knex.CreateTableBuilder, { idKind }: Layout): Knex.ColumnBuilder {
  if (idKind === 'integer') return builder.integer('user_id')
  if (idKind === 'bigint') return builder.bigInteger('user_id')
  return idKind === 'uuid' ? builder.uuid('user_id') : builder.string('user_id', ID_LENGTH)
}

/** Column of an attribute in our own tables. */
export function attributeColumn(
  builder: Knex.CreateTableBuilder,
  { name, kind, maxLength, secret }: ReturnType<typeof stored>[number],
  layout: Layout,
): Knex.ColumnBuilder {
  if (kind === 'boolean') return builder.boolean(name)
  if (kind === 'datetime') return timeColumn(builder, name, layout)
  if (kind === 'integer') return builder.bigInteger(name)
  if (kind === 'number') return builder.double(name)
  // Enumerations are short; whatever is encrypted is longer than its clear text.
  const length = maxLength ?? 40
  return kind === 'json' || length > 255 || (secret && name !== 'password')
    ? builder.text(name)
    : builder.string(name, length)
}

/** Text in the order of its code points, which is the same everywhere. */
export function orderedColumn(
  builder: Knex.CreateTableBuilder,
  name: string,
  length: number,
  { dialect }: Layout,
): Knex.ColumnBuilder {
  if (dialect === 'postgres') return builder.specificType(name, `varchar(${length}) collate "C"`)
  return builder.string(name, length)
}

/**
 * Columns of the index on a name. Accounts are listed by display name and username, so that a page is read off the index
 * with the ids that it has, too; InnoDB adds those by itself, and has no room for them here.
 */
export function searchedBy(db: Knex, { dialect }: Layout, name: string): readonly (string | Knex.Raw)[] {
  const shadow = shadowName(name)
  const ids = dialect === 'postgres' || dialect === 'sqlite' ? ['user_id'] : []
  if (name !== 'display_name') return [shadow, ...ids]
  return [dialect === 'postgres' ? db.raw('?? nulls first', [shadow]) : shadow, 'username', ...ids]
}

/** A time, to the millisecond. */
export function timeColumn(builder: Knex.CreateTableBuilder, name: string, { dialect }: Layout): Knex.ColumnBuilder {
  if (dialect === 'sqlite') return builder.string(name, 24)
  return builder.datetime(name, { precision: 3 })
}
