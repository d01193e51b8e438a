import { SsoError } from '../../errors.ts'
import { demandsOf, type UpdateTerms } from '../accounts/terms.ts'
import type { UpdateResult } from '../accounts/update.ts'
import type { CallerOn, Calls } from '../callers.ts'
import type { Core } from '../core.ts'
import type { HostAttributes } from '../schema/user.ts'
import { revertChange } from './revert.ts'

/** Undoing what has been recorded, among the functions of `sso.user`. */
export interface RevertApi<Attrs extends object = HostAttributes> {
  /**
   * Undoes one recorded change of an account, as a whole or not at all; super-users only. Attributes, grants and custom
   * attributes get back what they were before it, by the same rules as in any update; a revert can be reverted, too.
   *
   * @throws SsoError `audit_record_unknown`, `change_irrevocable` naming what cannot be put back, secrets for instance,
   *   `change_superseded` naming what has been changed since, or as `updateUserById`
   */
  revertChange(
    input: CallerOn &
      UpdateTerms & {
        /** Number of the record: `id` in what `getAudit` gives. */
        readonly auditId: number
      },
  ): Promise<UpdateResult<Attrs>>
}

/** @param calls how arguments become a context and credentials */
export function buildRevertApi(core: Core, { about }: Calls): RevertApi {
  return {
    revertChange: ({ auditId, ifMatch, dryRun, ...input }) => {
      const isNumber = Number.isSafeInteger(auditId) && auditId > 0
      if (!isNumber) throw new SsoError('input_invalid', { message: 'auditId must be the number of an audit record.' })
      const demands = demandsOf(core, ifMatch, dryRun)
      return revertChange(core, { ...about(input as CallerOn), auditId, demands })
    },
  }
}
