import { SsoError } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import { directRights } from '../accounts/rights.ts'
import { type UpdateResult, updateAccount } from '../accounts/update.ts'
import type { Core } from '../core.ts'
import { requireSuperUser } from '../sessions/gate.ts'
import { checkExpected, undoingOf } from './undoing.ts'

/** A recorded change to be undone. */
export interface Reversal extends Call {
  /** The account that the record must be about. */
  readonly userId: string
  /** Number of the record. */
  readonly auditId: number
}

/**
 * A super-user undoes a recorded change: an update like any other, of what the record says was there before.
 *
 * @throws SsoError `audit_record_unknown` also for another account's record, `change_irrevocable`, `change_superseded`
 */
export function revertChange(core: Core, { userId, auditId, ...call }: Reversal): Promise<UpdateResult> {
  return updateAccount(core, {
    ...call,
    // What was there before is whole, not a patch of what is there now.
    demands: { ...call.demands, merges: false },
    operation: 'revert_change',
    target: { by: 'id', userId },
    data: {},
    reverts: auditId,
    async prepare({ actor }, { values }) {
      requireSuperUser(actor)
      const record = await core.store.auditRecord(auditId)
      if (record?.target_id !== values.user_id) throw new SsoError('audit_record_unknown')
      const { now } = call.context
      const { data, extras, expected } = await undoingOf(core, record, now)
      return {
        rights: directRights(actor, values.user_id),
        data,
        extras,
        precondition: (account, reads) => checkExpected(core, expected, account, reads, now),
      }
    },
  })
}
