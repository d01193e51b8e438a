import { SsoError } from '../../errors.ts'
import type { Credentials } from '../context.ts'
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
  /** The account, looked up already with others; null for none. Absent: it is looked up now. */
  readonly found?: Account | null
  /** Who, beside super-users, may learn that there is no such account. Default: nobody. */
  readonly mayKnow?: (proof: Proof) => Promise<boolean>
}

/** The account that is meant. @throws SsoError `user_unknown` to those who may know, `super_user_required` to the others */
export async function findTarget(
  core: Core,
  { target, found: given, mayKnow }: Search,
  proof: Proof,
  attempt: Attempt,
): Promise<Account> {
  const found = given === undefined ? await lookUp(core, target, proof) : given
  attempt.target = found
    ? { id: found.values.user_id, name: found.values.username }
    : { id: target.by === 'id' && proof.actor.isSuperUser ? recordableId(target.userId) : null, name: null }
  if (found) return found
  throw new SsoError(proof.actor.isSuperUser || (await mayKnow?.(proof)) ? 'user_unknown' : 'super_user_required')
}

/** Who asks and who is meant, read by their names. */
interface Both {
  /** The accounts that the caller's name may be. */
  readonly named: readonly Account[]
  readonly target: Account | null
}

/**
 * One read for the caller and the target, where both are known by their usernames and his password may be remembered; null
 * where that is not so.
 */
export async function lookUpBoth(core: Core, credentials: Credentials, target: Target): Promise<Both | null> {
  if (core.memory === null || credentials.via !== 'password') return null
  const meant = nameIn(target)
  if (meant?.attribute !== 'username' || identityFault(credentials.username) !== null) return null
  const found = await core.store.findAccountsByEach('username', [credentials.username, meant.value])
  return { named: found.get(credentials.username) ?? [], target: onlyOf(found.get(meant.value)) }
}

/** The account of a name. A host's table may lack a unique index: a name that two accounts have names neither. */
export function onlyOf(named: readonly Account[] = []): Account | null {
  return named.length === 1 ? (named[0] ?? null) : null
}

async function lookUp(core: Core, target: Target, { actor, account }: Proof): Promise<Account | null> {
  if (target.by === 'self' || (target.by === 'id' && target.userId === actor.userId)) return account
  if (target.by === 'id') return core.store.findAccount(target.userId)
  if (target.attribute === 'username' && identityFault(target.value) !== null) return null
  return onlyOf(await core.store.findAccountsBy(target.attribute, target.value))
}

/** Accounts by what many targets name them by, in a read for each attribute; null for what names none. */
export async function lookUpEach(
  core: Core,
  targets: readonly Target[],
  { account }: Proof,
): Promise<(Account | null)[]> {
  const byAttribute = new Map<string, string[]>()
  for (const target of targets) {
    const named = nameIn(target)
    if (named) byAttribute.set(named.attribute, [...(byAttribute.get(named.attribute) ?? []), named.value])
  }
  const found = new Map<string, ReadonlyMap<string, readonly Account[]>>()
  for (const [attribute, values] of byAttribute) {
    found.set(attribute, await core.store.findAccountsByEach(attribute, values))
  }
  return targets.map((target) => {
    if (target.by === 'self') return account
    const named = nameIn(target)
    return named && onlyOf(found.get(named.attribute)?.get(named.value))
  })
}

/** What an account is looked up by; null for nothing that could be one's. */
function nameIn(target: Target): { readonly attribute: string; readonly value: string } | null {
  if (target.by === 'self') return null
  if (target.by === 'id') return { attribute: 'user_id', value: target.userId }
  return target.attribute === 'username' && identityFault(target.value) !== null ? null : target
}

// Numbers, UUIDs, and ids of our own making.
const ID = /^(-?\d{1,19}|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}|zusr[\da-z]{1,60})$/i

/** An id that nobody has, if it has the form of one; null for any other text, which may be a secret (ASVS 16.2.5). */
export function recordableId(userId: string): string | null {
  return ID.test(userId) ? userId : null
}
