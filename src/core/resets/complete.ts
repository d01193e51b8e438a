import { directRights } from '../accounts/rights.ts'
import { updateAccount } from '../accounts/update.ts'
import { recordOf } from '../audit/record.ts'
import type { Context } from '../context.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { authenticate, confirm } from '../sessions/gate.ts'
import { hashToken, newToken } from '../sessions/tokens.ts'
import type { Account } from '../store.ts'
import { codeMissing } from '../totp/codes.ts'

const MINUTE = 60_000
const CONDITIONS = { changesOwnPassword: true } as const

/**
 * Takes a token for a key, once; from then on a new password needs both (contract section 8.15).
 *
 * @throws SsoError `reset_token_invalid`, `throttled`, or what the account's state demands
 */
export function exchangeResetToken(
  core: Core,
  { context, token }: { context: Context; token: string },
): Promise<string> {
  const operation = 'exchange_reset_token'
  return attempted(core, operation, context, async (attempt) => {
    const credentials = { via: 'reset', token, key: null } as const
    const proof = await authenticate(core, credentials, context, attempt, CONDITIONS)
    const { actor } = proof
    const key = newToken()
    await core.store.transaction(async (transaction) => {
      await transaction.lockAccount(actor.userId ?? '')
      await confirm(core, credentials, proof, context, transaction, CONDITIONS)
      const hash = hashToken(token)
      const end = (await transaction.findReset(hash))?.expirationTime ?? context.now
      // The key has a time of its own, within that of the token.
      const keyEnd = new Date(context.now.getTime() + core.config.passwordReset.keyMinutes * MINUTE)
      await transaction.exchangeReset(hash, hashToken(key), keyEnd < end ? keyEnd : end)
      await transaction.appendAudit(recordOf({ operation, context, actor, target: attempt.target }, []))
    })
    core.trail.committed()
    return key
  })
}

/** A new password, by a token that was sent to the account's owner. */
export interface ResetCompletion {
  readonly context: Context
  readonly token: string
  /** Null where the token has not been taken for one. */
  readonly key: string | null
  readonly newPassword: string
  /** Code of the account's key for one-time codes; looked at where they are on. */
  readonly totpCode: string | null
}

/**
 * Sets the password and ends the token and all sessions of the account. Whatever else is refused leaves the token as it
 * was, to be tried again.
 *
 * @throws SsoError `reset_token_invalid`, `totp_missing`, `totp_invalid`, `throttled`, and all of the password policy
 */
export async function resetPassword(core: Core, completion: ResetCompletion): Promise<void> {
  const { context, token, key, newPassword, totpCode } = completion
  await updateAccount(core, {
    operation: 'reset_password',
    credentials: { via: 'reset', token, key },
    context,
    target: { by: 'self' },
    data: {},
    setsPassword: true,
    async prepare({ actor }, target) {
      const asksCode = ({ values }: Account) => core.config.passwordReset.requireTotp && values.is_totp_enabled
      const code = asksCode(target) ? totpCode : null
      // Whoever reads the owner's mail does not have his authenticator (ASVS 6.4.3).
      const checkFactor = (account: Account) => {
        if (asksCode(account) && code === null) throw codeMissing(core)
      }
      checkFactor(target)
      const password = { password: newPassword, oldPassword: null, expiryDays: null, settlesMustChange: true }
      return {
        rights: directRights(actor, target.values.user_id),
        extras: { password, totpCode: code },
        precondition: checkFactor,
      }
    },
  })
}
