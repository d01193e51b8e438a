import type { Learned, Operation } from './operations.ts'
import { accountNamed } from './rules.ts'
import { type Account, type Edit, type Entry, endSessions, type Settings, type World } from './world.ts'

/** Who asks, once it is proved. */
export interface Actor {
  readonly via: 'ust' | 'password' | 'host' | 'code'
  readonly id: string | null
  readonly name: string
  readonly isSuper: boolean
  readonly ust: string | null
  readonly account: Account | null
  /** When he proved himself last; null where nobody knows. */
  readonly provedAt: number | null
}

/** An operation under way in the model. */
export interface Attempt {
  readonly world: World
  readonly settings: Settings
  readonly trail: readonly Entry[]
  readonly operation: Operation
  /** What the trail calls it. */
  readonly name: string
  readonly cid: string
  readonly now: number
  readonly learned: Learned
  actor: Actor | null
  target: { readonly id: string | null; readonly name: string | null } | null
}

/** An operation that is not carried out. */
export class Refusal extends Error {
  readonly code: string
  readonly isRecorded: boolean

  constructor(code: string, isRecorded = true) {
    super(code)
    this.code = code
    this.isRecorded = isRecorded
  }
}

/** @throws Refusal where there is a code */
export function refuseIf(code: string | null | false | undefined): void {
  if (code) throw new Refusal(code)
}

const DENIED = `app_invalid attribute_forbidden password_must_change credentials_missing credentials_invalid not_allowed
  super_user_required account_locked sign_up_not_final session_unknown session_missing hook_refused reauth_required
  user_unknown audit_record_unknown`.split(/\s+/)

/** The record of an attempt, as it stands. */
export function entryOf(attempt: Attempt, error: string | null, changes: readonly Edit[], isUnchanged = false): Entry {
  const { operation, actor, target, now, cid, name } = attempt
  const outcome = error === 'internal' ? 'failed' : error && (DENIED.includes(error) ? 'denied' : 'invalid')
  const isHttp = operation.channel !== 'code'
  return {
    cid,
    time: new Date(now).toISOString(),
    operation: name,
    outcome: outcome ?? (isUnchanged ? 'unchanged' : 'ok'),
    error,
    actor_id: actor?.id ?? null,
    actor_name: actor?.name ?? null,
    actor_via: actor?.via ?? null,
    target_id: target?.id ?? null,
    target_name: target?.name ?? null,
    app: error === 'app_invalid' ? null : operation.app,
    remote_addr: isHttp ? '127.0.0.1' : null,
    user_agent: isHttp ? 'model' : null,
    dialect: operation.channel,
    changes: [...changes].sort((one, other) => (one.attribute < other.attribute ? -1 : 1)),
  }
}

/** The contract's session gate, section 6, and its like for other proofs. @throws Refusal */
export function authenticate(attempt: Attempt, setsPassword = false): Actor {
  const { world, operation, now } = attempt
  const { caller, channel } = operation
  // Where a header would name him, there is nobody at all; elsewhere a token is sent that opens nothing.
  const isSilent = caller.via === 'nobody' && (channel === 'rest' || channel === 'updateuser')
  if (isSilent) throw new Refusal('credentials_missing', false)
  checkApp(attempt)
  const admit = (account: Account, via: Actor['via'], ust: string | null, provedAt: number | null): Actor => {
    const { username, is_super_user } = account.values
    const actor = {
      via,
      id: account.id,
      name: String(username),
      isSuper: is_super_user === true,
      ust,
      account,
      provedAt,
    }
    if (via !== 'password') attempt.actor = actor
    checkState(account, now, setsPassword)
    if (via === 'password' && account.values['password_must_change'] && !setsPassword) {
      throw new Refusal('password_must_change')
    }
    attempt.actor = actor
    return actor
  }

  switch (caller.via) {
    case 'nobody':
      throw new Refusal('session_unknown')
    case 'code':
      attempt.actor = {
        via: 'code',
        id: null,
        name: 'model',
        isSuper: true,
        ust: null,
        account: null,
        provedAt: null,
      }
      return attempt.actor
    case 'ust': {
      const session = world.sessions.get(caller.ust)
      const account = session && world.accounts.get(session.userId)
      if (!session || !account || !isApproved(account) || session.expires <= now) throw new Refusal('session_unknown')
      return admit(account, 'ust', caller.ust, session.created)
    }
    case 'host': {
      const account = world.accounts.get(caller.userId)
      if (!account || !isApproved(account)) throw new Refusal('not_allowed')
      return admit(account, 'host', null, null)
    }
    case 'password':
      return admit(passwordOwner(attempt, caller.username, caller.password), 'password', null, now)
  }
}

/** @throws Refusal `app_invalid` */
export function checkApp({ operation }: Attempt): void {
  refuseIf(!['CRM', 'Shop'].includes(operation.app) && 'app_invalid')
}

function passwordOwner(attempt: Attempt, username: string, password: string): Account {
  const account = accountNamed(attempt.world, attempt.settings, username)
  if (account) attempt.target = { id: account.id, name: String(account.values['username']) }
  if (!account || account.password !== password || !isApproved(account)) throw new Refusal('credentials_invalid')
  return account
}

function isApproved({ values }: Account): boolean {
  return values['approval_status'] === 'approved'
}

/** Whether the account can be used at all. @throws Refusal */
export function checkState({ values }: Account, now: number, setsPassword = false): void {
  refuseIf(values['is_locked'] === true && 'account_locked')
  refuseIf(values['sign_up_status'] !== 'final' && 'sign_up_not_final')
  refuseIf(!setsPassword && isExpired(values['password_expiry'], now) && 'not_allowed')
}

function isExpired(expiry: unknown, now: number): boolean {
  return typeof expiry === 'string' && now > Date.parse(expiry)
}

const DAY = 86_400_000

/** What a login finds out before it opens the session (contract section 8.1). @throws Refusal */
export function checkLogin(attempt: Attempt, username: string, password: string, newPassword: string | null) {
  checkApp(attempt)
  const account = passwordOwner(attempt, username, password)
  checkState(account, attempt.now, newPassword !== null)
  const { password_expiry: expiry, password_must_change: mustChange } = account.values
  refuseIf(mustChange === true && newPassword === null && 'password_must_change')
  const hasExpired = isExpired(expiry, attempt.now)
  const renews = newPassword !== null && (hasExpired || mustChange === true)
  const isNear = typeof expiry === 'string' && attempt.now > Date.parse(expiry) - 30 * DAY
  return { account, renews, warns: isNear && !hasExpired && !renews }
}

/** The actor that a login makes of the owner. */
export function ownerOf(account: Account): Actor {
  const { username, is_super_user } = account.values
  return {
    via: 'password',
    id: account.id,
    name: String(username),
    isSuper: is_super_user === true,
    ust: null,
    account,
    provedAt: null,
  }
}

/** Ends what a change of these attributes ends: the one that asks goes on where the account is the asker's own. */
export function revoke(attempt: Attempt, account: Account, rules: readonly (string | undefined)[]): void {
  if (!rules.some((rule) => rule !== undefined)) return
  const keeps = !rules.includes('all') && attempt.actor?.id === account.id
  endSessions(attempt.world, account.id, keeps ? (attempt.actor?.ust ?? null) : null)
}
