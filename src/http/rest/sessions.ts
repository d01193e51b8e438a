import { login, logout } from '../../core/sessions/login.ts'
import {
  endEverybodysSessions,
  endSession,
  endSessions,
  listSessions,
  renewSession,
  type SessionsOf,
} from '../../core/sessions/sessions.ts'
import { SsoError } from '../../errors.ts'
import type { RestRequest, Route } from './endpoint.ts'

const SELF: SessionsOf = { by: 'self' }
const byId = ({ id }: RestRequest): SessionsOf => ({ by: 'id', userId: id })

/** Sessions: opened, listed, ended. */
export const SESSION_ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/login',
    operation: 'login',
    summary: 'Opens a session for a username and password, in place of that whose token is sent along.',
    body: 'Login',
    reply: 'LoginResult',
    async runOpen({ core, context, body, ust }) {
      const {
        username,
        password,
        totpCode = null,
        newPassword = null,
      } = body as {
        username: string
        password: string
        totpCode?: string
        newPassword?: string
      }
      const claimed = { remoteAddr: null, userAgent: null }
      const session = await login(core, { context, username, password, totpCode, newPassword, claimed })
      // Who proves himself anew goes on with the new token alone (ASVS 7.2.4).
      if (ust !== null) await logout(core, ust, context)
      return { body: session }
    },
  },
  {
    method: 'post',
    path: '/logout',
    operation: 'logout',
    summary: 'Ends the session that asks; does not tell whether there was one.',
    reply: null,
    async run({ credentials, context }, { core }) {
      if (credentials.via !== 'ust') {
        throw new SsoError('operation_invalid', { message: 'The session is the host’s own: it ends there.' })
      }
      await logout(core, credentials.ust, context)
      return {}
    },
  },
  {
    method: 'post',
    path: '/renew',
    operation: 'renew_session',
    summary: 'Puts off the end of the session that asks.',
    reply: 'Renewal',
    run: async (call, { core }) => ({ body: { expirationTime: await renewSession(core, call) } }),
  },
  {
    method: 'get',
    path: '/me/sessions',
    operation: 'list_sessions',
    summary: 'Own sessions that have not expired, oldest first.',
    reply: 'Sessions',
    run: async (call, { core }) => ({ body: { sessions: await listSessions(core, { ...call, of: SELF }) } }),
  },
  {
    method: 'delete',
    path: '/me/sessions',
    operation: 'end_sessions',
    summary: 'Ends all own sessions but the one that asks.',
    reply: null,
    run: async (call, { core }) => endSessions(core, { ...call, of: SELF }).then(() => ({})),
  },
  {
    method: 'delete',
    path: '/me/sessions/:id',
    operation: 'end_session',
    summary: 'Ends one own session.',
    reply: null,
    run: async (call, { core, id }) => endSession(core, { ...call, of: SELF, id }).then(() => ({})),
  },
  {
    method: 'get',
    path: '/users/:id/sessions',
    operation: 'list_sessions',
    summary: 'Sessions of an account that have not expired; super-users everybody’s.',
    reply: 'Sessions',
    run: async (call, request) => ({
      body: { sessions: await listSessions(request.core, { ...call, of: byId(request) }) },
    }),
  },
  {
    method: 'delete',
    path: '/users/:id/sessions',
    operation: 'end_sessions',
    summary: 'Ends all sessions of an account; super-users everybody’s.',
    reply: null,
    run: async (call, request) => endSessions(request.core, { ...call, of: byId(request) }).then(() => ({})),
  },
  {
    method: 'delete',
    path: '/sessions',
    operation: 'end_everybodys_sessions',
    summary: 'Ends the sessions of all accounts but the one that asks; super-users only.',
    reply: null,
    run: async (call, { core }) => endEverybodysSessions(core, call).then(() => ({})),
  },
]
