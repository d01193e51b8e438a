import { SsoError } from '../../errors.ts'
import { applyCustom } from '../attributes/edits.ts'
import { type AttributeChange, type AuditRecord, recordOf } from '../audit/record.ts'
import type { Actor, Context } from '../context.ts'
import type { Core } from '../core.ts'
import { applyGrants, hasGrants } from '../grants/edits.ts'
import type { Change } from '../hooks.ts'
import { matches } from '../passwords/verify.ts'
import { endsReset } from '../resets/proof.ts'
import { wholeUser } from '../schema/access.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import { confirm } from '../sessions/gate.ts'
import type { Account, Columns, Transaction } from '../store.ts'
import { inTransaction } from './demands.ts'
import { conditionsOf, type Extras, merged, type Proposal, type UpdateRequest } from './propose.ts'
import { checkWaysIn, takesSuperUser } from './super-users.ts'
import { changesBetween, columnsOf, encodeSecrets } from './values.ts'

/** Writes the change and its audit record together, or not at all. */
export async function commit(core: Core, request: UpdateRequest, proposal: Proposal): Promise<Committed> {
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

/** What was written, or would have been. */
export interface Committed {
  readonly change: Change
  /** The account after the change, secrets included. */
  readonly after: StoredUser
  /** Whether the session that asked goes on where others were ended; null if none were. */
  readonly keepsCurrent: boolean | null
}

function tryCommit(
  core: Core,
  request: UpdateRequest,
  proposal: Proposal,
  { locks, confirms }: { locks: boolean; confirms: boolean },
): Promise<Committed | null> {
  const { proof, target } = proposal
  const { credentials, context, demands = {} } = request
  return inTransaction(core, demands, async (transaction) => {
    if (takesSuperUser(target.values, proposal.columns)) await transaction.lockSuperUsers()
    const account = locks ? await transaction.lockAccount(target.values.user_id) : target
    const actor = confirms
      ? await confirm(core, credentials, proof, context, transaction, conditionsOf(request))
      : proof.actor
    // After that: whose own account has just been deleted has no session any more, and is told so.
    if (!account) throw new SsoError('user_unknown')
    return apply(core, request, proposal, { ...writingIn(transaction), account, actor })
  })
}

/** Where a proposal is written. */
export interface Writing {
  readonly transaction: Transaction
  /** The account as it is: locked, or of the version that the proposal was made for. */
  readonly account: Account
  /** Who asks, as he is now. */
  readonly actor: Actor
  /** Writes changed columns, at once or before the transaction ends. False if the account is another by now. */
  readonly update: (account: Account, columns: Columns) => Promise<boolean> | boolean
  /** Takes the audit record, which is written at once or before the transaction ends. */
  readonly append: (record: AuditRecord) => Promise<void> | void
}

/** Everything is written at once. */
export function writingIn(transaction: Transaction): Pick<Writing, 'transaction' | 'update' | 'append'> {
  return {
    transaction,
    update: (account, columns) => transaction.updateAccount(account, columns),
    append: (record) => transaction.appendAudit(record),
  }
}

/** Writes what was proposed in a transaction. Null if the account is not the one that was read, any more. */
export async function apply(
  core: Core,
  request: UpdateRequest,
  { proof, target, columns: wanted, merges, extras, precondition, provedBy }: Proposal,
  { transaction, account, actor, update, append }: Writing,
): Promise<Committed | null> {
  const { operation, context, demands = {} } = request
  // Rights that were lost since the proposal was made (ASVS 8.3.2). Delegated ones rest on ACLs read just before.
  if (proof.actor.isSuperUser && !actor.isSuperUser) throw new SsoError('super_user_required')

  if (provedBy !== null) await confirmPassword(core, account, target, provedBy)

  await demands.precondition?.(account, transaction)
  await precondition?.(account, transaction)

  const before = account.values
  const latest = { ...wanted, ...remerged(core, account, target, merges) }
  const columns = columnsOf(core, before, latest, actor, context, extras.totpCode)
  if (Object.keys(columns).length > 0) {
    const isWritten = await update(account, encodeSecrets(core, columns))
    if (!isWritten) return null
  }
  const keepsCurrent = await revokeSessions(core, transaction, account, actor, columns)
  if (actor.via === 'reset' || endsReset(columns)) await transaction.deleteReset(before.user_id)
  const changes = [
    ...changesBetween(core.catalogue, before, columns),
    ...(await applyExtras(core, transaction, before.user_id, extras, context)),
  ]

  await demands.inspect?.(transaction, before.user_id)
  const readBack = demands.readsBack ? await transaction.findAccount(before.user_id) : null
  const after = readBack?.values ?? ({ ...before, ...columns } as StoredUser)
  await checkWaysIn(transaction, actor, before, after)
  const occasion = { operation, context, actor, target: { id: before.user_id, name: before.username } }
  await append(recordOf(occasion, changes, changes.length > 0 ? 'ok' : 'unchanged'))

  const change = changeOf(core, request, actor, before, after, changes)
  if (changes.length > 0) await core.hooks.within(change, transaction.native)
  return { change, after, keepsCurrent }
}

/**
 * Of two changes at once the second must not go by a password that the first has replaced. Another hash of the same
 * password, which a login may have made, is no change.
 *
 * @throws SsoError `credentials_invalid`
 */
async function confirmPassword(core: Core, account: Account, verified: Account, password: string): Promise<void> {
  if (account.values.password === verified.values.password) return
  if (!(await matches(core, account, password))) throw new SsoError('credentials_invalid')
}

/** What the row that is locked holds may differ from what the patch was merged with before. */
function remerged(core: Core, account: Account, target: Account, merges: Columns): Columns {
  const names = Object.keys(merges)
  return account === target || names.length === 0 ? {} : core.validator.values(merged(account, merges), names)
}

/** Ends the sessions that a change ends; says whether it has kept the one that asks, null if it ended none. */
async function revokeSessions(
  core: Core,
  transaction: Transaction,
  account: Account,
  actor: Actor,
  columns: Columns,
): Promise<boolean | null> {
  const revokes = Object.keys(columns).map((name) => core.catalogue.get(name)?.revokes ?? null)
  // Who has forgotten his password has no session of his own to go on with.
  if (actor.via === 'reset') revokes.push('all')
  if (!core.config.session.revokeOnChange || revokes.every((rule) => rule === null)) return null
  const keepsOwn = !revokes.includes('all') && actor.userId === account.values.user_id
  await transaction.deleteSessionsOf(account.values.user_id, keepsOwn ? actor.sessionHash : null)
  return keepsOwn
}

/** Writes grants and custom attributes of an account that is locked, or new. */
export async function applyExtras(
  core: Core,
  transaction: Transaction,
  userId: string,
  extras: Extras,
  { now }: Context,
) {
  const { grants, custom } = extras
  const grantChanges =
    grants && hasGrants(grants)
      ? await applyGrants(transaction, userId, await transaction.grantsOf(userId), grants)
      : []
  const customChanges =
    custom && custom.size > 0 ? await applyCustom(core, transaction, { kind: 'account', id: userId }, custom, now) : []
  return [...customChanges, ...grantChanges]
}

function changeOf(
  core: Core,
  { operation, context, demands, reverts }: UpdateRequest,
  actor: Actor,
  before: StoredUser,
  after: StoredUser,
  changes: readonly AttributeChange[],
): Change {
  return {
    operation,
    actor,
    target: { user_id: before.user_id, username: after.username },
    before: wholeUser(core.catalogue, before),
    after: wholeUser(core.catalogue, after),
    changes,
    context,
    isDryRun: demands?.isDryRun ?? false,
    ...(reverts === undefined ? {} : { reverts }),
  }
}
