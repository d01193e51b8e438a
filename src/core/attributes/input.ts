import { issue, SsoError } from '../../errors.ts'
import { isPlainObject } from '../schema/validate.ts'
import { type CustomEdit, type CustomEdits, MOST_ATTRIBUTES, mergeEdits } from './edits.ts'

/** One custom attribute to be written. */
export interface AttributeToWrite {
  /** 1 to 191 characters on one line. */
  readonly name: string
  /** Any JSON of up to 10,000 characters. Absent: the value stays, where there is one. */
  readonly value?: unknown
  /** Seconds from now; null for never. Absent: the expiry stays, or is never. */
  readonly expiration?: number | null
  /** Whether the value is encrypted at rest. Absent: as it was, or not. Secret names are in any case. */
  readonly encrypt?: boolean
}

/** One custom attribute to be written, or several: all of them or none. */
export type AttributesToWrite =
  | AttributeToWrite
  | {
      /** 200 at most. */
      readonly data: readonly AttributeToWrite[]
    }

const KEYS = ['name', 'value', 'expiration', 'encrypt']

/** What was sent as edits, in the order in which it was sent. @throws SsoError `input_invalid` */
export function readEdits(mode: CustomEdit['mode'], input: Readonly<Record<string, unknown>>, now: Date): CustomEdits {
  const isMany = input['data'] !== undefined
  if (isMany && input['name'] !== undefined) throw invalid('Either name or data.')
  const items = isMany ? listOf(input['data']) : [input]
  const edits = new Map<string, CustomEdit>()
  items.forEach((item, index) => {
    if (!isPlainObject(item)) throw invalid('Each item of data must be an object.')
    const [name, pointer] = [nameOf(item['name']), isMany ? `/data/${index}` : '']
    // What is beside a single one are the arguments of the call.
    const unknown = isMany ? Object.keys(item).find((key) => !KEYS.includes(key)) : undefined
    const fault = unknown === undefined ? typeFault(item) : `There is no ${unknown} of an attribute.`
    if (fault || edits.has(name)) {
      const issues = [issue(name, 'input_invalid', fault ?? 'The name is there twice.', pointer)]
      throw new SsoError('input_invalid', { issues })
    }
    edits.set(name, editOf(mode, item, pointer, now))
  })
  return edits
}

/**
 * Values by name, null removing an attribute, as edits.
 *
 * @param at JSON Pointer to the object of values
 * @throws SsoError `input_invalid`
 */
export function readMerge(data: unknown, at = ''): CustomEdits {
  if (!isPlainObject(data)) throw invalid('The data must be an object of values by name.')
  const entries = listOf(Object.entries(data)) as [string, unknown][]
  return mergeEdits(entries, (name) => at + issue(name, 'input_invalid').pointer, 'merge')
}

/** Removal of one or several, as edits. @throws SsoError `input_invalid` */
export function readRemoval(names: unknown): CustomEdits {
  return new Map(readNames(names).map((name) => [name, { mode: 'remove', pointer: '' }]))
}

/** A name or several of them. @throws SsoError `input_invalid` */
export function readNames(names: unknown): readonly string[] {
  return listOf(typeof names === 'string' ? [names] : names).map(nameOf)
}

function editOf(
  mode: CustomEdit['mode'],
  { value, expiration, encrypt }: Readonly<Record<string, unknown>>,
  pointer: string,
  now: Date,
): CustomEdit {
  return {
    mode,
    ...(value === undefined ? {} : { value }),
    ...(expiration === undefined ? {} : { expirationTime: timeAfter(expiration as number | null, now) }),
    ...(encrypt === undefined ? {} : { encrypt: encrypt as boolean }),
    pointer,
  }
}

function timeAfter(seconds: number | null, now: Date): Date | null {
  return seconds === null ? null : new Date(now.getTime() + seconds * 1000)
}

function typeFault({ expiration, encrypt }: Readonly<Record<string, unknown>>): string | null {
  const isTime = Number.isSafeInteger(expiration) && (expiration as number) > 0
  if (expiration !== undefined && expiration !== null && !isTime) return 'The expiration is in seconds, 1 at least.'
  return encrypt === undefined || typeof encrypt === 'boolean' ? null : 'The option encrypt is true or false.'
}

function listOf(items: unknown): readonly unknown[] {
  if (!Array.isArray(items)) throw invalid('The attributes must be a list.')
  if (items.length === 0) throw invalid('There must be one attribute at least.')
  if (items.length > MOST_ATTRIBUTES) throw invalid(`There are more than ${MOST_ATTRIBUTES} attributes.`)
  return items
}

function nameOf(name: unknown): string {
  if (typeof name === 'string') return name
  throw invalid('Each attribute needs a name, which is text.')
}

function invalid(message: string): SsoError {
  return new SsoError('input_invalid', { message })
}
