import { SsoError } from '../../errors.ts'
import type { Core } from '../core.ts'
import type { Attempt } from '../operation.ts'
import { identityFault } from '../schema/text.ts'
import type { Proof } from '../sessions/gate.ts'
import type { Account } from '../store.ts'

/** Which account an operation is about. */
export type Target =
  | { readonly by: 'self' }
  | { readonly by: 'id'; readonly userId: string }
  | { readonly by: 'attribute'; readonly attribute: string; readonly value: string }

/** Which account, and who may hear that there is none. */
export interface Search {
  readonly target: Target
  /** Who, beside super-users, may learn that there is no such account. Default: nobody. */
  readonly mayKnow?: (proof: Proof) => Promise<boolean>
}

/** The account that is meant. @throws SsoError `user_unknown` to those who may know, `super_user_required` to the others */
export async function findTarget(
  core: Core,
  { target, mayKnow }: Search,
  proof: Proof,
  attempt: Attempt,
): Promise<Account> {
  const found = await lookUp(core, target, proof)
  attempt.target = found
    ? { id: found.values.user_id, name: found.values.username }
    : { id: target.by === 'id' && proof.actor.isSuperUser ? recordableId(target.userId) : null, name: null }
  if (found) return found
  throw new SsoError(proof.actor.isSuperUser || (await mayKnow?.(proof)) ? 'user_unknown' : 'super_user_required')
}

async function lookUp(core: Core, target: Target, { actor, account }: Proof): Promise<Account | null> {
  if (target.by === 'self' || (target.by === 'id' && target.userId === actor.userId)) return account
  if (target.by === 'id') return core.store.findAccount(target.userId)
  if (target.attribute === 'username' && identityFault(target.value) !== null) return null
  const [found, another] = await core.store.findAccountsBy(target.attribute, target.value)
  return another ? null : (found ?? null)
}

// Numbers, UUIDs, and ids of our own making.
const ID = /^(-?\d{1,19}|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}|zusr[\da-z]{1,60})$/i

/** An id that nobody has, if it has the form of one; null for any other text, which may be a secret (ASVS 16.2.5). */
export function recordableId(userId: string): string | null {
  return ID.test(userId) ? userId : null
}
