import { createHash } from 'node:crypto'
import { type ErrorCode, SsoError } from '../../errors.ts'
import { customerOf } from '../addresses/address.ts'
import type { Context } from '../context.ts'
import type { Core } from '../core.ts'
import { identityKey } from '../schema/text.ts'
import type { Counters } from './counters.ts'

/** How many failed attempts are let pass, and how long the rest must wait. */
export interface ThrottleLimits {
  /** Attempts on one account from addresses that have failed of late, before each further one waits. */
  readonly perAccount: number
  /** The same, from whatever address. */
  readonly perAccountTotal: number
  /** Attempts from one address, on whatever accounts, before each further one waits. */
  readonly perAddress: number
  /** Seconds after which the attempts above are forgotten. */
  readonly windowSeconds: number
  /** Seconds of the first wait; each failure after a wait doubles it. */
  readonly firstWaitSeconds: number
  /** Seconds of the longest wait. */
  readonly maxWaitSeconds: number
}

/** Where attempts are counted, and what is let pass. */
export interface Throttle {
  readonly counters: Counters
  readonly limits: ThrottleLimits
}

/** A guess at a password or a code. */
export interface Guess {
  /** Username of the account, whether or not there is one. */
  readonly username: string
  readonly context: Context
  /** Whether being right is all the proof that the account asks for, so that its failures are forgotten. */
  readonly isFullProof?: boolean
  /** What is counted apart from guesses at passwords and codes, so that it uses none of those up. */
  readonly purpose?: 'reset request' | 'reset token'
}

// Waits begin anew a day after the first of them.
const LEVEL_SECONDS = 86_400

/**
 * Runs a check of a password or a one-time code, unless too many have failed (ASVS 2.4.1, 6.3.1, 6.6.3). An attempt is
 * counted before it is checked, so that many at once are no way around it, and given back unless it was wrong.
 *
 * It must not be called in a transaction: the counters may need a connection of their own.
 *
 * @throws SsoError `throttled`, or what the check throws
 */
export async function throttled<T>(core: Core, guess: Guess, check: () => Promise<T>): Promise<T> {
  const { throttle } = core
  if (!throttle) return check()
  const { context, isFullProof = false } = guess
  const entries = await admit(throttle, guess)
  /** What comes of the check stands, whether or not it can be given back. */
  const giveBack = (forgets: boolean) =>
    leave(throttle, entries, forgets).catch((error) => core.hooks.error(error, context))

  let result: T
  try {
    result = await check()
  } catch (error) {
    if (!isWrong(error)) await giveBack(false)
    else if (guess.purpose === undefined) core.memory?.close(guess.username, context.remoteAddr)
    throw error
  }
  await giveBack(isFullProof)
  return result
}

/**
 * Counts what is no guess, yet not to be done over and over (ASVS 2.4.1). Nothing is given back.
 *
 * @throws SsoError `throttled`
 */
export async function counted(core: Core, attempt: Guess): Promise<void> {
  if (core.throttle) await admit(core.throttle, attempt)
}

const WRONG: readonly ErrorCode[] = ['credentials_invalid', 'totp_invalid', 'reset_token_invalid']

function isWrong(error: unknown): boolean {
  return error instanceof SsoError && WRONG.includes(error.code)
}

/** An attempt that was let pass, in one counter. */
interface Entry {
  readonly key: string
  readonly points: number
  /** Whether it has begun a wait for the next one. */
  readonly waits: boolean
}

interface Refusal {
  /** Milliseconds to wait. */
  readonly endsIn: number
}

interface Entries {
  readonly address: Entry
  readonly account: Entry
}

async function admit(throttle: Throttle, { username, purpose, context }: Guess): Promise<Entries> {
  const { limits } = throttle
  const { remoteAddr, now } = context
  const apart = purpose === undefined ? '' : `${purpose} `
  const address = await enter(throttle, `${apart}address ${customerOf(remoteAddr)}`, limits.perAddress, now)
  if ('endsIn' in address) throw refused(address)

  const key = `${apart}${accountKey(username)}`
  let account = await enter(throttle, key, limits.perAccount, now)
  // Else whoever knows a username could keep its owner out.
  if ('endsIn' in account && (await isFirstOf(throttle, address, now))) {
    // The wait has begun, and is not what the last free one is to open.
    account = await enter(throttle, key, limits.perAccountTotal + 1, now)
  }
  if ('endsIn' in account) {
    await step(throttle, address, 'back')
    throw refused(account)
  }
  return { address, account }
}

/** Hashed: names may be of any length, and people type passwords where names belong. */
function accountKey(username: string): string {
  return `account ${createHash('sha256').update(identityKey(username)).digest('base64url')}`
}

/**
 * Counts an attempt. From the allowance on, whoever opens the wait is let pass, and nobody else until it is over; only
 * those who were let pass make it longer.
 */
async function enter(
  { counters, limits }: Throttle,
  key: string,
  allowance: number,
  now: Date,
): Promise<Entry | Refusal> {
  const { points } = await counters.add(key, limits.windowSeconds, now)
  if (points < allowance) return { key, points, waits: false }
  const wait = await counters.add(waitOf(key), limits.firstWaitSeconds, now, limits.maxWaitSeconds)
  if (wait.points > 1) {
    await counters.giveBack(key)
    // Counters that have a clock of their own may be far from this one.
    return { endsIn: Math.min(wait.endsIn, limits.maxWaitSeconds * 1000) }
  }
  const level = await counters.add(levelOf(key), LEVEL_SECONDS, now)
  const seconds = Math.min(limits.firstWaitSeconds * 2 ** (level.points - 1), limits.maxWaitSeconds)
  await counters.extend(waitOf(key), seconds, now)
  return { key, points, waits: true }
}

/** Whether no other attempt from there has failed or is under way; asked anew, as others may have come since. */
async function isFirstOf({ counters, limits }: Throttle, { key, points }: Entry, now: Date): Promise<boolean> {
  if (points > 1) return false
  const again = await counters.add(key, limits.windowSeconds, now)
  await counters.giveBack(key)
  return again.points === 2
}

async function leave(throttle: Throttle, { address, account }: Entries, forgets: boolean): Promise<void> {
  await step(throttle, address, 'back')
  await step(throttle, account, forgets ? 'forget' : 'back')
}

async function step({ counters }: Throttle, { key, points, waits }: Entry, how: 'back' | 'forget'): Promise<void> {
  if (how === 'back') {
    await counters.giveBack(key)
    if (waits) await Promise.all([counters.remove(waitOf(key)), counters.giveBack(levelOf(key))])
    return
  }
  await counters.remove(key)
  if (points > 1) await Promise.all([counters.remove(waitOf(key)), counters.remove(levelOf(key))])
}

function waitOf(key: string): string {
  return `${key} wait`
}

function levelOf(key: string): string {
  return `${key} level`
}

function refused({ endsIn }: Refusal): SsoError {
  return new SsoError('throttled', { retryAfter: Math.max(1, Math.ceil(endsIn / 1000)) })
}
