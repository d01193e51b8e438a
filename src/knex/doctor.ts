import type { Knex } from 'knex'
import type { Attribute, Catalogue } from '../core/schema/catalogue.ts'
import { sealedLength } from '../core/secrets.ts'
import type { Finding } from '../core/store.ts'
import { type Dialect, dialectOf, idKindOf } from './codecs.ts'
import { type ColumnInfo, hostColumn, takesUuids, type UsersMapping } from './layout.ts'
import type { IdCollation } from './migrations.ts'
import type { Remedies } from './remedies.ts'

/** What the database says of the host's table. Empty if there is no such table. */
export async function readColumns(db: Knex, table: string): Promise<ReadonlyMap<string, ColumnInfo>> {
  const [name, schema] = table.split('.').reverse()
  const info =
    dialectOf(db.client) === 'mysql'
      ? await readMysqlColumns(db, name as string, schema)
      : await (schema === undefined ? db(name as string) : db(name as string).withSchema(schema)).columnInfo()
  return new Map(
    Object.entries(info as unknown as Record<string, Knex.ColumnInfo & { collation?: unknown }>).map(
      ([column, { type, maxLength, nullable, defaultValue, collation }]) => [
        column,
        {
          type: String(type),
          maxLength:
            maxLength === null || maxLength === undefined || maxLength === ('' as never) ? null : Number(maxLength),
          nullable: Boolean(nullable),
          defaultSql: defaultValue === null || defaultValue === undefined ? null : String(defaultValue),
          collation: (collation as string | null | undefined) ?? null,
        },
      ],
    ),
  )
}

/** Knex looks in the database that its settings name, which need be neither the table's nor named at all. */
async function readMysqlColumns(db: Knex, name: string, schema: string | undefined): Promise<object> {
  const asCode = (identifier: string): string => db.client.customWrapIdentifier(identifier, (same: string) => same)
  const [rows] = await db.raw(
    `select column_name, data_type, character_maximum_length, is_nullable, column_default, collation_name
     from information_schema.columns where table_name = ? and table_schema = coalesce(?, database())
     order by ordinal_position`,
    [asCode(name), schema === undefined ? null : asCode(schema)],
  )
  const columns = (rows as object[]).map((row) => {
    const [column, type, maxLength, nullable, given, collation] = Object.values(row)
    const defaultValue = given === 'NULL' ? null : given
    return [column, { type, maxLength, nullable: nullable === 'YES', defaultValue, collation }]
  })
  return db.client.postProcessResponse(Object.fromEntries(columns))
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

/** What the table is examined for. */
export interface Examination {
  readonly catalogue: Catalogue
  readonly mapping: UsersMapping
  readonly columns: ReadonlyMap<string, ColumnInfo>
  /** Columns that the host gives values in new rows; null if a function does. */
  readonly defaults: readonly string[] | null
  readonly hostMakesIds: boolean
  readonly remedies: Remedies
}

/** Examines the host's table: what is missing, too short or will be in the way, and the statement that mends it. */
export function examine(examination: Examination): readonly Finding[] {
  const { mapping, columns } = examination
  const { table } = mapping
  if (columns.size === 0) {
    const fault = 'there is no such table, or it has no columns.'
    return [{ severity: 'error', table, column: '*', fault, remedy: 'Create it, or correct the option users.table.' }]
  }
  return [...idFindings(examination), ...attributeFindings(examination), ...unfilled(examination)].map((finding) => ({
    table,
    ...finding,
  }))
}

type Found = Omit<Finding, 'table'>

const LONGEST_NEW_ID = 30

function* idFindings({ mapping, columns, hostMakesIds, remedies }: Examination): Iterable<Found> {
  const column = mapping.columns['user_id'] || 'user_id'
  const info = columns.get(column)
  if (!info) {
    const fault = 'the column is missing; it holds the id.'
    yield { severity: 'error', column, fault, remedy: remedies.addId(column, likelyId(columns)) }
    return
  }
  const kind = idKindOf(info.type)
  if (kind === null) {
    const likely = likelyId(columns)
    const remedy = likely
      ? `Set users.columns.user_id to '${likely}'.`
      : 'Map users.columns.user_id to an integer, UUID or text column.'
    yield { severity: 'error', column, fault: `ids of type ${info.type} are not supported.`, remedy }
  } else if (kind === 'string' && !hostMakesIds && !takesUuids(info) && isShorter(info, LONGEST_NEW_ID)) {
    yield {
      severity: 'notice',
      column,
      fault: `the column holds ${info.maxLength} characters; ids of new accounts have up to ${LONGEST_NEW_ID}.`,
      remedy: 'Set users.newId.',
    }
  }
}

function likelyId(columns: ReadonlyMap<string, ColumnInfo>): string | null {
  const fit = [...columns].filter(([, { type }]) => idKindOf(type) !== null).map(([name]) => name)
  return fit.find((name) => /^id$/i.test(name)) ?? fit.find((name) => /^uuid$|_id$|Id$/.test(name)) ?? null
}

function* attributeFindings({ catalogue, mapping, columns, remedies }: Examination): Iterable<Found> {
  for (const attribute of catalogue.values()) {
    const { name, kind, maxLength } = attribute
    if (name === 'user_id') continue
    const mapped = mapping.columns[name]
    const column = hostColumn(attribute, mapping, columns)
    const info = column === null ? undefined : columns.get(column)
    if (typeof mapped === 'string' && !info) {
      const fault = `the column is missing; it is mapped to ${name}.`
      yield { severity: 'error', column: mapped, fault, remedy: remedies.addColumn(mapped, attribute) }
    } else if (name === 'username' && !info) {
      const remedy = 'Set users.columns.username to the column that users log in with.'
      yield { severity: 'error', column: 'username', fault: 'no column holds the username.', remedy }
    }
    if (column === null || !info || kind !== 'text') continue

    const needed = lengthNeeded(attribute)
    if (isShorter(info, needed)) {
      const fault = `the column holds ${info.maxLength} characters; ${name} needs ${needed}.`
      yield { severity: 'error', column, fault, remedy: remedies.widen(column, info, Math.max(needed, maxLength ?? 0)) }
    } else if (maxLength !== null && isShorter(info, maxLength) && !attribute.secret) {
      const fault = `the column holds ${info.maxLength} characters; longer values of ${name} are refused.`
      const remedy = `${remedies.widen(column, info, maxLength)} to accept ${maxLength}.`
      yield { severity: 'notice', column, fault, remedy }
    }
  }
}

/** Columns that must have a value and that nothing here would give one: new accounts could not be inserted. */
function* unfilled({ catalogue, mapping, columns, defaults }: Examination): Iterable<Found> {
  const filled = new Set([...catalogue.values()].map((attribute) => hostColumn(attribute, mapping, columns)))
  filled.add(mapping.columns['user_id'] || 'user_id')
  for (const [column, { nullable, defaultSql }] of columns) {
    if (nullable || defaultSql !== null || filled.has(column)) continue
    if (defaults === null || defaults.includes(column)) continue
    const fault = 'the column must have a value; accounts cannot be created through this package without one.'
    yield { severity: 'notice', column, fault, remedy: `Set users.defaults.${column}.` }
  }
}

const LONGEST_KEY = 64

/** Characters without which an attribute cannot be kept at all; a secret one is kept as its ciphertext. */
function lengthNeeded({ name, secret, maxLength, columnLength }: Attribute): number {
  return secret && name !== 'password' ? sealedLength(maxLength ?? LONGEST_KEY) : columnLength
}

function isShorter({ maxLength }: ColumnInfo, length: number): boolean {
  return maxLength !== null && maxLength < length
}
