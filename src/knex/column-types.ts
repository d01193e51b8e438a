import type { Attribute, AttributeKind } from '../core/schema/catalogue.ts'
import type { Dialect, Habit } from './codecs.ts'
import type { ColumnInfo } from './layout.ts'

/** What columns of different databases have in common; `any` is a column of SQLite without a type. */
export type Family =
  | 'any'
  | 'text'
  | 'enum'
  | 'boolean'
  | 'bit'
  | 'integer'
  | 'decimal'
  | 'float'
  | 'timestamp'
  | 'date'
  | 'json'
  | 'uuid'
  | 'other'

// The first that matches; `interval` and `point` are no integers.
const FAMILIES: readonly (readonly [Family, RegExp])[] = [
  ['any', /^$/],
  ['other', /\[\]$|^(time\b(?!stamp)|interval|point|year|set$)/],
  ['enum', /^enum/],
  ['boolean', /^bool/],
  ['bit', /^bit/],
  ['json', /^json/],
  ['uuid', /^(uuid|uniqueidentifier)/],
  ['timestamp', /^(timestamp|(small)?datetime)/],
  ['date', /^date$/],
  ['text', /char|text|clob|^string|^name$/],
  ['integer', /int|serial/],
  ['decimal', /^(numeric|decimal|number)/],
  ['float', /real|double|float/],
]

/** The family of a column type, as the database names it without length and the like. */
export function familyOf(type: string): Family {
  return FAMILIES.find(([, pattern]) => pattern.test(type.toLowerCase()))?.[0] ?? 'other'
}

const FITTING: Record<AttributeKind, readonly Family[]> = {
  text: ['text', 'enum', 'any'],
  boolean: ['boolean', 'bit', 'integer', 'decimal', 'any'],
  integer: ['integer', 'decimal', 'float', 'any'],
  number: ['float', 'decimal', 'any'],
  datetime: ['timestamp', 'integer', 'decimal', 'float', 'text', 'any'],
  json: ['json', 'text', 'any'],
}

const LONGEST_TIME = '2030-01-01T00:00:00.000Z'.length

/** What keeps values of an attribute from being written to a column and read back; null if nothing does. */
export function misfit(
  { name, kind, schema }: Pick<Attribute, 'name' | 'kind' | 'schema'>,
  info: ColumnInfo,
  dialect: Dialect,
): string | null {
  const family = info.values ? 'enum' : familyOf(info.type)
  if (kind === 'boolean' && (family === 'text' || family === 'enum')) {
    return booleanWords(info)
      ? null
      : `the column holds text, and does not say in which words ${name} is true or false.`
  }
  if (kind === 'text' && family === 'uuid' && schema.format === 'uuid') return null
  if (kind === 'datetime' && family === 'date') return `a column of type ${info.type} loses the time of ${name}.`
  const isShort = info.maxLength !== null && info.maxLength < LONGEST_TIME
  const isTooSmall =
    kind === 'datetime' &&
    ((family === 'text' && isShort) || (family === 'integer' && bitsOf(info, dialect) < MILLISECOND_BITS))
  if (isTooSmall) return `a column of type ${info.definition} is too small for the time of ${name}.`
  return FITTING[kind].includes(family)
    ? null
    : `a column of type ${info.type} cannot hold ${name}, which is ${WORDS[kind]}.`
}

const WORDS: Record<AttributeKind, string> = {
  text: 'text',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  datetime: 'a time',
  json: 'JSON',
}

const BOOLEAN_WORDS = ['Y N', 'y n', 'T F', 't f', '1 0', 'true false', 'TRUE FALSE', 'yes no', 'YES NO', 'Yes No'].map(
  (pair) => pair.split(' ') as [yes: string, no: string],
)

/** How a column of text says true and false: by its enumerated values, its default, or a value that it has. */
function booleanWords(info: ColumnInfo): readonly [yes: string, no: string] | null {
  if (!info.values && familyOf(info.type) !== 'text') return null
  const known = info.values ?? [info.defaultSql === null ? info.sample : unquoted(info.defaultSql)]
  return BOOLEAN_WORDS.find((pair) => known.every((value) => value !== null && pair.includes(value.trim()))) ?? null
}

/** How the host writes values of this kind, as far as the column or one of its values shows. */
export function habitOf(kind: AttributeKind, dialect: Dialect, info: ColumnInfo): Habit {
  if (kind === 'boolean') return { words: booleanWords(info) }
  return { times: kind === 'datetime' && dialect === 'sqlite' ? timesOf(info) : null }
}

/** Whether only a value in one of the rows can say how the host writes. */
export function needsSample(kind: AttributeKind, dialect: Dialect, info: ColumnInfo): boolean {
  const family = familyOf(info.type)
  if (kind === 'datetime') return dialect === 'sqlite' && family === 'timestamp'
  return kind === 'boolean' && family === 'text' && info.values === null && info.defaultSql === null
}

/** SQLite keeps in a DATETIME whatever is written: Knex numbers, Rails, Django and TypeORM text, Sequelize an offset. */
function timesOf({ type, definition, sample, defaultSql }: ColumnInfo): NonNullable<Habit['times']> | null {
  if (familyOf(type) !== 'timestamp') return null
  if (sample !== null) {
    if (!/^\d{4}-\d\d-\d\d/.test(sample)) return null
    if (sample.endsWith(' +00:00')) return 'offset'
    return sample.includes('T') ? 'iso' : 'naive'
  }
  return /current_timestamp|datetime\(/i.test(`${defaultSql} ${definition}`) ? 'naive' : null
}

/** `'N'`, `'N'::bpchar` and, from MySQL, `N`. */
function unquoted(sql: string): string {
  return /^'(.*)'(::[\w ]+)?$/.exec(sql)?.[1] ?? sql
}

const MILLISECOND_BITS = 64
const BITS: readonly (readonly [RegExp, number])[] = [
  [/^tinyint/, 8],
  [/^(smallint|int2|smallserial)/, 16],
  [/^mediumint/, 24],
  [/^(int|integer|int4|serial)\b/, 32],
]

/** SQLite's integers have 64 bits, whatever they are called. */
function bitsOf({ type }: ColumnInfo, dialect: Dialect): number {
  return (dialect !== 'sqlite' && BITS.find(([pattern]) => pattern.test(type.toLowerCase()))?.[1]) || 64
}

/** The integers that a column holds; null where they are more than those that code can count with. */
export function integerRange(info: ColumnInfo, dialect: Dialect): { minimum: number; maximum: number } | null {
  const bits = bitsOf(info, dialect)
  const isUnsigned = /unsigned/i.test(info.definition)
  if (familyOf(info.type) !== 'integer' || (bits === 64 && !isUnsigned)) return null
  if (isUnsigned) return { minimum: 0, maximum: bits === 64 ? Number.MAX_SAFE_INTEGER : 2 ** bits - 1 }
  return { minimum: -(2 ** (bits - 1)), maximum: 2 ** (bits - 1) - 1 }
}
