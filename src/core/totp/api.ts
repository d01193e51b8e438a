import { SsoError } from '../../errors.ts'
import type { Target } from '../accounts/target.ts'
import { type Caller, type Calls, text } from '../callers.ts'
import type { Core } from '../core.ts'
import type { HostAttributes } from '../schema/user.ts'
import { setTotpKey, type TotpKeyResult, validateTotpCode } from './operations.ts'

/** One-time codes, among the functions of `sso.user`. */
export interface TotpApi<Attrs extends object = HostAttributes> {
  /**
   * Sets the key of one-time codes, one's own or, by a super-user, anybody's. Where `totp.requireProof` holds, a new key
   * without a code of it switches `is_totp_enabled` off, until `updateCurrentUser` switches it on with one.
   *
   * @throws SsoError `input_invalid` for a key that is not base32, `totp_invalid`, `encryption_key_missing`
   */
  setTotpKey(
    input: Caller & {
      /** Default: the caller's own account. */
      readonly userId?: string | number
      /** 16 to 64 characters of base32. Default, also if null or empty: 160 random bits. */
      readonly totpKey?: string | null
      /** Label in authenticator apps; null or empty for none. Default: as it was. */
      readonly totpLabel?: string | null
      /** Code of that key, which proves it. */
      readonly totpCode?: string
    },
  ): Promise<TotpKeyResult<Attrs>>
  /**
   * Whether a one-time code is the account's, whether or not codes are enabled; it is used up, and proves the key.
   * One's own account, or by a super-user that of an id or username.
   *
   * @throws SsoError as `getUserById`
   */
  validateTotpCode(
    input: Caller & {
      /** Six digits. */
      readonly code: string
      /** Default: the caller's own account. */
      readonly userId?: string | number
      /** Instead of an id. */
      readonly username?: string
    },
  ): Promise<{
    /** Whether it was accepted. */
    readonly isValid: boolean
  }>
}

/** @param calls how arguments become a context and credentials */
export function buildTotpApi(core: Core, { call }: Calls): TotpApi {
  return {
    setTotpKey: ({ userId, totpKey, totpLabel, totpCode, ...caller }) =>
      setTotpKey(core, {
        ...call(caller as Caller),
        target: targetOf(userId),
        totpKey: totpKey ?? null,
        totpLabel,
        totpCode: codeIn(totpCode),
      }),
    validateTotpCode: async ({ code, userId, username, ...caller }) => ({
      isValid: await validateTotpCode(core, {
        ...call(caller as Caller),
        target: targetOf(userId, username),
        totpCode: text(code, 'code'),
      }),
    }),
  }
}

/** A code that was sent; an empty one is as good as none (contract section 2). */
export function codeIn(totpCode: string | undefined): string | null {
  return totpCode === undefined ? null : text(totpCode, 'totpCode') || null
}

function targetOf(userId: string | number | undefined, username?: string): Target {
  if (userId !== undefined && username !== undefined) {
    throw new SsoError('input_invalid', { message: 'Either userId or username.' })
  }
  if (username !== undefined) return { by: 'attribute', attribute: 'username', value: text(username, 'username') }
  return userId === undefined ? { by: 'self' } : { by: 'id', userId: String(userId) }
}
