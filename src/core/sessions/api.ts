import { type Caller, callsOf, startedFirst, text } from '../callers.ts'
import type { Core } from '../core.ts'
import {
  endEverybodysSessions,
  endSession,
  endSessions,
  listSessions,
  readSession,
  renewSession,
  type SessionDetails,
  type SessionsOf,
  verifySession,
} from './sessions.ts'

/** Whose sessions are meant. Default: the caller's own. */
export type SessionsCaller = Caller & {
  /** Id of another account; super-users only. */
  readonly userId?: string | number
}

/** A super-user, and the session that he asks about. */
export type SessionCaller = Caller & {
  /** Token of that session. */
  readonly targetUst: string
}

/** Sessions, as functions with one object argument each. All reject with `SsoError`. */
export interface SessionApi {
  /** A session by its token; super-users only. @throws SsoError `session_unknown`, or what its owner's state demands */
  get(input: SessionCaller): Promise<SessionDetails>
  /** Whether a token would be let in now; super-users only. Renews nothing. */
  verify(input: SessionCaller): Promise<boolean>
  /** Puts off the end of the caller's own session, and says when it ends now. @throws SsoError `session_unknown` */
  renew(input: Caller): Promise<Date>
  /** Sessions that have not expired, oldest first. @throws SsoError `super_user_required`, `user_unknown` */
  list(input: SessionsCaller): Promise<readonly SessionDetails[]>
  /** Ends one session by its id (ASVS 7.5.2). @throws SsoError `session_missing`, `super_user_required` */
  end(
    input: SessionsCaller & {
      /** Id of the session, as `list` has it. */
      readonly id: string
    },
  ): Promise<void>
  /** Ends every session of an account; of one's own, all but the one that asks (ASVS 7.4.5). */
  endAll(input: SessionsCaller): Promise<void>
  /** Ends the sessions of all accounts but the one that asks; super-users only (ASVS 7.4.5). */
  endEverybodys(input: Caller): Promise<void>
}

/** @param now the clock */
export function buildSessionApi(core: Core, now: () => Date): SessionApi {
  const { call } = callsOf(now)
  const asked = (input: SessionCaller) => ({ ...call(input), targetUst: text(input.targetUst, 'targetUst') })
  const of = ({ userId }: SessionsCaller): SessionsOf =>
    userId === undefined ? { by: 'self' } : { by: 'id', userId: String(userId) }

  const api: SessionApi = {
    get: (input) => readSession(core, asked(input)),
    verify: (input) => verifySession(core, asked(input)),
    renew: (input) => renewSession(core, call(input)),
    list: (input) => listSessions(core, { ...call(input), of: of(input) }),
    end: (input) => endSession(core, { ...call(input), of: of(input), id: text(input.id, 'id') }),
    endEverybodys: (input) => endEverybodysSessions(core, call(input)),
    endAll: (input) => endSessions(core, { ...call(input), of: of(input) }),
  }
  return startedFirst(core, api)
}
