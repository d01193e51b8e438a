/** Groups of failures; they decide what the audit trail calls a refused attempt. */
export type ErrorKind = 'input' | 'refusal' | 'conflict' | 'absence' | 'fault' | 'wiring'

interface ErrorRow {
  /** Who is at fault, hence how an attempt is audited. */
  readonly kind: ErrorKind
  /** HTTP status, where the dialect does not prescribe another. */
  readonly status: number
  /** Public wording; never contains a value that a client sent. */
  readonly message: string
}

/** The one table of failures: code, kind, HTTP status, public message. A retired code is never used again. */
export const ERRORS = {
  app_invalid: { kind: 'refusal', status: 403, message: 'The application is not one of those configured.' },
  app_not_allowed: { kind: 'refusal', status: 403, message: 'Users may not log in from this application.' },
  input_malformed: { kind: 'input', status: 400, message: 'The request body is not a JSON object.' },
  input_missing: { kind: 'input', status: 400, message: 'A required field is missing.' },
  input_invalid: { kind: 'input', status: 422, message: 'A field has a value that is not accepted.' },
  input_too_large: { kind: 'input', status: 413, message: 'The request body is too large.' },
  media_type_unsupported: { kind: 'input', status: 415, message: 'The request body is of a type that is not read.' },
  method_not_allowed: { kind: 'input', status: 405, message: 'The resource does not have this method.' },
  nothing_to_update: { kind: 'input', status: 422, message: 'There is nothing to update.' },
  attribute_unknown: { kind: 'input', status: 422, message: 'There is no such attribute.' },
  attribute_forbidden: { kind: 'refusal', status: 403, message: 'The attribute may not be changed by the caller.' },
  attribute_exists: { kind: 'conflict', status: 409, message: 'There is such an attribute already.' },
  attribute_missing: { kind: 'input', status: 404, message: 'There is no such attribute to be updated.' },
  audit_record_unknown: { kind: 'absence', status: 404, message: 'The account has no such audit record.' },
  change_irrevocable: { kind: 'input', status: 422, message: 'What the audit record tells of cannot be undone.' },
  change_superseded: { kind: 'conflict', status: 409, message: 'It has been changed again since.' },
  username_invalid: { kind: 'input', status: 422, message: 'The username is not acceptable.' },
  username_too_long: { kind: 'input', status: 422, message: 'The username is too long.' },
  username_has_whitespace: { kind: 'input', status: 422, message: 'The username begins or ends with white space.' },
  username_taken: { kind: 'conflict', status: 409, message: 'The username is taken.' },
  email_invalid: { kind: 'input', status: 422, message: 'The email address is not valid.' },
  email_too_long: { kind: 'input', status: 422, message: 'The email address is too long.' },
  email_taken: { kind: 'conflict', status: 409, message: 'The email address is taken.' },
  value_taken: { kind: 'conflict', status: 409, message: 'A value that must be unique is taken.' },
  user_unknown: { kind: 'absence', status: 404, message: 'There is no such user.' },
  user_referenced: { kind: 'conflict', status: 409, message: 'Other data refers to this user.' },
  password_rejected: { kind: 'input', status: 422, message: 'The password is not acceptable.' },
  password_too_short: { kind: 'input', status: 422, message: 'The password is too short.' },
  password_too_long: { kind: 'input', status: 422, message: 'The password is too long.' },
  password_too_simple: { kind: 'input', status: 422, message: 'The password is too easy to guess.' },
  password_expired: { kind: 'refusal', status: 403, message: 'The password has expired.' },
  password_must_change: { kind: 'refusal', status: 403, message: 'A new password must be sent.' },
  credentials_missing: { kind: 'refusal', status: 401, message: 'Credentials are required.' },
  credentials_ambiguous: { kind: 'input', status: 400, message: 'Credentials were sent in more than one way.' },
  credentials_invalid: { kind: 'refusal', status: 401, message: 'The credentials are not valid.' },
  totp_missing: { kind: 'refusal', status: 401, message: 'A one-time code is required.' },
  totp_invalid: { kind: 'refusal', status: 401, message: 'The credentials are not valid.' },
  totp_key_missing: { kind: 'input', status: 422, message: 'One-time codes cannot be enabled without a key.' },
  totp_proof_missing: {
    kind: 'input',
    status: 422,
    message: 'One-time codes are switched on with a code of the key, which proves it.',
  },
  throttled: { kind: 'refusal', status: 429, message: 'Too many attempts have failed; try again later.' },
  not_allowed: { kind: 'refusal', status: 403, message: 'The operation is not allowed.' },
  super_user_required: { kind: 'refusal', status: 403, message: 'Only a super-user may do this.' },
  account_locked: { kind: 'refusal', status: 403, message: 'The account is locked.' },
  sign_up_not_final: { kind: 'refusal', status: 403, message: 'The sign-up has not been confirmed.' },
  last_super_user: { kind: 'conflict', status: 409, message: 'The last super-user cannot be taken away.' },
  session_unknown: { kind: 'refusal', status: 401, message: 'There is no such session.' },
  session_missing: { kind: 'absence', status: 404, message: 'The account has no such session.' },
  reset_token_invalid: { kind: 'refusal', status: 401, message: 'The token is not valid: used, replaced, or expired.' },
  cross_site: { kind: 'refusal', status: 403, message: 'The request comes from another site.' },
  operation_invalid: { kind: 'input', status: 409, message: 'The operation does not make sense here.' },
  hook_refused: { kind: 'refusal', status: 403, message: 'The change was refused.' },
  encryption_key_missing: {
    kind: 'input',
    status: 422,
    message: 'Secrets cannot be stored: no encryption key is configured.',
  },
  concurrent_change: { kind: 'conflict', status: 409, message: 'The account was changed by somebody else; try again.' },
  precondition_failed: {
    kind: 'conflict',
    status: 412,
    message: 'The resource is no longer what If-Match says: read it again.',
  },
  precondition_required: { kind: 'input', status: 428, message: 'If-Match is required: send the ETag that was read.' },
  reauth_required: {
    kind: 'refusal',
    status: 401,
    message: 'This change needs a fresh proof of who you are: send currentPassword, or log in again.',
  },
  batch_too_long: { kind: 'input', status: 413, message: 'The batch has more lines than are accepted.' },
  batch_timed_out: { kind: 'input', status: 408, message: 'The batch has taken longer than is allowed.' },
  batch_stopped: { kind: 'input', status: 400, message: 'The batch was stopped before its end.' },
  internal: { kind: 'fault', status: 500, message: 'An error has occurred.' },
  option_invalid: { kind: 'wiring', status: 500, message: 'An option is not valid.' },
  table_unfit: { kind: 'wiring', status: 500, message: 'The users table cannot be used as it is.' },
} as const satisfies Record<string, ErrorRow>

/** Stable name of a failure. */
export type ErrorCode = keyof typeof ERRORS

/** One offending attribute or parameter. Carries no value, so that it can be shown, logged and audited. */
export interface Issue {
  /** Name of the attribute, in the words of `schemas/user.json`. */
  readonly attribute: string
  /** JSON Pointer (RFC 6901) into what was sent. */
  readonly pointer: string
  /** Why it was refused. */
  readonly code: ErrorCode
  /** For people. */
  readonly message: string
}

/** What `new SsoError` takes beside the code. */
export interface SsoErrorDetails {
  /** Replaces the table's message. Must not contain anything secret. */
  readonly message?: string
  /** All offending attributes, not only the first. */
  readonly issues?: readonly Issue[]
  /** Seconds after which it is worth trying again. */
  readonly retryAfter?: number
  /** Milliseconds, seconds and the like never go here: only what helps whoever reads the log. */
  readonly cause?: unknown
}

/**
 * Every failure that this package raises on purpose. Anything else that is thrown is answered as `internal`, without
 * its text.
 */
export class SsoError extends Error {
  /** Tells it from other errors where `instanceof` cannot: between two copies of the package. */
  override readonly name = 'SsoError'
  /** Stable code, a key of the error table. */
  readonly code: ErrorCode
  /** All offending attributes; empty where the failure is not about attributes. */
  readonly issues: readonly Issue[]
  /** Seconds after which it is worth trying again; null where that changes nothing. */
  readonly retryAfter: number | null

  constructor(code: ErrorCode, details: SsoErrorDetails = {}) {
    super(details.message ?? ERRORS[code].message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.issues = details.issues ?? []
    this.retryAfter = details.retryAfter ?? null
  }

  /** HTTP status of the error table. */
  get status(): number {
    return ERRORS[this.code].status
  }

  /** Who is at fault. */
  get kind(): ErrorKind {
    return ERRORS[this.code].kind
  }
}

/** An issue with the table's message, or a more precise one. */
export function issue(attribute: string, code: ErrorCode, message?: string, pointer?: string): Issue {
  return {
    attribute,
    pointer: pointer ?? `/${attribute.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    code,
    message: message ?? ERRORS[code].message,
  }
}

/** One error for many issues: its code is the first issue's, its message names them all. */
export function issuesError(issues: readonly [Issue, ...Issue[]]): SsoError {
  const message = issues.map(({ attribute, message }) => `${attribute}: ${message}`).join(' ')
  return new SsoError(issues[0].code, { message, issues })
}

/** Throws one error for all issues, if there are any. @throws SsoError as `issuesError` */
export function throwIssues(issues: readonly Issue[]): void {
  const [first, ...others] = issues
  if (first) throw issuesError([first, ...others])
}
