import type { Operation } from '../../core/audit/record.ts'
import type { ErrorCode } from '../../errors.ts'
import type { Edge } from '../edge.ts'

type Codes = readonly ErrorCode[]

const GATE: Codes = [
  'app_invalid',
  'session_unknown',
  'account_locked',
  'sign_up_not_final',
  'password_expired',
  'not_allowed',
]
const ON_OTHERS: Codes = [...GATE, 'super_user_required', 'user_unknown']
const ON_SESSIONS: Codes = [...GATE, 'super_user_required']
// What every change can meet: hooks, somebody else's change, the database's own rules, and that nobody shuts himself out.
const CHANGE: Codes = [
  ...ON_OTHERS,
  'attribute_forbidden',
  'hook_refused',
  'input_invalid',
  'concurrent_change',
  'value_taken',
  'user_referenced',
  'operation_invalid',
  'last_super_user',
]
const PROFILE: Codes = [
  'attribute_unknown',
  'username_invalid',
  'username_too_long',
  'username_has_whitespace',
  'username_taken',
  'email_invalid',
  'email_too_long',
  'email_taken',
  'totp_key_missing',
  'totp_proof_missing',
  'totp_invalid',
  'encryption_key_missing',
]
const PASSWORD: Codes = ['password_rejected', 'password_too_short', 'password_too_long', 'password_too_simple']
const RESET: Codes = ['app_invalid', 'reset_token_invalid', 'account_locked', 'sign_up_not_final', 'not_allowed']
const PROOF: Codes = ['credentials_invalid', 'reauth_required']
const UPDATE: Codes = [...CHANGE, ...PROFILE, ...PROOF, 'nothing_to_update']
const CUSTOM: Codes = [
  'attribute_forbidden',
  'attribute_exists',
  'attribute_missing',
  'input_invalid',
  'encryption_key_missing',
]

/** What the domain may refuse an operation with, whoever words it. */
const REFUSALS: Readonly<Record<Operation, Codes>> = {
  login: [
    ...(['app_invalid', 'app_not_allowed', 'credentials_invalid', 'totp_missing', 'totp_invalid'] as const),
    ...(['account_locked', 'sign_up_not_final', 'password_expired', 'password_must_change', 'not_allowed'] as const),
    ...PASSWORD,
  ],
  logout: ['app_invalid'],
  get_user: ON_OTHERS,
  create_user: [...CHANGE, ...PROFILE, ...PASSWORD],
  create_super_user: [],
  update_current_user: UPDATE,
  update_user_by_id: UPDATE,
  change_password: [...CHANGE, ...PASSWORD, ...PROOF],
  set_totp_key: [...CHANGE, ...PROFILE, ...PROOF],
  validate_totp_code: [...CHANGE, 'totp_invalid'],
  delete_user: CHANGE,
  lock_user: CHANGE,
  unlock_user: CHANGE,
  approve_user: CHANGE,
  reject_user: CHANGE,
  updateuser: [...CHANGE, ...PROFILE, ...PASSWORD, 'nothing_to_update'],
  authenticate: GATE,
  get_session: ON_SESSIONS,
  verify_session: ON_SESSIONS,
  renew_session: GATE,
  list_sessions: [...ON_OTHERS, 'input_invalid'],
  end_session: [...ON_OTHERS, 'session_missing'],
  end_sessions: ON_OTHERS,
  update_grants: [...CHANGE, 'attribute_unknown'],
  read_audit: ON_OTHERS,
  revert_change: [
    ...(['audit_record_unknown', 'change_irrevocable', 'change_superseded'] as const),
    ...CHANGE,
    ...PROFILE,
    ...PROOF,
  ],
  get_attributes: [...ON_OTHERS, 'input_invalid'],
  set_attributes: [...CHANGE, ...CUSTOM],
  get_session_attributes: [...ON_SESSIONS, 'input_invalid'],
  set_session_attributes: [...ON_SESSIONS, ...CUSTOM],
  search_users: [...ON_SESSIONS, 'input_invalid', 'attribute_unknown'],
  prune_audit: [],
  // Who asks is not told what came of it: only what is so for everybody.
  request_password_reset: ['app_invalid', 'operation_invalid'],
  start_password_reset: [...ON_OTHERS, 'hook_refused', 'operation_invalid'],
  exchange_reset_token: RESET,
  reset_password: [
    ...(['totp_missing', 'totp_invalid', 'credentials_invalid', 'hook_refused', 'concurrent_change'] as const),
    ...(['attribute_forbidden', 'value_taken', 'user_referenced'] as const),
    ...RESET,
    ...PASSWORD,
  ],
  end_everybodys_sessions: ON_SESSIONS,
}

// Operations that compare a password, a code or a reset token, or have something sent.
const GUESSED: readonly Operation[] = [
  'login',
  'update_current_user',
  'update_user_by_id',
  'change_password',
  'set_totp_key',
  'validate_totp_code',
  'updateuser',
  'revert_change',
  'request_password_reset',
  'exchange_reset_token',
  'reset_password',
]

/** What an operation may be refused with, beside what the dialect itself has against a request. */
export function refusalsOf({ core, config }: Edge, operation: Operation, isChange: boolean): Codes {
  const isThrottled = core.throttle !== null && GUESSED.includes(operation)
  return [
    ...REFUSALS[operation],
    // Only the host's own authentication can come by cookies.
    ...(config.authenticate && isChange ? (['cross_site'] as const) : []),
    ...(isThrottled ? (['throttled'] as const) : []),
  ]
}

/** What a batch may be refused with as a whole, before its first result. */
export function batchCodes(edge: Edge): Codes {
  return [
    ...(['input_malformed', 'input_invalid', 'attribute_unknown', 'media_type_unsupported'] as const),
    'credentials_missing',
    ...refusalsOf(edge, 'authenticate', true),
    'internal',
  ]
}

/** Codes by the status that they are answered with, in ascending order. */
export function byStatus(codes: Codes, statusOf: (code: ErrorCode) => number): [status: number, codes: Codes][] {
  const unique = [...new Set(codes)]
  const statuses = [...new Set(unique.map(statusOf))].sort((a, b) => a - b)
  return statuses.map((status) => [status, unique.filter((code) => statusOf(code) === status)])
}
