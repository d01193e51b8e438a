import { updateCurrentUser } from '../../core/accounts/operations.ts'
import { setTotpKey, validateTotpCode } from '../../core/totp/operations.ts'
import { DRY_RUN, type Route, tagOfAccount, updated } from './endpoint.ts'

/** One-time codes: a key is set, proved by a code of it, and forgotten. */
export const TOTP_ROUTES: readonly Route[] = [
  {
    method: 'put',
    path: '/me/totp',
    operation: 'set_totp_key',
    summary: 'Sets the own key of one-time codes, or makes one; a code of it proves it.',
    body: 'TotpKey',
    tag: tagOfAccount,
    reply: 'TotpKeyResult',
    async run(call, request) {
      const {
        totpKey = null,
        totpLabel,
        totpCode = null,
      } = request.body as {
        totpKey?: string | null
        totpLabel?: string | null
        totpCode?: string
      }
      const target = { by: 'self' } as const
      const {
        totpKey: key,
        uri,
        ...result
      } = await setTotpKey(request.core, {
        ...call,
        target,
        totpKey,
        totpLabel,
        totpCode,
      })
      const { headers, body } = updated(result, request)
      return { headers, body: { totpKey: key, uri, ...body } }
    },
  },
  {
    method: 'post',
    path: '/me/totp',
    operation: 'validate_totp_code',
    summary: 'Whether a code is the own key’s; it is used up, and proves the key.',
    body: 'TotpCode',
    reply: 'TotpValidity',
    async run(call, { core, body }) {
      const { totpCode } = body as { totpCode: string }
      return { body: { isValid: await validateTotpCode(core, { ...call, target: { by: 'self' }, totpCode }) } }
    },
  },
  {
    method: 'delete',
    path: '/me/totp',
    operation: 'update_current_user',
    summary: 'Switches one-time codes off and forgets the key.',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    async run(call, request) {
      const data = { is_totp_enabled: false, totp_key: null }
      return updated(await updateCurrentUser(request.core, { ...call, data }), request)
    },
  },
]
