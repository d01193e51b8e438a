import type { Knex } from 'knex'
import type { ColumnInfo } from './layout.ts'

/** What the database says of the host's table. */
export interface HostTable {
  /** Columns by name; empty if there is no such table. */
  readonly columns: ReadonlyMap<string, ColumnInfo>
  /** False for a view that cannot be written to. */
  readonly isWritable: boolean
  /** Unique indexes and the primary key; null for a view, and where the database cannot be asked. */
  readonly keys: readonly UniqueKey[] | null
}

/** Columns that together are unique; an index on the lower case of one counts as one on it. */
export interface UniqueKey {
  readonly columns: readonly string[]
  /** Whether it leaves out rows. */
  readonly isPartial: boolean
}

/** Rows by position: a host may rename the keys of all results. */
export async function rowsOf(
  db: Knex,
  expressions: readonly string[],
  source: string,
  bindings: readonly (string | null)[],
): Promise<unknown[][]> {
  const selected = expressions.map((expression, index) => `${expression} as c${index}`).join(', ')
  const rows: object[] = await db.select(db.raw(selected)).from(db.raw(source, bindings as never))
  return rows.map((row) => Object.values(row))
}

/** An identifier of the host's code as the database has it. */
export function inDatabase(db: Knex, identifier: string): string {
  return db.client.customWrapIdentifier(identifier, (same: string) => same)
}

/** An identifier of the database as the host's code has it. */
function inCode(db: Knex, identifier: string): string {
  return Object.keys(db.client.postProcessResponse({ [identifier]: null }))[0] ?? identifier
}

/** Columns under the names that they have in the host's code. */
export function byName(
  db: Knex,
  columns: readonly (readonly [unknown, ColumnInfo])[],
): ReadonlyMap<string, ColumnInfo> {
  return new Map(columns.map(([column, info]) => [inCode(db, String(column)), info]))
}

/** Rows of index, column and whether the index is partial, put together by index; expressions are no columns. */
export function keysOf(db: Knex, rows: readonly (readonly unknown[])[]): readonly UniqueKey[] {
  const keys = new Map<unknown, { columns: string[]; isPartial: boolean; isWhole: boolean }>()
  for (const [index, column, partial] of rows) {
    const key = keys.get(index) ?? { columns: [], isPartial: partial === true, isWhole: true }
    keys.set(index, key)
    if (column === null) key.isWhole = false
    else key.columns.push(inCode(db, String(column)))
  }
  return [...keys.values()].filter(({ isWhole }) => isWhole)
}

/** Text, or null where the database says nothing. */
export function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value)
}

/** A number, or null where the database says nothing. */
export function numberOf(value: unknown): number | null {
  return value === null || value === undefined || value === '' ? null : Number(value)
}
