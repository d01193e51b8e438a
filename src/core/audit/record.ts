import { type ErrorCode, SsoError } from '../../errors.ts'
import type { Actor, Context } from '../context.ts'
import type { Catalogue } from '../schema/catalogue.ts'

/**
 * What came of an attempt: `ok` it was done, `unchanged` there was nothing to do, `denied` the caller may not, `invalid`
 * what was sent was not accepted, `failed` something broke. Only `ok` claims a change.
 */
export type Outcome = 'ok' | 'unchanged' | 'denied' | 'invalid' | 'failed'

/** One attribute's change. Secrets appear as `[redacted]`. */
export interface AttributeChange {
  /**
   * Attribute of the account; `attributes.` and its name for a custom one, `expirations.` for its expiry, both after
   * `sessions.`, the session's id and a dot where they are a session's; `roles`, `acls` or `groups` for grants;
   * `audit` for records that were pruned, with the numbers of the first and the last as seals count them.
   */
  readonly attribute: string
  /** Value before; null if there was none. */
  readonly from: unknown
  /** Value after; null if there is none. */
  readonly to: unknown
}

/** One record of the audit trail: who, what, when, where, in which request (ASVS 16.2.1). */
export interface AuditRecord {
  /** Correlation id. */
  readonly cid: string
  /** ISO 8601, UTC, milliseconds. */
  readonly time: string
  /** What was asked for. */
  readonly operation: Operation
  /** What came of it. */
  readonly outcome: Outcome
  /** Code of the error where the outcome is not `ok`. */
  readonly error: ErrorCode | null
  /** Account of who asked; null if nobody was proved, or if it was the host's own code. */
  readonly actor_id: string | null
  /** Username of who asked, or the name that the host's code gave. */
  readonly actor_name: string | null
  /** How the actor was proved. */
  readonly actor_via: Actor['via'] | null
  /** Account that it was about, as far as it was found. */
  readonly target_id: string | null
  /** Username of that account at the time. */
  readonly target_name: string | null
  /** Application that the call was made from. */
  readonly app: string | null
  /** Address of the client. */
  readonly remote_addr: string | null
  /** `User-Agent` header, shortened to 512 characters. */
  readonly user_agent: string | null
  /** Who worded the request. */
  readonly dialect: Context['dialect']
  /** Changed attributes; empty unless the outcome is `ok`. */
  readonly changes: readonly AttributeChange[]
}

/** A record of the trail, with its place in it. */
export interface AuditEntry extends AuditRecord {
  /** Number of the record; later ones have greater numbers. */
  readonly id: number
}

/** Every operation that is audited. */
export type Operation =
  | 'login'
  | 'logout'
  | 'get_user'
  | 'create_user'
  | 'create_super_user'
  | 'update_current_user'
  | 'update_user_by_id'
  | 'change_password'
  | 'set_totp_key'
  | 'validate_totp_code'
  | 'delete_user'
  | 'lock_user'
  | 'unlock_user'
  | 'approve_user'
  | 'reject_user'
  | 'updateuser'
  | 'authenticate'
  | 'get_session'
  | 'verify_session'
  | 'renew_session'
  | 'list_sessions'
  | 'end_session'
  | 'end_sessions'
  | 'update_grants'
  | 'read_audit'
  | 'revert_change'
  | 'get_attributes'
  | 'set_attributes'
  | 'get_session_attributes'
  | 'set_session_attributes'
  | 'search_users'
  | 'prune_audit'
  | 'request_password_reset'
  | 'start_password_reset'
  | 'exchange_reset_token'
  | 'reset_password'
  | 'end_everybodys_sessions'

/** Stands for every secret value. */
export const REDACTED = '[redacted]'

/** The account that an operation is about, as far as it is known. */
export interface TargetName {
  readonly id: string | null
  readonly name: string | null
}

/** The parts of a record that do not depend on the outcome. */
export interface Occasion {
  readonly operation: Operation
  readonly context: Context
  readonly actor: Actor | null
  readonly target: TargetName | null
}

// Enough to tell browsers apart; the header itself is unbounded.
const USER_AGENT_LENGTH = 512
// Behind a proxy that the host trusts, a client may write anything here.
const ADDRESS_LENGTH = 191

/** The record of an operation that was carried out. */
export function recordOf(
  occasion: Occasion,
  changes: readonly AttributeChange[],
  outcome: Outcome = 'ok',
): AuditRecord {
  const { operation, context, actor, target } = occasion
  return {
    cid: context.cid,
    time: context.now.toISOString(),
    operation,
    outcome,
    error: null,
    actor_id: actor?.userId ?? null,
    actor_name: actor?.name ?? null,
    actor_via: actor?.via ?? null,
    target_id: target?.id ?? null,
    target_name: target?.name ?? null,
    app: context.app,
    remote_addr: context.remoteAddr?.slice(0, ADDRESS_LENGTH) ?? null,
    user_agent: context.userAgent?.slice(0, USER_AGENT_LENGTH).toWellFormed() ?? null,
    dialect: context.dialect,
    changes,
  }
}

/** The record of an attempt that was not carried out. It holds nothing of what was sent. */
export function refusalOf(occasion: Occasion, error: unknown): AuditRecord {
  const code = error instanceof SsoError ? error.code : 'internal'
  const kind = error instanceof SsoError ? error.kind : 'fault'
  const outcome = kind === 'refusal' || kind === 'absence' ? 'denied' : kind === 'fault' ? 'failed' : 'invalid'
  return { ...recordOf(occasion, [], outcome), error: code, app: knownApp(occasion, code) }
}

/** A change as the audit trail shows it. */
export function redact(catalogue: Catalogue, attribute: string, from: unknown, to: unknown): AttributeChange {
  const secret = catalogue.get(attribute)?.secret ?? false
  return { attribute, from: shown(secret, from), to: shown(secret, to) }
}

function shown(secret: boolean, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (secret) return REDACTED
  return value instanceof Date ? value.toISOString() : value
}

/** A name that was refused is a client's text of any length: not for the record. */
function knownApp({ context }: Occasion, code: ErrorCode): string | null {
  return code === 'app_invalid' ? null : context.app
}
