import { Secret, TOTP } from 'otpauth'
import { SsoError } from '../../errors.ts'
import type { Core } from '../core.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { Columns } from '../store.ts'

/** What a code is compared with. */
export interface CodeKey {
  /** In clear, base32; null if there is none. */
  readonly key: string | null
  /** The last time step whose code was accepted; null if none was. */
  readonly lastStep: number | null
}

const STEP_MILLISECONDS = 30_000
// RFC 4226 section 4, R6: the recommended length of a key.
const KEY_BYTES = 20

/** A new key: 160 random bits, base32. */
export function newTotpKey(): string {
  return new Secret({ size: KEY_BYTES }).base32
}

/** The key as authenticator apps read it from a QR code. */
export function totpUri({ config }: Core, key: string, label: string): string {
  return new TOTP({ issuer: config.totp.issuer, label, secret: Secret.fromBase32(key) }).toString()
}

/** What codes of an account are compared with. */
export function codeKeyOf(core: Core, { totp_key: sealed, totp_last_step: lastStep }: StoredUser): CodeKey {
  return { key: sealed ? core.secrets.decrypt('totp_key', sealed) : null, lastStep }
}

/**
 * What is written once a code has been accepted: its step is used, the key is proved. RFC 6238: SHA-1, 6 digits, 30
 * seconds. Decided by the row that the columns are written to, so that one code does not pass twice (ASVS 2.3.4, 6.5.1).
 *
 * @throws SsoError `totp_invalid`
 */
export function acceptCode(core: Core, { key, lastStep }: CodeKey, code: string, now: Date): Columns {
  const { window, allowReplay } = core.config.totp
  // The library compares bytes, and throws where there are more of them than digits.
  if (key === null || !/^\d{6}$/.test(code)) throw new SsoError('totp_invalid')
  const timestamp = now.getTime()
  const delta = new TOTP({ secret: Secret.fromBase32(key) }).validate({ token: code, timestamp, window })
  if (delta === null) throw new SsoError('totp_invalid')
  const step = Math.floor(timestamp / STEP_MILLISECONDS) + delta
  if (!allowReplay && lastStep !== null && step <= lastStep) throw new SsoError('totp_invalid')
  return { totp_last_step: step, totp_is_proved: true }
}

/** The refusal of whoever needs a code and sent none. */
export function codeMissing({ config }: Core): SsoError {
  return new SsoError(config.inform.totpMissing ? 'totp_missing' : 'credentials_invalid')
}
