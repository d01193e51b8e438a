import type { Request, Response } from 'express'
import type { Context } from '../../core/context.ts'
import type { ErrorCode, SsoError } from '../../errors.ts'
import type { Edge, Fail } from '../edge.ts'

/**
 * How an error reads: the HTTP status with an envelope of sub-status codes, or Zato's plain form, which has no
 * envelope (contract sections 4 and 5).
 */
type Wording = { readonly http: number; readonly sub: string } | { readonly http: number; readonly details: string }

const refused = (sub: string): Wording => ({ http: 403, sub })

/** Every error code in Zato's words. */
export const ZATO: Record<ErrorCode, Wording> = {
  app_invalid: { http: 200, sub: 'E004001' },
  app_not_allowed: refused('E004001'),
  input_malformed: { http: 400, details: 'Bad request' },
  input_missing: { http: 400, details: 'Bad request' },
  input_invalid: refused('E008002'),
  input_too_large: { http: 413, details: 'Request body too large' },
  media_type_unsupported: { http: 415, details: 'Unsupported content encoding' },
  method_not_allowed: { http: 405, details: 'Unsupported HTTP method' },
  nothing_to_update: refused('E008003'),
  attribute_unknown: refused('E008002'),
  attribute_forbidden: refused('E008002'),
  attribute_exists: refused('E009001'),
  attribute_missing: refused('E009002'),
  audit_record_unknown: refused('E008001'),
  change_irrevocable: refused('E008001'),
  change_superseded: refused('E008001'),
  username_invalid: refused('E001001'),
  username_too_long: refused('E001003'),
  username_has_whitespace: refused('E001004'),
  username_taken: refused('E001002'),
  email_invalid: refused('E002001'),
  email_too_long: refused('E002003'),
  email_taken: refused('E002002'),
  value_taken: refused('E008002'),
  user_unknown: refused('E001100'),
  user_referenced: refused('E008001'),
  password_rejected: refused('E003001'),
  password_too_short: refused('E003002'),
  password_too_long: refused('E003003'),
  password_too_simple: refused('E003008'),
  password_expired: refused('E003004'),
  password_must_change: refused('E003007'),
  credentials_missing: { http: 400, details: 'Bad request' },
  credentials_ambiguous: { http: 400, details: 'Bad request' },
  credentials_invalid: refused('E005001'),
  totp_missing: refused('E005008'),
  totp_invalid: refused('E005001'),
  totp_key_missing: refused('E008002'),
  totp_proof_missing: refused('E008002'),
  // Zato does not throttle, and has no code for it.
  throttled: { http: 429, sub: 'E005001' },
  not_allowed: refused('E005001'),
  super_user_required: refused('E005001'),
  account_locked: refused('E005002'),
  sign_up_not_final: refused('E005003'),
  last_super_user: refused('E008001'),
  session_unknown: refused('E007001'),
  session_missing: refused('E007001'),
  reset_token_invalid: refused('E010001'),
  cross_site: refused('E005001'),
  operation_invalid: refused('E008001'),
  hook_refused: refused('E005001'),
  encryption_key_missing: refused('E008002'),
  concurrent_change: refused('E008001'),
  batch_too_long: refused('E008001'),
  batch_timed_out: refused('E008001'),
  batch_stopped: refused('E008001'),
  precondition_failed: refused('E008001'),
  precondition_required: refused('E008003'),
  reauth_required: refused('E005001'),
  internal: { http: 500, sub: 'E008004' },
  option_invalid: { http: 500, sub: 'E008004' },
  table_unfit: { http: 500, sub: 'E008004' },
}

/** Codes that one endpoint words otherwise than the rest. */
export type Exceptions = Partial<Record<ErrorCode, string>>

/** Words a failure the way Zato does. What is not in Zato's replies, `details`, names the attributes. */
export function zatoFail({ core }: Edge, exceptions: Exceptions = {}): Fail {
  return function failInZato(error: SsoError, { cid }: Context, _req: Request, res: Response) {
    const wording = ZATO[error.code]
    if ('details' in wording) {
      // What a bad request lacks is not in Zato's words; of the others they say all there is.
      const message = wording.http === 400 ? { message: error.message } : {}
      res.status(wording.http).json({ result: 'Error', cid, details: wording.details, ...message })
      return
    }
    const isHidden = error.code === 'app_invalid' && !core.config.inform.appInvalid
    const sub = isHidden ? 'E005001' : (exceptions[error.code] ?? wording.sub)
    const details = error.issues.map(({ attribute, message }) => `${attribute}: ${message}`)
    res
      .status(wording.http)
      .json({ status: 'error', cid, sub_status: [sub], ...(details.length > 0 ? { details } : {}) })
  }
}
