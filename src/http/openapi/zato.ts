import zatoSchema from '#schemas/zato.json' with { type: 'json' }
import type { Core } from '../../core/core.ts'
import type { ErrorCode } from '../../errors.ts'
import type { Edge } from '../edge.ts'
import { BODIES } from '../zato/bodies.ts'
import { ENDPOINTS, type Endpoint, REPLIES } from '../zato/endpoints.ts'
import { ZATO } from '../zato/failures.ts'
import { FOUND, NOT_ON_CREATION, TO_SELF, TO_SUPER_USERS } from '../zato/output.ts'
import { byStatus, refusalsOf } from './codes.ts'
import {
  type DialectDescription,
  type Operation,
  operationId,
  type Response,
  type Schema,
  type Schemas,
  schemaRef,
} from './model.ts'
import { appParameter, bodyOf, IF_NONE_MATCH, JSON_TYPE, NOT_MODIFIED, reason, reply } from './responses.ts'
import { editable, GENERATED_KEY, inlined, inlinedAll, prefixed, readable, writeSchema } from './schemas.ts'

const nameOf = prefixed('Zato')
const replyName = prefixed('Zato', 'Reply')

const BODY_OF_ANY_TYPE =
  'JSON, whatever Content-Type says. Fields may also come in the query string, which overrides the body; secrets may not.'
const BODY_OF_UNUSUAL_METHOD =
  'Zato takes a body with every method, GET and DELETE too. OpenAPI and many clients have no use for that: there, the fields go into the query string, the token into Authorization.'

/** Describes the Zato SSO dialect as it is mounted at a path. */
export function describeZato(edge: Edge, base: string): DialectDescription {
  const paths: Record<string, Record<string, Operation>> = {}
  for (const endpoint of ENDPOINTS) {
    const path = base + endpoint.path
    paths[path] = { ...paths[path], [endpoint.method.toLowerCase()]: operationOf(edge, endpoint) }
  }
  return { paths, schemas: schemasOf(edge.core) }
}

function operationOf(edge: Edge, endpoint: Endpoint): Operation {
  const { method, path, schema, does, who, replies, isOpen } = endpoint
  const isUnusual = method === 'GET' || method === 'DELETE'
  return {
    operationId: operationId('zato', method, path),
    tags: ['zato'],
    summary: `${does}.`,
    description: [`Who: ${who}.`, ...(replies ? [`Reply, beside the envelope: ${replies}.`] : [])].join(' '),
    // The token may be a field of the body, which OpenAPI has no word for.
    security: isOpen ? [] : [{ ust: [] }, {}],
    parameters: [
      appParameter(edge, 'Application that the call is made from, unless `current_app` says so.'),
      ...(method === 'GET' ? [IF_NONE_MATCH] : []),
    ],
    requestBody: {
      required: false,
      description: isUnusual ? `${BODY_OF_ANY_TYPE} ${BODY_OF_UNUSUAL_METHOD}` : BODY_OF_ANY_TYPE,
      content: bodyOf(JSON_TYPE, schemaRef(nameOf(schema))),
    },
    responses: { ...(method === 'GET' ? NOT_MODIFIED : {}), ...repliesOf(edge, endpoint) },
  }
}

function repliesOf(edge: Edge, endpoint: Endpoint): Record<string, Response> {
  const { operations, method, reply: name = 'Done', exceptions = {} } = endpoint
  const codes = [
    ...operations.flatMap((operation) => refusalsOf(edge, operation, method !== 'GET')),
    // Of the fields, the token, the application, and what is no request at all.
    ...(['input_malformed', 'input_missing', 'input_invalid', 'input_too_large'] as const),
    ...(['media_type_unsupported', 'credentials_ambiguous', 'internal'] as const),
  ] satisfies ErrorCode[]
  const subOf = (code: ErrorCode) => {
    const wording = ZATO[code]
    if (code === 'app_invalid' && !edge.core.config.inform.appInvalid) return 'E005001'
    return exceptions[code] ?? ('sub' in wording ? wording.sub : '')
  }
  const responses = byStatus(codes, (code) => ZATO[code].http).map(([status, group]): [string, Response] => {
    const subs = [...new Set(group.map(subOf))].filter((sub) => sub !== '')
    const refusal = subs.length > 0 ? refused(subs) : schemaRef(replyName('BadRequest'))
    // An application that is not known is told with status 200.
    const schema = status === 200 ? { anyOf: [schemaRef(replyName(name)), refusal] } : refusal
    return [
      String(status),
      reply(reason(status), bodyOf(JSON_TYPE, schema), {
        ...(status === 200 ? { ETag: 'PossibleETag' as const } : {}),
        ...(status === 429 ? { 'Retry-After': 'RetryAfter' as const } : {}),
      }),
    ]
  })
  return Object.fromEntries(responses)
}

function refused(subs: readonly string[]): Schema {
  return { ...schemaRef(replyName('Refusal')), properties: { sub_status: { items: { enum: [...subs].sort() } } } }
}

function schemasOf(core: Core): Schemas {
  const bodies = Object.entries(BODIES).map(([name, schema]) => [nameOf(name), inlined(core, schema, nameOf)] as const)
  const schemas: Schemas = {
    ...inlinedAll(core, zatoSchema.$defs, nameOf),
    ...Object.fromEntries(bodies),
    ...inlinedAll(core, REPLIES, replyName),
  }
  const { ZatoCreateUser, ZatoUpdateUser } = schemas
  const created = TO_SUPER_USERS.filter((name) => !NOT_ON_CREATION.includes(name))
  return {
    ...schemas,
    ZatoCreateUser: withOwn(core, ZatoCreateUser),
    ZatoUpdateUser: withOwn(core, ZatoUpdateUser),
    ZatoUserReply: account(core, TO_SUPER_USERS, TO_SELF, ENVELOPE),
    ZatoCreatedUserReply: account(
      core,
      created,
      TO_SELF.filter((name) => name !== 'email'),
      { ...ENVELOPE, ...GENERATED_KEY },
    ),
    ZatoFoundUserReply: account(core, FOUND, TO_SELF, {}),
  }
}

const ENVELOPE: Schemas = {
  status: { const: 'ok' },
  cid: schemaRef(replyName('Cid')),
  sub_status: schemaRef(replyName('NoCodes')),
}

/** The host's own attributes are fields like others. */
function withOwn(core: Core, body: Schema = {}): Schema {
  const own = editable(core)
    .filter(({ custom }) => custom)
    .map((attribute) => {
      const isPlainBoolean = attribute.kind === 'boolean' && !attribute.nullable
      return [attribute.name, isPlainBoolean ? schemaRef(nameOf('boolean')) : writeSchema(core, attribute)]
    })
  return { ...body, properties: { ...(body['properties'] as Schemas), ...Object.fromEntries(own) } }
}

/** An account in a reply: some of the package's attributes, all of the host's. */
function account(core: Core, names: readonly string[], always: readonly string[], others: Schemas): Schema {
  const { properties, required } = readable(core)
  const isShown = (name: string) => names.includes(name) || core.catalogue.get(name)?.custom === true
  const shown = Object.entries(properties).filter(([name]) => isShown(name))
  return {
    type: 'object',
    additionalProperties: false,
    required: [
      ...Object.keys(others).filter((name) => name in ENVELOPE),
      ...required.filter((name) => always.includes(name)),
    ],
    properties: {
      ...others,
      ...Object.fromEntries(shown.map(([name, schema]) => [name, inZatosWords(name, schema)])),
    },
  }
}

/** Times have no zone here, and a label that was never set is empty text. */
function inZatosWords(name: string, { format, ...schema }: Schema): Schema {
  if (name === 'totp_label') return { ...schema, type: 'string' }
  if (format === undefined) return schema
  return { ...schema, pattern: REPLIES.Time.pattern }
}
