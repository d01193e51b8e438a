import type { Request, Response } from 'express'
import type { Context } from '../../core/context.ts'
import type { Core } from '../../core/core.ts'
import { type ErrorCode, type Issue, issue, type SsoError } from '../../errors.ts'

/** HTTP status of every error code (contract `updateuser`, "Reply"). */
export const UPDATEUSER: Record<ErrorCode, number> = {
  app_invalid: 403,
  app_not_allowed: 403,
  input_malformed: 400,
  input_missing: 400,
  input_invalid: 400,
  input_too_large: 413,
  media_type_unsupported: 415,
  method_not_allowed: 405,
  nothing_to_update: 400,
  attribute_unknown: 400,
  attribute_forbidden: 403,
  attribute_exists: 409,
  attribute_missing: 404,
  audit_record_unknown: 404,
  change_irrevocable: 400,
  change_superseded: 409,
  username_invalid: 400,
  username_too_long: 400,
  username_has_whitespace: 400,
  username_taken: 409,
  email_invalid: 400,
  email_too_long: 400,
  email_taken: 409,
  value_taken: 409,
  user_unknown: 404,
  user_referenced: 409,
  password_rejected: 400,
  password_too_short: 400,
  password_too_long: 400,
  password_too_simple: 400,
  password_expired: 403,
  password_must_change: 403,
  credentials_missing: 401,
  credentials_ambiguous: 400,
  credentials_invalid: 401,
  totp_missing: 401,
  totp_invalid: 401,
  totp_key_missing: 400,
  totp_proof_missing: 400,
  throttled: 429,
  not_allowed: 403,
  super_user_required: 403,
  account_locked: 403,
  sign_up_not_final: 403,
  last_super_user: 409,
  session_unknown: 401,
  session_missing: 404,
  reset_token_invalid: 401,
  cross_site: 403,
  operation_invalid: 400,
  hook_refused: 403,
  encryption_key_missing: 400,
  concurrent_change: 409,
  precondition_failed: 409,
  precondition_required: 400,
  reauth_required: 403,
  batch_too_long: 413,
  batch_timed_out: 408,
  batch_stopped: 400,
  internal: 500,
  option_invalid: 500,
  table_unfit: 500,
}

/** One error of a reply, in the words of the request. */
interface ParameterError {
  readonly parameter: string | null
  readonly pointer: string
  readonly code: ErrorCode
  readonly message: string
}

/** Words a failure: JSON, or one line for `Accept: text/plain`. */
export function updateuserFail(core: Core) {
  return function failInUpdateuser(error: SsoError, { cid }: Context, req: Request, res: Response): void {
    const status = UPDATEUSER[error.code]
    if (status === 401 && /^Basic /i.test(req.get('Authorization') ?? '')) {
      res.set('WWW-Authenticate', 'Basic realm="updateuser", charset="UTF-8"')
    }
    if (wantsText(req)) {
      res
        .status(status)
        .type('text/plain')
        .send(`ERROR ${error.code} ${error.message.replace(/\s+/g, ' ')}\n`)
      return
    }
    const uid: unknown = res.locals['ssoUid'] ?? null
    res.status(status).json({ cid, status: 'error', uid, changed: [], errors: errorsOf(core, error) })
  }
}

/** Whether the client would rather have a line of text than JSON. */
export function wantsText(req: Request): boolean {
  return req.accepts(['json', 'text']) === 'text'
}

// What an error is about that comes without issues.
const ABOUT: Partial<Record<ErrorCode, string>> = {
  user_unknown: 'uid',
  username_taken: 'username',
  email_taken: 'email',
  totp_key_missing: 'totp_key',
  totp_proof_missing: 'is_totp_enabled',
}

/** What is wrong, in the words of the request. */
export function errorsOf(core: Core, { code, message, issues }: SsoError): ParameterError[] {
  if (issues.length > 0) {
    return issues.map((issue) => ({ ...named(core, issue), code: issue.code, message: issue.message }))
  }
  const attribute = ABOUT[code]
  const name = attribute ? named(core, issue(attribute, code)) : { parameter: null, pointer: '' }
  return [{ ...name, code, message }]
}

/** Our attributes go by the operation's names here. */
function named(core: Core, { attribute, pointer }: Issue): Pick<ParameterError, 'parameter' | 'pointer'> {
  if (attribute === 'display_name') return { parameter: 'displayName', pointer: '/displayName' }
  if (attribute === 'groups') return { parameter: 'groupacls', pointer: '/groupacls' }
  if (pointer.startsWith('/attributes/')) return { parameter: 'attributes', pointer }
  const custom = pointer.startsWith('/attributes.') ? pointer.slice('/attributes.'.length) : null
  const mapped = Object.entries(core.config.updateuser.attributeMap).find(([, ours]) => ours === attribute)?.[0]
  const inAttributes = custom ?? mapped
  return inAttributes === undefined
    ? { parameter: attribute, pointer }
    : { parameter: 'attributes', pointer: `/attributes/${inAttributes}` }
}
