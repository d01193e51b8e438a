import { resetPassword } from '../../core/resets/complete.ts'
import { requestPasswordReset, startPasswordReset } from '../../core/resets/request.ts'
import type { Route } from './endpoint.ts'

/** Passwords that were forgotten. Tokens come in bodies only: a URL ends up in logs and histories (ASVS 14.2.1). */
export const RESET_ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/password-reset',
    operation: 'request_password_reset',
    summary: 'Has a token sent to the owner of an account; does not tell whether there is one.',
    body: 'PasswordResetRequest',
    reply: null,
    status: 202,
    async runOpen({ core, context, body }) {
      const { username, email } = body as { username?: string; email?: string }
      const by = username === undefined ? (['email'] as const) : (['username'] as const)
      await requestPasswordReset(core, { context, by, name: username ?? email ?? '' })
      return { status: 202 }
    },
  },
  {
    method: 'put',
    path: '/password-reset',
    operation: 'reset_password',
    summary: 'Sets a new password by a token that was sent, and ends all sessions of the account.',
    body: 'PasswordReset',
    reply: null,
    async runOpen({ core, context, body }) {
      const { totpCode = null, ...completion } = body as { token: string; newPassword: string; totpCode?: string }
      await resetPassword(core, { context, key: null, ...completion, totpCode })
      return {}
    },
  },
  {
    method: 'post',
    path: '/users/:id/password-reset',
    operation: 'start_password_reset',
    summary: 'Has a token sent to the account’s owner; super-users only.',
    reply: 'StartedReset',
    run: async ({ credentials, context }, { core, id }) => ({
      body: await startPasswordReset(core, { credentials, context, userId: id }),
    }),
  },
]
