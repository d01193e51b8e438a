import { isDeepStrictEqual } from 'node:util'
import { type ErrorCode, type Issue, issue, SsoError, throwIssues } from '../../errors.ts'
import type { Extras } from '../accounts/propose.ts'
import { FOLLOWING } from '../accounts/values.ts'
import { type CustomEdit, type CustomEdits, customIssues, recordedValue } from '../attributes/edits.ts'
import { type AttributeChange, type AuditRecord, type Operation, REDACTED } from '../audit/record.ts'
import type { Core } from '../core.ts'
import { grantLists } from '../grants/edits.ts'
import { patchBack, readGrantPatch } from '../grants/patch.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { Account, Reads } from '../store.ts'

/** What the audit trail said an attribute was set to. */
export type Expected = Pick<AttributeChange, 'attribute' | 'to'>

/** The update that undoes a record. */
export interface Undoing {
  /** Attributes by name, as they were before. */
  readonly data: Readonly<Record<string, unknown>>
  readonly extras: Extras
  /** What must still be so when it is written. */
  readonly expected: readonly Expected[]
}

type Kind = 'attribute' | 'following' | 'grants' | 'value' | 'expiry'

const GRANTS = ['roles', 'acls', 'groups'] as const
const VALUE = 'attributes.'
const EXPIRY = 'expirations.'
/** What makes an account, or takes it away, is no change of it. */
const WHOLE_ACCOUNT: readonly Operation[] = ['create_user', 'create_super_user', 'delete_user']

/**
 * The update that puts back what a record says was there before, all of it.
 *
 * @throws SsoError `change_irrevocable` naming what cannot be put back, `input_invalid` for what is not accepted any more
 */
export async function undoingOf(core: Core, record: AuditRecord, now: Date): Promise<Undoing> {
  const { operation, outcome, changes } = record
  if (outcome !== 'ok' || WHOLE_ACCOUNT.includes(operation)) throw new SsoError('change_irrevocable')
  throwIssues(changes.flatMap((change) => faultsOf(core, change)))
  const of = (kind: Kind) => changes.filter(({ attribute }) => kindOf(core, attribute) === kind)
  const [attributes, grants, values, expiries] = [of('attribute'), of('grants'), of('value'), of('expiry')]
  if (attributes.length + grants.length + values.length + expiries.length === 0) {
    throw new SsoError('change_irrevocable')
  }
  const custom = customBack(values, expiries)
  throwIssues(pastExpiries(custom, now))
  throwIssues(customIssues(core, custom))
  return {
    data: Object.fromEntries(attributes.map(({ attribute, from }) => [attribute, from])),
    extras: {
      ...(grants.length > 0 ? { grants: await readGrantPatch(core, { ...patchBack(grants) }) } : {}),
      ...(custom.size > 0 ? { custom } : {}),
    },
    expected: [...attributes, ...grants, ...values, ...expiries, ...withoutExpiry(values, expiries)],
  }
}

/** @throws SsoError `change_superseded`, naming every attribute that is no longer as the record left it */
export async function checkExpected(
  core: Core,
  expected: readonly Expected[],
  { values }: Account,
  reads: Reads,
  now: Date,
): Promise<void> {
  const grants = grantLists(await reads.grantsOf(values.user_id))
  const held = await reads.customAttributesOf({ kind: 'account', id: values.user_id }, now)
  const custom = new Map(held.map((attribute) => [attribute.name, attribute]))
  const current = (name: string): unknown => {
    switch (kindOf(core, name)) {
      case 'grants':
        return grants[name as keyof typeof grants]
      case 'value':
        return recordedValue(core, custom.get(name.slice(VALUE.length)))
      case 'expiry':
        return custom.get(name.slice(EXPIRY.length))?.expirationTime
      default:
        return values[name as keyof StoredUser]
    }
  }
  const differs = ({ attribute, to }: Expected) => !isDeepStrictEqual(asRecorded(current(attribute)), to)
  throwIssues(expected.filter(differs).map(({ attribute }) => issueOf(attribute, 'change_superseded')))
}

/** What a change is a change of; null for what an update of an account does not reach. */
function kindOf({ catalogue }: Core, name: string): Kind | null {
  if (FOLLOWING.includes(name)) return 'following'
  const isGrant = (GRANTS as readonly string[]).includes(name)
  // A host's attribute of that name: the record does not say which of them it means.
  if (isGrant) return catalogue.has(name) ? null : 'grants'
  if (name.startsWith(VALUE)) return 'value'
  if (name.startsWith(EXPIRY)) return 'expiry'
  return catalogue.has(name) ? 'attribute' : null
}

function faultsOf(core: Core, { attribute, from, to }: AttributeChange): Issue[] {
  const kind = kindOf(core, attribute)
  const isSecret = core.catalogue.get(attribute)?.secret || from === REDACTED || to === REDACTED
  if (isSecret) return [issueOf(attribute, 'change_irrevocable', 'It is secret: the record does not hold it.')]
  if (kind === null) return [issueOf(attribute, 'change_irrevocable', 'It is not among what can be put back.')]
  // Null stands for a value and for none.
  const isUnclear = kind === 'value' && from === null && to === null
  return isUnclear ? [issueOf(attribute, 'change_irrevocable', 'The record does not say whether it was there.')] : []
}

/** Custom attributes as they were: what was not there goes, what was comes back with its expiry. */
function customBack(values: readonly AttributeChange[], expiries: readonly AttributeChange[]): CustomEdits {
  const edits = new Map<string, CustomEdit>()
  for (const { attribute, from } of values) {
    const pointer = pointerTo(attribute)
    edits.set(
      attribute.slice(VALUE.length),
      from === null ? { mode: 'remove', pointer } : { mode: 'set', value: from, pointer },
    )
  }
  for (const { attribute, from } of expiries) {
    const name = attribute.slice(EXPIRY.length)
    const edit = edits.get(name) ?? { mode: 'update', pointer: pointerTo(attribute) }
    if (edit.mode === 'remove') continue
    edits.set(name, { ...edit, expirationTime: from === null ? null : new Date(from as string) })
  }
  return edits
}

/** What would be gone again at once cannot be put back. */
function pastExpiries(edits: CustomEdits, now: Date): Issue[] {
  const isPast = ({ expirationTime }: CustomEdit) =>
    expirationTime !== undefined && expirationTime !== null && expirationTime <= now
  return [...edits]
    .filter(([, edit]) => isPast(edit))
    .map(([name]) => issueOf(EXPIRY + name, 'change_irrevocable', 'It would have expired by now.'))
}

/** What is removed goes with its expiry, which must be the one that the record knows: none. */
function withoutExpiry(values: readonly AttributeChange[], expiries: readonly AttributeChange[]): Expected[] {
  const known = new Set(expiries.map(({ attribute }) => attribute))
  return values
    .filter(({ from }) => from === null)
    .map(({ attribute }) => ({ attribute: EXPIRY + attribute.slice(VALUE.length), to: null }))
    .filter(({ attribute }) => !known.has(attribute))
}

/** A value in the form in which the audit trail keeps it. */
function asRecorded(value: unknown): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value))
}

function issueOf(attribute: string, code: ErrorCode, message?: string): Issue {
  return issue(attribute, code, message, pointerTo(attribute))
}

/** `attributes.lang` is `/attributes/lang`. */
function pointerTo(attribute: string): string {
  const prefix = [VALUE, EXPIRY].find((candidate) => attribute.startsWith(candidate)) ?? ''
  const [list, name] = [prefix.slice(0, -1), attribute.slice(prefix.length)]
  const { pointer } = issue(name, 'change_superseded')
  return list === '' ? pointer : `/${list}${pointer}`
}
