import { STATUS_CODES } from 'node:http'
import { APP_HEADER, CID_HEADER, type Edge } from '../edge.ts'
import type { Content, Parameter, Response, Schema } from './model.ts'

/** Headers that replies refer to. */
export const HEADERS = {
  Cid: header('Correlation id, also in the audit trail. Percent-encoded.', true),
  ETag: header('Entity tag of what is answered.', true),
  PossibleETag: header('Entity tag of what is answered.', false),
  Location: header('Path of what was created.', true),
  Challenge: header('What is missing (RFC 6750, RFC 9470).', true),
  PossibleChallenge: header('For clients that sent HTTP Basic.', false),
  RetryAfter: { ...header('Seconds to wait (RFC 9110, section 10.2.3).', true), schema: { type: 'integer' } },
  Allow: header('Methods that the path has.', true),
  AcceptPatch: header('Media types that are read (RFC 5789), unless it was the encoding.', false),
  Preference: { ...header('The preference that was followed (RFC 7240).', true), schema: { const: 'return=minimal' } },
} as const

function header(description: string, required: boolean) {
  return { description, required, schema: { type: 'string' } }
}

/** A reply with the headers of all and those that are named. */
export function reply(
  description: string,
  content: Content | null,
  headers: Readonly<Record<string, keyof typeof HEADERS>> = {},
): Response {
  const named = Object.entries({ [CID_HEADER]: 'Cid', ...headers })
  return {
    description,
    headers: Object.fromEntries(named.map(([name, key]) => [name, { $ref: `#/components/headers/${key}` }])),
    ...(content ? { content } : {}),
  }
}

/** Words for a status. */
export function reason(status: number): string {
  return `${STATUS_CODES[status]}.`
}

/** A body of one media type. */
export function bodyOf(type: string, schema: Schema): Content {
  return { [type]: { schema } }
}

/** JSON. */
export const JSON_TYPE = 'application/json'

/** The reply to `If-None-Match`: Express gives it for every GET that succeeds. */
export const NOT_MODIFIED = {
  '304': reply('If-None-Match has the tag of what would be answered.', null, { ETag: 'PossibleETag' }),
}

/** What makes a GET answer 304. */
export const IF_NONE_MATCH: Parameter = {
  name: 'If-None-Match',
  in: 'header',
  description: 'Entity tags that the client has (RFC 9110, section 13.1.2).',
  schema: { type: 'string' },
}

/** The application that a call is made from. */
export function appParameter({ core, config }: Edge, description: string): Parameter {
  const { apps } = core.config
  return {
    name: APP_HEADER,
    in: 'header',
    description,
    schema: { type: 'string', enum: apps, default: config.defaultApp },
  }
}
