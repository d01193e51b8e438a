import { SsoError } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import type { Target } from '../accounts/target.ts'
import { type UpdateResult, updateAccount } from '../accounts/update.ts'
import type { Core } from '../core.ts'
import type { HostAttributes } from '../schema/user.ts'
import { newTotpKey, totpUri } from './codes.ts'

/** A new key for one-time codes (contract section 8.8). */
export interface TotpKeyChange extends Call {
  readonly target: Target
  /** Base32; null or empty for one that is generated. */
  readonly totpKey: string | null
  /** Null or empty for none; undefined leaves it as it is. */
  readonly totpLabel: string | null | undefined
  /** Code of that key, which proves it; null for none. */
  readonly totpCode: string | null
}

/** What came of setting a key. */
export interface TotpKeyResult<Attrs extends object = HostAttributes> extends UpdateResult<Attrs> {
  /** The key, base32. It is stored encrypted, and cannot be had again. */
  readonly totpKey: string
  /** The key as authenticator apps read it from a QR code: `otpauth://totp/...`, with the option `totp.issuer`. */
  readonly uri: string
}

/** Anybody sets his own key, a super-user everybody's. @throws SsoError `input_invalid` for what is no base32 */
export async function setTotpKey(core: Core, change: TotpKeyChange): Promise<TotpKeyResult> {
  const { totpKey, totpLabel, totpCode, ...call } = change
  const key = totpKey || newTotpKey()
  const label = totpLabel === undefined ? {} : { totp_label: totpLabel || null }
  const result = await updateAccount(core, {
    ...call,
    operation: 'set_totp_key',
    data: { totp_key: key, ...label },
    extras: { totpCode },
  })
  return { ...result, totpKey: key, uri: totpUri(core, key, result.user.totp_label || result.user.username) }
}

/** A code to be checked. */
export interface CodeCheck extends Call {
  readonly target: Target
  readonly totpCode: string
}

/** Whether the code is the account's. It is used up, and proves the key; a wrong one is recorded as a refusal. */
export async function validateTotpCode(core: Core, { totpCode, ...call }: CodeCheck): Promise<boolean> {
  try {
    await updateAccount(core, { ...call, operation: 'validate_totp_code', data: {}, extras: { totpCode } })
    return true
  } catch (error) {
    if (error instanceof SsoError && error.code === 'totp_invalid') return false
    throw error
  }
}
