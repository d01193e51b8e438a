import { SsoError } from '../../errors.ts'
import type { Actor } from '../context.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { AccountFilter, Columns, Transaction } from '../store.ts'
import { canEnter } from './state.ts'

const WORKING_SUPER_USERS: AccountFilter = {
  equal: {
    is_super_user: true,
    is_active: true,
    is_locked: false,
    approval_status: 'approved',
    sign_up_status: 'final',
  },
  names: {},
  nameOp: 'and',
  isNameExact: true,
}

/** Whether a change would take a super-user away; then `lockSuperUsers` comes first in its transaction. Null: it is deleted. */
export function takesSuperUser(before: StoredUser, wanted: Columns | null): boolean {
  return isWorking(before) && (wanted === null || !isWorking({ ...before, ...wanted }))
}

/**
 * Nobody shuts himself out, and nobody takes away the last super-user. After the change has been written.
 *
 * @param after null for an account that was deleted
 * @throws SsoError `operation_invalid`, `last_super_user`
 */
export async function checkWaysIn(
  transaction: Transaction,
  actor: Actor,
  before: StoredUser,
  after: StoredUser | null,
): Promise<void> {
  const staysIn = after !== null && canEnter(after)
  if (actor.userId === before.user_id && canEnter(before) && !staysIn) {
    throw new SsoError('operation_invalid', { message: 'Nobody may shut himself out.' })
  }
  if (!isWorking(before) || (after !== null && isWorking(after))) return
  if ((await transaction.countAccounts(WORKING_SUPER_USERS)) === 0) throw new SsoError('last_super_user')
}

function isWorking(values: StoredUser): boolean {
  return values.is_super_user && canEnter(values)
}
