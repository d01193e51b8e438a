import { SsoError } from '../../errors.ts'
import { isApproved } from '../accounts/state.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import type { Attempt } from '../operation.ts'
import { hashToken } from '../sessions/tokens.ts'
import type { Account, Columns, Reads } from '../store.ts'
import { throttled } from '../throttle/throttle.ts'

type ResetCredentials = Extract<Credentials, { via: 'reset' }>

/**
 * The account that a reset token is for. Outside a transaction wrong ones are counted (ASVS 2.4.1); in it, under the
 * account's lock, the token is looked for once more, so that it works once (ASVS 2.3.4, 6.5.1).
 *
 * @param reads the transaction; absent outside
 * @throws SsoError `reset_token_invalid`, `throttled`
 */
export async function verifyReset(
  core: Core,
  { token, key }: ResetCredentials,
  context: Context,
  attempt: Attempt,
  reads?: Reads,
): Promise<Account> {
  const find = async () => {
    const found = reads ?? core.store
    const reset = await found.findReset(hashToken(token))
    const account = reset && (await found.findAccount(reset.userId))
    if (account) attempt.target = { id: account.values.user_id, name: account.values.username }
    const isRight =
      reset && reset.expirationTime > context.now && reset.keyHash === (key === null ? null : hashToken(key))
    if (!account || !isRight || !isApproved(account)) throw new SsoError('reset_token_invalid')
    return account
  }
  // Each token is counted by itself, and all of them by the address.
  return reads ? find() : throttled(core, { username: token, context, purpose: 'reset token' }, find)
}

// A new password is what the token was for; a new name or address may be somebody else's, and who is kept out stays out.
const ENDING: readonly string[] = ['password', 'username', 'email', 'is_locked', 'approval_status', 'sign_up_status']

/** Whether a change of an account ends the reset that was begun before it. */
export function endsReset(columns: Columns): boolean {
  return ENDING.some((name) => Object.hasOwn(columns, name))
}
