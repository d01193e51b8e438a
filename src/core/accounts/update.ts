import { SsoError } from '../../errors.ts'
import { applyCustom, type CustomEdits, editsShown } from '../attributes/edits.ts'
import { type AuditRecord, type Operation, REDACTED, recordOf } from '../audit/record.ts'
import type { Actor, Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { applyGrants, type GrantEdits, grantsShown, hasGrants } from '../grants/edits.ts'
import type { Change } from '../hooks.ts'
import { type Attempt, attempted } from '../operation.ts'
import { passwordColumns } from '../passwords/columns.ts'
import { checkPassword } from '../passwords/policy.ts'
import { matches } from '../passwords/verify.ts'
import { visible } from '../schema/access.ts'
import type { StoredUser, User } from '../schema/user.gen.ts'
import type { Values } from '../schema/validate.ts'
import { authenticate, checkMustChange, checkState, confirm, type Proof } from '../sessions/gate.ts'
import type { Account, Columns, Transaction } from '../store.ts'
import { checkAttributes, checkReach, directRights, type Rights, standingOf } from './rights.ts'
import { findTarget, type Search } from './target.ts'
import { changesBetween, columnsOf, encodeSecrets, hideSecrets, restoreSecrets } from './values.ts'

/** A password to be set, and what must hold before it is. */
export interface PasswordEdit {
  readonly password: string
  /** The present password; an own one needs it, unless the credentials were it. */
  readonly oldPassword: string | null
  /** Days until it expires; null for the configured number. */
  readonly expiryDays: number | null
}

/** Everything that one update may change, beside attributes. */
export interface Extras {
  readonly password?: PasswordEdit
  readonly grants?: GrantEdits
  readonly custom?: CustomEdits
}

/** One change of one account. */
export interface UpdateRequest extends Search {
  readonly operation: Operation
  readonly credentials: Credentials
  readonly context: Context
  /** Attributes by name; only own keys count, and null is a value. */
  readonly data: unknown
  readonly extras?: Extras
  /** Whether an update of nothing is an error. */
  readonly refusesEmpty?: boolean
  /** Whether `prepare` will ask for a new password. */
  readonly setsPassword?: boolean
  /**
   * Operations with rules of their own: runs once actor and account are known, before anything is validated, and
   * returns the extras.
   */
  readonly prepare?: (proof: Proof, target: Account) => Promise<{ rights: Rights; extras: Extras }>
}

/** What came of an update. */
export interface UpdateResult {
  /** The account after the update, as the actor may see it. */
  readonly user: User
  /** Names of what differs now; empty if there was nothing to do. */
  readonly changed: readonly string[]
}

/** The change as it will be tried, found outside the transaction. */
interface Proposal {
  readonly proof: Proof
  readonly target: Account
  /** Attributes that the caller named. */
  readonly asked: readonly string[]
  readonly columns: Columns
  readonly extras: Extras
}

/** Changes an account: the one flow for every operation and every dialect. */
export function updateAccount(core: Core, request: UpdateRequest): Promise<UpdateResult> {
  return attempted(core, request.operation, request.context, async (attempt) => {
    const proposal = await propose(core, request, attempt)
    const { change, record } = await commit(core, request, proposal)

    core.trail.deliver(record, request.context)
    await core.hooks.after(change)
    return resultOf(core, proposal, change)
  })
}

/** Who, on what, whether he may, whether it is valid: everything that can be known before the transaction. */
async function propose(core: Core, request: UpdateRequest, attempt: Attempt): Promise<Proposal> {
  const { operation, credentials, context, data } = request
  const proof = await authenticate(core, credentials, context, attempt, conditionsOf(request))
  const target = await findTarget(core, request, proof, attempt)
  const { rights, extras } = (await request.prepare?.(proof, target)) ?? {
    rights: directRights(proof.actor, target.values.user_id),
    extras: request.extras ?? {},
  }
  checkReach(rights, target)
  // That an expired password lets its owner change it does not let him change others'.
  if (!rights.isSelf && proof.account) {
    checkState(core, proof.account, context)
    if (proof.actor.via === 'password') checkMustChange(core, proof.account)
  }

  const before = shown(core, target.values)
  const proposed = { operation, actor: proof.actor, before, context }
  const keys = core.validator.keysOf(data)
  if (request.refusesEmpty && keys.length === 0) throw new SsoError('nothing_to_update')
  checkAttributes(core, rights, keys)
  const asked = { ...hideSecrets(core.catalogue, pick(data as Values, keys)), ...extrasShown(core, extras) }
  await core.hooks.authorize({ ...proposed, patch: asked })
  await checkOldPassword(core, extras, rights, proof, target)

  const patch = core.validator.values(data as object, keys)
  const seen = hideSecrets(core.catalogue, patch)
  const replaced = await core.hooks.before({ ...proposed, patch: seen })
  const values = replaced === seen ? patch : revalidate(core, rights, replaced, patch)
  await checkUnique(core, values, target)
  const password = await newPassword(core, extras, target, values, context)
  return { proof, target, extras, asked: Object.keys(values), columns: { ...password, ...values } }
}

/** Writes the change and its audit record together, or not at all. */
async function commit(core: Core, request: UpdateRequest, proposal: Proposal): Promise<Committed> {
  const touchesOthers = proposal.proof.actor.userId !== proposal.target.values.user_id
  const touchesLists =
    proposal.extras.custom !== undefined || (proposal.extras.grants && hasGrants(proposal.extras.grants))
  const needsLock = !core.store.isVersioned || touchesLists || proposal.extras.password !== undefined

  // The first try trusts the row that was read, and its version; after losing a race, the row is locked.
  const first = needsLock ? null : await tryCommit(core, request, proposal, { locks: false, confirms: touchesOthers })
  const committed = first ?? (await tryCommit(core, request, proposal, { locks: true, confirms: true }))
  if (!committed) throw new SsoError('concurrent_change')
  return committed
}

interface Committed {
  readonly change: Change
  readonly record: AuditRecord
}

function tryCommit(
  core: Core,
  request: UpdateRequest,
  { proof, target, columns: wanted, extras }: Proposal,
  { locks, confirms }: { locks: boolean; confirms: boolean },
): Promise<Committed | null> {
  const { operation, credentials, context } = request
  return core.store.transaction(async (transaction) => {
    const account = locks ? await transaction.lockAccount(target.values.user_id) : target
    if (!account) throw new SsoError('user_unknown')
    const actor = confirms
      ? await confirm(core, credentials, proof, context, transaction, conditionsOf(request))
      : proof.actor
    // Rights that were lost since the proposal was made (ASVS 8.3.2). Delegated ones rest on ACLs read just before.
    if (proof.actor.isSuperUser && !actor.isSuperUser) throw new SsoError('super_user_required')

    const before = account.values
    const columns = columnsOf(core, before, wanted, actor, context)
    if (Object.keys(columns).length > 0) {
      const isWritten = await transaction.updateAccount(account, encodeSecrets(core, columns))
      if (!isWritten) return null
    }
    await revokeSessions(core, transaction, account, actor, columns)
    const changes = [
      ...changesBetween(core.catalogue, before, columns),
      ...(await applyExtras(core, transaction, before.user_id, extras, context)),
    ]

    const after = { ...before, ...columns } as StoredUser
    const occasion = { operation, context, actor, target: { id: before.user_id, name: before.username } }
    const record = recordOf(occasion, changes, changes.length > 0 ? 'ok' : 'unchanged')
    await transaction.appendAudit(record)

    const change = changeOf(core, request, actor, before, after, record)
    if (changes.length > 0) await core.hooks.within(change, transaction.native)
    return { change, record }
  })
}

function conditionsOf({ extras, setsPassword }: UpdateRequest) {
  return { changesOwnPassword: extras?.password !== undefined || setsPassword === true }
}

/** What a hook returned is checked as if it had been sent. */
function revalidate(core: Core, rights: Rights, replaced: Values, patch: Values): Values {
  const keys = core.validator.keysOf(replaced)
  checkAttributes(core, rights, keys)
  return core.validator.values(restoreSecrets(core.catalogue, replaced, patch), keys)
}

/** Own passwords are changed with the present one (ASVS 6.2.3), unless that was what proved the actor. */
async function checkOldPassword(
  core: Core,
  { password }: Extras,
  { isSelf }: Rights,
  { actor }: Proof,
  target: Account,
): Promise<void> {
  if (!password || !isSelf || actor.via === 'password') return
  const isRight = password.oldPassword !== null && (await matches(core, target, password.oldPassword))
  if (!isRight) throw new SsoError('credentials_invalid')
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
  const { username, email } = { ...target.values, ...values } as StoredUser
  await checkPassword(core.config.password, password.password, { username, email })
  return passwordColumns(core, password.password, now, password.expiryDays)
}

async function revokeSessions(core: Core, transaction: Transaction, account: Account, actor: Actor, columns: Columns) {
  const revokes = Object.keys(columns).map((name) => core.catalogue.get(name)?.revokes ?? null)
  if (!core.config.password.revokeSessions || revokes.every((rule) => rule === null)) return
  const keepsOwn = !revokes.includes('all') && actor.userId === account.values.user_id
  await transaction.deleteSessionsOf(account.values.user_id, keepsOwn ? actor.sessionHash : null)
}

async function applyExtras(core: Core, transaction: Transaction, userId: string, extras: Extras, { now }: Context) {
  const { grants, custom } = extras
  const grantChanges =
    grants && hasGrants(grants)
      ? await applyGrants(transaction, userId, await transaction.grantsOf(userId), grants)
      : []
  const customChanges =
    custom && custom.size > 0
      ? await applyCustom(core, transaction, userId, await transaction.customAttributesOf(userId), custom, now)
      : []
  return [...customChanges, ...grantChanges]
}

function changeOf(
  core: Core,
  { operation, context }: UpdateRequest,
  actor: Actor,
  before: StoredUser,
  after: StoredUser,
  { changes }: AuditRecord,
): Change {
  const target = { user_id: before.user_id, username: after.username }
  return { operation, actor, target, before: shown(core, before), after: shown(core, after), changes, context }
}

function resultOf(core: Core, { proof, asked }: Proposal, { after, target, changes }: Change): UpdateResult {
  const standing = standingOf(proof.actor, target.user_id)
  // What follows from a change is in the audit record; the caller hears of what he asked for.
  const isAsked = (name: string) => !core.catalogue.has(name) || name === 'password' || asked.includes(name)
  return {
    user: visible(core.catalogue, after as StoredUser, standing),
    changed: changes.map(({ attribute }) => attribute).filter(isAsked),
  }
}

/** The account as hooks see it: everything but secrets. */
function shown(core: Core, values: StoredUser): User {
  return visible(core.catalogue, values, { isSelf: true, isSuperUser: true })
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
