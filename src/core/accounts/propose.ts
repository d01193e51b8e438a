import { isDeepStrictEqual } from 'node:util'
import { SsoError } from '../../errors.ts'
import { type CustomEdits, editsShown } from '../attributes/edits.ts'
import { type Operation, REDACTED } from '../audit/record.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { type GrantEdits, grantsShown } from '../grants/edits.ts'
import type { Attempt } from '../operation.ts'
import { passwordColumns } from '../passwords/columns.ts'
import { checkPassword } from '../passwords/policy.ts'
import { provePassword } from '../passwords/verify.ts'
import { wholeUser } from '../schema/access.ts'
import { mergePatch } from '../schema/merge-patch.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { Values } from '../schema/validate.ts'
import { authenticate, checkMustChange, checkState, type Proof } from '../sessions/gate.ts'
import type { Account, Columns } from '../store.ts'
import { checkReauth, type Demands } from './demands.ts'
import {
  checkAttributes,
  checkReach,
  directRights,
  mayChoosePassword,
  passwordForbidden,
  type Rights,
} from './rights.ts'
import { findTarget, lookUpBoth, type Search } from './target.ts'
import { hideSecrets, restoreSecrets } from './values.ts'

/** A password to be set, and what must hold before it is. */
export interface PasswordEdit {
  readonly password: string
  /** The present password; an own one needs it, unless the credentials were it. */
  readonly oldPassword: string | null
  /** Days until it expires; null for the configured number. */
  readonly expiryDays: number | null
  /** Whether it is the one that `password_must_change` waits for. Default false. */
  readonly settlesMustChange?: boolean
}

/** Everything that one update may change, beside attributes. */
export interface Extras {
  readonly password?: PasswordEdit
  readonly grants?: GrantEdits
  readonly custom?: CustomEdits
  /** Code of the account's key for one-time codes, which it proves; null or absent for none. */
  readonly totpCode?: string | null
}

/** What an operation with rules of its own has found out. */
export interface Prepared {
  readonly rights: Rights
  readonly extras: Extras
  /** Attributes by name, where the request cannot say them. */
  readonly data?: Values
  /** Must hold of the rows that are changed, in the transaction, beside what the caller demands. */
  readonly precondition?: Demands['precondition']
}

/** One change of one account. */
export interface UpdateRequest extends Search {
  readonly operation: Operation
  readonly credentials: Credentials
  /** The credentials, verified: once for all changes of a batch. Absent: they are verified now. */
  readonly proof?: Proof
  readonly context: Context
  readonly demands?: Demands
  /** Attributes by name; only own keys count, and null is a value. */
  readonly data: unknown
  readonly extras?: Extras
  /** Whether an update of nothing is an error. */
  readonly refusesEmpty?: boolean
  /** Whether `prepare` will ask for a new password. */
  readonly setsPassword?: boolean
  /** Number of the audit record that it undoes. */
  readonly reverts?: number
  /** Operations with rules of their own: runs once actor and account are known, before anything is validated. */
  readonly prepare?: (proof: Proof, target: Account) => Promise<Prepared>
}

/** The change as it will be tried, found outside the transaction. */
export interface Proposal {
  readonly proof: Proof
  readonly target: Account
  /** Attributes that the caller named. */
  readonly asked: readonly string[]
  readonly columns: Columns
  /** JSON attributes of `columns` that are merged into whatever is there when they are written. */
  readonly merges: Values
  readonly extras: Extras
  readonly precondition: Demands['precondition']
  /** The present password, where it was what allowed the change: it must be that still when it is written. Else null. */
  readonly provedBy: string | null
}

/** Who, on what, whether he may, whether it is valid: everything that can be known before the transaction. */
export async function propose(core: Core, request: UpdateRequest, attempt: Attempt): Promise<Proposal> {
  const { operation, credentials, context, demands = {} } = request
  const both = request.proof ? null : await lookUpBoth(core, credentials, request.target)
  const conditions = { ...conditionsOf(request), ...(both ? { named: both.named } : {}) }
  const proof = request.proof ?? (await authenticate(core, credentials, context, attempt, conditions))
  attempt.actor = proof.actor
  // Hashing a password takes its time: the target may be another by then.
  const search = both && proof.isRecalled ? { ...request, found: both.target } : request
  const target = await findTarget(core, search, proof, attempt)
  const prepared: Prepared = (await request.prepare?.(proof, target)) ?? {
    rights: directRights(proof.actor, target.values.user_id),
    extras: request.extras ?? {},
  }
  const { rights, extras, data = request.data, precondition } = prepared
  checkReach(rights, target)
  if (extras.password && !mayChoosePassword(core, proof.actor, rights)) throw passwordForbidden()
  // That an expired password lets its owner change it does not let him change others'.
  if (!rights.isSelf && proof.account) {
    checkState(core, proof.account, context)
    if (proof.actor.via === 'password') checkMustChange(core, proof.account)
  }

  const before = wholeUser(core.catalogue, target.values)
  const proposed = { operation, actor: proof.actor, before, context, isDryRun: demands.isDryRun ?? false }
  const keys = core.validator.keysOf(data)
  if (request.refusesEmpty && keys.length === 0) throw new SsoError('nothing_to_update')
  checkAttributes(core, rights, keys)
  const asked = { ...hideSecrets(core.catalogue, pick(data as Values, keys)), ...extrasShown(core, extras) }
  await core.hooks.authorize({ ...proposed, patch: asked })
  const provesPassword = needsOldPassword(extras, rights, proof)
  if (provesPassword) await checkOldPassword(core, extras, target, context)

  const merges = demands.merges ? jsonPatches(core, data as Values, keys) : {}
  const patch = core.validator.values({ ...(data as Values), ...merged(target, merges) }, keys)
  if (!provesPassword) await checkReauth(core, demands, namesOfChanges(target, patch, extras), proof, context)
  const seen = hideSecrets(core.catalogue, patch)
  const replaced = await core.hooks.before({ ...proposed, patch: seen })
  const values = replaced === seen ? patch : revalidate(core, rights, replaced, patch)
  await checkUnique(core, values, target)
  const password = await newPassword(core, extras, target, values, context)
  const remains = ([name]: [string, unknown]) => Object.hasOwn(values, name) && values[name] === patch[name]
  return {
    proof,
    target,
    extras,
    precondition,
    provedBy: provesPassword ? (extras.password?.oldPassword ?? null) : null,
    asked: Object.keys(values),
    columns: { ...password, ...values },
    merges: Object.fromEntries(Object.entries(merges).filter(remains)),
  }
}

/** What a hook returned is checked as if it had been sent. */
function revalidate(core: Core, rights: Rights, replaced: Values, patch: Values): Values {
  const keys = core.validator.keysOf(replaced)
  checkAttributes(core, rights, keys)
  return core.validator.values(restoreSecrets(core.catalogue, replaced, patch), keys)
}

/** Own passwords are changed with the present one (ASVS 6.2.3), unless that, or a reset token, proved the actor. */
function needsOldPassword({ password }: Extras, { isSelf }: Rights, { actor }: Proof): boolean {
  return password !== undefined && isSelf && actor.via !== 'password' && actor.via !== 'reset'
}

async function checkOldPassword(core: Core, { password }: Extras, target: Account, context: Context): Promise<void> {
  const oldPassword = password?.oldPassword ?? null
  if (oldPassword === null) throw new SsoError('credentials_invalid')
  await provePassword(core, target, oldPassword, context)
}

/** What a patch changes on the account; a form that is sent back whole changes little. */
function namesOfChanges({ values }: Account, patch: Values, { password }: Extras): readonly string[] {
  const names = Object.keys(patch).filter((name) => !isDeepStrictEqual(patch[name], values[name as keyof StoredUser]))
  return password ? [...names, 'password'] : names
}

/** The part of a patch that is to be merged rather than to replace what is there. */
function jsonPatches(core: Core, data: Values, keys: readonly string[]): Values {
  return pick(
    data,
    keys.filter((key) => core.catalogue.get(key)?.kind === 'json'),
  )
}

/** JSON attributes as they are on this account once the patches have been applied. */
export function merged({ values }: Account, patches: Values): Values {
  const results = Object.entries(patches).map(([name, patch]) => [
    name,
    mergePatch(values[name as keyof StoredUser], patch),
  ])
  return Object.fromEntries(results)
}

/** The pre-check of unique values; the index has the last word. */
async function checkUnique(core: Core, values: Values, target: Account): Promise<void> {
  for (const name of ['username', 'email'] as const) {
    const value = values[name]
    if (typeof value !== 'string' || value === target.values[name]) continue
    if (name === 'email' && !core.config.email.unique) continue
    if (await core.store.isTaken(name, value, target.values.user_id)) throw new SsoError(`${name}_taken`)
  }
}

/** Checks and hashes outside the transaction: both may take long. */
async function newPassword(core: Core, { password }: Extras, target: Account, values: Values, { now }: Context) {
  if (!password) return {}
  await checkPassword(core.config.password, password.password, { ...target.values, ...values })
  const columns = passwordColumns(core, await core.hasher.hash(password.password), now, password.expiryDays)
  return password.settlesMustChange ? { ...columns, password_must_change: false } : columns
}

/** What the session gate lets pass for this request. */
export function conditionsOf({ extras, setsPassword }: UpdateRequest) {
  return { changesOwnPassword: extras?.password !== undefined || setsPassword === true }
}

/** What is to be changed beside attributes, by the audit trail's names; secrets are `[redacted]`. */
function extrasShown(core: Core, { password, grants, custom }: Extras): Values {
  return {
    ...(password ? { password: REDACTED } : {}),
    ...(grants ? grantsShown(grants) : {}),
    ...(custom ? editsShown(core, custom) : {}),
  }
}

function pick(data: Values, keys: readonly string[]): Values {
  const picked: Record<string, unknown> = Object.create(null)
  for (const key of keys) picked[key] = data[key]
  return picked
}
