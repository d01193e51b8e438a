import type { AttributeKind } from '../core/schema/catalogue.ts'
import { parseTime } from '../core/schema/times.ts'
import { StoreConflict } from '../core/store.ts'

/** Families of databases that store values differently. */
export type Dialect = 'sqlite' | 'mysql' | 'postgres' | 'other'

/** Translates values of one column. `null` is NULL either way. */
export interface Codec {
  readonly encode: (value: unknown) => unknown
  /** @throws Error for a stored value that cannot be one of this kind */
  readonly decode: (stored: unknown) => unknown
}

/** The family of a Knex instance. */
export function dialectOf(client: { readonly dialect?: string }): Dialect {
  switch (client.dialect) {
    case 'sqlite3':
      return 'sqlite'
    case 'mysql':
      return 'mysql'
    case 'postgresql':
      return 'postgres'
    default:
      return 'other'
  }
}

/** How a host writes values in columns whose type leaves that open. */
export interface Habit {
  /** What true and false are in a column of text. */
  readonly words?: readonly [yes: string, no: string] | null
  /** Form of a time in a column of SQLite: `2030-01-01 00:00:00.000`, or that and ` +00:00`, or with `T` and `Z`. */
  readonly times?: 'naive' | 'offset' | 'iso' | null
}

/**
 * The codec for an attribute's kind in a column of this type.
 *
 * @param columnType as the database names it; null for a column of our own tables
 * @param habit how the host itself writes, where the type leaves that open
 */
export function codecFor(
  kind: AttributeKind,
  dialect: Dialect,
  columnType: string | null,
  { words = null, times = null }: Habit = {},
): Codec {
  const type = columnType?.toLowerCase() ?? null
  switch (kind) {
    case 'boolean':
      return nullable({ encode: booleanEncoder(dialect, type, words), decode: decodeBoolean })
    case 'datetime':
      return nullable({ encode: timeEncoder(dialect, type, times), decode: decodeTime })
    case 'integer':
    case 'number':
      return nullable({ encode: (value) => value, decode: Number })
    case 'json':
      return nullable({ encode: (value) => JSON.stringify(value), decode: decodeJson })
    case 'text':
      return nullable({ encode: (value) => value, decode: String })
  }
}

function nullable({ encode, decode }: Codec): Codec {
  return {
    encode: (value) => (value === null ? null : encode(value)),
    decode: (stored) => (stored === null || stored === undefined ? null : decode(stored)),
  }
}

function booleanEncoder(
  dialect: Dialect,
  type: string | null,
  words: readonly [string, string] | null,
): (value: unknown) => unknown {
  if (words) return (value) => (value === true ? words[0] : words[1])
  const isBoolean = type === null || type.startsWith('bool')
  if (dialect === 'postgres' && isBoolean) return (value) => value === true
  return (value) => (value === true ? 1 : 0)
}

/** Drivers return true, 1, '1', 't' or the byte of a BIT column; hosts also keep 'Y' and 'true'. */
function decodeBoolean(stored: unknown): boolean {
  if (Buffer.isBuffer(stored)) return stored.some((byte) => byte !== 0)
  if (typeof stored === 'string') return /^(1|t|true|y|yes|on)$/i.test(stored.trim())
  return Boolean(stored)
}

const INTEGER = /int|numeric|decimal|real|double|float/

/** Times are UTC with milliseconds, whatever the server, the connection or the process take for local time. */
function timeEncoder(dialect: Dialect, type: string | null, times: Habit['times']): (value: unknown) => unknown {
  const iso = (value: unknown) => (value as Date).toISOString()
  const naive = (value: unknown) => iso(value).slice(0, 23).replace('T', ' ')
  if (type !== null && INTEGER.test(type)) return (value) => (value as Date).getTime()
  if (dialect === 'other') return (value) => value
  if (dialect === 'mysql') return isZoned(dialect, type) ? encodeZoned : naive
  if (dialect === 'postgres') return type?.includes('without time zone') ? naive : iso
  if (times === 'naive') return naive
  if (times === 'offset') return (value) => `${naive(value)} +00:00`
  if (times === 'iso') return iso
  // Knex writes milliseconds into DATETIME columns of SQLite; the host reads its own that way.
  if (type === null || /char|text|clob/.test(type)) return iso
  return (value) => (isTakenForSeconds((value as Date).getTime()) ? iso(value) : (value as Date).getTime())
}

const ZONED_FROM = Date.UTC(1970, 0, 1, 0, 0, 1)
const ZONED_TO = 2 ** 31 * 1000 - 1

/** @throws StoreConflict for a time that MySQL would make NULL of, or the present */
function encodeZoned(value: unknown): string {
  const time = (value as Date).getTime()
  if (time < ZONED_FROM || time > ZONED_TO) {
    throw new StoreConflict('value', null, new Error('a TIMESTAMP column holds the years 1970 to 2038'))
  }
  return (time / 1000).toFixed(3)
}

/**
 * Whether the server converts a column's times by the connection's time zone, whatever that is: TIMESTAMP of MySQL. It
 * is written and read as seconds, which have no zone.
 */
export function isZoned(dialect: Dialect, type: string | null): boolean {
  return dialect === 'mysql' && type !== null && type.startsWith('timestamp')
}

// Below it a number of milliseconds would lie in 1973: it is seconds.
const SECONDS_BELOW = 100_000_000_000

function isTakenForSeconds(number: number): boolean {
  return number !== 0 && Math.abs(number) < SECONDS_BELOW
}

// PostgreSQL writes years beyond 9999, and seconds in an offset, where a time of ours lies in them for the server.
const POSTGRES = /^(\d{4,5})-(\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?$/
const DIGITS = /^-?\d+(\.\d+)?$/

function decodeTime(stored: unknown): Date | null {
  if (stored instanceof Date) return stored
  const text = String(stored)
  if (DIGITS.test(text)) {
    const number = Number(text)
    return new Date(isTakenForSeconds(number) ? Math.round(number * 1000) : number)
  }
  // What MySQL keeps where strict mode was off.
  if (text.startsWith('0000-00-00')) return null
  const time = parseTime(text) ?? parsePostgres(text)
  if (!time) throw new Error('a column holds something that is not a time')
  return time
}

function parsePostgres(text: string): Date | null {
  const [, year, day, clock, fraction = '', sign, hours = '0', minutes = '0', seconds = '0'] = POSTGRES.exec(text) ?? []
  if (year === undefined) return null
  const local = Date.parse(`+${year.padStart(6, '0')}-${day}T${clock}.${fraction.padEnd(3, '0').slice(0, 3)}Z`)
  const offset = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000
  return Number.isNaN(local) ? null : new Date(sign === '-' ? local + offset : local - offset)
}

function decodeJson(stored: unknown): unknown {
  return typeof stored === 'string' ? JSON.parse(stored) : stored
}

/** How the host's id column counts. */
export type IdKind = 'integer' | 'bigint' | 'uuid' | 'string'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const CANONICAL_INTEGER = /^(0|-?[1-9]\d{0,18})$/
const LARGEST: Record<'integer' | 'bigint', bigint> = { integer: 2n ** 31n - 1n, bigint: 2n ** 63n - 1n }

/**
 * The kind of an id column by its type; null if ids of that type are not supported.
 *
 * @param dialect only PostgreSQL fails on a number that a column cannot hold, and only there do 32 bits have a sign
 */
export function idKindOf(columnType: string, dialect: Dialect = 'postgres'): IdKind | null {
  const type = columnType.toLowerCase()
  if (type === 'uuid') return 'uuid'
  if (/\b(big ?int|int8|bigserial|numeric|decimal)/.test(type)) return 'bigint'
  if (/\b(tiny|small|medium)?int(eger|\d)?\b|\b(small)?serial\b/.test(type)) {
    return dialect === 'mysql' || dialect === 'sqlite' ? 'bigint' : 'integer'
  }
  return /char|text|uniqueidentifier/.test(type) ? 'string' : null
}

/**
 * The one form under which an id is looked up, or null for what cannot be an id: a database would take `7abc` for 7, or
 * fail on it.
 */
export function canonicalId(id: string, kind: IdKind): string | null {
  switch (kind) {
    case 'integer':
    case 'bigint': {
      if (!CANONICAL_INTEGER.test(id)) return null
      const number = BigInt(id)
      return number <= LARGEST[kind] && number >= -LARGEST[kind] ? id : null
    }
    case 'uuid':
      return UUID.test(id) ? id.toLowerCase() : null
    case 'string':
      return id !== '' && id.length <= 191 && !id.includes('\u0000') && id.isWellFormed() ? id : null
  }
}
