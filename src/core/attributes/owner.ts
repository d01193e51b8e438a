import { SsoError } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import { checkReach, directRights, type Rights } from '../accounts/rights.ts'
import { findTarget, type Target } from '../accounts/target.ts'
import type { Core } from '../core.ts'
import type { Attempt } from '../operation.ts'
import { type Proof, requireSuperUser } from '../sessions/gate.ts'
import { passing } from '../sessions/sessions.ts'
import { hashToken } from '../sessions/tokens.ts'
import type { AttributeOwner, Session } from '../store.ts'

/** Whose custom attributes a call is about: an account's, the caller's own session's, or those of a token's session. */
export type AttributesOf =
  | { readonly kind: 'account'; readonly target: Extract<Target, { by: 'self' | 'id' }> }
  | { readonly kind: 'session'; readonly ust: string | null }

/** The owner that was found, and what the actor may do there. */
export interface Found {
  readonly owner: AttributeOwner
  readonly rights: Rights
}

/** @throws SsoError `super_user_required`, `user_unknown`, `session_unknown` or what the session's owner's state demands */
export async function findOwner(
  core: Core,
  of: AttributesOf,
  proof: Proof,
  call: Call,
  attempt: Attempt,
): Promise<Found> {
  if (of.kind === 'session') {
    const { session, rights } = await findTargetSession(core, of.ust, proof, call, attempt)
    return { owner: { kind: 'session', id: session.hash }, rights }
  }
  const account = await findTarget(core, { target: of.target }, proof, attempt)
  const rights = directRights(proof.actor, account.values.user_id)
  checkReach(rights, account)
  return { owner: { kind: 'account', id: account.values.user_id }, rights }
}

/**
 * A session whose attributes the actor may reach: one of his own, or for super-users anybody's. Others do not learn
 * whether there is one.
 *
 * @param ust null for the session that the caller calls with
 */
export async function findTargetSession(
  core: Core,
  ust: string | null,
  { actor }: Proof,
  call: Call,
  attempt: Attempt,
): Promise<{ session: Session; rights: Rights }> {
  const own = call.credentials.via === 'ust' ? call.credentials.ust : null
  const token = ust ?? own
  if (token === null) throw new SsoError('session_unknown')
  if (token !== own && !actor.isSuperUser) {
    const found = await core.store.findSession(hashToken(token))
    if (found?.account.values.user_id !== actor.userId) requireSuperUser(actor)
  }
  const { session, account } = await passing(core, token, call, attempt)
  return { session, rights: directRights(actor, account.values.user_id) }
}
