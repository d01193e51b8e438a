import type { Account } from '../store.ts'

/** Whether somebody has let the account in. */
export function isApproved({ values }: Account): boolean {
  return values.approval_status === 'approved'
}
