import type { Core } from '../core.ts'
import { daysAfter } from '../schema/times.ts'
import type { Columns } from '../store.ts'

/**
 * Everything that is written when a password is set.
 *
 * @param expiryDays days until it expires; null or less than 1 for the configured number
 */
export async function passwordColumns(
  core: Core,
  password: string,
  now: Date,
  expiryDays: number | null = null,
): Promise<Columns> {
  const days = expiryDays !== null && expiryDays > 0 ? expiryDays : core.config.password.expiryDays
  return {
    password: await core.hasher.hash(password),
    password_is_set: true,
    password_last_set: now,
    password_expiry: days === null ? null : daysAfter(now, days),
  }
}
