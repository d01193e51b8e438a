import type { Operation, Reply } from './operations.ts'

/** How each refusal reads: status in `rest`, sub-status in `zato` (contract section 5), status in `updateuser`. */
const WORDING: Readonly<Record<string, readonly [rest: number, zato: string, updateuser: number]>> = {
  app_invalid: [403, 'E004001', 403],
  input_invalid: [422, 'E008002', 400],
  nothing_to_update: [422, 'E008003', 400],
  attribute_unknown: [422, 'E008002', 400],
  attribute_forbidden: [403, 'E008002', 403],
  attribute_exists: [409, 'E009001', 409],
  attribute_missing: [404, 'E009002', 404],
  audit_record_unknown: [404, 'E008001', 404],
  change_irrevocable: [422, 'E008001', 400],
  change_superseded: [409, 'E008001', 409],
  username_invalid: [422, 'E001001', 400],
  username_too_long: [422, 'E001003', 400],
  username_has_whitespace: [422, 'E001004', 400],
  username_taken: [409, 'E001002', 409],
  email_invalid: [422, 'E002001', 400],
  email_too_long: [422, 'E002003', 400],
  email_taken: [409, 'E002002', 409],
  user_unknown: [404, 'E001100', 404],
  password_rejected: [422, 'E003001', 400],
  password_too_short: [422, 'E003002', 400],
  password_too_long: [422, 'E003003', 400],
  password_must_change: [403, 'E003007', 403],
  credentials_missing: [401, '', 401],
  credentials_invalid: [401, 'E005001', 401],
  totp_key_missing: [422, 'E008002', 400],
  totp_proof_missing: [422, 'E008002', 400],
  not_allowed: [403, 'E005001', 403],
  super_user_required: [403, 'E005001', 403],
  account_locked: [403, 'E005002', 403],
  sign_up_not_final: [403, 'E005003', 403],
  last_super_user: [409, 'E008001', 409],
  session_unknown: [401, 'E007001', 401],
  session_missing: [404, 'E007001', 404],
  operation_invalid: [409, 'E008001', 400],
  hook_refused: [403, 'E005001', 403],
  precondition_failed: [412, 'E008001', 409],
  reauth_required: [401, 'E005001', 403],
  internal: [500, 'E008004', 500],
}
/** Where Zato calls it invalid input that a regular user reaches for another (sections 8.5, 8.7, 8.9). */
const INVALID_FOR_OTHERS = ['update', 'password', 'approve', 'reject']

/** An error as the channel words it; null for none. */
export function worded({ channel, kind }: Operation, code: string | null): string | null {
  if (code === null || channel === 'code') return code
  const wording = WORDING[code]
  if (!wording) throw new Error(`the model does not know how ${code} is worded`)
  const [rest, zato, updateuser] = wording
  if (channel === 'rest') return `${rest} ${code}`
  if (channel === 'updateuser') return `${updateuser}`
  if (code === 'app_invalid') return `200 ${zato}`
  if (code === 'internal') return `500 ${zato}`
  const isInvalid = code === 'super_user_required' && INVALID_FOR_OTHERS.includes(kind)
  return `403 ${isInvalid ? 'E008002' : zato}`
}

/** What of an expected reply the channel tells, in the form in which it is compared. */
export function told(operation: Operation, reply: Reply): Reply {
  const { channel, kind } = operation
  const error = worded(operation, reply.error)
  if (error !== null) return { error }
  const says = reply.says === undefined ? {} : { says: reply.says }
  const bare = { error, ...says }
  if (channel === 'zato') return bare
  // The account's own attributes have their names before them in the trail alone.
  const names = (reply.changed ?? []).map((name) =>
    kind === 'attributes' ? name.replace(/^(attributes|expirations)\./, '') : name,
  )
  const changed = reply.changed ? { changed: [...new Set(names)].sort() } : {}
  const hasUser =
    reply.user && kind !== 'attributes' && channel !== 'updateuser' && !(kind === 'grants' && channel === 'rest')
  return { ...bare, ...changed, ...(hasUser ? { user: reply.user as object } : {}) } as Reply
}
