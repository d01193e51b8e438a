import type { Response } from 'express'
import type { Context } from '../core/context.ts'
import type { SsoError } from '../errors.ts'

/** Media type of problem details (RFC 9457). */
export const PROBLEM_TYPE = 'application/problem+json'

/** Answers with problem details (RFC 9457): a stable `code`, and one JSON Pointer for each offending member. */
export function sendProblem(res: Response, error: SsoError, { cid }: Context, challenge = 'Bearer'): void {
  const { status, code, message, issues } = error
  if (status === 401) res.set('WWW-Authenticate', challenge)
  const errors = issues.map(({ pointer, code, message }) => ({ pointer, code, message }))
  res
    .status(status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify({ type: 'about:blank', title: message, status, code, cid, errors }))
}
