import { SsoError } from '../../errors.ts'
import type { Core } from '../core.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { Columns } from '../store.ts'
import { acceptCode, codeKeyOf } from './codes.ts'

/** A change, as far as one-time codes are concerned. */
export interface TotpChange {
  readonly before: StoredUser
  /** What was asked for. */
  readonly wanted: Columns
  /** What of it differs from the account, secrets in clear. */
  readonly columns: Columns
  /** Code of the key as it will be; null if none was sent. */
  readonly code: string | null
  readonly now: Date
}

/**
 * What follows from a new key, from switching one-time codes on, and from a code that came with the change. Codes are
 * switched on only for a key that has been proved, unless `totp.requireProof` is off: a key that nobody has in his app
 * would shut the account's owner out.
 *
 * @throws SsoError `totp_key_missing`, `totp_proof_missing`, `totp_invalid`
 */
export function totpColumns(core: Core, { before, wanted, columns, code, now }: TotpChange): Columns {
  const isNewKey = 'totp_key' in columns
  const isChanged = isNewKey || columns['is_totp_enabled'] === true
  const { totp_key: key, is_totp_enabled: isEnabled } = { ...before, ...columns } as StoredUser
  // ASVS 2.2.3: values must make sense together.
  if (isChanged && isEnabled && key === null) throw new SsoError('totp_key_missing')

  const followed = {
    // What the old key proved, and the steps it was used in, mean nothing for the new one.
    ...(isNewKey ? { totp_last_step: null, totp_is_proved: false } : {}),
    ...(code === null ? {} : acceptCode(core, isNewKey ? { key, lastStep: null } : codeKeyOf(core, before), code, now)),
  }
  const isProved = { ...before, ...followed }.totp_is_proved || !core.config.totp.requireProof
  if (!isChanged || !isEnabled || isProved) return followed
  if (wanted['is_totp_enabled'] === true) throw new SsoError('totp_proof_missing')
  return { ...followed, is_totp_enabled: false }
}
