import { SsoError } from '../../errors.ts'
import { canEnter, isApproved } from '../accounts/state.ts'
import { onlyOf } from '../accounts/target.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import type { Attempt } from '../operation.ts'
import { identityFault } from '../schema/text.ts'
import type { Account } from '../store.ts'
import { throttled } from '../throttle/throttle.ts'
import type { Memory } from './memory.ts'

/** How a password is verified. */
interface Manner {
  /** Throws unless what must be beside the password is right: a second guess would otherwise be free. */
  readonly checkCode: (account: Account) => void
  /** Null where the password is neither recalled nor remembered. */
  readonly memory: Memory | null
  /** Accounts of the name, where they have been read just now. */
  readonly named?: readonly Account[] | undefined
}

/** Whose password it is. */
interface Verified {
  readonly account: Account
  /** Whether it was remembered, and not hashed. */
  readonly isRecalled: boolean
}

/**
 * The approved account that a username and password belong to. An unknown name costs one hash computation, as a known
 * one does, and is answered alike (ASVS 6.3.8); a right password that `memory` recalls costs none. Not for use in a
 * transaction.
 *
 * @throws SsoError `credentials_invalid`, `throttled`, or what `checkCode` throws
 */
export async function verifyPassword(
  core: Core,
  { username, password }: Omit<Extract<Credentials, { via: 'password' }>, 'via'>,
  context: Context,
  attempt: Attempt,
  { checkCode, memory, named }: Manner,
): Promise<Verified> {
  const isName = identityFault(username) === null
  const found = isName ? (named ?? (await core.store.findAccountsBy('username', username))) : []
  const account = onlyOf(found)
  if (account) attempt.target = { id: account.values.user_id, name: account.values.username }

  // The account's own name: a host's column may find it by others, which would each be counted apart.
  const guess = { username: account?.values.username ?? username, context, isFullProof: true }
  const { remoteAddr } = context
  const claim = { username: guess.username, password, hash: account?.values.password ?? '', remoteAddr }
  if (memory?.recalls(claim) && account && isUnhindered(account)) return { account, isRecalled: true }

  const verified = await throttled(core, guess, async () => {
    const isRight = await matches(core, account, password)
    if (!account || !isRight || !isApproved(account)) throw new SsoError('credentials_invalid')
    checkCode(account)
    return account
  })
  memory?.remember(claim)
  return { account: verified, isRecalled: false }
}

/** Where the account's state refuses even the right password, that takes the work of a wrong one, and is counted alike. */
function isUnhindered({ values }: Account): boolean {
  return canEnter(values) && !values.is_totp_enabled && !values.password_must_change
}

/** Checks a password that somebody who is known already sends once more. @throws SsoError `throttled`, or `wrong` */
export async function provePassword(
  core: Core,
  account: Account,
  password: string,
  context: Context,
  wrong = new SsoError('credentials_invalid'),
): Promise<void> {
  await throttled(core, { username: account.values.username, context }, async () => {
    if (!(await matches(core, account, password))) throw wrong
  })
}

/** Whether the password is the account's. Always one hash computation. */
export async function matches(core: Core, account: Account | null, password: string): Promise<boolean> {
  const stored = account?.values.password
  // Made even where it is not needed: the first unknown name would otherwise take longer than a known one.
  const decoy = await core.decoyHash()
  const isRight = await core.hasher.verify(stored || decoy, password)
  return isRight && Boolean(stored)
}
