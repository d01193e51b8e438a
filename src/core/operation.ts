import { issue, SsoError } from '../errors.ts'
import type { Operation, TargetName } from './audit/record.ts'
import type { Actor, Context } from './context.ts'
import type { Core } from './core.ts'
import { StoreConflict } from './store.ts'

/** What an operation has found out so far, for the record of its failure. */
export interface Attempt {
  actor: Actor | null
  target: TargetName | null
}

/**
 * Runs an operation so that its failure is recorded, too. A refusal that cannot be recorded is a fault: the caller is
 * refused all the same.
 */
export async function attempted<T>(
  core: Core,
  operation: Operation,
  context: Context,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const attempt: Attempt = { actor: null, target: null }
  try {
    return await work(attempt)
  } catch (thrown) {
    const error = domainError(thrown)
    try {
      await core.trail.refuse({ operation, context, ...attempt }, error)
    } catch (fault) {
      await core.hooks.error(fault, context)
    }
    throw error
  }
}

/**
 * Runs a check that comes before the operation. A refusal there is recorded like those within (ASVS 16.3.2); what is no
 * request at all is not.
 */
export async function refusedAtTheDoor<T>(
  core: Core,
  operation: Operation,
  context: Context,
  check: () => Promise<T>,
): Promise<T> {
  try {
    return await check()
  } catch (error) {
    const isRefusal = error instanceof SsoError && error.kind === 'refusal'
    if (!isRefusal) throw error
    // The application is checked later, and may be any text till then (ASVS 16.2.5).
    const app = core.config.apps.find((name) => name === context.app) ?? null
    return attempted(core, operation, { ...context, app }, () => Promise.reject(error))
  }
}

/** What the database has refused, in terms of the domain; any other error as it is. */
export function domainError(thrown: unknown): unknown {
  return thrown instanceof StoreConflict ? conflictError(thrown) : thrown
}

/** The duplicate-key error of a race reads as the check before it would have (unique clashes: the index decides). */
function conflictError({ reason, attribute, cause }: StoreConflict): SsoError {
  if (reason === 'reference') return new SsoError('user_referenced', { cause })
  if (reason === 'value') {
    const issues = attribute === null ? [] : [issue(attribute, 'input_invalid', 'The value does not fit its column.')]
    return new SsoError('input_invalid', { message: 'A value does not fit its column.', issues, cause })
  }
  if (attribute === 'username') return new SsoError('username_taken', { cause })
  if (attribute === 'email') return new SsoError('email_taken', { cause })
  return new SsoError('value_taken', { cause })
}
