import { isDeepStrictEqual } from 'node:util'
import { type Actor, type Attempt, authenticate, checkState, Refusal, refuseIf, revoke } from './attempt.ts'
import { type CustomEdit, customised, type GrantPatch, grantChanges, granted } from './lists.ts'
import type { Reply, Terms } from './operations.ts'
import {
  ATTRIBUTES,
  accountNamed,
  namingFault,
  normal,
  passwordFault,
  takenFault,
  valueFault,
  visible,
} from './rules.ts'
import { type Account, canEnter, type Edit, lacksSuperUser, REDACTED, type Values } from './world.ts'

/** One change of one account. */
export interface Change {
  /** Null for the caller's own, `uid` by name. */
  readonly target: { readonly userId: string | null } | { readonly uid: string }
  readonly data: Values
  readonly terms: Terms
  readonly setsPassword?: boolean
  readonly refusesEmpty?: boolean
  /** What the operation has to say once actor and target are known. @throws Refusal */
  readonly prepare?: (actor: Actor, target: Account) => Extras
}

/** What is changed beside attributes. */
export interface Extras {
  readonly data?: Values
  readonly password?: { readonly new: string; readonly old: string | null; readonly days: number | null }
  readonly grants?: GrantPatch
  readonly custom?: readonly CustomEdit[]
  /** Must hold of the account that is written. @throws Refusal */
  readonly precondition?: (account: Account) => void
}

const DAY = 86_400_000

/** What the change does, or why not. The changes go into the trail. @throws Refusal */
export function change(attempt: Attempt, request: Change): { reply: Reply; changes: readonly Edit[] } {
  const { world, now } = attempt
  const actor = authenticate(attempt, request.setsPassword)
  const target = findTarget(attempt, request.target, actor)
  const extras = request.prepare?.(actor, target) ?? {}
  const isSelf = actor.id === target.id
  refuseIf(!isSelf && !actor.isSuper && 'super_user_required')
  if (!isSelf && actor.account) {
    checkState(actor.account, now)
    refuseIf(
      actor.via === 'password' && actor.account.values['password_must_change'] === true && 'password_must_change',
    )
  }
  const { data = request.data } = extras
  const names = Object.keys(data)
  refuseIf(request.refusesEmpty && names.length === 0 && 'nothing_to_update')
  refuseIf(namingFault(names, isSelf, actor.isSuper))
  const provesPassword = extras.password !== undefined && isSelf && actor.via !== 'password'
  const old = extras.password?.old ?? null
  refuseIf(provesPassword && (old === null || old !== target.password) && 'credentials_invalid')

  refuseIf(names.map((name) => valueFault(name, data[name])).find((fault) => fault !== null))
  const wanted = Object.fromEntries(names.map((name) => [name, normal(name, data[name])]))
  if (!provesPassword) checkReauth(attempt, request.terms, actor, touched(target, wanted, extras))
  refuseIf(takenFault(world, attempt.settings, wanted, target))
  refuseIf(extras.password && passwordFault(extras.password.new, { ...target.values, ...wanted }))

  return write(attempt, { request, extras, actor, target, wanted, names })
}

interface Plan {
  readonly request: Change
  readonly extras: Extras
  readonly actor: Actor
  readonly target: Account
  readonly wanted: Values
  readonly names: readonly string[]
}

function write(attempt: Attempt, { request, extras, actor, target, wanted, names }: Plan) {
  const { world, now } = attempt
  const { ifMatch, isDryRun } = request.terms
  if (ifMatch !== null && ifMatch !== '*') {
    refuseIf(ifMatch.shown !== JSON.stringify(visible(target.values, true)) && 'precondition_failed')
  }
  extras.precondition?.(target)

  const columns = { ...wanted, ...(extras.password ? passwordValues(extras.password.days, now) : {}) }
  const values = { ...target.values, ...columns }
  checkCodes(target.values, values)
  follow(target.values, values, actor, now)
  const differing = Object.keys(values).filter((name) => !isDeepStrictEqual(values[name], target.values[name]))
  const custom = customised(target.custom, extras.custom ?? [], now)
  const after: Account = {
    ...granted(target, extras.grants ?? {}),
    values,
    password: extras.password ? extras.password.new : target.password,
    custom: extras.custom ? custom.custom : target.custom,
  }
  const changes: Edit[] = [
    ...(extras.password ? [{ attribute: 'password', from: REDACTED, to: REDACTED }] : []),
    ...differing.map((name) => edit(name, target.values[name], values[name])),
    ...custom.changes,
    ...grantChanges(target, after),
  ]
  checkWaysIn(attempt, actor, target, after)
  if (changes.length > 0) checkHook(attempt)

  const isAsked = (name: string) => !(name in ATTRIBUTES) || names.includes(name)
  const reply: Reply = {
    error: null,
    changed: changes
      .map(({ attribute }) => attribute)
      .filter(isAsked)
      .sort(),
    user: visible(values, actor.isSuper),
  }
  if (!isDryRun) {
    world.accounts.set(target.id, after)
    const rules = differing.map((name) => ATTRIBUTES[name]?.revokes)
    revoke(attempt, target, extras.password ? [...rules, 'others'] : rules)
  }
  return { reply, changes }
}

/** Found by its id or name; whoever is no super-user does not hear that there is none. */
function findTarget(attempt: Attempt, target: Change['target'], actor: Actor): Account {
  const { accounts } = attempt.world
  const found =
    'uid' in target
      ? accountNamed(attempt.world, attempt.settings, target.uid)
      : target.userId === null
        ? actor.account
        : (accounts.get(target.userId) ?? null)
  const unknownId = 'userId' in target && actor.isSuper ? target.userId : null
  attempt.target = found ? { id: found.id, name: String(found.values['username']) } : { id: unknownId, name: null }
  if (!found) throw new Refusal(actor.isSuper ? 'user_unknown' : 'super_user_required')
  return found
}

/** What of the patch would differ, as far as can be told: what is encrypted always does. */
function touched(target: Account, wanted: Values, { password }: Extras): readonly string[] {
  const names = Object.keys(wanted).filter((name) => {
    const isSecret = name === 'totp_key' && (wanted[name] !== null || target.values[name] !== null)
    return isSecret || !isDeepStrictEqual(wanted[name], target.values[name])
  })
  return password ? [...names, 'password'] : names
}

function checkReauth({ operation, now }: Attempt, terms: Terms, actor: Actor, names: readonly string[]): void {
  if (operation.channel !== 'rest' || actor.via === 'code') return
  if (!names.some((name) => name === 'password' || ATTRIBUTES[name]?.reauth)) return
  if (terms.currentPassword !== null) {
    refuseIf(terms.currentPassword !== actor.account?.password && 'credentials_invalid')
  } else refuseIf(now - (actor.provedAt ?? 0) > 300_000 && 'reauth_required')
}

/** What is written with a new password, beside it. */
export function passwordValues(days: number | null, now: number): Values {
  return {
    password_is_set: true,
    password_last_set: new Date(now).toISOString(),
    password_expiry: days === null || days < 1 ? null : new Date(now + days * DAY).toISOString(),
  }
}

/** One-time codes are switched on for a key only that a code has proved, which no operation here does. */
export function checkCodes(before: Values | null, values: Values): void {
  const isEnabling = values['is_totp_enabled'] === true && before?.['is_totp_enabled'] !== true
  refuseIf(isEnabling && (values['totp_key'] === null ? 'totp_key_missing' : 'totp_proof_missing'))
}

/** What follows from a lock and from a decision. */
function follow(before: Values, values: Values, actor: Actor, now: number): void {
  const [by, time] = [actor.id ?? actor.name, new Date(now).toISOString()]
  if (values['is_locked'] !== before['is_locked']) Object.assign(values, { locked_time: time, locked_by: by })
  if (values['approval_status'] !== before['approval_status']) {
    Object.assign(values, {
      approval_status_mod_time: time,
      approval_status_mod_by: by,
      is_approval_needed: values['approval_status'] !== 'approved',
    })
  }
}

/** A change as the trail has it. */
export function edit(attribute: string, from: unknown, to: unknown): Edit {
  const shown = (value: unknown) => (attribute === 'totp_key' && value !== null ? REDACTED : value)
  return { attribute, from: shown(from), to: shown(to) }
}

/** Nobody shuts himself out, and the last super-user stays. */
export function checkWaysIn({ world }: Attempt, actor: Actor, before: Account, after: Account | null): void {
  const staysIn = after !== null && canEnter(after.values)
  if (!canEnter(before.values) || staysIn) return
  refuseIf(actor.id === before.id && 'operation_invalid')
  refuseIf(before.values['is_super_user'] === true && lacksSuperUser(world, before.id) && 'last_super_user')
}

/** The host's hook in the transaction. @throws Refusal */
export function checkHook({ operation: { fault } }: Attempt): void {
  if (fault?.at === 'hook') throw new Refusal(fault.isRefusal ? 'hook_refused' : 'internal')
}
