import type { Knex } from 'knex'
import { type Dialect, dialectOf } from './codecs.ts'
import { familyOf } from './column-types.ts'
import { byName, type HostTable, inDatabase, keysOf, numberOf, rowsOf, textOf } from './information.ts'
import type { IdCollation } from './migrations.ts'

/** Reads what the database says of a table, `schema.table` where it is in another schema. */
export async function readHostTable(db: Knex, table: string): Promise<HostTable> {
  const [name = '', schema = null] = table.split('.').reverse()
  switch (dialectOf(db.client)) {
    case 'mysql':
      return readMysql(db, inDatabase(db, name), schema === null ? null : inDatabase(db, schema))
    case 'postgres':
      return readPostgres(db, db.raw('??', [table]).toString())
    case 'sqlite':
      return readSqlite(db, inDatabase(db, name), schema)
    case 'other':
      return readOther(db, name, schema)
  }
}

/** Character set and collation of the host's id column, where columns can only be joined if they share them. */
export async function readIdCollation(
  db: Knex,
  dialect: Dialect,
  table: string,
  column: string,
): Promise<IdCollation | null> {
  if (dialect !== 'mysql') return null
  const [name, schema] = table.split('.').reverse()
  const row = await db('information_schema.columns')
    .select({ charset: 'character_set_name', collation: 'collation_name' })
    .where({ table_name: name as string, column_name: column })
    .where('table_schema', schema ?? db.raw('database()'))
    .first()
  return row?.collation ? { charset: row.charset, collation: row.collation } : null
}

async function readMysql(db: Knex, name: string, schema: string | null): Promise<HostTable> {
  const source = (view: string) =>
    `information_schema.${view} where table_name = ? and table_schema = coalesce(?, database())`
  const read = (expressions: readonly string[], view: string) => rowsOf(db, expressions, source(view), [name, schema])
  const columns = await read(
    [
      'column_name',
      'data_type',
      'column_type',
      'character_maximum_length',
      'is_nullable',
      'column_default',
      'collation_name',
      'extra',
      'ordinal_position',
    ],
    'columns',
  )
  const [[updatable] = []] = await read(['is_updatable'], 'views')
  const keys = await read(['index_name', 'column_name', 'non_unique', 'seq_in_index'], 'statistics')
  columns.sort((a, b) => Number(a[8]) - Number(b[8]))
  keys.sort((a, b) => Number(a[3]) - Number(b[3]))
  return {
    columns: byName(
      db,
      columns.map(([column, type, definition, maxLength, nullable, given, collation, extra]) => [
        column,
        {
          type: String(type),
          definition: String(definition),
          maxLength: numberOf(maxLength),
          nullable: nullable === 'YES',
          defaultSql: given === 'NULL' ? null : textOf(given),
          collation: textOf(collation),
          isGenerated: /(virtual|stored) generated/i.test(String(extra)),
          values: type === 'enum' ? quotedIn(String(definition)) : null,
          sample: null,
          isIndexed: false,
        },
      ]),
    ),
    isWritable: updatable === undefined || updatable === 'YES',
    keys:
      updatable === undefined
        ? keysOf(
            db,
            keys.filter(([, , isNot]) => Number(isNot) === 0).map(([index, column]) => [index, column, false]),
          )
        : null,
  }
}

async function readPostgres(db: Knex, name: string): Promise<HostTable> {
  const columns = await rowsOf(
    db,
    [
      'a.attname',
      'format_type(t.oid, null)',
      'format_type(a.atttypid, a.atttypmod)',
      `case when t.typname in ('varchar', 'bpchar') then nullif(case named.typtype when 'd' then named.typtypmod else a.atttypmod end, -1) - 4 end`,
      `case when a.attnotnull or named.typnotnull then 'no' else 'yes' end`,
      `coalesce(pg_get_expr(d.adbin, d.adrelid), named.typdefault, case when a.attidentity <> '' then 'identity' end)`,
      'a.attgenerated::text',
      '(select json_agg(e.enumlabel order by e.enumsortorder)::text from pg_enum e where e.enumtypid = t.oid)',
    ],
    `(select * from pg_attribute where attrelid = to_regclass(?) and attnum > 0 and not attisdropped) a
     join pg_type named on named.oid = a.atttypid
     join pg_type t on t.oid = case named.typtype when 'd' then named.typbasetype else named.oid end
     left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     order by a.attnum`,
    [name],
  )
  const [[kind, events] = []] = await rowsOf(
    db,
    ['relkind::text', 'pg_relation_is_updatable(oid, true)::text'],
    'pg_class where oid = to_regclass(?)',
    [name],
  )
  const keys = await rowsOf(
    db,
    [
      'i.indexrelid::text',
      'pg_get_indexdef(i.indexrelid, k, true)',
      `case when i.indpred is null then '' else 'partial' end`,
    ],
    `pg_index i cross join lateral generate_series(1, i.indnkeyatts::int) k
     where i.indrelid = to_regclass(?) and i.indisunique and i.indisvalid`,
    [name],
  )
  return {
    columns: byName(
      db,
      columns.map(([column, type, definition, maxLength, nullable, given, generated, values]) => [
        column,
        {
          type: String(type),
          definition: String(definition),
          maxLength: numberOf(maxLength),
          nullable: nullable === 'yes',
          defaultSql: textOf(given),
          collation: null,
          isGenerated: generated !== '',
          values: typeof values === 'string' ? JSON.parse(values) : null,
          sample: null,
          isIndexed: false,
        },
      ]),
    ),
    isWritable: kind !== 'v' && kind !== 'm' ? true : (Number(events) & ALL_EVENTS) === ALL_EVENTS,
    keys:
      kind === 'v' || kind === 'm'
        ? null
        : keysOf(
            db,
            keys.map(([index, definition, partial]) => [index, columnIn(String(definition)), partial !== '']),
          ),
  }
}

// UPDATE, INSERT and DELETE, as pg_relation_is_updatable counts them.
const ALL_EVENTS = 4 + 8 + 16

async function readSqlite(db: Knex, name: string, schema: string | null): Promise<HostTable> {
  const from = (pragma: string, of: string) => (schema === null ? `${pragma}(${of})` : `${pragma}(${of}, '${schema}')`)
  const master = schema === null ? 'sqlite_master' : `"${schema}".sqlite_master`
  const columns = await rowsOf(
    db,
    ['name', 'type', '"notnull"', 'dflt_value', 'hidden', 'pk'],
    from('pragma_table_xinfo', '?'),
    [name],
  )
  const indexes = await rowsOf(
    db,
    ['list.name', 'part.name', 'list.partial', `(select sql from ${master} where name = list.name)`, 'list."unique"'],
    `${from('pragma_index_list', '?')} list, ${from('pragma_index_xinfo', 'list.name')} part where part.key = 1`,
    [name],
  )
  const [[kind, written] = []] = await rowsOf(
    db,
    ['m.type', `(select count(*) from ${master} t where t.tbl_name = m.name and t.sql like '%instead of update%')`],
    `${master} m where m.type in ('table', 'view') and m.name = ?`,
    [name],
  )
  // The key that counts has no index of its own.
  const primary = columns.filter(([, , , , , pk]) => Number(pk) > 0).map(([column]) => [' primary', column, false])
  const parts = indexes.map(([index, column, partial, sql, isUnique]) => ({
    key: [index, column ?? loweredIn(String(sql)), Number(partial) === 1],
    isUnique: Number(isUnique) === 1,
  }))
  const others = parts.filter(({ isUnique }) => isUnique).map(({ key }) => key)
  const indexed = new Set([...primary, ...parts.map(({ key }) => key)].map(([, column]) => String(column)))
  return {
    columns: byName(
      db,
      columns.map(([column, declared, notNull, given, hidden]) => {
        const definition = String(declared)
        const [, type = definition, length] = /^(.*?)\s*\(\s*(\d+)/.exec(definition) ?? []
        return [
          column,
          {
            type,
            definition,
            maxLength: length !== undefined && familyOf(type) === 'text' ? Number(length) : null,
            nullable: Number(notNull) === 0,
            defaultSql: textOf(given),
            collation: null,
            isGenerated: Number(hidden) > 1,
            values: null,
            sample: null,
            isIndexed: indexed.has(String(column)),
          },
        ]
      }),
    ),
    isWritable: kind !== 'view' || Number(written) > 0,
    keys: kind === 'view' ? null : keysOf(db, [...primary, ...others]),
  }
}

async function readOther(db: Knex, name: string, schema: string | null): Promise<HostTable> {
  const info = await (schema === null ? db(name) : db(name).withSchema(schema)).columnInfo()
  const columns = Object.entries(info as unknown as Record<string, Knex.ColumnInfo>)
  return {
    columns: new Map(
      columns.map(([column, { type, maxLength, nullable, defaultValue }]) => [
        column,
        {
          type,
          definition: type,
          maxLength: numberOf(maxLength),
          nullable: Boolean(nullable),
          defaultSql: textOf(defaultValue),
          collation: null,
          isGenerated: false,
          values: null,
          sample: null,
          isIndexed: false,
        },
      ]),
    ),
    isWritable: true,
    keys: null,
  }
}

/** The column that a part of an index is on, `"fullName"` or `lower(email::text)`; null for any other expression. */
function columnIn(part: string): string | null {
  const [, quoted, bare] = /^(?:(?:lower|upper)\(+)?(?:"((?:[^"]|"")+)"|(\w+))(?:\)?::[\w ]+)?\)*$/.exec(part) ?? []
  return quoted?.replaceAll('""', '"') ?? bare ?? null
}

function loweredIn(sql: string): string | null {
  return /\b(?:lower|upper)\(\s*["`[]?(\w+)["`\]]?\s*\)\s*\)/i.exec(sql)?.[1] ?? null
}

function quotedIn(definition: string): readonly string[] {
  return [...definition.matchAll(/'((?:[^']|'')*)'/g)].map(([, value = '']) => value.replaceAll("''", "'"))
}
