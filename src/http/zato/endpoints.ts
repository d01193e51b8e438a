import repliesSchema from '#schemas/zato-replies.json' with { type: 'json' }
import type { Operation } from '../../core/audit/record.ts'
import type { BODIES } from './bodies.ts'
import type { Exceptions } from './failures.ts'

/** Schemas of the replies by name. */
export const REPLIES = repliesSchema.$defs

/** One endpoint of the Zato dialect, as the README lists it and the OpenAPI document describes it. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly path: string
  /** What the audit trail calls it; two where the request decides. */
  readonly operations: readonly [Operation, ...Operation[]]
  /** Name of the request body's schema. */
  readonly schema: keyof typeof BODIES
  /** What it does, for people. */
  readonly does: string
  /** Whose request is answered, in Markdown. */
  readonly who: string
  /** Fields of the reply beside the envelope, in Markdown. */
  readonly replies?: string
  /** Name of the reply's schema in `schemas/zato-replies.json`. Default `Done`, the bare envelope. */
  readonly reply?: keyof typeof REPLIES
  /** Codes of its own. */
  readonly exceptions?: Exceptions
  /** Whether nobody need say who he is. */
  readonly isOpen?: true
}

/** These endpoints say "invalid input" to a regular user who reaches for another (contract sections 8.5, 8.7, 8.9). */
export const INVALID_FOR_REGULAR_USERS: Exceptions = { super_user_required: 'E008002' }

/** Search is one of Zato's plain services, which do not tell what is wrong with a session (contract section 4). */
export const UNTOLD_SESSIONS: Exceptions = { session_unknown: 'E005001' }

/** Every endpoint of `sso.zato`, in the order of the router. */
export const ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'POST',
    path: '/user/login',
    operations: ['login'],
    reply: 'Login',
    schema: 'login',
    isOpen: true,
    does: 'Opens a session',
    who: 'anybody',
    replies: '`ust`; `status` is `warning` and `sub_status` `["W003005"]` where the password expires soon',
  },
  {
    method: 'POST',
    path: '/user/logout',
    operations: ['logout'],
    schema: 'logout',
    does: 'Ends a session',
    who: 'anybody',
  },
  {
    method: 'GET',
    path: '/user',
    operations: ['get_user'],
    reply: 'User',
    schema: 'get-user',
    does: 'Reads an account',
    who: 'self; super-user with `user_id`',
    replies: 'the attributes that the caller may read',
  },
  {
    method: 'POST',
    path: '/user',
    operations: ['create_user'],
    reply: 'CreatedUser',
    schema: 'create-user',
    does: 'Creates a regular account',
    who: 'super-user',
    replies: 'the new account, and `totp_key` if one was generated',
  },
  {
    method: 'PATCH',
    path: '/user',
    operations: ['update_current_user', 'update_user_by_id'],
    exceptions: INVALID_FOR_REGULAR_USERS,
    schema: 'update-user',
    does: 'Changes an account',
    who: 'self; super-user with `user_id`',
  },
  {
    method: 'DELETE',
    path: '/user',
    operations: ['delete_user'],
    schema: 'delete-user',
    does: 'Deletes an account',
    who: 'super-user',
  },
  {
    method: 'GET',
    path: '/user/search',
    operations: ['search_users'],
    exceptions: UNTOLD_SESSIONS,
    reply: 'Page',
    schema: 'search-users',
    does: 'Searches for accounts',
    who: 'super-user',
    replies:
      '`result`, `total`, `num_pages`, `page_size`, `cur_page`, `has_prev_page`, `has_next_page`, `prev_page` (0 on the first page), `next_page` (null on the last)',
  },
  {
    method: 'PATCH',
    path: '/user/password',
    operations: ['change_password'],
    exceptions: INVALID_FOR_REGULAR_USERS,
    schema: 'change-password',
    does: 'Sets a password',
    who: 'self with `old_password`; super-user with `user_id`',
  },
  {
    method: 'PATCH',
    path: '/user/totp',
    operations: ['set_totp_key'],
    exceptions: INVALID_FOR_REGULAR_USERS,
    reply: 'TotpKey',
    schema: 'set-totp-key',
    does: 'Sets the key of one-time codes',
    who: 'self; super-user with `user_id`',
    replies: '`totp_key`, as it is stored',
  },
  {
    method: 'POST',
    path: '/user/lock',
    operations: ['lock_user'],
    schema: 'user-by-id',
    does: 'Locks an account',
    who: 'super-user',
  },
  {
    method: 'DELETE',
    path: '/user/lock',
    operations: ['unlock_user'],
    schema: 'user-by-id',
    does: 'Unlocks it',
    who: 'super-user',
  },
  {
    method: 'POST',
    path: '/user/approve',
    operations: ['approve_user'],
    exceptions: INVALID_FOR_REGULAR_USERS,
    schema: 'user-by-id',
    does: 'Lets an account in',
    who: 'super-user',
  },
  {
    method: 'POST',
    path: '/user/reject',
    operations: ['reject_user'],
    exceptions: INVALID_FOR_REGULAR_USERS,
    schema: 'user-by-id',
    does: 'Keeps it out',
    who: 'super-user',
  },
  {
    method: 'GET',
    path: '/user/session',
    operations: ['get_session'],
    reply: 'Session',
    schema: 'session-by-token',
    does: 'Reads a session',
    who: 'super-user, by `current_ust` and `target_ust`',
    replies: '`creation_time`, `expiration_time`, `remote_addr`, `user_agent`',
  },
  {
    method: 'POST',
    path: '/user/session',
    operations: ['verify_session'],
    reply: 'Validity',
    schema: 'session-by-token',
    does: 'Says whether a session would be let in',
    who: 'super-user, by `current_ust` and `target_ust`',
    replies: '`is_valid`',
  },
  {
    method: 'PATCH',
    path: '/user/session',
    operations: ['renew_session'],
    reply: 'Renewal',
    schema: 'renew-session',
    does: 'Puts off the end of the session',
    who: 'self',
    replies: '`expiration_time`',
  },
  {
    method: 'GET',
    path: '/user/session/list',
    operations: ['list_sessions'],
    reply: 'Sessions',
    schema: 'list-sessions',
    does: 'Lists sessions with their history',
    who: 'self; super-user by `current_ust` and `target_ust`',
    replies: '`result`: what it calls `ust` names a session and opens nothing',
  },
  {
    method: 'POST',
    path: '/password/reset',
    operations: ['request_password_reset'],
    schema: 'request-password-reset',
    isOpen: true,
    does: 'Has a reset token sent',
    who: 'anybody',
  },
  {
    method: 'PATCH',
    path: '/password/reset',
    operations: ['exchange_reset_token'],
    schema: 'exchange-reset-token',
    reply: 'ResetKey',
    isOpen: true,
    does: 'Takes a reset token for a reset key',
    who: 'who has the token',
    replies: '`reset_key`',
  },
  {
    method: 'DELETE',
    path: '/password/reset',
    operations: ['reset_password'],
    schema: 'reset-password',
    isOpen: true,
    does: 'Sets a password by a reset token and its key',
    who: 'who has both',
  },
  ...attributeEndpoints('user', 'self; super-user with `user_id`'),
  ...attributeEndpoints('session', 'owner of the session; super-user, by `current_ust` and `target_ust`'),
]

function attributeEndpoints(kind: 'user' | 'session', who: string): readonly Endpoint[] {
  const path = `/${kind}/attr`
  const [read, write] = [`read-${kind}-attributes`, `write-${kind}-attributes`] as const
  const [name, list] = [`name-${kind}-attributes`, `list-${kind}-attributes`] as const
  const [reads, writes] = [
    { operations: [kind === 'user' ? 'get_attributes' : 'get_session_attributes'] },
    { operations: [kind === 'user' ? 'set_attributes' : 'set_session_attributes'] },
  ] as const
  const details =
    '`found`, `name`, `value`, `creation_time`, `last_modified`, `expiration_time`, `is_encrypted`; of several a list of these, `result`'
  return [
    {
      method: 'GET',
      path,
      schema: read,
      does: `Reads attributes of a ${kind}`,
      who,
      ...reads,
      reply: 'Attributes',
      replies: details,
    },
    { method: 'POST', path, schema: write, does: 'Creates them', who, ...writes },
    { method: 'PATCH', path, schema: write, does: 'Updates them', who, ...writes },
    { method: 'PUT', path, schema: write, does: 'Creates or updates them', who, ...writes },
    { method: 'DELETE', path, schema: name, does: 'Deletes them', who, ...writes },
    {
      method: 'GET',
      path: `${path}/exists`,
      schema: name,
      does: 'Says which there are',
      ...reads,
      reply: 'Existence',
      who,
      replies: '`result`: true or false; of several an object of these by name',
    },
    {
      method: 'GET',
      path: `${path}/names`,
      schema: list,
      does: 'Lists their names',
      who,
      ...reads,
      reply: 'Names',
      replies: '`result`',
    },
  ]
}
