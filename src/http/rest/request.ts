import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Request, Response } from 'express'
import restSchema from '#schemas/rest.json' with { type: 'json' }
import { faultsOf } from '../../core/schema/faults.ts'
import { isPrototypeName } from '../../core/schema/text.ts'
import { SsoError } from '../../errors.ts'
import { type BodyReader, jsonObject, mediaType } from '../body.ts'

/** Names of request bodies in `schemas/rest.json`. */
export type BodyName = keyof typeof restSchema.$defs

/** JSON Schema of one query parameter: text that reads as a value of this type. */
export interface ParameterSchema {
  readonly description: string
  readonly type: 'boolean' | 'integer' | 'string'
  readonly [keyword: string]: unknown
}

/** Query parameters of an endpoint, by name. */
export type QuerySchema = Readonly<Record<string, ParameterSchema>>

/** What a request says beside its body: text, numbers and booleans by name; absent is absent. */
export type Query = Readonly<Record<string, string | number | boolean>>

/** A request body, checked against its schema. */
export type RequestBody = Readonly<Record<string, unknown>>

/** Media type of merge patches (RFC 7396). */
export const MERGE_PATCH = 'application/merge-patch+json'
const JSON_TYPE = 'application/json'

const bodies = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true })
addFormats.default(bodies)
bodies.addSchema(restSchema)
// Query parameters are text, whatever they mean.
const queries = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, coerceTypes: true })

/** Reads the body of a request as the schema of this name has it. */
export function bodyParser(reader: BodyReader, name: BodyName, isPatch: boolean) {
  const validate = bodies.getSchema(`${restSchema.$id}#/$defs/${name}`) as ValidateFunction
  const types = isPatch ? [MERGE_PATCH, JSON_TYPE] : [JSON_TYPE]

  /** @throws SsoError `media_type_unsupported`, `input_malformed`, or an issue for each member that is not accepted */
  return async (req: Request, res: Response): Promise<RequestBody> => {
    const given = await reader.read(req, res)
    if (given.kind !== 'none' && !types.includes(mediaType(req) ?? '')) {
      if (isPatch) res.set('Accept-Patch', types.join(', '))
      throw new SsoError('media_type_unsupported', { message: `The body must be ${types.join(' or ')}.` })
    }
    if (given.kind === 'none') throw new SsoError('input_malformed', { message: 'A JSON object is required as body.' })
    const body = jsonObject(given, req)
    if (!validate(body)) throw faultsOf(validate.errors ?? [])
    return body
  }
}

/** Reads the query string as the schemas say; what they do not name is refused. */
export function queryParser(properties: QuerySchema) {
  const validate = queries.compile({ type: 'object', additionalProperties: false, properties })

  /** @throws SsoError with an issue for each parameter that is not accepted */
  return (req: Request): Query => {
    const start = req.originalUrl.indexOf('?')
    if (start < 0) return {}
    const given = new URLSearchParams(req.originalUrl.slice(start))
    const query: Record<string, unknown> = Object.create(null)
    for (const name of new Set(given.keys())) {
      const values = given.getAll(name)
      query[name] = values.length === 1 ? values[0] : values
    }
    const banned = Object.keys(query).filter(isPrototypeName)
    if (banned.length > 0 || !validate(query)) throw faultsOf(validate.errors ?? [])
    return query as Query
  }
}
