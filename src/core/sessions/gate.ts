import { SsoError } from '../../errors.ts'
import { isApproved } from '../accounts/state.ts'
import { checkAddress } from '../addresses/lists.ts'
import type { Actor, Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import type { Attempt } from '../operation.ts'
import { verifyPassword } from '../passwords/verify.ts'
import { verifyReset } from '../resets/proof.ts'
import type { Account, Reads } from '../store.ts'
import { codeMissing } from '../totp/codes.ts'
import { checkAlive, noteUse } from './lifetime.ts'
import { hashToken } from './tokens.ts'

/** Verified credentials: who asks, and his account as it is now. */
export interface Proof {
  readonly actor: Actor
  /** Null for the host's own code. */
  readonly account: Account | null
  /** When the actor last proved himself by more than a token; null if that is not known. */
  readonly authenticatedAt: Date | null
  /** Whether he proved himself by a password that was remembered. */
  readonly isRecalled?: boolean
}

interface Conditions {
  /** An expired password, or one that must change, does not keep its owner from changing it. */
  readonly changesOwnPassword?: boolean
  /** Whether a password is the proof: a state that is not told then reads like a wrong password (ASVS 6.3.8). */
  readonly byPassword?: boolean
  /** Whether a session of somebody else's will begin with it: a password is then hashed each time. */
  readonly isLogin?: boolean
  /** Accounts of the caller's username, where they have been read just now. */
  readonly named?: readonly Account[]
  /** Where to read; default the store. */
  readonly reads?: Reads
}

/** Applications are checked before anything else is (contract section 4). @throws SsoError `app_invalid` */
export function checkApp(core: Core, { app }: Context): void {
  if (app !== null && !core.config.apps.includes(app)) throw new SsoError('app_invalid')
}

/**
 * The one way from credentials to an actor, for every dialect alike (ASVS 6.3.1, 8.3.1). The account is read on every
 * request, so that a lock or a loss of rights takes effect on the next one (ASVS 8.3.2).
 *
 * @throws SsoError `app_invalid`, `session_unknown`, `credentials_invalid`, or what the account's state demands
 */
export async function authenticate(
  core: Core,
  credentials: Credentials,
  context: Context,
  attempt: Attempt,
  conditions: Conditions = {},
): Promise<Proof> {
  checkApp(core, context)
  const proof = await prove(core, credentials, context, attempt, conditions)
  attempt.actor = proof.actor
  return proof
}

async function prove(
  core: Core,
  credentials: Credentials,
  context: Context,
  attempt: Attempt,
  conditions: Conditions,
): Promise<Proof> {
  const reads = conditions.reads ?? core.store
  switch (credentials.via) {
    case 'code':
      return { actor: codeActor(credentials.name), account: null, authenticatedAt: null }

    case 'ust': {
      const hash = hashToken(credentials.ust)
      const found = await reads.findSession(hash)
      if (!found || !isApproved(found.account)) throw new SsoError('session_unknown')
      checkAlive(core, found.session, context)
      attempt.actor = actorOf(found.account, 'ust', hash)
      checkOwner(core, found.account, context, conditions)
      if (!conditions.reads) await noteUse(core, found.session, context)
      return { actor: attempt.actor, account: found.account, authenticatedAt: found.session.creationTime }
    }

    case 'password': {
      // Where a code cannot be sent, the second factor must not be left out (ASVS 6.3.1).
      const checkCode = ({ values }: Account) => {
        if (values.is_totp_enabled) throw codeMissing(core)
      }
      const memory = conditions.isLogin ? null : core.memory
      const { named } = conditions
      const verified = await verifyPassword(core, credentials, context, attempt, { checkCode, memory, named })
      const { account, isRecalled } = verified
      checkOwner(core, account, context, { ...conditions, byPassword: true })
      if (!conditions.changesOwnPassword) checkMustChange(core, account)
      return { actor: actorOf(account, 'password', null), account, authenticatedAt: context.now, isRecalled }
    }

    case 'host': {
      const account = await reads.findAccount(credentials.userId)
      if (!account || !isApproved(account)) throw new SsoError('not_allowed')
      const actor = actorOf(account, 'host', null)
      attempt.actor = { ...actor, isSuperUser: credentials.isSuperUser ?? actor.isSuperUser }
      checkOwner(core, account, context, conditions)
      return { actor: attempt.actor, account, authenticatedAt: credentials.authenticatedAt ?? null }
    }

    case 'reset': {
      const account = await verifyReset(core, credentials, context, attempt, conditions.reads)
      checkOwner(core, account, context, conditions)
      // A token is for one password, whoever its owner is.
      const actor = { ...actorOf(account, 'reset', null), isSuperUser: false }
      return { actor, account, authenticatedAt: context.now }
    }
  }
}

/**
 * Repeats the proof in the transaction, so that the change is authorised by the rows that it is written beside. A
 * password has been hashed once; that the hash is still the same is enough.
 */
export async function confirm(
  core: Core,
  credentials: Credentials,
  proof: Proof,
  context: Context,
  reads: Reads,
  conditions: Conditions = {},
): Promise<Actor> {
  if (credentials.via !== 'password') {
    const attempt: Attempt = { actor: null, target: null }
    return (await prove(core, credentials, context, attempt, { ...conditions, reads })).actor
  }
  const account = proof.actor.userId === null ? null : await reads.findAccount(proof.actor.userId)
  if (!account || !isApproved(account) || account.values.password !== proof.account?.values.password) {
    throw new SsoError('credentials_invalid')
  }
  checkState(core, account, context, { ...conditions, byPassword: true })
  return actorOf(account, 'password', null)
}

/**
 * The rest of the session gate, in its order (contract section 6), for whoever has proved himself.
 *
 * @throws SsoError `not_allowed` for his address, or what the account's state demands
 */
export function checkOwner(core: Core, account: Account, context: Context, conditions: Conditions = {}): void {
  checkAddress(core.config.addresses, account.values, context)
  checkState(core, account, context, conditions)
}

/** Whether an account can be used at all, whoever asks. @throws SsoError what its state demands */
export function checkState(core: Core, { values }: Account, { now }: Context, conditions: Conditions = {}): void {
  const { inform } = core.config
  // Only the host's own program sets it, so what it says to whom is up to the host.
  if (!values.is_active) throw new SsoError('not_allowed')
  const untold = conditions.byPassword ? 'credentials_invalid' : 'not_allowed'
  if (values.is_locked) throw new SsoError(inform.locked ? 'account_locked' : untold)
  if (values.sign_up_status !== 'final') throw new SsoError(inform.notConfirmed ? 'sign_up_not_final' : untold)
  const isExpired = values.password_expiry !== null && now > values.password_expiry
  if (isExpired && !conditions.changesOwnPassword) {
    throw new SsoError(inform.passwordExpired ? 'password_expired' : 'not_allowed')
  }
}

/** A password that must change proves its owner for nothing but that. @throws SsoError `password_must_change` */
export function checkMustChange(core: Core, { values }: Account): void {
  if (!values.password_must_change) return
  throw new SsoError(core.config.inform.passwordMustChange ? 'password_must_change' : 'credentials_invalid')
}

/** @throws SsoError `super_user_required` */
export function requireSuperUser({ isSuperUser }: Actor): void {
  if (!isSuperUser) throw new SsoError('super_user_required')
}

/** The actor that an account's owner is. */
export function actorOf({ values }: Account, via: Actor['via'], sessionHash: string | null): Actor {
  return { via, userId: values.user_id, name: values.username, isSuperUser: values.is_super_user, sessionHash }
}

/** The actor that the host's own program is. */
export function codeActor(name: string): Actor {
  return { via: 'code', userId: null, name, isSuperUser: true, sessionHash: null }
}
