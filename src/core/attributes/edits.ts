import { isDeepStrictEqual } from 'node:util'
import { type Issue, issue } from '../../errors.ts'
import { type AttributeChange, REDACTED } from '../audit/record.ts'
import type { Core } from '../core.ts'
import { characters, isPrototypeName, lineFault } from '../schema/text.ts'
import { jsonFault } from '../schema/validate.ts'
import type { CustomAttribute, Transaction } from '../store.ts'

/** Custom attributes to be set; null removes one. */
export type CustomEdits = ReadonlyMap<string, unknown>

const LONGEST_NAME = 191
const LONGEST_VALUE = 10_000

/** Adds to `issues` whatever is wrong with the name or value of a custom attribute. */
export function checkCustom(core: Core, name: string, value: unknown, pointer: string, issues: Issue[]): void {
  const fault = nameFault(core, name) ?? jsonFault(value)
  if (fault) issues.push(issue(name, 'input_invalid', fault, pointer))
  else if (JSON.stringify(value).length > LONGEST_VALUE) {
    issues.push(issue(name, 'input_invalid', `The value is longer than ${LONGEST_VALUE} characters.`, pointer))
  } else if (isSecret(core, name) && value !== null && !core.secrets.canEncrypt) {
    issues.push(issue(name, 'encryption_key_missing', undefined, pointer))
  }
}

function nameFault(core: Core, name: string): string | null {
  if (isPrototypeName(name)) return 'The name is not accepted.'
  const length = characters(name)
  if (length < 1 || length > LONGEST_NAME || name.trim() !== name) return `Names have 1 to ${LONGEST_NAME} characters.`
  const { allowed } = core.config.customAttributes
  if (allowed && !allowed.includes(name)) return 'There is no such attribute.'
  return lineFault(name)
}

/** Writes the edits that differ from what is there. */
export async function applyCustom(
  core: Core,
  transaction: Transaction,
  userId: string,
  before: readonly CustomAttribute[],
  edits: CustomEdits,
  now: Date,
): Promise<AttributeChange[]> {
  const stored = new Map(before.map((attribute) => [attribute.name, attribute]))
  const changes: AttributeChange[] = []
  for (const [name, to] of edits) {
    const held = stored.get(name)
    const from = held ? decode(core, held) : null
    if (isDeepStrictEqual(from, to)) continue
    if (to === null) await transaction.removeCustomAttribute(userId, name)
    else await transaction.putCustomAttribute(userId, encode(core, name, to), now)
    const shownFrom = held?.isEncrypted ? REDACTED : shown(core, name, from)
    changes.push({ attribute: `attributes.${name}`, from: shownFrom, to: shown(core, name, to) })
  }
  return changes
}

/** Edits by the names that the audit trail gives them, secrets `[redacted]`. */
export function editsShown(core: Core, edits: CustomEdits): Record<string, unknown> {
  return Object.fromEntries([...edits].map(([name, value]) => [`attributes.${name}`, shown(core, name, value)]))
}

function shown(core: Core, name: string, value: unknown): unknown {
  return value !== null && isSecret(core, name) ? REDACTED : value
}

/** What may be shown of an account's custom attributes: all but the secret ones. */
export function visibleCustom(core: Core, attributes: readonly CustomAttribute[]): Record<string, unknown> {
  const shown = attributes.filter(({ name, isEncrypted }) => !isEncrypted && !isSecret(core, name))
  return Object.fromEntries(shown.map((attribute) => [attribute.name, decode(core, attribute)]))
}

function isSecret(core: Core, name: string): boolean {
  return core.config.customAttributes.secret.includes(name)
}

function encode(core: Core, name: string, value: unknown): CustomAttribute {
  const text = JSON.stringify(value)
  const isEncrypted = isSecret(core, name)
  return { name, value: isEncrypted ? core.secrets.encrypt(purpose(name), text) : text, isEncrypted }
}

/** Undefined, which no value is, for what no key opens. */
function decode(core: Core, { name, value, isEncrypted }: CustomAttribute): unknown {
  const text = isEncrypted ? core.secrets.opened(purpose(name), value) : value
  return text === null ? undefined : JSON.parse(text)
}

function purpose(name: string): string {
  return `attribute ${name}`
}
