import parametersSchema from '#schemas/updateuser.json' with { type: 'json' }
import repliesSchema from '#schemas/updateuser-replies.json' with { type: 'json' }
import type { ErrorCode } from '../../errors.ts'
import { BATCH_QUERY, NDJSON_TYPE } from '../batch/input.ts'
import { KEY_HEADER } from '../batch/stream.ts'
import type { Edge } from '../edge.ts'
import { UPDATEUSER } from '../updateuser/failures.ts'
import { batchCodes, byStatus, refusalsOf } from './codes.ts'
import {
  type Content,
  type DialectDescription,
  type Operation,
  operationId,
  type Parameter,
  type Response,
  type Schema,
  schemaRef,
} from './model.ts'
import { appParameter, bodyOf, IF_NONE_MATCH, JSON_TYPE, NOT_MODIFIED, reason, reply } from './responses.ts'
import { inlined, inlinedAll, prefixed } from './schemas.ts'

const nameOf = prefixed('Updateuser')
const PARAMETERS = nameOf('parameters')
const PATH = '/updateuser'

/** Describes the `updateuser` dialect as it is mounted at a path. */
export function describeUpdateuser(edge: Edge, base: string): DialectDescription {
  const operations = edge.config.updateuserMethods.map((method) => [method.toLowerCase(), operationOf(edge, method)])
  return {
    paths: {
      [base + PATH]: Object.fromEntries(operations),
      ...(edge.config.updateuserMethods.includes('POST') ? { [`${base + PATH}/batch`]: { post: batchOf(edge) } } : {}),
    },
    schemas: {
      [PARAMETERS]: inlined(edge.core, parametersSchema, nameOf),
      [nameOf('batch-line')]: lineOf(edge),
      ...inlinedAll(edge.core, repliesSchema.$defs, nameOf),
    },
  }
}

function operationOf(edge: Edge, method: 'GET' | 'POST'): Operation {
  const isGet = method === 'GET'
  return {
    operationId: operationId('', method, PATH),
    tags: ['updateuser'],
    summary: 'Updates one account, all of it or nothing.',
    description: isGet
      ? 'Passwords in a URL end up in histories and logs: POST does the same without that.'
      : 'Takes everything from the body, nothing from the query string.',
    // `user` and `pass` are parameters, which OpenAPI has no word for.
    security: [{ basic: [] }, { ust: [] }, {}],
    parameters: [
      ...(isGet ? [...Object.entries(parametersSchema.properties).map(inQuery), IF_NONE_MATCH] : []),
      appParameter(edge, 'Application that the call is made from.'),
    ],
    ...(isGet ? {} : { requestBody: { required: true, content: requestContent() } }),
    responses: {
      '200': reply(reason(200), replyContent('done', 'done-text'), { ETag: 'PossibleETag' }),
      ...(isGet ? NOT_MODIFIED : {}),
      ...failuresOf(codesOf(edge, isGet)),
    },
  }
}

/** Who performs it is no part of a line. */
function lineOf(edge: Edge): Schema {
  const { user: _, pass: __, ...properties } = parametersSchema.properties
  return inlined(edge.core, { ...parametersSchema, additionalProperties: false, properties }, nameOf)
}

function batchOf(edge: Edge): Operation {
  const [line, event] = [schemaRef(nameOf('batch-line')), schemaRef(nameOf('batch-event'))]
  return {
    operationId: operationId('', 'POST', `${PATH}/batch`),
    tags: ['updateuser'],
    summary: 'Updates many accounts, one a line; results stream in order while the lines arrive.',
    security: [{ basic: [] }, { ust: [] }],
    parameters: [
      ...Object.entries(BATCH_QUERY).map(
        ([name, { description, ...schema }]): Parameter => ({
          name,
          in: 'query',
          description,
          required: false,
          schema,
        }),
      ),
      {
        name: KEY_HEADER,
        in: 'header',
        description: 'Names the batch: a line that was done under the name is not done again.',
        required: false,
        schema: { type: 'string' },
      },
      appParameter(edge, 'Application that the call is made from.'),
    ],
    requestBody: { required: true, content: bodyOf(NDJSON_TYPE, line) },
    responses: {
      '200': reply(reason(200), bodyOf(NDJSON_TYPE, event)),
      ...failuresOf([...batchCodes(edge), ...BY_PASSWORD]),
    },
  }
}

interface ParameterSchema {
  readonly description: string
  readonly anyOf?: readonly Schema[]
  readonly [keyword: string]: unknown
}

/** Of lists and objects, the real ones: in a query string they are JSON in any case. */
function inQuery([name, { description, ...schema }]: [string, ParameterSchema]): Parameter {
  const structured = schema.anyOf?.find(({ type }) => type !== 'string')
  return {
    name,
    in: 'query',
    description,
    required: parametersSchema.required.includes(name),
    ...(structured ? { content: bodyOf(JSON_TYPE, structured) } : { schema }),
  }
}

function requestContent(): Content {
  const structured = Object.entries(parametersSchema.properties).filter(([, schema]) => 'anyOf' in schema)
  return {
    'application/x-www-form-urlencoded': {
      schema: schemaRef(PARAMETERS),
      encoding: Object.fromEntries(structured.map(([name]) => [name, { contentType: JSON_TYPE }])),
    },
    ...bodyOf(JSON_TYPE, schemaRef(PARAMETERS)),
  }
}

function replyContent(json: string, text: string, narrowed: Schema = {}): Content {
  return {
    ...bodyOf(JSON_TYPE, { ...schemaRef(nameOf(json)), ...narrowed }),
    ...bodyOf('text/plain', schemaRef(nameOf(text))),
  }
}

// What a password as the proof of who asks can meet.
const BY_PASSWORD = ['credentials_invalid', 'totp_missing', 'password_must_change', 'throttled', 'cross_site'] as const

function codesOf(edge: Edge, isGet: boolean): readonly ErrorCode[] {
  return [
    ...refusalsOf(edge, 'updateuser', false),
    // Of the parameters and the credentials, which are of any kind here.
    ...(['input_malformed', 'input_missing'] as const),
    ...(isGet ? [] : (['input_too_large', 'media_type_unsupported'] as const)),
    ...(['credentials_missing', 'credentials_ambiguous', 'credentials_invalid', 'totp_missing', 'cross_site'] as const),
    ...(['password_must_change', 'internal'] as const),
  ]
}

function failuresOf(codes: readonly ErrorCode[]): Record<string, Response> {
  const responses = byStatus(codes, (code) => UPDATEUSER[code]).map(([status, group]): [string, Response] => {
    const errors = {
      items: { type: 'object', properties: { code: { enum: codes } } },
      contains: { type: 'object', properties: { code: { enum: group } } },
    }
    const headers = {
      ...(status === 401 ? { 'WWW-Authenticate': 'PossibleChallenge' as const } : {}),
      ...(status === 429 ? { 'Retry-After': 'RetryAfter' as const } : {}),
    }
    return [
      String(status),
      reply(reason(status), replyContent('error', 'error-text', { properties: { errors } }), headers),
    ]
  })
  return Object.fromEntries(responses)
}
