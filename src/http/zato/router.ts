import { type RequestHandler, Router } from 'express'
import * as accounts from '../../core/accounts/operations.ts'
import { readAccount } from '../../core/accounts/read.ts'
import { deleteAccount } from '../../core/accounts/remove.ts'
import type { Operation } from '../../core/audit/record.ts'
import { refusedAtTheDoor } from '../../core/operation.ts'
import { checkApp } from '../../core/sessions/gate.ts'
import { login, logout } from '../../core/sessions/login.ts'
import { setTotpKey } from '../../core/totp/operations.ts'
import { type Edge, otherMethods } from '../edge.ts'
import { createUser, updateData } from './accounts.ts'
import { attributeRoutes } from './attributes.ts'
import { endpointMaker, type Rules } from './endpoint.ts'
import { INVALID_FOR_REGULAR_USERS } from './endpoints.ts'
import { zatoFail } from './failures.ts'
import { booleanIn, codeIn, hasId, idIn, integerIn, metadataIn, textIn } from './input.ts'
import { sendOk, userFields } from './output.ts'
import { resetRoutes } from './resets.ts'
import { searchEndpoint } from './search.ts'
import { sessionRoutes } from './sessions.ts'

const FOR_REGULAR_USERS: Rules = { exceptions: INVALID_FOR_REGULAR_USERS }

/** The Zato SSO dialect (contract `zato-sso`): a plain router, for any mount point. */
export function zatoRouter(edge: Edge): Router {
  const { core } = edge
  const router = Router({ caseSensitive: true })
  const { open, endpoint } = endpointMaker(edge)

  /** An operation on one account, by its id, that answers with the bare envelope. */
  const byId = (
    name: Operation,
    operation: (call: accounts.Call & { userId: string }) => Promise<unknown>,
    rules: Rules = {},
  ): RequestHandler =>
    endpoint(
      name,
      ['user_id'],
      async (input, call, res) => {
        await operation({ ...call, userId: idIn(input) })
        sendOk(res, call.context)
      },
      rules,
    )

  const routes: Record<string, Record<string, RequestHandler>> = {
    '/user/login': {
      post: open(['username', 'password'], async (input, context, _req, res) => {
        await refusedAtTheDoor(core, 'login', context, async () => checkApp(core, context))
        const { ust, isPasswordAboutToExpire } = await login(core, {
          context,
          username: textIn(input, 'username') ?? '',
          password: textIn(input, 'password') ?? '',
          totpCode: codeIn(input),
          // An empty one is as good as none (contract section 2).
          newPassword: textIn(input, 'new_password') || null,
          claimed: { remoteAddr: metadataIn(input, 'remote_addr'), userAgent: metadataIn(input, 'user_agent') },
        })
        sendOk(res, context, { ust }, isPasswordAboutToExpire ? ['W003005'] : [])
      }),
    },

    '/user/logout': {
      post: endpoint('logout', [], async (_input, { credentials, context }, res) => {
        if (credentials.via === 'ust') await logout(core, credentials.ust, context)
        sendOk(res, context)
      }),
    },

    '/user': {
      get: endpoint('get_user', [], async (input, call, res) => {
        // An id that was sent is looked up, even if it is null or empty (contract section 8.3).
        const userId = input.fields.has('user_id') ? (hasId(input) ? idIn(input) : '') : null
        const { user } = await readAccount(core, { ...call, userId })
        sendOk(res, call.context, userFields(core.catalogue, user))
      }),
      post: endpoint('create_user', [], async (input, call, res) => {
        sendOk(res, call.context, await createUser(core, call, input))
      }),
      patch: endpoint(
        (input) => (hasId(input) ? 'update_user_by_id' : 'update_current_user'),
        [],
        async (input, call, res) => {
          const change = { ...call, data: updateData(core.catalogue, input.body), totpCode: codeIn(input) }
          if (hasId(input)) await accounts.updateUserById(core, { ...change, userId: idIn(input) })
          else await accounts.updateCurrentUser(core, change)
          sendOk(res, call.context)
        },
        FOR_REGULAR_USERS,
      ),
      delete: byId('delete_user', (call) => deleteAccount(core, call)),
    },

    '/user/search': { get: searchEndpoint(core, endpoint) },

    '/user/password': {
      patch: endpoint(
        'change_password',
        ['new_password'],
        async (input, call, res) => {
          await accounts.changePassword(core, {
            ...call,
            userId: hasId(input) ? idIn(input) : null,
            oldPassword: textIn(input, 'old_password'),
            newPassword: textIn(input, 'new_password') ?? '',
            expiryDays: integerIn(input, 'password_expiry'),
            mustChange: booleanIn(input, 'must_change'),
          })
          sendOk(res, call.context)
        },
        FOR_REGULAR_USERS,
      ),
    },

    '/user/totp': {
      patch: endpoint(
        'set_totp_key',
        ['totp_key', 'totp_label'],
        async (input, call, res) => {
          const { totpKey } = await setTotpKey(core, {
            ...call,
            target: hasId(input) ? { by: 'id', userId: idIn(input) } : { by: 'self' },
            totpKey: textIn(input, 'totp_key'),
            totpLabel: textIn(input, 'totp_label'),
            totpCode: codeIn(input),
          })
          sendOk(res, call.context, { totp_key: totpKey })
        },
        FOR_REGULAR_USERS,
      ),
    },

    '/user/lock': {
      post: byId('lock_user', (call) => accounts.lockUser(core, call)),
      delete: byId('unlock_user', (call) => accounts.unlockUser(core, call)),
    },
    '/user/approve': {
      post: byId('approve_user', (call) => accounts.approveUser(core, call), FOR_REGULAR_USERS),
    },
    '/user/reject': { post: byId('reject_user', (call) => accounts.rejectUser(core, call), FOR_REGULAR_USERS) },
    ...sessionRoutes(core, endpoint),
    ...resetRoutes(core, open),
    ...attributeRoutes(core, endpoint),
  }

  for (const [path, methods] of Object.entries(routes)) {
    const route = router.route(path)
    for (const [method, handler] of Object.entries(methods)) route[method as 'get'](handler)
    route.all(
      otherMethods(
        edge,
        'zato',
        Object.keys(methods).map((method) => method.toUpperCase()),
        zatoFail(edge),
      ),
    )
  }
  return router
}
