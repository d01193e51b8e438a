import { createHash } from 'node:crypto'
import { SsoError } from '../../errors.ts'
import type { Context } from '../context.ts'
import type { Core } from '../core.ts'
import { provePassword } from '../passwords/verify.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { Proof } from '../sessions/gate.ts'
import type { Account, Reads, Transaction } from '../store.ts'

/** What a caller asks of a change beyond the change itself. */
export interface Demands {
  /** Must hold of the rows that are changed, in the transaction; throws `precondition_failed`. */
  readonly precondition?: ((account: Account, reads: Reads) => Promise<void> | void) | undefined
  /** Everything but the commit: hooks, constraints and audit included, then a rollback. */
  readonly isDryRun?: boolean
  /** Attributes marked `reauth` need a fresh proof; the actor's password, if he sent it, is one. */
  readonly reauth?: {
    readonly password: string | null
    /** When a proof must have been fresh. Default: the time of the request. */
    readonly asOf?: Date
  }
  /** Values of JSON attributes are merge patches (RFC 7396), not whole values. */
  readonly merges?: boolean
  /** Looks at what has been written, in the transaction; it may run again. */
  readonly inspect?: ((reads: Reads, userId: string) => Promise<void>) | undefined
  /** The result is read back, so that its entity tag is the one that the next read has. */
  readonly readsBack?: boolean
}

/**
 * Entity tag of an account (RFC 9110, section 8.8.3): equal for everybody who may read it, whatever part of it he sees.
 * On a host's table there is no version to go by, so it is made of everything that anybody may read.
 */
export function tagOfUser(core: Core, values: StoredUser): string {
  const readable = [...core.catalogue.values()].filter(({ secret, readableBy }) => !secret && readableBy !== 'nobody')
  return tagOf(readable.map(({ name }) => [name, values[name as keyof StoredUser]]))
}

/** Entity tag of anything that is JSON. */
export function tagOf(value: unknown): string {
  return `"${createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 27)}"`
}

/** @throws SsoError `precondition_failed` unless the tag is one of those wanted; `*` is any */
export function checkTag(wanted: readonly string[], tag: string): void {
  if (!wanted.includes('*') && !wanted.includes(tag)) throw new SsoError('precondition_failed')
}

/** The account must have one of these tags. */
export function userMatches(core: Core, wanted: readonly string[]): NonNullable<Demands['precondition']> {
  return ({ values }) => checkTag(wanted, tagOfUser(core, values))
}

/**
 * A fresh proof of who the actor is, before anything is changed that an account could be taken over by (ASVS 7.5.1): his
 * password, or a login of late.
 *
 * @param names what is to be changed
 * @throws SsoError `reauth_required`, `credentials_invalid` for a wrong password, `throttled`
 */
export async function checkReauth(
  core: Core,
  { reauth }: Demands,
  names: readonly string[],
  proof: Proof,
  context: Context,
): Promise<void> {
  const { actor, account, authenticatedAt } = proof
  if (!reauth || actor.via === 'code' || !names.some((name) => core.catalogue.get(name)?.reauth)) return
  if (reauth.password !== null) {
    const wrong = new SsoError('credentials_invalid', { message: 'The present password is not right.' })
    if (!account) throw wrong
    return provePassword(core, account, reauth.password, context, wrong)
  }
  const { maxAgeSeconds } = core.config.reauth
  if (maxAgeSeconds === null) return
  const asOf = reauth.asOf ?? context.now
  const age = authenticatedAt === null ? Number.POSITIVE_INFINITY : asOf.getTime() - authenticatedAt.getTime()
  // A proof from a time that is yet to come is of a clock that has stepped back: nobody knows how old it is.
  if (Math.abs(age) > maxAgeSeconds * 1000) throw new SsoError('reauth_required')
}

/** What a dry run has found out, on its way out of the transaction that it must not commit. */
class Rehearsal<T> extends Error {
  readonly result: T

  constructor(result: T) {
    super('a dry run ends in a rollback')
    this.result = result
  }
}

/** Runs `work` in a transaction, which is rolled back if it is only a dry run. */
export async function inTransaction<T>(
  core: Core,
  { isDryRun }: Demands,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  if (!isDryRun) return core.store.transaction(work)
  try {
    return await core.store.transaction(async (transaction) => {
      throw new Rehearsal(await work(transaction))
    })
  } catch (error) {
    if (error instanceof Rehearsal) return error.result as T
    throw error
  }
}
