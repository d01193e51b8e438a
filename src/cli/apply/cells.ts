import { written } from '../../core/grants/edits.ts'
import type { AttributeKind } from '../../core/schema/catalogue.ts'
import { parseTime } from '../../core/schema/times.ts'
import type { Grants } from '../../core/store.ts'
import { usageError } from '../failures.ts'

/** How cells say what is not text. */
export interface Notation {
  /** What an empty cell means: that the value stays as it is, that there is none, or that it is the empty text. */
  readonly empty: 'leave' | 'null' | 'text'
  /** What stands for NULL. */
  readonly none: string
}

/** What stands for the empty text, where an empty cell means something else. */
const EMPTY_TEXT = '\\E'
/** Notation of exports, and of what is applied by default. */
export const USUAL_NOTATION: Notation = { empty: 'leave', none: '\\N' }

/** A cell: the value stays (undefined), there is none (null), or text. */
export type CellText = string | null | undefined

/** @throws CliError for a marker that could not be told from others */
export function checkNotation({ none }: Notation): void {
  const isTaken = /^\\*E$/.test(none) || none === '' || none.trim() !== none
  if (isTaken) throw usageError(`--null ${JSON.stringify(none)} cannot be told from other cells: choose another text.`)
}

/** What a cell says. Text that looks like a marker has one more backslash before it. */
export function readCell(cell: string, { empty, none }: Notation): CellText {
  if (cell === '') return empty === 'text' ? '' : empty === 'null' ? null : undefined
  if (cell === none) return null
  if (cell === EMPTY_TEXT) return ''
  return cell.startsWith('\\') && isMarkerLike(cell.slice(1), none) ? cell.slice(1) : cell
}

/** A cell that says a value, for an export. */
export function writeCell(value: string | null, { none }: Notation): string {
  if (value === null) return none
  if (value === '') return EMPTY_TEXT
  return isMarkerLike(value, none) ? `\\${value}` : value
}

/** A marker, or one behind backslashes. */
function isMarkerLike(text: string, none: string): boolean {
  return [none, EMPTY_TEXT].some((marker) => {
    const before = text.slice(0, -marker.length)
    return text.endsWith(marker) && /^\\*$/.test(before)
  })
}

/** A value of an attribute from text. @throws Error that says what the text must be */
export function fromText(kind: AttributeKind, text: string): unknown {
  switch (kind) {
    case 'text':
      return text
    case 'boolean':
      if (/^(true|1)$/i.test(text)) return true
      if (/^(false|0)$/i.test(text)) return false
      throw new Error('must be true or false')
    case 'integer':
      if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
      throw new Error('must be an integer')
    case 'number':
      if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text))) return Number(text)
      throw new Error('must be a number')
    case 'datetime':
      if (parseTime(text)) return text
      throw new Error('must be an ISO 8601 date and time')
    case 'json':
      return json(text)
  }
}

/** The text of an attribute's value, which `fromText` makes the value of again. */
export function toText(kind: AttributeKind, value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.toISOString()
  return kind === 'json' ? JSON.stringify(value) : String(value)
}

/** A custom attribute from text: what is JSON is JSON, everything else is text; a number as far as it is exact. */
export function customFromText(text: string): unknown {
  const value = parsed(text)
  if (value === undefined) return text
  return typeof value === 'number' && String(value) !== text ? text : value
}

/** The text of a custom attribute, which `customFromText` makes the value of again. */
export function customToText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  return value === '' || customFromText(value) !== value ? JSON.stringify(value) : value
}

/** A list of ids: with semicolons between them, or as JSON where an id has one in it. @throws Error for another JSON */
export function listFromText(text: string): readonly string[] {
  if (!text.startsWith('['))
    return text
      .split(';')
      .map((id) => id.trim())
      .filter((id) => id !== '')
  const list = json(text)
  if (Array.isArray(list) && list.every((id) => typeof id === 'string')) return list
  throw new Error('must be a list of text')
}

/** The text of a list, null for one that is empty. */
export function listToText(ids: readonly string[], notation: Notation): string | null {
  if (ids.length === 0) return null
  const text = ids.join(';')
  const isPlain = !text.startsWith('[') && !ids.some((id) => id.includes(';')) && !isMarkerLike(text, notation.none)
  return isPlain ? text : JSON.stringify(ids)
}

/** The three lists as records have them. */
export function grantLists({ roles, acls, groups }: Grants) {
  return { roles: roles.map(written), acls, groups }
}

function json(text: string): unknown {
  const value = parsed(text)
  if (value === undefined) throw new Error('must be JSON')
  return value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
