import auditSchema from '#schemas/audit-record.json' with { type: 'json' }
import lineSchema from '#schemas/batch-line.json' with { type: 'json' }
import restSchema from '#schemas/rest.json' with { type: 'json' }
import { ON_CREATION } from '../../core/accounts/create.ts'
import type { Core } from '../../core/core.ts'
import { ERRORS, type ErrorCode } from '../../errors.ts'
import { NDJSON_TYPE } from '../batch/input.ts'
import { KEY_HEADER } from '../batch/stream.ts'
import type { Edge } from '../edge.ts'
import { PROBLEM_TYPE } from '../problem.ts'
import { isBatch, needsCaller, type Route } from '../rest/endpoint.ts'
import { MERGE_PATCH } from '../rest/request.ts'
import { batchCodes, byStatus, refusalsOf } from './codes.ts'
import {
  type DialectDescription,
  type Operation,
  operationId,
  type Parameter,
  type Response,
  type Schema,
  type Schemas,
  schemaRef,
} from './model.ts'
import { appParameter, bodyOf, IF_NONE_MATCH, JSON_TYPE, NOT_MODIFIED, reason, reply } from './responses.ts'
import { editable, GENERATED_KEY, inlined, inlinedAll, readable, writeSchema } from './schemas.ts'

/** Describes the `rest` dialect as it is mounted at a path. */
export function describeRest(edge: Edge, base: string, routes: readonly Route[]): DialectDescription {
  const paths: Record<string, Record<string, Operation>> = {}
  for (const route of routes) {
    const path = base + route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method]: operationOf(edge, route) }
  }
  return { paths, schemas: schemasOf(edge.core) }
}

function operationOf(edge: Edge, route: Route): Operation {
  const { method, path, body, summary } = route
  const types = typesOf(route)
  return {
    operationId: operationId('', method, path),
    tags: ['rest'],
    summary,
    security: needsCaller(route) ? [{ ust: [] }, ...(edge.config.authenticate ? [{}] : [])] : [],
    parameters: parametersOf(edge, route),
    ...(body
      ? {
          requestBody: {
            required: true,
            content: Object.assign({}, ...types.map((type) => bodyOf(type, schemaRef(body)))),
          },
        }
      : {}),
    responses: { ...successesOf(route), ...failuresOf(edge, route) },
  }
}

/** Media types of a request's body. */
function typesOf(route: Route): readonly string[] {
  if (isBatch(route)) return [NDJSON_TYPE]
  return route.method === 'patch' ? [MERGE_PATCH, JSON_TYPE] : [JSON_TYPE]
}

/** Whether a route changes an account, so that `Prefer: return=minimal` says how much is answered. */
const isUpdate = ({ tag, reply, query = {} }: Route) => tag !== undefined && reply !== null && 'dryRun' in query

function parametersOf(edge: Edge, route: Route): Parameter[] {
  const { method, path, query = {}, tag } = route
  const inHeader = (name: string, description: string, required = false): Parameter => ({
    name,
    in: 'header',
    description,
    required,
    schema: { type: 'string' },
  })
  return [
    ...[...path.matchAll(/([^/]+)\/:(\w+)/g)].map(
      ([, collection, name = '']): Parameter => ({
        name,
        in: 'path',
        description: `Which one of ${collection}.`,
        required: true,
        schema: { type: 'string', minLength: 1 },
      }),
    ),
    ...Object.entries(query).map(
      ([name, { description, ...schema }]): Parameter => ({ name, in: 'query', description, schema }),
    ),
    ...(tag
      ? [
          inHeader(
            'If-Match',
            'Entity tags of which the account must have one (RFC 9110, section 13.1.1).',
            edge.config.requiresIfMatch,
          ),
        ]
      : []),
    ...(method === 'get' ? [IF_NONE_MATCH] : []),
    ...(isUpdate(route) ? [inHeader('Prefer', '`return=minimal` for a reply without a body (RFC 7240).')] : []),
    ...(isBatch(route)
      ? [inHeader(KEY_HEADER, 'Names the batch: a line that was done under the name is not done again.')]
      : []),
    ...(takesApp(route) ? [appParameter(edge, 'Application that the call is made from.')] : []),
  ]
}

/** What is open to anybody and takes nothing tells everybody the same. */
const takesApp = (route: Route) => needsCaller(route) || route.body !== undefined

function successesOf(route: Route): Record<string, Response> {
  const { method, reply: name, query = {}, status } = route
  if (isBatch(route)) return { '200': reply(reason(200), bodyOf(NDJSON_TYPE, schemaRef('BatchEvent'))) }
  const canBeDry = 'dryRun' in query
  const done = status ?? (name === null ? 204 : 200)
  const schema = name === null ? null : schemaRef(name)
  const [required, possible] = [{ ETag: 'ETag' }, { ETag: 'PossibleETag' }] as const
  const created = status === 201 ? ({ ...required, Location: 'Location' } as const) : possible
  return {
    [done]: reply(reason(done), schema && bodyOf(JSON_TYPE, schema), name === null ? {} : created),
    ...(canBeDry && done !== 200
      ? { '200': reply('What would have been done; nothing was kept.', bodyOf(JSON_TYPE, dryReply(schema)), possible) }
      : {}),
    ...(isUpdate(route)
      ? {
          '204': reply('It was done; the client wanted no more than that.', null, {
            ...possible,
            'Preference-Applied': 'Preference',
          }),
        }
      : {}),
    ...(method === 'get' ? NOT_MODIFIED : {}),
  }
}

/** What a dry run answers where nothing, or something new, would have been answered. */
function dryReply(schema: Schema | null): Schema {
  const properties = { ...(schema ? { user: schemaRef('User') } : {}), dryRun: schemaRef('DryRun') }
  return { type: 'object', additionalProperties: false, required: Object.keys(properties), properties }
}

function failuresOf(edge: Edge, route: Route): Record<string, Response> {
  const { method } = route
  const statuses = byStatus(codesOf(edge, route), (code) => ERRORS[code].status)
  const responses = statuses.map(([status, codes]): [string, Response] => {
    const schema = { ...schemaRef('Problem'), properties: { status: { const: status }, code: { enum: codes } } }
    const headers = {
      ...(status === 401 ? { 'WWW-Authenticate': 'Challenge' as const } : {}),
      ...(status === 429 ? { 'Retry-After': 'RetryAfter' as const } : {}),
      ...(status === 415 && method === 'patch' ? { 'Accept-Patch': 'AcceptPatch' as const } : {}),
    }
    return [String(status), reply(reason(status), bodyOf(PROBLEM_TYPE, schema), headers)]
  })
  return Object.fromEntries(responses)
}

/** Everything that a request of a route may be refused with. */
function codesOf(edge: Edge, route: Route): readonly ErrorCode[] {
  const { method, path, body, tag } = route
  const { core, config } = edge
  if (isBatch(route)) return batchCodes(edge)
  const domain = route.operation ? refusalsOf(edge, route.operation, method !== 'get') : []
  // Only a change, in whose midst somebody may delete it, can miss the caller's own account.
  const isOnOthers = path.includes('/users') || tag !== undefined
  const isKnown = (code: ErrorCode) =>
    (isOnOthers || code !== 'user_unknown') && (core.config.reauth.maxAgeSeconds !== null || code !== 'reauth_required')
  return [
    // Tags, unknown parameters and the like.
    ...(['input_malformed', 'input_invalid', 'attribute_unknown'] as const),
    ...(body ? (['input_missing', 'input_too_large', 'media_type_unsupported'] as const) : []),
    ...(needsCaller(route) ? (['credentials_missing'] as const) : []),
    ...(route.operation === 'logout' && config.authenticate ? (['operation_invalid'] as const) : []),
    ...domain.filter(isKnown),
    ...(tag ? (['precondition_failed'] as const) : []),
    ...(tag && config.requiresIfMatch ? (['precondition_required'] as const) : []),
    'internal',
  ]
}

function schemasOf(core: Core): Schemas {
  const { properties, required } = readable(core)
  const user = { ...restSchema.$defs.User, additionalProperties: false, properties, required }
  // JSON attributes are merged into what is there, at any depth.
  const patches = editable(core).map((attribute) => {
    const schema = writeSchema(core, attribute)
    return [
      attribute.name,
      attribute.kind === 'json' ? { description: schema['description'] ?? 'Merge patch.' } : schema,
    ] as const
  })
  const created = [...editable(core), ...ON_CREATION.flatMap((name) => core.catalogue.get(name) ?? [])]
  const { UserPatch, NewUser } = restSchema.$defs
  return {
    ...inlinedAll(core, restSchema.$defs, (name) => name),
    User: user,
    CreatedUser: { ...user, ...restSchema.$defs.CreatedUser, properties: { ...properties, ...GENERATED_KEY } },
    UserPatch: {
      ...UserPatch,
      minProperties: 1,
      additionalProperties: false,
      properties: { ...Object.fromEntries(patches), ...UserPatch.properties },
    },
    BatchLine: {
      ...inlined(core, lineSchema, (name) => name),
      properties: {
        ...lineSchema.properties,
        patch: { ...lineSchema.properties.patch, additionalProperties: false, properties: Object.fromEntries(patches) },
        grants: schemaRef('GrantsPatch'),
        attributes: schemaRef('Attributes'),
      },
    },
    NewUser: {
      ...NewUser,
      additionalProperties: false,
      properties: {
        ...NewUser.properties,
        ...Object.fromEntries(created.map((attribute) => [attribute.name, writeSchema(core, attribute)])),
      },
    },
    AuditEntry: {
      ...inlined(core, auditSchema, (name) => name),
      required: ['id', ...auditSchema.required],
      properties: { ...restSchema.$defs.AuditEntry.properties, ...auditSchema.properties },
    },
  }
}
