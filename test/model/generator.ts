import type { Caller, Channel, Fault, Operation, Request, Tagged, Terms } from './operations.ts'
import type { Random } from './random.ts'
import {
  customName,
  customValue,
  grants,
  newPassword,
  parameters,
  password,
  patch,
  unfitGrants,
  username,
} from './values.ts'
import { type Account, canEnter, type Entry, type Values, type World } from './world.ts'

/** What operations are made from. */
export interface Ground {
  readonly random: Random
  readonly world: World
  readonly trail: readonly Entry[]
  readonly now: number
  /** Tokens that sessions had which are no more, the latest last. */
  readonly lostTokens: readonly string[]
  /** Entity tags that were read of accounts, by id. */
  readonly tags: ReadonlyMap<string, Tagged>
  /** Whether the host has a hook in transactions. */
  readonly hasHook: boolean
  readonly isServer: boolean
}

const WEIGHTS: Readonly<Record<Request['kind'], number>> = {
  login: 16,
  logout: 2,
  renew: 3,
  get: 2,
  'list sessions': 2,
  'end sessions': 1,
  'end session': 2,
  'verify session': 1,
  update: 26,
  password: 7,
  lock: 2,
  unlock: 3,
  approve: 3,
  reject: 1.5,
  delete: 1.5,
  create: 3,
  grants: 5,
  attributes: 9,
  updateuser: 8,
  revert: 5,
}
const OVER: Readonly<Partial<Record<Request['kind'], readonly Channel[]>>> = {
  login: ['zato', 'rest'],
  logout: ['zato', 'rest'],
  renew: ['zato', 'rest'],
  get: ['rest'],
  'list sessions': ['zato', 'rest'],
  'end sessions': ['rest'],
  'end session': ['rest'],
  update: ['zato', 'rest'],
  password: ['zato', 'rest'],
  lock: ['zato', 'rest'],
  unlock: ['zato', 'rest'],
  approve: ['zato', 'rest'],
  reject: ['zato', 'rest'],
  delete: ['zato', 'rest'],
  create: ['zato', 'rest'],
  grants: ['rest'],
  attributes: ['zato', 'rest'],
  updateuser: ['updateuser'],
  revert: ['rest'],
}
/** What two at once on one account are made of. */
const CLASHING = {
  ...WEIGHTS,
  update: 50,
  password: 15,
  attributes: 15,
  grants: 10,
  create: 0,
}
const MOST_ACCOUNTS = 14

/**
 * An operation that could come next.
 *
 * @param about the account that it must be about, where there is one
 */
export function generate(ground: Ground, about: string | null = null): Operation {
  const { random, world } = ground
  const open = [...world.sessions.values()].filter(({ expires }) => expires > ground.now).length
  const few = open < 6 ? { login: 40 } : {}
  const crowd = world.accounts.size >= MOST_ACCOUNTS ? { create: 1, delete: 5 } : {}
  // Those who are kept out are let in again, or soon nobody could do anything.
  const shutOut = [...world.accounts.values()].filter(
    ({ values }) => values['approval_status'] !== 'approved' || values['is_locked'],
  )
  const rescue = shutOut.length > world.accounts.size / 3 ? { unlock: 20, approve: 20 } : {}
  const kind = random.weighted(about === null ? { ...WEIGHTS, ...few, ...crowd, ...rescue } : CLASHING)
  const caller = callerFor(ground, kind, about)
  const owner = ownerOf(ground, caller)
  const isSuper = caller.via === 'code' || owner?.values['is_super_user'] === true
  const userId = about ?? targetFor(ground, isSuper, owner, kind)
  const channel = channelFor(ground, kind, caller, userId)
  const app = random.oneIn(60) ? 'Nope' : random.pick(['CRM', 'CRM', 'Shop'])
  const common = { channel, caller, app, fault: faultFor(ground) }
  return { ...common, ...requestFor(ground, kind, { channel, caller, owner, isSuper, userId }) } as Operation
}

const ONLY_BY_ID = ['lock', 'unlock', 'approve', 'reject', 'delete', 'grants', 'revert']

function callerFor({ random, world, lostTokens, now }: Ground, kind: Request['kind'], about: string | null): Caller {
  if (kind === 'login') return { via: 'nobody' }
  // Two at once mean something only where both may do what they want.
  if (about !== null && kind !== 'renew' && kind !== 'logout' && random.oneIn(2)) return { via: 'code' }
  const all = [...world.sessions.values()]
  const alive = all.filter(({ expires, userId }) => expires > now && canEnter(world.accounts.get(userId)?.values ?? {}))
  const sessions = alive.length > 0 && !random.oneIn(12) ? alive : all
  const isSuper = (id: string) => world.accounts.get(id)?.values['is_super_user'] === true
  const supers = sessions.filter(({ userId }) => isSuper(userId))
  const isManaging = ONLY_BY_ID.includes(kind) || kind === 'create'
  const needsSession = kind === 'renew' || kind === 'logout'
  const via = random.weighted({
    ust: 60,
    lost: 6,
    nobody: needsSession ? 3 : 4,
    code: needsSession ? 0 : isManaging ? 25 : 12,
    host: needsSession ? 0 : 5,
    password: kind === 'updateuser' ? 40 : 0,
  })
  if (via === 'ust' && sessions.length > 0) {
    const wantsSuper = supers.length > 0 && (isManaging ? !random.oneIn(5) : random.oneIn(2))
    return { via, ust: random.pick(wantsSuper ? supers : sessions).ust }
  }
  if (via === 'lost' && lostTokens.length > 0) return { via: 'ust', ust: random.pick(lostTokens.slice(-20)) }
  const account = random.pick([...world.accounts.values()])
  if (via === 'host') return { via, userId: account.id }
  if (via === 'password') {
    const isRight = account.password !== null && !random.oneIn(8)
    return {
      via,
      username: String(account.values['username']),
      password: isRight ? (account.password ?? '') : 'wrong one',
    }
  }
  return via === 'code' ? { via } : { via: 'nobody' }
}

function ownerOf({ world }: Ground, caller: Caller): Account | null {
  const { accounts, sessions } = world
  if (caller.via === 'ust') return accounts.get(sessions.get(caller.ust)?.userId ?? '') ?? null
  if (caller.via === 'host') return accounts.get(caller.userId) ?? null
  if (caller.via !== 'password') return null
  return [...accounts.values()].find(({ values }) => values['username'] === caller.username) ?? null
}

/** Id of the account that is meant; null for the caller's own. */
function targetFor(
  { random, world }: Ground,
  isSuper: boolean,
  owner: Account | null,
  kind: Request['kind'],
): string | null {
  const ids = [...world.accounts.keys()]
  const own = owner?.id ?? random.pick(ids)
  const whom = random.weighted(
    isSuper ? { self: 1, own: 1, any: 8, unknown: 0.5 } : { self: 6, own: 1.5, any: 2, unknown: 0.5 },
  )
  if (whom === 'unknown') return '999999'
  const mayBeSelf = owner !== null && !ONLY_BY_ID.includes(kind)
  if (whom === 'self') return mayBeSelf ? null : own
  return whom === 'own' ? own : random.pick(ids)
}

function channelFor({ random }: Ground, kind: Request['kind'], caller: Caller, userId: string | null): Channel {
  const isLocal = caller.via === 'code' || caller.via === 'host'
  const isNamed = caller.via !== 'password' || kind === 'updateuser'
  let channels = isLocal || !isNamed ? [] : (OVER[kind] ?? [])
  // Zato lists one's own sessions, or those of a token's owner.
  if (kind === 'list sessions' && userId !== null) channels = channels.filter((channel) => channel !== 'zato')
  return channels.length > 0 && random.next() < 0.5 ? random.pick(channels) : 'code'
}

function faultFor({ random, hasHook, isServer }: Ground): Fault | null {
  if (!random.oneIn(25)) return null
  if (hasHook && random.oneIn(2)) return { at: 'hook', isRefusal: random.oneIn(3) }
  const how = random.pick(isServer ? (['deadlock', 'broken', 'killed'] as const) : (['deadlock', 'broken'] as const))
  return { at: 'statement', how, number: 1 + random.below(5) }
}

interface Parts {
  readonly channel: Channel
  readonly caller: Caller
  readonly owner: Account | null
  readonly isSuper: boolean
  readonly userId: string | null
}

function requestFor(ground: Ground, kind: Request['kind'], parts: Parts): Request {
  const { random, world, now, lostTokens } = ground
  const { channel, owner, isSuper, userId } = parts
  const target = userId === null ? owner : (world.accounts.get(userId) ?? null)
  const id = userId ?? owner?.id ?? '999999'
  const terms = termsFor(ground, kind, parts, id)
  switch (kind) {
    case 'login': {
      const account =
        userId === null
          ? random.pick([...world.accounts.values()])
          : (target ?? random.pick([...world.accounts.values()]))
      const isRight = account.password !== null && !random.oneIn(6)
      const name = random.oneIn(15) ? username(random) : String(account.values['username'])
      const renews = account.values['password_must_change'] === true || random.oneIn(10)
      return {
        kind,
        username: name,
        password: isRight ? (account.password ?? '') : password(random),
        newPassword: renews && !random.oneIn(4) ? newPassword(random, account) : null,
      }
    }
    case 'update':
      return { kind, userId, data: jsonFor(channel, patch(random, isSuper, target, now)), ...terms }
    case 'password':
      return { kind, userId, ...passwordFor(ground, parts, target), ...terms }
    case 'create': {
      const data = { ...patch(random, true, null, now), username: username(random) }
      const given = random.oneIn(4) ? data : { username: data.username }
      const isCode = parts.caller.via === 'code'
      return {
        kind,
        data: jsonFor(channel, random.oneIn(6) ? given : { ...given, password: newPassword(random, null) }),
        autoApprove: !random.oneIn(3),
        isSuper: isCode && !terms.isDryRun && random.oneIn(5),
        ...terms,
        ifMatch: null,
      }
    }
    case 'grants':
      return {
        kind,
        userId: id,
        patch: channel === 'code' && random.oneIn(15) ? unfitGrants(random) : grants(random),
        ...terms,
        ifMatch: null,
      }
    case 'attributes':
      return { kind, userId, ...customsFor(ground, channel), ...terms, ifMatch: null }
    case 'updateuser': {
      const uid =
        userId === '999999' ? 'nobody of this name' : String((target ?? owner)?.values['username'] ?? 'nobody')
      return { kind, uid, parameters: parameters(random, isSuper), isGet: random.oneIn(2) }
    }
    case 'end session': {
      const ofTarget = [...world.sessions.values()].filter((session) => session.userId === target?.id)
      const any = random.oneIn(4) ? [...world.sessions.values()] : ofTarget
      // Over HTTP only one's own are ended by id.
      const whose = channel === 'rest' ? null : userId
      return { kind, userId: whose, ust: any.length > 0 && !random.oneIn(8) ? random.pick(any).ust : null }
    }
    case 'verify session':
      return { kind, ust: random.pick([...world.sessions.keys(), ...lostTokens.slice(-3), 'none']) }
    case 'revert':
      return { kind, userId: id, record: recordFor(ground, id), ...terms }
    case 'lock':
    case 'unlock':
    case 'approve':
    case 'reject':
    case 'delete':
      return { kind, userId: id, ...terms }
    case 'logout':
    case 'renew':
      return { kind }
    default:
      return { kind, userId }
  }
}

/** Terms that the channel has. */
function termsFor(
  { random, tags }: Ground,
  kind: Request['kind'],
  { channel, owner, caller }: Parts,
  id: string,
): Terms {
  const isRest = channel === 'rest'
  const hasTag = isRest || (channel === 'code' && (kind === 'update' || kind === 'revert'))
  const canRehearse = isRest || (channel === 'code' && ['update', 'create', 'revert'].includes(kind))
  const tagged = tags.get(id)
  const proof = caller.via === 'ust' && owner?.password && !random.oneIn(8) ? owner.password : 'wrong one'
  return {
    ifMatch: hasTag && random.oneIn(5) ? (tagged ?? '*') : null,
    isDryRun: canRehearse && random.oneIn(8),
    currentPassword: isRest && (kind === 'update' || kind === 'revert') && random.oneIn(3) ? proof : null,
  }
}

/** What JSON can say; on Zato's wire `user_id` is no attribute but the target. */
function jsonFor(channel: Channel, data: Values): Values {
  if (channel === 'code') return data
  const { user_id: userId, ...others } = JSON.parse(JSON.stringify(data)) as Values
  return channel === 'zato' || userId === undefined ? others : { ...others, user_id: userId }
}

function passwordFor({ random }: Ground, { channel, owner, isSuper, userId }: Parts, target: Account | null) {
  const isOwn = userId === null || userId === owner?.id
  const known = owner?.password ?? 'wrong one'
  const proof = random.oneIn(6) ? 'wrong one' : known
  // In `rest` one member is the old password and the proof alike, and what is one's own has no more than that.
  const isBare = channel === 'rest' && userId === null
  const old = isOwn || isBare || random.oneIn(10) ? proof : null
  return {
    old: channel !== 'rest' && isOwn && random.oneIn(10) ? null : old,
    new: newPassword(random, target),
    days: isBare || !random.oneIn(4) ? null : random.pick(channel === 'rest' ? [1, 400] : [0, 1, 40]),
    mustChange: isBare || !(isSuper || random.oneIn(10)) || !random.oneIn(4) ? null : random.oneIn(2),
  }
}

function customsFor({ random }: Ground, channel: Channel) {
  const modes = { code: ['create', 'update', 'set', 'merge', 'remove'], zato: ['create', 'set', 'remove'] } as const
  const mode = channel === 'rest' ? 'merge' : random.pick(modes[channel === 'zato' ? 'zato' : 'code'])
  const names = [...new Set(Array.from({ length: 1 + random.below(2) }, () => customName(random)))]
  const items = names.map((name) => {
    const isBare = mode === 'remove'
    const removes = mode === 'merge' && random.oneIn(4)
    const isNull = channel === 'code' && mode === 'set' && random.oneIn(12)
    const value = removes || isNull ? null : customValue(random)
    const hasMore = !isBare && mode !== 'merge'
    return {
      name,
      ...(isBare || (mode === 'update' && random.oneIn(4)) ? {} : { value }),
      ...(hasMore && random.oneIn(4) ? { expiration: random.pick([60, 1800, 86_400]) } : {}),
      ...(hasMore && random.oneIn(5) ? { encrypt: random.oneIn(2) } : {}),
    }
  })
  // An empty name would be none at all on Zato's wire.
  return {
    mode,
    items:
      channel === 'zato'
        ? items
            .filter(({ name }) => name !== '')
            .concat(items.every(({ name }) => name === '') ? [{ name: 'lang', value: 1 }] : [])
        : items,
  }
}

function recordFor({ random, trail }: Ground, id: string): string | null {
  const about = trail.filter((entry) => entry.target_id === id && entry.changes.length > 0).slice(-12)
  if (about.length > 0 && !random.oneIn(12)) return random.pick(about).cid
  return random.oneIn(2) || trail.length === 0 ? null : random.pick(trail.slice(-50)).cid
}
