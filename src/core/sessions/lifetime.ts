import { SsoError } from '../../errors.ts'
import type { Context } from '../context.ts'
import type { Core } from '../core.ts'
import type { Account, Session } from '../store.ts'

const MINUTE = 60_000

/** What the host's expiry hook is asked (contract section 8.1). */
export interface ExpiryQuestion {
  /** Username of the session's owner. */
  readonly username: string
  /** Application of the call. */
  readonly currentApp: string | null
  /** Minutes that the session would last. */
  readonly defaultExpiry: number
}

/** When a session that is opened or renewed now will end; the hook's errors count as no answer. */
export async function expirationOf(
  core: Core,
  account: Account,
  { now, app }: Context,
  opened: Date = now,
): Promise<Date> {
  const { lifetimeMinutes, absoluteMinutes, expiry } = core.config.session
  const question = { username: account.values.username, currentApp: app, defaultExpiry: lifetimeMinutes }
  let minutes: unknown = lifetimeMinutes
  try {
    minutes = (await expiry?.(question)) ?? lifetimeMinutes
  } catch (error) {
    await core.hooks.error(error, null)
  }
  const lasts = typeof minutes === 'number' && minutes > 0 ? minutes : lifetimeMinutes
  const end = now.getTime() + lasts * MINUTE
  // Renewal never carries a session beyond its absolute lifetime (ASVS 7.3.2).
  return new Date(absoluteMinutes === null ? end : Math.min(end, opened.getTime() + absoluteMinutes * MINUTE))
}

/** @throws SsoError `session_unknown` once a session has expired, or has not been used for too long (ASVS 7.3.1) */
export function checkAlive(core: Core, { expirationTime, lastUseTime }: Session, { now }: Context): void {
  const { inactivityMinutes } = core.config.session
  const isIdle = inactivityMinutes !== null && now.getTime() - lastUseTime.getTime() > inactivityMinutes * MINUTE
  if (expirationTime <= now || isIdle) throw new SsoError('session_unknown')
}

// Writing on every request would cost more than the limit is worth; a tenth of it is precise enough.
const TOUCH_SHARE = 10

/** Notes the use of a session, where there is an inactivity limit and the last note is old enough. */
export async function noteUse(core: Core, { hash, lastUseTime }: Session, { now }: Context): Promise<void> {
  const { inactivityMinutes } = core.config.session
  if (inactivityMinutes === null) return
  // A note from a time that is yet to come is of a clock that has stepped back.
  const age = Math.abs(now.getTime() - lastUseTime.getTime())
  if (age > (inactivityMinutes * MINUTE) / TOUCH_SHARE) await core.store.touchSession(hash, now)
}
