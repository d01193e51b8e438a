import { StoreConflict } from '../core/store.ts'
import type { Layout } from './layout.ts'

interface DatabaseError {
  readonly code?: string
  readonly errno?: number
  readonly message?: string
  readonly detail?: string
  readonly column?: string
  readonly sqlMessage?: string
  readonly routine?: string
}

const TRANSIENT_CODES = new Set(['40001', '40P01', 'ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT'])

/** Whether the same transaction may succeed if it is run again: deadlocks, serialisation failures, a busy SQLite. */
export function isTransient(error: unknown): boolean {
  const { code = '', errno } = (error ?? {}) as DatabaseError
  return (
    isStalePlan(error) ||
    TRANSIENT_CODES.has(code) ||
    code.startsWith('SQLITE_BUSY') ||
    errno === 1213 ||
    errno === 1205
  )
}

/** PostgreSQL: a prepared statement's result changed its type, because a table was altered. */
export function isStalePlan(error: unknown): boolean {
  const { code, routine } = (error ?? {}) as DatabaseError
  return code === '0A000' && routine === 'RevalidateCachedQuery'
}

/** MySQL: a text has characters that the column it is compared with cannot have; it is no row's. */
export function isIncomparable(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as DatabaseError
  return code === 'ER_CANT_AGGREGATE_2COLLATIONS' || code === 'ER_CANNOT_CONVERT_STRING'
}

const DUPLICATE = /^(23505|ER_DUP_ENTRY|SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY))$/

/** Whether a unique index has refused a row. */
export function isDuplicate(error: unknown): boolean {
  return DUPLICATE.test(((error ?? {}) as DatabaseError).code ?? '')
}

const REASONS: readonly (readonly [StoreConflict['reason'], RegExp])[] = [
  ['unique', DUPLICATE],
  ['reference', /^(23503|ER_ROW_IS_REFERENCED(_2)?|SQLITE_CONSTRAINT_(FOREIGNKEY|TRIGGER))$/],
  [
    'value',
    /^(22001|22003|22021|22P05|23502|23514|ER_DATA_TOO_LONG|ER_BAD_NULL_ERROR|ER_NO_DEFAULT_FOR_FIELD|ER_WARN_DATA_OUT_OF_RANGE|ER_TRUNCATED_WRONG_VALUE(_FOR_FIELD)?|ER_CONSTRAINT_FAILED|ER_CHECK_CONSTRAINT_VIOLATED|SQLITE_CONSTRAINT_(NOTNULL|CHECK))$/,
  ],
]

/** A database's refusal in terms of the domain; any other error as it is. */
export function translate(error: unknown, layout: Layout): unknown {
  const { code = '' } = (error ?? {}) as DatabaseError
  const reason = REASONS.find(([, pattern]) => pattern.test(code))?.[0]
  return reason ? new StoreConflict(reason, attributeIn(error as DatabaseError, layout), error) : error
}

/** PostgreSQL and SQLite name the column, MySQL the index; either holds the column's name. */
function attributeIn(error: DatabaseError, layout: Layout): string | null {
  const place = placeIn(error)
  const candidates = [...layout.uniqueColumns].sort(([a], [b]) => b.length - a.length)
  return candidates.find(([column]) => place.includes(column))?.[1] ?? null
}

/** Where in its message a database says what it is about; the rest repeats the statement or the value. */
function placeIn({ column, detail, sqlMessage, message }: DatabaseError): string {
  if (column !== undefined) return column
  if (detail !== undefined) return /^Key \((.*?)\)=\(/s.exec(detail)?.[1] ?? ''
  const text = sqlMessage ?? message ?? ''
  return PLACES.map((pattern) => pattern.exec(text)?.[1]).find((place) => place !== undefined) ?? ''
}

const PLACES = [
  /.* constraint failed: (.*)$/s,
  /^Duplicate entry '.*' for key (.*)$/s,
  // "Column 'mail' cannot be null", "Field 'mail' doesn't have a default value", "... for column `db`.`t`.`mail` at row 1"
  /(?:^Column|^Field|for column) (?:`[^`]*`\.`[^`]*`\.)?[`']([^`']*)[`'](?! for column)/,
]
