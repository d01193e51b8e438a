import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { Request, Response } from 'express'
import restSchema from '#schemas/rest.json' with { type: 'json' }
import { faultsOf } from '../../core/schema/faults.ts'
import { SsoError } from '../../errors.ts'
import { type BodyReader, jsonObject, mediaType } from '../body.ts'

/** Names of request bodies in `schemas/rest.json`. */
export type BodyName = keyof typeof restSchema.$defs

/** A request body, checked against its schema. */
export type RequestBody = Readonly<Record<string, unknown>>

/** Media type of merge patches (RFC 7396). */
export const MERGE_PATCH = 'application/merge-patch+json'
const JSON_TYPE = 'application/json'

const bodies = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true })
addFormats.default(bodies)
bodies.addSchema(restSchema)

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
