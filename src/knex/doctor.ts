import type { Attribute, Catalogue } from '../core/schema/catalogue.ts'
import { sealedLength } from '../core/secrets.ts'
import type { Finding } from '../core/store.ts'
import { type Dialect, idKindOf } from './codecs.ts'
import { misfit } from './column-types.ts'
import type { HostTable } from './information.ts'
import { type ColumnInfo, hostColumn, isMappedElsewhere, takesUuids, type UsersMapping } from './layout.ts'
import type { Remedies } from './remedies.ts'

/** What the table is examined for. */
export interface Examination {
  readonly catalogue: Catalogue
  readonly dialect: Dialect
  readonly mapping: UsersMapping
  readonly table: HostTable
  /** Columns that the host gives values in new rows; null if a function does. */
  readonly defaults: readonly string[] | null
  readonly hostMakesIds: boolean
  readonly emailIsUnique: boolean
  readonly remedies: Remedies
}

/** Examines the host's table: what is missing, does not fit or will be in the way, and the statement that mends it. */
export function examine(examination: Examination): readonly Finding[] {
  const { mapping } = examination
  const { columns, isWritable } = examination.table
  const whole = (fault: string, remedy: string): Finding[] => [
    { severity: 'error', table: mapping.table, column: '*', fault, remedy },
  ]
  if (columns.size === 0) {
    return whole('there is no such table, or it has no columns.', 'Create it, or correct the option users.table.')
  }
  if (!isWritable) {
    return whole('it is a view that cannot be written to.', 'Set users.table to the table that the view shows.')
  }
  return [
    ...idFindings(examination),
    ...attributeFindings(examination),
    ...uniqueFindings(examination),
    ...stampFindings(examination),
    ...unfilled(examination),
  ].map((finding) => ({ table: mapping.table, ...finding }))
}

type Found = Omit<Finding, 'table'>

const LONGEST_NEW_ID = 30

function* idFindings({ mapping, table: { columns, keys }, hostMakesIds, remedies }: Examination): Iterable<Found> {
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
    return
  }
  if (kind === 'string' && !hostMakesIds && !takesUuids(info) && isShorter(info, LONGEST_NEW_ID)) {
    yield {
      severity: 'notice',
      column,
      fault: `the column holds ${info.maxLength} characters; ids of new accounts have up to ${LONGEST_NEW_ID}.`,
      remedy: 'Set users.newId.',
    }
  }
  if (keys && !keys.some((key) => key.columns.join() === column && !key.isPartial)) {
    const fault = 'the column is neither the primary key nor unique; two accounts could have one id.'
    yield { severity: 'error', column, fault, remedy: remedies.makeUnique(column, info) }
  }
}

function likelyId(columns: ReadonlyMap<string, ColumnInfo>): string | null {
  const fit = [...columns].filter(([, { type }]) => idKindOf(type) !== null).map(([name]) => name)
  return fit.find((name) => /^id$/i.test(name)) ?? fit.find((name) => /^uuid$|_id$|Id$/.test(name)) ?? null
}

function* attributeFindings(examination: Examination): Iterable<Found> {
  const { catalogue, mapping, remedies } = examination
  const { columns } = examination.table
  for (const attribute of catalogue.values()) {
    const { name } = attribute
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
    } else if (columns.has(name) && isMappedElsewhere(name, mapping)) {
      const [owner] = Object.entries(mapping.columns).find(([, taken]) => taken === name) ?? []
      const fault = `the column holds ${owner}; ${name} is kept beside the table.`
      yield { severity: 'notice', column: name, fault, remedy: `Set users.columns.${name} to false, or to its column.` }
    }
    if (column !== null && info) yield* columnFindings(examination, attribute, column, info)
  }
}

function* columnFindings(
  { dialect, remedies }: Examination,
  attribute: Attribute,
  column: string,
  info: ColumnInfo,
): Iterable<Found> {
  const { name, kind, maxLength } = attribute
  if (info.isGenerated) {
    const remedy = readOnlyRemedy(attribute)
    const fault = `the database computes the column; ${name} cannot be written to it.`
    if (remedy !== null) yield { severity: 'error', column, fault, remedy }
  }
  const unfit = misfit(attribute, info, dialect)
  if (unfit !== null) {
    yield { severity: 'error', column, fault: unfit, remedy: remedies.retype(column, info, attribute) }
    return
  }
  if (kind !== 'text') return
  if (info.values) {
    const missing = valuesOf(attribute).filter((value) => !info.values?.includes(value))
    if (missing.length === 0) return
    const fault = `its type does not have all values of ${name}: ${missing.join(', ')}.`
    yield { severity: 'error', column, fault, remedy: remedies.addValues(column, info, missing) }
    return
  }
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

/** What keeps an attribute from being written to a computed column; null if nothing writes it anyway. */
function readOnlyRemedy({ name, custom, normalize, editableBy }: Attribute): string | null {
  // Beside the host's own, these are attributes that nothing but an edit changes.
  const isReadable = custom || normalize === 'nfc'
  if (!isReadable) return `Set users.columns.${name} to ${name === 'username' ? 'another column' : 'false'}.`
  return editableBy === 'nobody' ? null : `Set attributes.properties.${name}.x-sso.editableBy to 'nobody'.`
}

function valuesOf({ schema }: Attribute): readonly string[] {
  return (schema.enum ?? []).filter((value) => typeof value === 'string')
}

/** The index decides between two who take one name at the same time. */
function* uniqueFindings({ catalogue, mapping, table, emailIsUnique, remedies }: Examination): Iterable<Found> {
  const { columns, keys } = table
  for (const name of emailIsUnique ? ['username', 'email'] : ['username']) {
    const attribute = catalogue.get(name)
    const column = attribute ? hostColumn(attribute, mapping, columns) : null
    const info = column === null ? undefined : columns.get(column)
    if (!attribute || column === null || !info) continue
    const own = keys?.filter((key) => key.columns.join() === column)
    const remedy = remedies.makeUnique(column, info)
    if (own && own.length === 0) {
      // Nobody logs in by email, and where users cannot rename themselves only super-users could make two of one name.
      const severity = name === 'username' && attribute.editableBy === 'self' ? 'error' : 'notice'
      yield { severity, column, fault: `the column is not unique; two accounts could have one ${name}.`, remedy }
    } else if (own?.every(({ isPartial }) => isPartial)) {
      const fault = `the unique index leaves out rows; an account that it leaves out could share its ${name}.`
      yield { severity: 'notice', column, fault, remedy }
    }
    if (/_(bin|cs)$/.test(info.collation ?? '')) {
      const fault = `its collation tells capitals from small letters: Ada and ada are two accounts.`
      yield { severity: 'notice', column, fault, remedy: remedies.ignoreCase(column, info) }
    }
  }
}

const TIME = { name: 'a change', kind: 'datetime', schema: {}, maxLength: null } as const

function* stampFindings({ dialect, mapping, table: { columns }, remedies }: Examination): Iterable<Found> {
  for (const [option, column] of Object.entries(mapping.timestamps)) {
    if (column === null) continue
    const info = columns.get(column)
    if (!info) {
      const fault = `the column is missing; users.timestamps.${option} names it.`
      yield { severity: 'error', column, fault, remedy: remedies.addColumn(column, TIME) }
      continue
    }
    const unfit = misfit(TIME, info, dialect)
    if (unfit !== null) yield { severity: 'error', column, fault: unfit, remedy: remedies.retype(column, info, TIME) }
  }
}

/** Columns that must have a value and that nothing here would give one: new accounts could not be inserted. */
function* unfilled({ catalogue, mapping, table: { columns }, defaults }: Examination): Iterable<Found> {
  const filled = new Set([...catalogue.values()].map((attribute) => hostColumn(attribute, mapping, columns)))
  for (const column of [mapping.columns['user_id'] || 'user_id', ...Object.values(mapping.timestamps)])
    filled.add(column)
  for (const [column, { type, nullable, defaultSql, isGenerated }] of columns) {
    if (nullable || defaultSql !== null || isGenerated || filled.has(column)) continue
    if (defaults === null || defaults.includes(column)) continue
    const fault = 'the column must have a value; accounts cannot be created through this package without one.'
    const remedy = `Set users.defaults.${column}${stampOption(column, type)}.`
    yield { severity: 'notice', column, fault, remedy }
  }
}

/** For columns that look like times of a row. */
function stampOption(column: string, type: string): string {
  const [, option] = /^(creat|updat)ed_?(at|on|time)?$/i.exec(column) ?? []
  return option && /time/i.test(type) ? `, or users.timestamps.${option.toLowerCase()}ed` : ''
}

const LONGEST_KEY = 64

/** Characters without which an attribute cannot be kept at all; a secret one is kept as its ciphertext. */
function lengthNeeded({ name, secret, maxLength, columnLength }: Attribute): number {
  return secret && name !== 'password' ? sealedLength(maxLength ?? LONGEST_KEY) : columnLength
}

function isShorter({ maxLength }: ColumnInfo, length: number): boolean {
  return maxLength !== null && maxLength < length
}
