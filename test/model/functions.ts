import { SsoError } from '../../src/index.ts'
import type { TestHost } from '../support/host.ts'
import type { Learned, Operation, Reply } from './operations.ts'
import type { Values } from './world.ts'

/** What was found. */
export interface Outcome {
  readonly reply: Reply
  readonly learned: Learned
  /** What was thrown, for people. */
  readonly error?: unknown
}

/** What an operation names by numbers and ids that only the database knows. */
export interface Resolved {
  readonly sessionId: string
  readonly auditId: number
}

type Answer = Readonly<Record<string, unknown>>

/** Carries an operation out by a function. */
export async function byFunction(host: TestHost, operation: Operation, cid: string, ids: Resolved): Promise<Outcome> {
  try {
    return await call(host, operation, cid, ids)
  } catch (error) {
    return { reply: { error: error instanceof SsoError ? error.code : 'internal' }, learned: {}, error }
  }
}

async function call({ sso }: TestHost, operation: Operation, cid: string, ids: Resolved): Promise<Outcome> {
  const by = { cid, currentApp: operation.app, ...callerOf(operation) } as never
  const on = (userId: string | null) => ({ ...(by as object), ...(userId === null ? {} : { userId }) }) as never
  const sayings = (says: unknown): Outcome => ({ reply: { error: null, says }, learned: {} })
  const { user, session, attributes } = sso
  switch (operation.kind) {
    case 'login': {
      const { username, password, newPassword } = operation
      const renewal = newPassword === null ? {} : { newPassword }
      const found = await user.login({ cid, currentApp: operation.app, username, password, ...renewal })
      const says = { warns: found.isPasswordAboutToExpire }
      return { reply: { error: null, says }, learned: { ust: found.ust } }
    }
    case 'logout':
      return done(await user.logout(by))
    case 'renew':
      return sayings((await session.renew(by)).toISOString())
    case 'get': {
      const read = operation.userId === null ? user.getCurrentUser(by) : user.getUserById(on(operation.userId))
      return done({ user: await read })
    }
    case 'list sessions': {
      const found = await session.list(on(operation.userId))
      return sayings(found.map((one) => listed({ ...one })).sort())
    }
    case 'end sessions':
      return done(await session.endAll(on(operation.userId)))
    case 'end session':
      return done(await session.end({ ...(on(operation.userId) as object), id: ids.sessionId } as never))
    case 'verify session':
      return sayings(await session.verify({ ...(by as object), targetUst: operation.ust } as never))
    case 'create':
      return create(sso, operation, by, cid)
    case 'delete':
      return done(await user.deleteUserById(on(operation.userId)))
    case 'updateuser':
      return done(await user.updateuser({ ...(by as object), ...operation.parameters, uid: operation.uid } as never))
    case 'attributes': {
      const { mode, items, userId } = operation
      const input = on(userId) as object
      const names = items.map(({ name }) => name)
      if (mode === 'remove') return done(await attributes.remove({ ...input, name: names } as never))
      const data = mode === 'merge' ? Object.fromEntries(items.map(({ name, value }) => [name, value])) : items
      return done(await attributes[mode]({ ...input, data } as never))
    }
    case 'grants':
      return done(await user.updateGrants({ ...(on(operation.userId) as object), patch: operation.patch } as never))
    case 'password': {
      const { userId, old, new: newPassword, days, mustChange } = operation
      const given = { oldPassword: old, passwordExpiry: days, mustChange }
      const sent = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
      return done(await user.changePassword({ ...(on(userId) as object), newPassword, ...sent } as never))
    }
    case 'revert':
      return done(await user.revertChange({ ...(terms(operation, on) as object), auditId: ids.auditId } as never))
    case 'update': {
      const input = { ...(terms(operation, on) as object), data: operation.data } as never
      return done(await (operation.userId === null ? user.updateCurrentUser(input) : user.updateUserById(input)))
    }
    default:
      return done(await user[`${operation.kind}User`](on(operation.userId)))
  }
}

async function create(
  { user }: TestHost['sso'],
  { isSuper, data, autoApprove, isDryRun, app }: Extract<Operation, { kind: 'create' }>,
  by: never,
  cid: string,
): Promise<Outcome> {
  const made = isSuper
    ? await user.createSuperUser({ cid, currentApp: app, data: data as never, by: 'model' })
    : await user.createUser({ ...(by as object), data, autoApprove, dryRun: isDryRun } as never)
  return { ...done({ user: made }), learned: { userId: made.user_id } }
}

function callerOf({ caller }: Operation): object {
  switch (caller.via) {
    case 'nobody':
      return { currentUst: 'no such token' }
    case 'ust':
      return { currentUst: caller.ust }
    case 'code':
      return { actor: { via: 'code', name: 'model' } }
    case 'host':
      return { actor: { via: 'host', userId: caller.userId } }
    case 'password':
      return { user: caller.username, pass: caller.password }
  }
}

function terms(
  { userId, ifMatch, isDryRun }: Extract<Operation, { kind: 'update' | 'revert' }>,
  on: (userId: string | null) => never,
): object {
  const tag = ifMatch === null ? {} : { ifMatch: ifMatch === '*' ? '*' : ifMatch.etag }
  return { ...(on(userId) as object), ...tag, dryRun: isDryRun }
}

/** What a function gave, as it is compared: times as text. */
function done(given: unknown): Outcome {
  const { changed, user } = (given ?? {}) as Answer
  const reply: Reply = {
    error: null,
    ...(changed === undefined ? {} : { changed: [...(changed as string[])].sort() }),
    ...(user === undefined ? {} : { user: JSON.parse(JSON.stringify(user)) as Values }),
  }
  return { reply, learned: {} }
}

/** A session of a list as text that can be sorted. */
export function listed(session: Answer): string {
  const { creationTime, expirationTime, stateChanges, app, isCurrent } = session
  const times = [creationTime, expirationTime].map((time) => new Date(time as string).toISOString())
  const history = (stateChanges as readonly { source: string }[]).map(({ source }) => source)
  return JSON.stringify([...times, history, app, isCurrent])
}
