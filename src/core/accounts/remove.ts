import { SsoError } from '../../errors.ts'
import { recordOf } from '../audit/record.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import type { Change } from '../hooks.ts'
import { attempted } from '../operation.ts'
import { wholeUser } from '../schema/access.ts'
import { authenticate, confirm, requireSuperUser } from '../sessions/gate.ts'
import { type Demands, inTransaction } from './demands.ts'
import { checkWaysIn, takesSuperUser } from './super-users.ts'

/** Which account goes, and who says so. */
export interface DeleteRequest {
  readonly credentials: Credentials
  readonly context: Context
  readonly userId: string
  readonly demands?: Demands
}

/**
 * Deletes an account with its sessions, grants and custom attributes. The audit trail keeps its records.
 *
 * @throws SsoError `super_user_required`, `operation_invalid` for oneself, `user_unknown`, `user_referenced`
 */
export function deleteAccount(core: Core, request: DeleteRequest): Promise<void> {
  const { credentials, context, userId, demands = {} } = request
  const isDryRun = demands.isDryRun ?? false
  const operation = 'delete_user'
  return attempted(core, operation, context, async (attempt) => {
    const proof = await authenticate(core, credentials, context, attempt)
    const target = await core.store.findAccount(userId)
    attempt.target = { id: target?.values.user_id ?? null, name: target?.values.username ?? null }
    requireSuperUser(proof.actor)
    if (!target) throw new SsoError('user_unknown')
    if (target.values.user_id === proof.actor.userId)
      throw new SsoError('operation_invalid', { message: 'Nobody may delete himself.' })
    const before = wholeUser(core.catalogue, target.values)
    await core.hooks.authorize({ operation, actor: proof.actor, before, patch: {}, context, isDryRun })

    const takes = takesSuperUser(target.values, null)
    const change = await inTransaction(core, demands, async (transaction) => {
      if (takes) await transaction.lockSuperUsers()
      const account = await transaction.lockAccount(target.values.user_id)
      if (!account) throw new SsoError('user_unknown')
      requireSuperUser(await confirm(core, credentials, proof, context, transaction))
      await demands.precondition?.(account, transaction)
      await transaction.deleteAccount(account.values.user_id)
      await checkWaysIn(transaction, proof.actor, account.values, null)
      await transaction.appendAudit(recordOf({ operation, context, actor: proof.actor, target: attempt.target }, []))
      const change: Change = {
        operation,
        actor: proof.actor,
        target: { user_id: account.values.user_id, username: account.values.username },
        before: wholeUser(core.catalogue, account.values),
        after: null,
        changes: [],
        context,
        isDryRun,
      }
      await core.hooks.within(change, transaction.native)
      return change
    })
    if (isDryRun) return
    core.trail.committed()
    await core.hooks.after(change)
    const { actor, target: gone } = change
    await core.hooks.revoked({ operation, actor, target: gone, keepsCurrent: false, context })
  })
}
