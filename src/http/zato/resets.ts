import type { RequestHandler } from 'express'
import type { Operation } from '../../core/audit/record.ts'
import type { Context } from '../../core/context.ts'
import type { Core } from '../../core/core.ts'
import { refusedAtTheDoor } from '../../core/operation.ts'
import { exchangeResetToken, resetPassword } from '../../core/resets/complete.ts'
import { requestPasswordReset } from '../../core/resets/request.ts'
import { checkApp } from '../../core/sessions/gate.ts'
import type { EndpointMaker } from './endpoint.ts'
import { appOrNone, codeIn, type Input, textIn } from './input.ts'
import { sendOk } from './output.ts'

/** Resets of passwords (contract section 8.15), by path and method. */
export function resetRoutes(core: Core, open: EndpointMaker['open']): Record<string, Record<string, RequestHandler>> {
  /** What is not there is told after an unknown application, which is the first thing that is (contract section 4). */
  const step = (
    operation: Operation,
    required: readonly string[],
    run: (input: Input, context: Context) => Promise<Readonly<Record<string, unknown>>>,
  ) =>
    open(
      required,
      async (input, context, _req, res) => {
        await refusedAtTheDoor(core, operation, context, async () => checkApp(core, context))
        sendOk(res, context, await run(input, context))
      },
      { app: appOrNone },
    )

  return {
    '/password/reset': {
      post: step('request_password_reset', ['credential'], async (input, context) => {
        const name = textIn(input, 'credential') ?? ''
        await requestPasswordReset(core, { context, by: core.config.passwordReset.credential, name })
        return {}
      }),
      patch: step('exchange_reset_token', ['token'], async (input, context) => ({
        reset_key: await exchangeResetToken(core, { context, token: textIn(input, 'token') ?? '' }),
      })),
      delete: step('reset_password', ['token', 'reset_key', 'password'], async (input, context) => {
        await resetPassword(core, {
          context,
          token: textIn(input, 'token') ?? '',
          key: textIn(input, 'reset_key') ?? '',
          newPassword: textIn(input, 'password') ?? '',
          totpCode: codeIn(input),
        })
        return {}
      }),
    },
  }
}
