import type { StoredUser } from '../schema/user.gen.ts'
import type { Account } from '../store.ts'

/** Whether an account's state keeps its owner out; an expired password does not, for it can be changed. */
export function canEnter(values: StoredUser): boolean {
  return (
    values.is_active && !values.is_locked && values.approval_status === 'approved' && values.sign_up_status === 'final'
  )
}

/** Whether somebody has let the account in. */
export function isApproved({ values }: Account): boolean {
  return values.approval_status === 'approved'
}
