import type { RequestHandler } from 'express'
import type { Core } from '../../core/core.ts'
import {
  listSessions,
  readSession,
  renewSession,
  type SessionDetails,
  verifySession,
} from '../../core/sessions/sessions.ts'
import { SsoError } from '../../errors.ts'
import type { EndpointMaker, Rules } from './endpoint.ts'
import type { Input } from './input.ts'
import { isoformat, sendOk } from './output.ts'

// All fields are optional here; without a token there is no session (contract section 8.13).
const OWN: Rules = { missing: 'session_unknown' }
const PAIR: Rules = { ...OWN, token: () => 'current_ust' }
const OWN_OR_PAIR: Rules = { ...OWN, token: (input) => (isPair(input) ? 'current_ust' : 'ust') }

/** Endpoints on sessions (contract section 8.13), by path and method. */
export function sessionRoutes(
  core: Core,
  endpoint: EndpointMaker['endpoint'],
): Record<string, Record<string, RequestHandler>> {
  return {
    '/user/session': {
      get: endpoint(
        'get_session',
        [],
        async (input, call, res) => {
          const session = await readSession(core, { ...call, targetUst: tokenIn(input, 'target_ust') })
          sendOk(res, call.context, {
            creation_time: isoformat(session.creationTime),
            expiration_time: isoformat(session.expirationTime),
            remote_addr: session.remoteAddr,
            user_agent: session.userAgent,
          })
        },
        PAIR,
      ),
      post: endpoint(
        'verify_session',
        [],
        async (input, call, res) => {
          const isValid = await verifySession(core, { ...call, targetUst: tokenIn(input, 'target_ust') })
          sendOk(res, call.context, { is_valid: isValid })
        },
        PAIR,
      ),
      patch: endpoint(
        'renew_session',
        [],
        async (_input, call, res) => {
          sendOk(res, call.context, { expiration_time: isoformat(await renewSession(core, call)) })
        },
        OWN,
      ),
    },

    '/user/session/list': {
      get: endpoint(
        'list_sessions',
        [],
        async (input, call, res) => {
          // Clients of Zato send an empty `ust` beside the pair.
          if (isPair(input) && isGiven(input, 'ust')) {
            throw new SsoError('input_invalid', { message: 'Either ust, or current_ust and target_ust.' })
          }
          const of = isPair(input)
            ? ({ by: 'ust', ust: tokenIn(input, 'target_ust') } as const)
            : ({ by: 'self' } as const)
          const sessions = await listSessions(core, { ...call, of })
          sendOk(res, call.context, { result: sessions.map(listItem) })
        },
        OWN_OR_PAIR,
      ),
    },
  }
}

/** Whether a super-user asks by his own token about another's. */
function isPair(input: Input): boolean {
  return isGiven(input, 'current_ust') || isGiven(input, 'target_ust')
}

function isGiven({ fields }: Input, name: string): boolean {
  return (fields.get(name) ?? '') !== ''
}

/** A token that is none names no session: the core says so. */
function tokenIn({ fields }: Input, name: string): string {
  const token = fields.get(name)
  return typeof token === 'string' ? token : ''
}

/** `ust` names the session, but is not its token: a list that opened sessions would be worth stealing (section 12). */
function listItem(session: SessionDetails): Record<string, unknown> {
  return {
    ust: session.id,
    creation_time: isoformat(session.creationTime),
    expiration_time: isoformat(session.expirationTime),
    remote_addr: session.remoteAddr,
    user_agent: session.userAgent,
    auth_type: 'default',
    auth_principal: session.username,
    ext_session_id: '',
    session_state_change_list: session.stateChanges.map(({ source, time, remoteAddr, userAgent }, index) => ({
      remote_addr: remoteAddr,
      user_agent: userAgent,
      timestamp_utc: isoformat(new Date(time)),
      ctx_source: source,
      idx: index + 1,
    })),
  }
}
