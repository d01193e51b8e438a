/** Attributes of an account by name; times in ISO 8601. */
export type Values = Record<string, unknown>

/** A custom attribute. */
export interface Custom {
  readonly value: unknown
  readonly isEncrypted: boolean
  /** ISO 8601; null for never. */
  readonly expires: string | null
}

/** Everything that belongs to one account. */
export interface Account {
  readonly id: string
  values: Values
  /** In clear; null where nobody knows it. */
  password: string | null
  /** Rights by role. */
  roles: Record<string, string>
  acls: string[]
  groups: string[]
  custom: Record<string, Custom>
}

/** A session, under its token. */
export interface Session {
  readonly ust: string
  readonly userId: string
  readonly created: number
  expires: number
  readonly app: string
  /** What has been done with it: `login`, then `renew` for each time. */
  history: string[]
}

/** What the database should hold, the trail apart. */
export interface World {
  readonly accounts: Map<string, Account>
  readonly sessions: Map<string, Session>
}

/** What differs from one arrangement to the next. */
export interface Settings {
  /** Whether `Ada` and `ada` are one username. */
  readonly namesAreCaseless: boolean
  readonly emailIsUnique: boolean
}

/** One attribute's change, as the trail has it. */
export interface Edit {
  readonly attribute: string
  readonly from: unknown
  readonly to: unknown
}

/** One record of the trail. */
export interface Entry {
  readonly cid: string
  readonly time: string
  readonly operation: string
  readonly outcome: string
  readonly error: string | null
  readonly actor_id: string | null
  readonly actor_name: string | null
  readonly actor_via: string | null
  readonly target_id: string | null
  readonly target_name: string | null
  readonly app: string | null
  readonly remote_addr: string | null
  readonly user_agent: string | null
  readonly dialect: string
  readonly changes: readonly Edit[]
}

/** Stands for every secret in the trail. */
export const REDACTED = '[redacted]'

/** Minutes of a session from a login or a renewal, and with all renewals. */
export const LIFETIME_MINUTES = 30
export const ABSOLUTE_MINUTES = 80
/** Seconds for which a login proves enough to change a name or an address in the `rest` dialect. */
export const REAUTH_SECONDS = 300

/** A copy that shares nothing that is ever changed in place. */
export function copyOf({ accounts, sessions }: World): World {
  return {
    accounts: new Map([...accounts].map(([id, account]) => [id, { ...account }])),
    sessions: new Map([...sessions].map(([ust, session]) => [ust, { ...session }])),
  }
}

/** Makes `world` what `other` is. */
export function replace(world: World, other: World): void {
  world.accounts.clear()
  for (const [id, account] of other.accounts) world.accounts.set(id, account)
  world.sessions.clear()
  for (const [ust, session] of other.sessions) world.sessions.set(ust, session)
}

/** Whether the account's state lets its owner in; an expired password can be changed. */
export function canEnter(values: Values): boolean {
  return !values['is_locked'] && values['approval_status'] === 'approved' && values['sign_up_status'] === 'final'
}

/** Whether there would be no super-user left who can enter. */
export function lacksSuperUser({ accounts }: World, except: string): boolean {
  return ![...accounts.values()].some(
    ({ id, values }) => id !== except && values['is_super_user'] === true && canEnter(values),
  )
}

/** Ends an account's sessions, all but one. */
export function endSessions({ sessions }: World, userId: string, kept: string | null): void {
  for (const [ust, session] of sessions) {
    if (session.userId === userId && ust !== kept) sessions.delete(ust)
  }
}
