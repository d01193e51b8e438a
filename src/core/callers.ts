import { randomUUID } from 'node:crypto'
import { SsoError } from '../errors.ts'
import type { Context, Credentials } from './context.ts'
import type { Core } from './core.ts'
import { lineFault } from './schema/text.ts'

/** Where a call comes from. */
export interface Origin {
  /** Correlation id for the audit trail. Default: a new one. */
  readonly cid?: string
  /** Application the call is made from, one of `apps`. Needed with `currentUst` and to log in. */
  readonly currentApp?: string
  /** Address of the user: guesses at passwords are counted by it, and without it as those of one address. */
  readonly remoteAddr?: string
  /** User agent of the user. */
  readonly userAgent?: string
}

/** Who calls: a user by his session token, somebody whom the host has authenticated, or the host's own code. */
export type Caller = Origin &
  (
    | {
        /** Token of a session. */
        readonly currentUst: string
        readonly actor?: never
      }
    | {
        readonly currentUst?: never
        /** The host's own code or the host's word for who it is. Never make it from a request's body. */
        readonly actor: CodeActor | HostActor
      }
  )

/** The host's own program: it has the rights of a super-user, and no account. */
export interface CodeActor {
  /** Tells it from a user. */
  readonly via: 'code'
  /** Name for the audit trail. */
  readonly name: string
}

/** Somebody whom the host's own authentication vouches for. */
export interface HostActor {
  /** Tells it from the host's program. */
  readonly via: 'host'
  /** Id of the account. */
  readonly userId: string | number
  /** Whether he may manage other accounts. Default: what the account says. */
  readonly isSuperUser?: boolean
}

/** Who calls, and on which account. */
export type CallerOn = Caller & {
  /** Id of the account; a number where the host's table counts. */
  readonly userId: string | number
}

/** Who calls, by username and password: the `updateuser` operation needs no session. */
export type PasswordCaller = Origin & {
  /** Username of who performs the operation. */
  readonly user: string
  /** That person's password. */
  readonly pass: string
}

/** A new correlation id: 96 random bits in hex (contract section 1). */
export function newCid(): string {
  // UUIDs are drawn from a store of random bytes, which is cheaper; these parts of them are wholly random.
  const uuid = randomUUID()
  return uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(24)
}

/** How the arguments of a function become a context and credentials. */
export interface Calls {
  readonly contextOf: (origin: Origin) => Context
  readonly call: (input: Caller) => { credentials: Credentials; context: Context }
  readonly about: (input: CallerOn) => { credentials: Credentials; context: Context; userId: string }
}

/** @param now the clock */
export function callsOf(now: () => Date): Calls {
  const contextOf = ({ cid, currentApp, remoteAddr, userAgent }: Origin): Context => ({
    cid: recordable(cid, 'cid') ?? newCid(),
    app: currentApp ?? null,
    remoteAddr: recordable(remoteAddr, 'remoteAddr'),
    userAgent: userAgent === undefined ? null : text(userAgent, 'userAgent').toWellFormed().replaceAll('\u0000', ''),
    dialect: 'code',
    now: now(),
  })
  const call = (input: Caller) => ({ credentials: credentialsOf(input), context: contextOf(input) })
  return { contextOf, call, about: (input) => ({ ...call(input), userId: String(input.userId) }) }
}

/** Every function waits for the tables, and reports wrong arguments as a rejection. */
export function startedFirst<Api extends object>(core: Core, api: Api): Api {
  const wrapped = Object.entries(api).map(([name, run]) => [
    name,
    async (input: never) => {
      await core.store.ready()
      return (run as (input: never) => Promise<unknown>)(input ?? {})
    },
  ])
  return Object.fromEntries(wrapped) as Api
}

/** What a caller proves himself by. @throws SsoError `credentials_missing`, `credentials_ambiguous` */
export function credentialsOf(input: Caller): Credentials {
  if (input.currentUst !== undefined && input.actor !== undefined) throw new SsoError('credentials_ambiguous')
  if (input.currentUst !== undefined) return { via: 'ust', ust: text(requireApp(input).currentUst, 'currentUst') }
  if (input.actor?.via === 'code') return { via: 'code', name: text(input.actor.name, 'actor.name') }
  if (input.actor?.via === 'host') {
    return { via: 'host', userId: String(input.actor.userId), isSuperUser: input.actor.isSuperUser }
  }
  throw new SsoError('credentials_missing', { message: 'Either currentUst or actor is required.' })
}

/** @throws SsoError `input_missing` */
export function requireApp<T extends Origin>(input: T): T {
  if (input.currentApp === undefined) throw new SsoError('input_missing', { message: 'currentApp is required.' })
  return input
}

const LONGEST_RECORDED = 128

/** Text that fits the audit record as it is; null for what was not given. */
function recordable(value: unknown, name: string): string | null {
  if (value === undefined) return null
  const given = text(value, name)
  const fault = given.length > LONGEST_RECORDED ? `has more than ${LONGEST_RECORDED} characters.` : lineFault(given)
  if (fault) throw new SsoError('input_invalid', { message: `${name}: ${fault}` })
  return given
}

/** @throws SsoError `input_invalid` */
export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new SsoError('input_invalid', { message: `${name} must be text.` })
  return value
}
