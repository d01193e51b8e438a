import { SsoError } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import { recordableId } from '../accounts/target.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { authenticate, requireSuperUser } from '../sessions/gate.ts'
import type { AuditEntry } from './record.ts'

/** A page of the audit trail. */
export interface AuditPage {
  /** Records, the latest first. */
  readonly records: readonly AuditEntry[]
  /** What `before` is on the next page; null if this is the last one. */
  readonly next: number | null
}

/** Which part of the trail is wanted. */
export interface AuditQuery {
  /** The account that the records are about; also one that has been deleted. */
  readonly userId: string
  /** Only records before the one of this number; null for the latest. */
  readonly before: number | null
  /** Records of a page, `MOST_AUDIT_RECORDS` at most. */
  readonly limit: number
}

/** Records of a page at most. */
export const MOST_AUDIT_RECORDS = 100

/** What has been done and tried on an account; super-users only. @throws SsoError `super_user_required`, `user_unknown` */
export function readAudit(core: Core, { userId, before, limit, ...call }: Call & AuditQuery): Promise<AuditPage> {
  return attempted(core, 'read_audit', call.context, async (attempt) => {
    const { actor } = await authenticate(core, call.credentials, call.context, attempt)
    const account = await core.store.findAccount(userId)
    attempt.target = account && { id: account.values.user_id, name: account.values.username }
    requireSuperUser(actor)

    const id = account?.values.user_id ?? recordableId(userId)
    const entries = id === null ? [] : await core.store.auditOf(id, before ?? Number.MAX_SAFE_INTEGER)
    if (!account && entries.length === 0 && before === null) throw new SsoError('user_unknown')
    return pageOf(entries, limit)
  })
}

/** @param entries more than a page of them, if there are more */
export function pageOf(entries: readonly AuditEntry[], limit: number): AuditPage {
  const records = entries.slice(0, Math.min(limit, MOST_AUDIT_RECORDS))
  return { records, next: entries.length > records.length ? (records.at(-1)?.id ?? null) : null }
}
