import type { Core } from '../core.ts'
import { daysAfter } from '../schema/times.ts'
import type { Columns } from '../store.ts'

/**
 * Everything that is written when a password is set.
 *
 * @param hash the password as it is stored
 * @param expiryDays days until it expires; null or less than 1 for the configured number
 */
export function passwordColumns(core: Core, hash: string, now: Date, expiryDays: number | null = null): Columns {
  const days = expiryDays !== null && expiryDays > 0 ? expiryDays : core.config.password.expiryDays
  return {
    password: hash,
    password_is_set: true,
    password_last_set: now,
    password_expiry: days === null ? null : daysAfter(now, days),
  }
}
