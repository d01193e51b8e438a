import { isDeepStrictEqual } from 'node:util'
import { type Actor, type Attempt, Refusal, refuseIf } from './attempt.ts'
import type { Extras } from './change.ts'
import { type CustomEdit, type GrantPatch, grantLists, present, recorded } from './lists.ts'
import type { Of } from './operations.ts'
import { type Account, type Edit, REDACTED, type Values } from './world.ts'

const FOLLOWING = `locked_time locked_by approval_status_mod_time approval_status_mod_by is_approval_needed
  totp_last_step totp_is_proved`.split(/\s+/)
const GRANTS = ['roles', 'acls', 'groups']
const VALUE = 'attributes.'
const EXPIRY = 'expirations.'

/** What undoes a record of the trail (README, "Undoing a change"). @throws Refusal */
export function revertOf(attempt: Attempt, { record }: Of<'revert'>, actor: Actor, target: Account): Extras {
  refuseIf(!actor.isSuper && 'super_user_required')
  const entry = attempt.trail.find(({ cid }) => cid === record)
  if (entry?.target_id !== target.id) throw new Refusal('audit_record_unknown')
  const isWhole = ['create_user', 'create_super_user', 'delete_user'].includes(entry.operation)
  const changes = entry.changes.filter(({ attribute }) => !FOLLOWING.includes(attribute))
  refuseIf((entry.outcome !== 'ok' || isWhole || changes.length === 0) && 'change_irrevocable')
  refuseIf(changes.some(isUnclear) && 'change_irrevocable')

  const [values, expiries] = [VALUE, EXPIRY].map((prefix) =>
    changes.filter(({ attribute }) => attribute.startsWith(prefix)),
  )
  const grants = changes.filter(({ attribute }) => GRANTS.includes(attribute))
  const attributes = changes.filter((change) => ![...(values ?? []), ...(expiries ?? []), ...grants].includes(change))
  const custom = customBack(values ?? [], expiries ?? [])
  const isPast = ({ expires }: CustomEdit) => typeof expires === 'string' && Date.parse(expires) <= attempt.now
  refuseIf(custom.some(isPast) && 'change_irrevocable')
  return {
    data: Object.fromEntries(attributes.map(({ attribute, from }) => [attribute, from])),
    ...(grants.length > 0 ? { grants: grantsBack(grants) } : {}),
    ...(custom.length > 0 ? { custom } : {}),
    precondition: (account) => {
      const without = (values ?? [])
        .filter(({ from, attribute }) => from === null && !changes.some((one) => one.attribute === expiryOf(attribute)))
        .map(({ attribute }) => ({ attribute: expiryOf(attribute), to: null }))
      const isSuperseded = [...changes, ...without].some(
        ({ attribute, to }) => !isDeepStrictEqual(current(account, attribute, attempt.now), to),
      )
      refuseIf(isSuperseded && 'change_superseded')
    },
  }
}

/** What is secret is not in the record; null stands for a custom value and for none. */
function isUnclear({ attribute, from, to }: Edit): boolean {
  const isSecret = attribute === 'totp_key' || attribute === 'password' || from === REDACTED || to === REDACTED
  return isSecret || (attribute.startsWith(VALUE) && from === null && to === null)
}

function expiryOf(attribute: string): string {
  return EXPIRY + attribute.slice(VALUE.length)
}

function current(account: Account, attribute: string, now: number): unknown {
  if (GRANTS.includes(attribute)) return grantLists(account)[attribute]
  const custom = present(account.custom, now)
  if (attribute.startsWith(VALUE)) {
    const name = attribute.slice(VALUE.length)
    return recorded(name, custom[name])
  }
  if (attribute.startsWith(EXPIRY)) return custom[attribute.slice(EXPIRY.length)]?.expires ?? null
  return account.values[attribute]
}

function customBack(values: readonly Edit[], expiries: readonly Edit[]): CustomEdit[] {
  const edits = new Map<string, CustomEdit>()
  for (const { attribute, from } of values) {
    const name = attribute.slice(VALUE.length)
    edits.set(name, from === null ? { name, mode: 'remove' } : { name, mode: 'set', value: from })
  }
  for (const { attribute, from } of expiries) {
    const name = attribute.slice(EXPIRY.length)
    const edit = edits.get(name) ?? { name, mode: 'update' }
    if (edit.mode !== 'remove') edits.set(name, { ...edit, expires: from as string | null })
  }
  return [...edits.values()]
}

/** The patch that makes of each list what it was. */
function grantsBack(changes: readonly Edit[]): GrantPatch {
  const entries = (attribute: string, list: unknown) =>
    new Map(
      (list as readonly string[]).map((item): [string, string | true] => {
        const at = item.lastIndexOf('|')
        return attribute === 'roles' ? [item.slice(0, at), item.slice(at + 1)] : [item, true]
      }),
    )
  const patch: Values = {}
  for (const { attribute, from, to } of changes) {
    const [was, is] = [entries(attribute, from), entries(attribute, to)]
    const taken = [...is.keys()].filter((id) => !was.has(id)).map((id) => [id, null] as const)
    patch[attribute] = Object.fromEntries([...was, ...taken])
  }
  return patch as GrantPatch
}
