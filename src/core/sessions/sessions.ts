import { SsoError } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import { isApproved } from '../accounts/state.ts'
import { type Operation, recordOf } from '../audit/record.ts'
import type { Core } from '../core.ts'
import type { Revocation } from '../hooks.ts'
import { type Attempt, attempted } from '../operation.ts'
import type { Account, Session, StateChange, Transaction } from '../store.ts'
import { authenticate, checkState, confirm, type Proof, requireSuperUser } from './gate.ts'
import { checkAlive, expirationOf } from './lifetime.ts'
import { hashToken } from './tokens.ts'

/** A session as it is shown: never its token, nor the hash of it. */
export interface SessionDetails {
  /** Names the session; opens nothing. */
  readonly id: string
  /** Account it belongs to. */
  readonly userId: string
  /** Username of the account. */
  readonly username: string
  /** When it was opened. */
  readonly creationTime: Date
  /** When it ends. */
  readonly expirationTime: Date
  /** Address that it was opened from. */
  readonly remoteAddr: string | null
  /** `User-Agent` that it was opened with. */
  readonly userAgent: string | null
  /** Application that it was opened from. */
  readonly app: string | null
  /** The latest entries of its history, oldest first; 100 at most. */
  readonly stateChanges: readonly StateChange[]
  /** Whether it is the caller's own. */
  readonly isCurrent: boolean
}

// Contract section 8.13: the list keeps the latest ones.
const MOST_STATE_CHANGES = 100

/** A session by its token, for super-users. @throws SsoError `session_unknown`, or what its owner's state demands */
export function readSession(core: Core, { targetUst, ...call }: Call & { targetUst: string }): Promise<SessionDetails> {
  return attempted(core, 'get_session', call.context, async (attempt) => {
    const proof = await authenticate(core, call.credentials, call.context, attempt)
    requireSuperUser(proof.actor)
    const { session, account } = await passing(core, targetUst, call, attempt)
    return shown(session, account, proof)
  })
}

/** Whether a token would be let in now; for super-users. Renews nothing, notes no use. */
export function verifySession(core: Core, { targetUst, ...call }: Call & { targetUst: string }): Promise<boolean> {
  return attempted(core, 'verify_session', call.context, async (attempt) => {
    const { actor } = await authenticate(core, call.credentials, call.context, attempt)
    requireSuperUser(actor)
    try {
      await passing(core, targetUst, call, attempt)
      return true
    } catch (error) {
      if (error instanceof SsoError && error.kind === 'refusal') return false
      throw error
    }
  })
}

/** Puts off the end of the caller's own session, and says when it ends now. */
export function renewSession(core: Core, { credentials, context }: Call): Promise<Date> {
  const operation = 'renew_session'
  return attempted(core, operation, context, async (attempt) => {
    const { actor, account } = await authenticate(core, credentials, context, attempt)
    if (credentials.via !== 'ust' || !account) throw new SsoError('session_unknown')
    attempt.target = nameOf(account)
    const hash = hashToken(credentials.ust)
    const { remoteAddr, userAgent } = context
    const entry: StateChange = { source: 'renew', time: context.now.toISOString(), remoteAddr, userAgent }
    const record = recordOf({ operation, context, actor, target: attempt.target }, [])

    const opened = await core.store.findSession(hash)
    if (!opened) throw new SsoError('session_unknown')
    // The host is asked before the transaction: on SQLite it could not read its own tables within.
    const expirationTime = await expirationOf(core, account, context, opened.session.creationTime)
    await core.store.transaction(async (transaction) => {
      // Under the account's lock, so that two renewals at once lose no entry of the history.
      await transaction.lockAccount(account.values.user_id)
      const found = await transaction.findSession(hash)
      if (!found) throw new SsoError('session_unknown')
      const history = [...found.session.stateChanges, entry].slice(-MOST_STATE_CHANGES)
      await transaction.renewSession(hash, expirationTime, history)
      await transaction.appendAudit(record)
    })
    core.trail.committed()
    return expirationTime
  })
}

/** Whose sessions an operation is about: one's own, an account's, or those of a token's owner. */
export type SessionsOf =
  | { readonly by: 'self' }
  | { readonly by: 'id'; readonly userId: string }
  | { readonly by: 'ust'; readonly ust: string }

/** Sessions that have not expired: one's own, or for super-users anybody's. */
export function listSessions(
  core: Core,
  { of, ...call }: Call & { of: SessionsOf },
): Promise<readonly SessionDetails[]> {
  return attempted(core, 'list_sessions', call.context, async (attempt) => {
    const proof = await authenticate(core, call.credentials, call.context, attempt)
    const owner = await ownerOf(core, of, proof, call, attempt)
    const sessions = await core.store.sessionsOf(owner.values.user_id, call.context.now)
    return sessions.map((session) => shown(session, owner, proof))
  })
}

/** Ends one session by its id. @throws SsoError `session_missing`, `super_user_required` */
export function endSession(core: Core, { of, id, ...call }: Call & { of: SessionsOf; id: string }): Promise<void> {
  return end(core, call, of, 'end_session', async (transaction, owner) => {
    if (!(await transaction.deleteSessionById(owner.values.user_id, id))) throw new SsoError('session_missing')
    return null
  })
}

/** Ends an account's sessions; one's own without the one that asks (ASVS 7.4.5, 7.5.2). */
export function endSessions(core: Core, { of, ...call }: Call & { of: SessionsOf }): Promise<void> {
  return end(core, call, of, 'end_sessions', async (transaction, owner, { actor }) => {
    const keepsCurrent = actor.userId === owner.values.user_id
    await transaction.deleteSessionsOf(owner.values.user_id, keepsCurrent ? actor.sessionHash : null)
    const { user_id, username } = owner.values
    const target = { user_id, username }
    return { operation: 'end_sessions', actor, target, keepsCurrent, context: call.context }
  })
}

/** Ends the sessions of everybody but the one that asks; super-users only (ASVS 7.4.5). */
export function endEverybodysSessions(core: Core, { credentials, context }: Call): Promise<void> {
  const operation = 'end_everybodys_sessions'
  return attempted(core, operation, context, async (attempt) => {
    const proof = await authenticate(core, credentials, context, attempt)
    requireSuperUser(proof.actor)
    const { actor } = proof
    await core.store.transaction(async (transaction) => {
      requireSuperUser(await confirm(core, credentials, proof, context, transaction))
      await transaction.deleteAllSessions(actor.sessionHash)
      await transaction.appendAudit(recordOf({ operation, context, actor, target: null }, []))
    })
    core.trail.committed()
    await core.hooks.revoked({ operation, actor, target: null, keepsCurrent: actor.userId !== null, context })
  })
}

function end(
  core: Core,
  call: Call,
  of: SessionsOf,
  operation: Operation,
  write: (transaction: Transaction, owner: Account, proof: Proof) => Promise<Revocation | null>,
): Promise<void> {
  const { credentials, context } = call
  return attempted(core, operation, context, async (attempt) => {
    const proof = await authenticate(core, credentials, context, attempt)
    const owner = await ownerOf(core, of, proof, call, attempt)
    const record = recordOf({ operation, context, actor: proof.actor, target: attempt.target }, [])
    const revocation = await core.store.transaction(async (transaction) => {
      const written = await write(transaction, owner, proof)
      await transaction.appendAudit(record)
      return written
    })
    core.trail.committed()
    if (revocation) await core.hooks.revoked(revocation)
  })
}

/** Whoever the sessions belong to. @throws SsoError `super_user_required`, `user_unknown`, `session_unknown` */
async function ownerOf(
  core: Core,
  of: SessionsOf,
  { actor, account }: Proof,
  call: Call,
  attempt: Attempt,
): Promise<Account> {
  const isOwn = of.by === 'self' || (of.by === 'id' && of.userId === actor.userId)
  if (!isOwn) requireSuperUser(actor)
  const owner = isOwn
    ? account
    : of.by === 'ust'
      ? (await passing(core, of.ust, call, attempt)).account
      : await core.store.findAccount((of as { userId: string }).userId)
  if (!owner) throw new SsoError('user_unknown')
  attempt.target = nameOf(owner)
  return owner
}

/** The session of a token that passes the whole gate. @throws SsoError `session_unknown`, or what its owner's state demands */
export async function passing(core: Core, ust: string, { context }: Call, attempt: Attempt) {
  const found = await core.store.findSession(hashToken(ust))
  if (!found || !isApproved(found.account)) throw new SsoError('session_unknown')
  attempt.target = nameOf(found.account)
  checkAlive(core, found.session, context)
  checkState(core, found.account, context)
  return found
}

function shown(session: Session, { values }: Account, { actor }: Proof): SessionDetails {
  const { hash, lastUseTime: _, ...details } = session
  return { ...details, username: values.username, isCurrent: hash === actor.sessionHash }
}

function nameOf({ values }: Account) {
  return { id: values.user_id, name: values.username }
}
