import { isDeepStrictEqual } from 'node:util'
import { type ErrorCode, type Issue, issue, SsoError, throwIssues } from '../../errors.ts'
import { type AttributeChange, REDACTED } from '../audit/record.ts'
import type { Core } from '../core.ts'
import { mergePatch } from '../schema/merge-patch.ts'
import { characters, isPrototypeName, lineFault } from '../schema/text.ts'
import { inRange } from '../schema/times.ts'
import { jsonFault } from '../schema/validate.ts'
import type { AttributeOwner, CustomAttribute, Transaction } from '../store.ts'
import { encode, isSecret, opened } from './values.ts'

/** What is to become of one custom attribute. */
export interface CustomEdit {
  /**
   * `create` demands that there is none, `update` that there is one; `set`, `merge` and `remove` take either. `merge`
   * takes its value for a merge patch (RFC 7396) of the one that is there.
   */
  readonly mode: 'create' | 'update' | 'set' | 'merge' | 'remove'
  /** Any JSON. Absent: as it is. */
  readonly value?: unknown
  /** Null for never. Absent: as it is, or never. */
  readonly expirationTime?: Date | null
  /** Absent: as it is, or not. Secret names are encrypted in any case. */
  readonly encrypt?: boolean
  /** JSON Pointer into what was sent. */
  readonly pointer: string
}

/** Edits of custom attributes by name. */
export type CustomEdits = ReadonlyMap<string, CustomEdit>

/** Custom attributes that one call may name, and that an account or a session may have. */
export const MOST_ATTRIBUTES = 200

const LONGEST_NAME = 191
const LONGEST_VALUE = 10_000

/**
 * Values to be set by name, null removing an attribute (RFC 7396), as edits.
 *
 * @param mode whether objects replace what is there or are merged into it
 */
export function mergeEdits(
  values: Iterable<readonly [name: string, value: unknown]>,
  pointerTo: (name: string) => string,
  mode: 'set' | 'merge' = 'set',
): CustomEdits {
  const edit = (name: string, value: unknown): CustomEdit => {
    const pointer = pointerTo(name)
    return value === null ? { mode: 'remove', pointer } : { mode, value, pointer }
  }
  return new Map([...values].map(([name, value]) => [name, edit(name, value)]))
}

/** Whatever is wrong with the names, values and times of edits. */
export function customIssues(core: Core, edits: CustomEdits): Issue[] {
  return [...edits].flatMap(([name, edit]) => {
    const fault = nameFault(core, name, edit) ?? valueFault(edit) ?? timeFault(edit)
    if (fault) return [issue(name, 'input_invalid', fault, edit.pointer)]
    const needsKey = 'value' in edit && (edit.encrypt || isSecret(core, name)) && !core.secrets.canEncrypt
    return needsKey ? [issue(name, 'encryption_key_missing', undefined, edit.pointer)] : []
  })
}

function nameFault(core: Core, name: string, { mode }: CustomEdit): string | null {
  if (isPrototypeName(name)) return 'The name is not accepted.'
  const length = characters(name)
  if (length < 1 || length > LONGEST_NAME || name.trim() !== name) return `Names have 1 to ${LONGEST_NAME} characters.`
  const { allowed } = core.config.customAttributes
  // What is not allowed any more can still be removed.
  if (mode !== 'remove' && allowed && !allowed.includes(name)) return 'There is no such attribute.'
  return lineFault(name)
}

function valueFault(edit: CustomEdit): string | null {
  if (!('value' in edit)) return null
  const fault = jsonFault(edit.value)
  if (fault) return fault
  const isLong = JSON.stringify(edit.value).length > LONGEST_VALUE
  return isLong ? `The value is longer than ${LONGEST_VALUE} characters.` : null
}

function timeFault({ expirationTime }: CustomEdit): string | null {
  return !expirationTime || inRange(expirationTime) ? null : 'The time lies beyond the year 9999.'
}

/**
 * Writes the edits that differ from what is there; what has expired is not there, and goes. The owner must be locked.
 *
 * @throws SsoError `attribute_exists`, `attribute_missing`, with an issue for each edit that cannot be
 */
export async function applyCustom(
  core: Core,
  transaction: Transaction,
  owner: AttributeOwner,
  edits: CustomEdits,
  now: Date,
): Promise<AttributeChange[]> {
  await transaction.removeExpiredCustomAttributes(owner, now)
  const held = await transaction.customAttributesOf(owner, now)
  const stored = new Map(held.map((attribute) => [attribute.name, attribute]))
  checkPresence(stored, edits)

  const changes: AttributeChange[] = []
  for (const [name, edit] of edits) {
    const { write, changed } = outcomeOf(core, name, stored.get(name), edit)
    if (write === 'remove') await transaction.removeCustomAttribute(owner, name)
    else if (write) await transaction.putCustomAttribute(owner, write, now)
    changes.push(...changed)
  }
  return changes
}

function checkPresence(stored: ReadonlyMap<string, CustomAttribute>, edits: CustomEdits): void {
  const issues: Issue[] = []
  for (const [name, edit] of edits) {
    const fault = (code: ErrorCode, message?: string) => issues.push(issue(name, code, message, edit.pointer))
    const isThere = stored.has(name)
    if (edit.mode === 'create' && isThere) fault('attribute_exists')
    else if (edit.mode === 'update' && !isThere) fault('attribute_missing')
    else if (edit.mode !== 'remove' && !isThere && !('value' in edit)) fault('input_invalid', 'It needs a value.')
  }
  throwIssues(issues)

  const added = [...edits].filter(([name, { mode }]) => mode !== 'remove' && !stored.has(name)).length
  const removed = [...edits].filter(([name, { mode }]) => mode === 'remove' && stored.has(name)).length
  if (added > 0 && stored.size + added - removed > MOST_ATTRIBUTES) {
    throw new SsoError('input_invalid', { message: `There would be more than ${MOST_ATTRIBUTES} custom attributes.` })
  }
}

interface Outcome {
  /** What is to be written; null for nothing. */
  readonly write: Parameters<Transaction['putCustomAttribute']>[1] | 'remove' | null
  readonly changed: readonly AttributeChange[]
}

function outcomeOf(core: Core, name: string, held: CustomAttribute | undefined, edit: CustomEdit): Outcome {
  const before = held ? opened(core, held) : undefined
  const shownBefore = recordedValue(core, held)
  const valueChange = (to: unknown) => ({ attribute: `attributes.${name}`, from: shownBefore, to })
  if (edit.mode === 'remove') {
    if (!held) return { write: null, changed: [] }
    const expiry = { attribute: `expirations.${name}`, from: held.expirationTime?.toISOString() ?? null, to: null }
    return { write: 'remove', changed: [valueChange(null), ...(expiry.from === null ? [] : [expiry])] }
  }

  const value = valueAfter(name, before, edit)
  const isEncrypted = isSecret(core, name) || (edit.encrypt ?? held?.isEncrypted ?? false)
  // A value that was encrypted until now does not enter the trail by ceasing to be.
  const wasEncrypted = !('value' in edit) && held?.isEncrypted === true
  const keepsValue = held?.isEncrypted === isEncrypted && (!('value' in edit) || isDeepStrictEqual(before, value))
  // Neither in clear nor under another key can be written what no key opens.
  if (!keepsValue && value === undefined) {
    throwIssues([issue(name, 'encryption_key_missing', undefined, edit.pointer)])
  }
  const heldTime = held?.expirationTime ?? null
  const expirationTime = edit.expirationTime === undefined ? heldTime : edit.expirationTime
  const keepsTime = heldTime?.getTime() === expirationTime?.getTime()
  if (keepsValue && keepsTime) return { write: null, changed: [] }

  const written = keepsValue ? held : encode(core, name, value, isEncrypted)
  const times = [heldTime, expirationTime].map((time) => time?.toISOString() ?? null)
  return {
    write: { ...written, name, isEncrypted, expirationTime },
    changed: [
      ...(keepsValue ? [] : [valueChange(shown(core, name, value, isEncrypted || wasEncrypted))]),
      ...(keepsTime ? [] : [{ attribute: `expirations.${name}`, from: times[0], to: times[1] }]),
    ],
  }
}

function valueAfter(name: string, before: unknown, edit: CustomEdit): unknown {
  if (!('value' in edit)) return before
  if (edit.mode !== 'merge') return edit.value
  const value = mergePatch(before, edit.value)
  // The whole may be too long or too deep where its parts were not.
  const fault = valueFault({ ...edit, value })
  if (fault) throwIssues([issue(name, 'input_invalid', fault, edit.pointer)])
  return value
}

/** Edits by the names that the audit trail gives them, secrets `[redacted]`. */
export function editsShown(core: Core, edits: CustomEdits): Record<string, unknown> {
  return Object.fromEntries(
    [...edits].flatMap(([name, edit]): [string, unknown][] => {
      const { mode, value, expirationTime, encrypt = false } = edit
      if (mode === 'remove') return [[`attributes.${name}`, null]]
      return [
        ...('value' in edit ? [[`attributes.${name}`, shown(core, name, value, encrypt)] as [string, unknown]] : []),
        ...(expirationTime === undefined ? [] : [[`expirations.${name}`, expirationTime] as [string, unknown]]),
      ]
    }),
  )
}

/** Edits of an account, with what is held encrypted marked as such: hooks see the edits before the transaction does. */
export async function markEncrypted(core: Core, id: string, edits: CustomEdits, now: Date): Promise<CustomEdits> {
  const held = await core.store.customAttributesOf({ kind: 'account', id }, now)
  const encrypted = new Set(held.filter(({ isEncrypted }) => isEncrypted).map(({ name }) => name))
  const marked = (name: string, edit: CustomEdit) =>
    encrypted.has(name) && edit.encrypt === undefined ? { ...edit, encrypt: true } : edit
  return new Map([...edits].map(([name, edit]) => [name, marked(name, edit)]))
}

/** The value of what is held as the audit trail has it; null for nothing. */
export function recordedValue(core: Core, held: CustomAttribute | undefined): unknown {
  return held ? shown(core, held.name, opened(core, held), held.isEncrypted) : null
}

function shown(core: Core, name: string, value: unknown, isEncrypted: boolean): unknown {
  return isEncrypted || isSecret(core, name) ? REDACTED : value
}
