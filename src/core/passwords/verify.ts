import { SsoError } from '../../errors.ts'
import { isApproved } from '../accounts/state.ts'
import type { Core } from '../core.ts'
import type { Attempt } from '../operation.ts'
import { identityFault } from '../schema/text.ts'
import type { Account, Reads } from '../store.ts'

/**
 * The approved account that a username and password belong to. An unknown name costs one hash computation, as a known
 * one does, and is answered alike (ASVS 6.3.8).
 *
 * @throws SsoError `credentials_invalid`
 */
export async function verifyPassword(
  core: Core,
  username: string,
  password: string,
  reads: Reads,
  attempt: Attempt,
): Promise<Account> {
  const found = identityFault(username) === null ? await reads.findAccountsBy('username', username) : []
  // A host's table may lack a unique index; a name that two accounts have names neither.
  const account = found.length === 1 ? found[0] : undefined
  if (account) attempt.target = { id: account.values.user_id, name: account.values.username }

  const isRight = await matches(core, account ?? null, password)
  if (!account || !isRight || !isApproved(account)) throw new SsoError('credentials_invalid')
  return account
}

/** Whether the password is the account's. Always one hash computation. */
export async function matches(core: Core, account: Account | null, password: string): Promise<boolean> {
  const stored = account?.values.password
  // Made even where it is not needed: the first unknown name would otherwise take longer than a known one.
  const decoy = await core.decoyHash()
  const isRight = await core.hasher.verify(stored || decoy, password)
  return isRight && Boolean(stored)
}
