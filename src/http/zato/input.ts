import type { Request } from 'express'
import type { Credentials } from '../../core/context.ts'
import { isPrototypeName, lineFault, textFault } from '../../core/schema/text.ts'
import { bearerToken } from '../../core/sessions/tokens.ts'
import { type ErrorCode, SsoError } from '../../errors.ts'
import { credentialsIn } from '../credentials.ts'
import { APP_HEADER, type Edge } from '../edge.ts'

/** The fields of a request: the body, and over it the query string (contract section 1). */
export interface Input {
  /** All fields. */
  readonly fields: ReadonlyMap<string, unknown>
  /** Those of the body alone; PATCH /user takes its data from nowhere else. */
  readonly body: Readonly<Record<string, unknown>>
}

const MOST_FIELDS = 200
// A query string ends up in logs and histories (ASVS 14.2.1).
const SECRETS = [
  'ust',
  'current_ust',
  'target_ust',
  'password',
  'old_password',
  'new_password',
  'totp_code',
  'totp_key',
  'token',
  'reset_key',
]

/** @throws SsoError `input_invalid`, `input_malformed` */
export function readInput(body: Readonly<Record<string, unknown>>, req: Request): Input {
  const names = Object.keys(body)
  if (names.length > MOST_FIELDS) throw new SsoError('input_invalid', { message: `More than ${MOST_FIELDS} fields.` })
  if (names.some(isPrototypeName))
    throw new SsoError('input_invalid', { message: 'A field has a name that is not accepted.' })

  const fields = new Map<string, unknown>(Object.entries(body))
  const start = req.originalUrl.indexOf('?')
  if (start < 0) return { fields, body }
  const query = new URLSearchParams(req.originalUrl.slice(start))
  for (const name of new Set(query.keys())) {
    if (SECRETS.includes(name)) {
      throw new SsoError('input_malformed', { message: `${name} must not be sent in the query string.` })
    }
    const values = query.getAll(name)
    fields.set(name, values.length === 1 ? values[0] : values)
  }
  return { fields, body }
}

/** @throws SsoError `input_missing`; null and "" are not missing (contract section 2) */
export function requireFields({ fields }: Input, names: readonly string[]): void {
  const missing = names.filter((name) => !fields.has(name))
  if (missing.length > 0) throw new SsoError('input_missing', { message: `Missing: ${missing.join(', ')}.` })
}

/** The application of the call, from the body or the header. @throws SsoError `input_missing` */
export function appIn(input: Input, req: Request): string {
  const { fields } = input
  const app = fields.get('current_app') ?? req.get(APP_HEADER)
  if (app === undefined && !fields.has('current_app'))
    throw new SsoError('input_missing', { message: 'Missing: current_app.' })
  // Whatever is not the name of an application is not one of those configured.
  return typeof app === 'string' && app.length <= 191 && textFault(app) === null ? app : ''
}

/** The application where leaving it out is as bad as an unknown one (contract section 8). */
export function appOrNone(input: Input, req: Request): string {
  return input.fields.has('current_app') || req.get(APP_HEADER) !== undefined ? appIn(input, req) : ''
}

/**
 * Who calls: the token of a field, `Authorization: Bearer`, or the host's own authentication.
 *
 * @param missing what it is called if there is none of these
 * @throws SsoError `credentials_ambiguous`, `cross_site`, or `missing`
 */
export async function callerIn(
  edge: Edge,
  { fields }: Input,
  req: Request,
  name = 'ust',
  missing: ErrorCode = 'input_missing',
): Promise<Credentials> {
  const bearer = bearerToken(req.get('Authorization'))
  if (fields.has(name)) {
    const ust = fields.get(name)
    if (bearer !== null && bearer !== ust) throw new SsoError('credentials_ambiguous')
    return { via: 'ust', ust: typeof ust === 'string' ? ust : '' }
  }
  const caller = await credentialsIn(edge, req)
  if (caller) return caller
  throw new SsoError(missing, missing === 'input_missing' ? { message: `Missing: ${name}.` } : {})
}

/** A user's id: text, or a number from a host that counts. @throws SsoError `input_invalid` */
export function idIn({ fields }: Input): string {
  const id = fields.get('user_id')
  if (typeof id === 'string' && id !== '') return id
  if (typeof id === 'number' && Number.isSafeInteger(id)) return String(id)
  throw new SsoError('input_invalid', { message: 'user_id must be an id.' })
}

/** Whether a user's id was sent that is not empty. */
export function hasId({ fields }: Input): boolean {
  const id = fields.get('user_id')
  return id !== undefined && id !== null && id !== ''
}

/** Text or null; null for what is absent. @throws SsoError `input_invalid` */
export function textIn({ fields }: Input, name: string): string | null {
  const value = fields.get(name) ?? null
  if (value === null || typeof value === 'string') return value
  throw new SsoError('input_invalid', { message: `${name} must be text.` })
}

/** A one-time code; null for none, and an empty one is as good as none (contract section 2). */
export function codeIn(input: Input): string | null {
  return textIn(input, 'totp_code') || null
}

/** Text of one line that goes into a session's record; null for what is absent. @throws SsoError `input_invalid` */
export function metadataIn(input: Input, name: string): string | null {
  const value = textIn(input, name)
  if (value === null || (value.length <= 512 && lineFault(value) === null)) return value
  throw new SsoError('input_invalid', { message: `${name} is too long, or has characters that are not accepted.` })
}

/** An integer or null; null for what is absent or empty. @throws SsoError `input_invalid` */
export function integerIn({ fields }: Input, name: string): number | null {
  const value = fields.get(name) ?? null
  if (value === null || value === '') return null
  const number = typeof value === 'string' && /^\s*[+-]?\d{1,9}\s*$/.test(value) ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number
  throw new SsoError('input_invalid', { message: `${name} must be an integer.` })
}

/** A boolean; null for what is absent. @throws SsoError `input_invalid` */
export function booleanIn({ fields }: Input, name: string): boolean | null {
  if (!fields.has(name)) return null
  const value = toBoolean(fields.get(name))
  if (typeof value === 'boolean') return value
  throw new SsoError('input_invalid', { message: `${name} must be true or false.` })
}

const TRUE = /^\s*(true|yes|on|y|t|1)\s*$/i
const FALSE = /^\s*(false|no|off|n|f|0)\s*$/i

/** Zato's spellings of booleans (contract section 2); anything else stays as it is, to be refused. */
export function toBoolean(value: unknown): unknown {
  if (value === 1 || (typeof value === 'string' && TRUE.test(value))) return true
  if (value === 0 || (typeof value === 'string' && FALSE.test(value))) return false
  return value
}
