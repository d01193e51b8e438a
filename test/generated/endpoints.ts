/** One endpoint of the Zato dialect, as the README lists it and the schemas describe it. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly path: string
  /** Name of the request body's schema. */
  readonly schema: string
  readonly does: string
  readonly who: string
  /** Fields of the reply beside the envelope. */
  readonly replies?: string
}

/** Every endpoint of `sso.zato`. The schema test compares it with what the router answers. */
export const ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'POST',
    path: '/user/login',
    schema: 'login',
    does: 'Opens a session',
    who: 'anybody',
    replies: '`ust`; `status` is `warning` and `sub_status` `["W003005"]` where the password expires soon',
  },
  { method: 'POST', path: '/user/logout', schema: 'logout', does: 'Ends a session', who: 'anybody' },
  {
    method: 'GET',
    path: '/user',
    schema: 'get-user',
    does: 'Reads an account',
    who: 'self; super-user with `user_id`',
    replies: 'the attributes that the caller may read',
  },
  {
    method: 'POST',
    path: '/user',
    schema: 'create-user',
    does: 'Creates a regular account',
    who: 'super-user',
    replies: 'the new account, and `totp_key` if one was generated',
  },
  {
    method: 'PATCH',
    path: '/user',
    schema: 'update-user',
    does: 'Changes an account',
    who: 'self; super-user with `user_id`',
  },
  { method: 'DELETE', path: '/user', schema: 'delete-user', does: 'Deletes an account', who: 'super-user' },
  {
    method: 'GET',
    path: '/user/search',
    schema: 'search-users',
    does: 'Searches for accounts',
    who: 'super-user',
    replies:
      '`result`, `total`, `num_pages`, `page_size`, `cur_page`, `has_prev_page`, `has_next_page`, `prev_page` (0 on the first page), `next_page` (null on the last)',
  },
  {
    method: 'PATCH',
    path: '/user/password',
    schema: 'change-password',
    does: 'Sets a password',
    who: 'self with `old_password`; super-user with `user_id`',
  },
  {
    method: 'PATCH',
    path: '/user/totp',
    schema: 'set-totp-key',
    does: 'Sets the key of one-time codes',
    who: 'self; super-user with `user_id`',
    replies: '`totp_key`, as it is stored',
  },
  { method: 'POST', path: '/user/lock', schema: 'user-by-id', does: 'Locks an account', who: 'super-user' },
  { method: 'DELETE', path: '/user/lock', schema: 'user-by-id', does: 'Unlocks it', who: 'super-user' },
  { method: 'POST', path: '/user/approve', schema: 'user-by-id', does: 'Lets an account in', who: 'super-user' },
  { method: 'POST', path: '/user/reject', schema: 'user-by-id', does: 'Keeps it out', who: 'super-user' },
  {
    method: 'GET',
    path: '/user/session',
    schema: 'session-by-token',
    does: 'Reads a session',
    who: 'super-user, by `current_ust` and `target_ust`',
    replies: '`creation_time`, `expiration_time`, `remote_addr`, `user_agent`',
  },
  {
    method: 'POST',
    path: '/user/session',
    schema: 'session-by-token',
    does: 'Says whether a session would be let in',
    who: 'super-user, by `current_ust` and `target_ust`',
    replies: '`is_valid`',
  },
  {
    method: 'PATCH',
    path: '/user/session',
    schema: 'renew-session',
    does: 'Puts off the end of the session',
    who: 'self',
    replies: '`expiration_time`',
  },
  {
    method: 'GET',
    path: '/user/session/list',
    schema: 'list-sessions',
    does: 'Lists sessions with their history',
    who: 'self; super-user by `current_ust` and `target_ust`',
    replies: '`result`: what it calls `ust` names a session and opens nothing',
  },
  ...attributeEndpoints('user', 'self; super-user with `user_id`'),
  ...attributeEndpoints('session', 'owner of the session; super-user, by `current_ust` and `target_ust`'),
]

function attributeEndpoints(kind: 'user' | 'session', who: string): readonly Endpoint[] {
  const path = `/${kind}/attr`
  const [read, write] = [`read-${kind}-attributes`, `write-${kind}-attributes`]
  const [name, list] = [`name-${kind}-attributes`, `list-${kind}-attributes`]
  const details =
    '`found`, `name`, `value`, `creation_time`, `last_modified`, `expiration_time`, `is_encrypted`; of several a list of these, `result`'
  return [
    { method: 'GET', path, schema: read, does: `Reads attributes of a ${kind}`, who, replies: details },
    { method: 'POST', path, schema: write, does: 'Creates them', who },
    { method: 'PATCH', path, schema: write, does: 'Updates them', who },
    { method: 'PUT', path, schema: write, does: 'Creates or updates them', who },
    { method: 'DELETE', path, schema: name, does: 'Deletes them', who },
    {
      method: 'GET',
      path: `${path}/exists`,
      schema: name,
      does: 'Says which there are',
      who,
      replies: '`result`: true or false; of several an object of these by name',
    },
    { method: 'GET', path: `${path}/names`, schema: list, does: 'Lists their names', who, replies: '`result`' },
  ]
}
