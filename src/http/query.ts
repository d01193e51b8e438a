import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Request } from 'express'
import { faultsOf } from '../core/schema/faults.ts'
import { isPrototypeName } from '../core/schema/text.ts'

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

// Query parameters are text, whatever they mean.
const queries = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, coerceTypes: true })

/** The raw query string, which Express 4 and 5 would parse differently; empty where there is none. */
export function queryOf({ originalUrl }: Request): string {
  const at = originalUrl.indexOf('?')
  return at < 0 ? '' : originalUrl.slice(at + 1)
}

/** Reads the query string as the schemas say; what they do not name is refused. */
export function queryParser(properties: QuerySchema) {
  const validate = queries.compile({ type: 'object', additionalProperties: false, properties })

  /** @throws SsoError with an issue for each parameter that is not accepted */
  return (text: string): Query => {
    const given = new URLSearchParams(text)
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
