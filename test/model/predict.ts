import { type Attempt, authenticate, checkApp, checkLogin, entryOf, ownerOf, Refusal, refuseIf } from './attempt.ts'
import { type Change, change, checkHook, checkWaysIn, edit, passwordValues } from './change.ts'
import { createAccount } from './creation.ts'
import type { Learned, Of, Operation, Reply, Terms } from './operations.ts'
import { customEdits, grantsOf, updateuserOf, zatoData } from './readings.ts'
import { revertOf } from './reverting.ts'
import { passwordFault, visible } from './rules.ts'
import {
  ABSOLUTE_MINUTES,
  type Account,
  type Edit,
  type Entry,
  endSessions,
  LIFETIME_MINUTES,
  REDACTED,
  type Session,
  type Settings,
  type Values,
  type World,
} from './world.ts'

/** What an operation should have done. */
export interface Prediction {
  readonly reply: Reply
  /** What the trail should have of it; most have one record, reads and some refusals none. */
  readonly entries: readonly Entry[]
  /** What the trail would have if the database had failed. */
  readonly failure: Entry
}

/** Where and when an operation takes place. */
export interface Moment {
  readonly settings: Settings
  readonly trail: readonly Entry[]
  readonly cid: string
  readonly now: number
  readonly learned: Learned
}

const NAMES: Readonly<Partial<Record<Operation['kind'], string>>> = {
  get: 'get_user',
  password: 'change_password',
  lock: 'lock_user',
  unlock: 'unlock_user',
  approve: 'approve_user',
  reject: 'reject_user',
  delete: 'delete_user',
  grants: 'update_grants',
  attributes: 'set_attributes',
  renew: 'renew_session',
  revert: 'revert_change',
}

function nameOf(operation: Operation): string {
  if (operation.kind === 'update') return operation.userId === null ? 'update_current_user' : 'update_user_by_id'
  if (operation.kind === 'create') return operation.isSuper ? 'create_super_user' : 'create_user'
  return NAMES[operation.kind] ?? operation.kind.replace(' ', '_')
}

/** What is done and answered; changes of an account go into its record. */
interface Done {
  readonly reply: Reply
  /** Null where success is not recorded. */
  readonly changes: readonly Edit[] | null
  readonly mayBeUnchanged?: boolean
}

/** Carries out an operation on the model. */
export function predict(world: World, operation: Operation, moment: Moment): Prediction {
  const attempt: Attempt = { ...moment, world, operation, name: nameOf(operation), actor: null, target: null }
  const isDryRun = 'isDryRun' in operation && operation.isDryRun
  try {
    const { reply, changes, mayBeUnchanged } = carryOut(attempt)
    const isUnchanged = mayBeUnchanged === true && changes?.length === 0
    const entries = changes === null || isDryRun ? [] : [entryOf(attempt, null, changes, isUnchanged)]
    return { reply, entries, failure: failureOf(attempt) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const entries = error.isRecorded ? [entryOf(attempt, error.code, [])] : []
    return { reply: { error: error.code }, entries, failure: failureOf(attempt) }
  }
}

/** A login that fails has no actor yet, a creation no account. */
function failureOf(attempt: Attempt): Entry {
  const { kind } = attempt.operation
  const failed = {
    ...attempt,
    actor: kind === 'login' ? null : attempt.actor,
    target: kind === 'create' ? null : attempt.target,
  }
  return entryOf(failed, 'internal', [])
}

function carryOut(attempt: Attempt): Done {
  const { operation } = attempt
  switch (operation.kind) {
    case 'login':
      return login(attempt, operation)
    case 'logout':
      return logout(attempt)
    case 'get':
      return get(attempt, operation)
    case 'create':
      return createAccount(attempt, operation)
    case 'delete':
      return remove(attempt, operation)
    case 'renew':
      return renew(attempt)
    case 'verify session':
      return verify(attempt, operation)
    case 'list sessions':
    case 'end session':
    case 'end sessions':
      return onSessions(attempt, operation)
    default:
      return { ...change(attempt, changeOf(attempt, operation)), mayBeUnchanged: true }
  }
}

const STATES = {
  lock: { is_locked: true },
  unlock: { is_locked: false },
  approve: { approval_status: 'approved' },
  reject: { approval_status: 'rejected' },
} as const
const NO_TERMS: Terms = { ifMatch: null, isDryRun: false, currentPassword: null }

type Changing = Of<'update' | 'password' | 'grants' | 'attributes' | 'updateuser' | 'revert' | keyof typeof STATES>

function changeOf(attempt: Attempt, operation: Changing): Change {
  if (operation.kind === 'updateuser') {
    return { ...updateuserOf(attempt, operation), target: { uid: operation.uid }, terms: NO_TERMS }
  }
  const common = { target: { userId: operation.userId }, terms: operation, data: {} }
  switch (operation.kind) {
    case 'update':
      return { ...common, data: readUpdate(attempt, operation), refusesEmpty: true }
    case 'password': {
      const { new: password, old, days, mustChange } = operation
      return {
        ...common,
        // In `rest` one member is the old password and the proof alike.
        terms: { ...operation, currentPassword: old },
        data: mustChange === null ? {} : { password_must_change: mustChange },
        setsPassword: true,
        prepare: (actor) => ({ password: { new: password, old, days: actor.isSuper ? days : null } }),
      }
    }
    case 'grants':
      return { ...common, prepare: (actor) => grantsOf(actor, operation.patch) }
    case 'attributes':
      return { ...common, prepare: (actor, target) => customEdits(attempt, operation, actor, target) }
    case 'revert':
      return { ...common, prepare: (actor, target) => revertOf(attempt, operation, actor, target) }
    default:
      return {
        ...common,
        data: STATES[operation.kind],
        prepare(actor) {
          refuseIf(!actor.isSuper && 'super_user_required')
          return {}
        },
      }
  }
}

/** Zato's wire leaves out what nobody may change, has booleans of its own and no null for them or times. */
function readUpdate(attempt: Attempt, { channel, data }: Of<'update'>): Values {
  if (channel !== 'zato') return data
  checkApp(attempt)
  return zatoData(data)
}

function login(attempt: Attempt, { username, password, newPassword }: Of<'login'>): Done {
  const { world, now, learned, operation } = attempt
  const { account, renews, warns } = checkLogin(attempt, username, password, newPassword)
  const before = account.values
  const changes: Edit[] = []
  if (renews && newPassword !== null) {
    refuseIf(passwordFault(newPassword, before))
    const values: Values = { ...before, ...passwordValues(null, now), password_must_change: false }
    const differing = Object.keys(values).filter((name) => values[name] !== before[name])
    changes.push({ attribute: 'password', from: REDACTED, to: REDACTED })
    changes.push(...differing.map((name) => edit(name, before[name], values[name])))
    world.accounts.set(account.id, { ...account, values, password: newPassword })
    endSessions(world, account.id, null)
  }
  for (const [ust, session] of world.sessions) {
    if (session.userId === account.id && session.expires <= now) world.sessions.delete(ust)
  }
  const ust = learned.ust ?? ''
  const expires = now + LIFETIME_MINUTES * 60_000
  world.sessions.set(ust, { ust, userId: account.id, created: now, expires, app: operation.app, history: ['login'] })
  attempt.actor = ownerOf(account)
  return { reply: { error: null, says: { warns } }, changes }
}

/** Does not tell whether there was a session; ends a locked account's, too. */
function logout(attempt: Attempt): Done {
  const { world, operation } = attempt
  const ust = operation.caller.via === 'ust' ? operation.caller.ust : ''
  if (operation.caller.via === 'nobody' && operation.channel === 'rest') {
    throw new Refusal('credentials_missing', false)
  }
  checkApp(attempt)
  const session = world.sessions.get(ust)
  const account = session && world.accounts.get(session.userId)
  if (!account) return { reply: { error: null }, changes: null }
  attempt.actor = { ...ownerOf(account), via: 'ust', ust }
  attempt.target = nameOfAccount(account)
  world.sessions.delete(ust)
  return { reply: { error: null }, changes: [] }
}

function get(attempt: Attempt, { userId }: Of<'get'>): Done {
  const actor = authenticate(attempt)
  const isOwn = userId === null || userId === actor.id
  const account = isOwn ? actor.account : (attempt.world.accounts.get(userId) ?? null)
  if (!isOwn) attempt.target = account ? nameOfAccount(account) : null
  refuseIf(!isOwn && !actor.isSuper && 'super_user_required')
  if (!account) throw new Refusal('user_unknown')
  return { reply: { error: null, user: visible(account.values, actor.isSuper) }, changes: null }
}

function remove(attempt: Attempt, { userId, isDryRun, ifMatch }: Of<'delete'>): Done {
  const { world } = attempt
  const actor = authenticate(attempt)
  const target = world.accounts.get(userId)
  attempt.target = target ? nameOfAccount(target) : null
  refuseIf(!actor.isSuper && 'super_user_required')
  if (!target) throw new Refusal('user_unknown')
  refuseIf(actor.id === userId && 'operation_invalid')
  if (ifMatch !== null && ifMatch !== '*') {
    refuseIf(ifMatch.shown !== JSON.stringify(visible(target.values, true)) && 'precondition_failed')
  }
  checkWaysIn(attempt, actor, target, null)
  checkHook(attempt)
  if (!isDryRun) {
    world.accounts.delete(userId)
    endSessions(world, userId, null)
  }
  return { reply: { error: null }, changes: [] }
}

function renew(attempt: Attempt): Done {
  const actor = authenticate(attempt)
  const session = actor.ust === null ? undefined : attempt.world.sessions.get(actor.ust)
  if (!session || !actor.account) throw new Refusal('session_unknown')
  attempt.target = nameOfAccount(actor.account)
  const latest = session.created + ABSOLUTE_MINUTES * 60_000
  const expires = Math.min(attempt.now + LIFETIME_MINUTES * 60_000, latest)
  attempt.world.sessions.set(session.ust, { ...session, expires, history: [...session.history, 'renew'] })
  return { reply: { error: null, says: new Date(expires).toISOString() }, changes: [] }
}

function verify(attempt: Attempt, { ust }: Of<'verify session'>): Done {
  const { world, now } = attempt
  const actor = authenticate(attempt)
  refuseIf(!actor.isSuper && 'super_user_required')
  const session = world.sessions.get(ust)
  const values = session && world.accounts.get(session.userId)?.values
  const expiry = values?.['password_expiry']
  const isValid =
    session !== undefined &&
    session.expires > now &&
    values?.['approval_status'] === 'approved' &&
    values['is_locked'] === false &&
    values['sign_up_status'] === 'final' &&
    !(typeof expiry === 'string' && now > Date.parse(expiry))
  return { reply: { error: null, says: isValid }, changes: null }
}

function onSessions(attempt: Attempt, operation: Of<'list sessions' | 'end session' | 'end sessions'>): Done {
  const { world, now } = attempt
  const actor = authenticate(attempt)
  const isOwn = operation.userId === null || operation.userId === actor.id
  refuseIf(!isOwn && !actor.isSuper && 'super_user_required')
  const owner = isOwn ? actor.account : world.accounts.get(operation.userId ?? '')
  if (!owner) throw new Refusal('user_unknown')
  attempt.target = nameOfAccount(owner)
  if (operation.kind === 'list sessions') {
    const open = [...world.sessions.values()].filter(({ userId, expires }) => userId === owner.id && expires > now)
    const isZato = attempt.operation.channel === 'zato'
    const says = open.map((session) => listed(session, actor.ust, isZato)).sort()
    return { reply: { error: null, says }, changes: null }
  }
  if (operation.kind === 'end session') {
    const session = world.sessions.get(operation.ust ?? '')
    if (session?.userId !== owner.id) throw new Refusal('session_missing')
    world.sessions.delete(session.ust)
  } else endSessions(world, owner.id, actor.id === owner.id ? actor.ust : null)
  return { reply: { error: null }, changes: [] }
}

/** A session as a list shows it, as text that can be sorted; Zato's has neither application nor caller. */
function listed({ created, expires, app, history, ust }: Session, current: string | null, isZato: boolean): string {
  const times = [created, expires].map((time) => new Date(time).toISOString())
  return JSON.stringify([...times, history, ...(isZato ? [] : [app, ust === current])])
}

function nameOfAccount({ id, values }: Account) {
  return { id, name: String(values['username']) }
}
