import type { Request, Response } from 'express'
import type { Context } from '../../core/context.ts'
import type { SsoError } from '../../errors.ts'
import type { Edge, Fail } from '../edge.ts'
import { sendProblem } from '../problem.ts'

/** Words a failure as problem details; a 401 says by its challenge what is missing (RFC 6750, RFC 9470). */
export function restFail({ core }: Edge): Fail {
  const challenges: Partial<Record<SsoError['code'], string>> = {
    credentials_missing: 'Bearer',
    session_unknown: 'Bearer error="invalid_token"',
    reauth_required: `Bearer error="insufficient_user_authentication", max_age="${core.config.reauth.maxAgeSeconds ?? 0}"`,
  }
  return function failInRest(error: SsoError, context: Context, _req: Request, res: Response) {
    sendProblem(res, error, context, challenges[error.code])
  }
}
