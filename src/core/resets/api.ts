import { SsoError } from '../../errors.ts'
import { type CallerOn, type Calls, type Origin, text } from '../callers.ts'
import type { Core } from '../core.ts'
import { codeIn } from '../totp/api.ts'
import { resetPassword } from './complete.ts'
import { requestPasswordReset, type StartedReset, startPasswordReset } from './request.ts'

/** Resets of passwords, among the functions of `sso.user`. */
export interface ResetApi {
  /**
   * Has a token sent, by the hook `onPasswordReset`, to whoever the username or address belongs to. Resolves alike whether
   * or not there is such an account that may be used; what there is to do is done afterwards, `sso.flush()` waits for it.
   * An address that two accounts share names neither.
   *
   * @throws SsoError `throttled`, or `operation_invalid` without the hook
   */
  requestPasswordReset(
    input: Origin & {
      /** Name to log in with. */
      readonly username?: string
      /** Instead of it, the address as it is stored. */
      readonly email?: string
    },
  ): Promise<void>
  /**
   * Has a token sent to an account's owner, who chooses the password himself (ASVS 6.4.6); super-users only.
   *
   * @throws SsoError `super_user_required`, `user_unknown`, `operation_invalid` for an account that is locked or not
   *   approved, and without the hook
   */
  startPasswordReset(input: CallerOn): Promise<StartedReset>
  /**
   * Sets a password by a token that was sent; the token and all sessions of the account end. What else is refused may be
   * tried again with the same token.
   *
   * @throws SsoError `reset_token_invalid`, `totp_missing`, `totp_invalid`, `throttled`, `password_too_short` and its like
   */
  resetPassword(
    input: Origin & {
      /** As the hook got it. */
      readonly token: string
      /** In clear; the password policy applies. */
      readonly newPassword: string
      /** Code of the account's authenticator, where it has one. */
      readonly totpCode?: string
    },
  ): Promise<void>
}

/** @param calls how arguments become a context and credentials */
export function buildResetApi(core: Core, { contextOf, about }: Calls): ResetApi {
  return {
    async requestPasswordReset({ username, email, ...origin }) {
      const [attribute, name] = username === undefined ? (['email', email] as const) : (['username', username] as const)
      if (username !== undefined && email !== undefined) {
        throw new SsoError('input_invalid', { message: 'Either username or email.' })
      }
      if (name === undefined) throw new SsoError('input_missing', { message: 'Either username or email is required.' })
      const context = contextOf(origin)
      await requestPasswordReset(core, { context, by: [attribute], name: text(name, attribute) })
    },
    startPasswordReset: (input) => startPasswordReset(core, about(input)),
    resetPassword: ({ token, newPassword, totpCode, ...origin }) =>
      resetPassword(core, {
        context: contextOf(origin),
        token: text(token, 'token'),
        key: null,
        newPassword: text(newPassword, 'newPassword'),
        totpCode: codeIn(totpCode),
      }),
  }
}
