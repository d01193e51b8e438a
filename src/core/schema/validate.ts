import { types } from 'node:util'
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type Issue, issue, SsoError, throwIssues } from '../../errors.ts'
import type { Attribute, AttributeSchema, Catalogue } from './catalogue.ts'
import { characters, identityFault, identityKey, isPrototypeName, KEY_EXPANSION, lineFault, textFault } from './text.ts'
import { inRange, parseTime } from './times.ts'

/** Validated, normalised values by attribute name, on a null prototype. Only keys that were sent are there. */
export type Values = Readonly<Record<string, unknown>>

/** More keys than any account has; a body beyond it is refused before each key is looked at. */
const MOST_KEYS = 200

/** Checks and normalises values of attributes. Compiled once, at construction. */
export interface Validator {
  /** Own, enumerable keys of a plain object. @throws SsoError `input_invalid` if it is anything else. */
  readonly keysOf: (data: unknown) => readonly string[]
  /** All values of `keys`, validated. @throws SsoError naming every offending attribute. */
  readonly values: (data: object, keys: readonly string[]) => Values
  /** Accepts no more of an attribute than its column holds. */
  readonly tighten: (name: string, limits: Limits) => void
  /** What an attribute's values are checked with: its schema, as far as it has been tightened. */
  readonly schemaOf: (attribute: Attribute) => AttributeSchema
}

/** What a column holds, where that is less than what the schema allows. */
export interface Limits {
  /** In characters. */
  readonly maxLength?: number
  readonly nullable?: boolean
  readonly minimum?: number
  readonly maximum?: number
  /** All values that there are. */
  readonly values?: readonly string[]
}

const STRICTLY = { allErrors: true, strict: true, allowUnionTypes: true } as const
// Checks schemas of attributes. What it checks them with is compiled once, not for each validator.
const draft = addFormats.default(new Ajv2020(STRICTLY))

interface Options {
  /** Whether `email` must look like an address. */
  readonly checkEmail: boolean
}

/** @throws SsoError `option_invalid` if an attribute's schema does not compile. */
export function buildValidator(catalogue: Catalogue, { checkEmail }: Options): Validator {
  // Coercion, defaults and removal would turn absent, null and "" into one another.
  const ajv = new Ajv2020({ ...STRICTLY, validateSchema: false })
  addFormats.default(ajv)
  ajv.addKeyword({ keyword: 'x-sso', schemaType: 'object' })

  const compiled = new Map<string, ValidateFunction>()
  const tightened = new Map<string, AttributeSchema>()
  const schemaOf = (attribute: Attribute): AttributeSchema => {
    const { format, ...schema } = tightened.get(attribute.name) ?? attribute.schema
    const isChecked = format !== undefined && (attribute.name !== 'email' || checkEmail)
    return isChecked ? { ...schema, format } : schema
  }
  for (const attribute of catalogue.values()) {
    const validate = compile(ajv, attribute.name, schemaOf(attribute))
    const { default: fallback } = attribute.schema
    if (fallback !== undefined && !validate(fallback)) {
      throw new SsoError('option_invalid', {
        message: `attributes.properties.${attribute.name}: default: it is not a value of the attribute.`,
      })
    }
    compiled.set(attribute.name, validate)
  }

  return {
    keysOf: plainKeys,

    values(data, keys) {
      const values: Record<string, unknown> = Object.create(null)
      const issues: Issue[] = []
      for (const key of keys) {
        const attribute = catalogue.get(key)
        const validate = compiled.get(key)
        if (!attribute || !validate) {
          issues.push(issue(key, 'attribute_unknown'))
          continue
        }
        const value = normalize(attribute, (data as Record<string, unknown>)[key])
        const found = faults(attribute, value, validate)
        if (found.length > 0) issues.push(...found)
        else values[key] = attribute.kind === 'datetime' && typeof value === 'string' ? parseTime(value) : value
      }
      throwIssues(issues)
      return values
    },

    tighten(name, { maxLength, nullable, minimum, maximum, values }) {
      const attribute = catalogue.get(name)
      if (!attribute) return
      const { schema } = attribute
      const types = ([] as string[]).concat(schema.type ?? []).filter((type) => type !== 'null')
      const least = (...numbers: unknown[]) => Math.min(...numbers.map(Number).filter(Number.isFinite))
      tightened.set(name, {
        ...schema,
        ...(maxLength === undefined ? {} : { maxLength: least(maxLength, schema.maxLength) }),
        ...(nullable === false ? { type: types.length === 1 ? (types[0] as string) : types } : {}),
        ...(minimum === undefined ? {} : { minimum: -least(-minimum, -(schema['minimum'] as number)) }),
        ...(maximum === undefined ? {} : { maximum: least(maximum, schema['maximum']) }),
        ...(values === undefined || schema.enum
          ? {}
          : { enum: attribute.nullable && nullable !== false ? [...values, null] : values }),
      })
      compiled.set(name, compile(ajv, name, schemaOf(attribute)))
    },

    schemaOf,
  }
}

function compile(ajv: Ajv2020, name: string, attributeSchema: AttributeSchema): ValidateFunction {
  const { default: _, description: __, ...schema } = attributeSchema
  try {
    draft.validateSchema(schema, true)
    return ajv.compile(schema)
  } catch (cause) {
    throw new SsoError('option_invalid', {
      message: `attributes.properties.${name}: ${(cause as Error).message}`,
      cause,
    })
  }
}

function plainKeys(data: unknown): readonly string[] {
  if (!isPlainObject(data)) {
    throw new SsoError('input_invalid', { message: 'The data must be an object of attributes.' })
  }
  const keys = Object.keys(data)
  if (keys.length > MOST_KEYS)
    throw new SsoError('input_invalid', { message: `There are more than ${MOST_KEYS} keys.` })
  const dangerous = keys.filter(isPrototypeName).map((key) => issue(key, 'input_invalid', 'The name is not accepted.'))
  throwIssues(dangerous)
  return keys
}

/** An object literal, of whichever realm (test runners have several), or one without a prototype. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function normalize(attribute: Attribute, value: unknown): unknown {
  if (types.isDate(value) && attribute.kind === 'datetime') {
    return Number.isNaN(value.getTime()) || !inRange(value) ? 'Invalid Date' : value.toISOString()
  }
  if (typeof value !== 'string') return value
  if (attribute.kind === 'datetime') return parseTime(value)?.toISOString() ?? value
  // Ill-formed text is refused below; normalising it first would hide that.
  return attribute.normalize && value.isWellFormed() ? value.normalize('NFC') : value
}

function faults(attribute: Attribute, value: unknown, validate: ValidateFunction): Issue[] {
  const name = attribute.name
  if (value === undefined)
    return [issue(name, 'input_invalid', 'The value is undefined; leave the key out, or use null.')]
  if (typeof value === 'string') {
    const fault = textFaultOf(attribute, value)
    if (fault) return [issue(name, name === 'username' ? 'username_invalid' : 'input_invalid', fault)]
    if (name === 'username' && value.trim() !== value) return [issue(name, 'username_has_whitespace')]
    if (isKeyTooLong(attribute, value))
      return [issue(name, name === 'username' ? 'username_too_long' : 'input_invalid')]
  } else if (typeof value === 'object' && value !== null) {
    const fault = attribute.kind === 'json' ? jsonFault(value) : null
    if (fault) return [issue(name, 'input_invalid', fault)]
  }
  // Formats accept what nothing stores: a leap second, the year 0.
  const isTime = attribute.kind === 'datetime' && typeof value === 'string'
  if (isTime && !parseTime(value)) {
    return [issue(name, 'input_invalid', 'The value must be an ISO 8601 date and time of the years 1000 to 9999.')]
  }
  if (validate(value)) return []
  return (validate.errors ?? []).map((error) => issue(name, codeOf(name, error), wording(error)))
}

/** One character may stand for eighteen in the key that an identity is unique by, which has a column of its own. */
function isKeyTooLong({ normalize, maxLength }: Attribute, value: string): boolean {
  return normalize === 'identity' && maxLength !== null && characters(identityKey(value)) > maxLength * KEY_EXPANSION
}

function textFaultOf(attribute: Attribute, value: string): string | null {
  if (attribute.normalize === 'identity' || attribute.name === 'email') return identityFault(value)
  return attribute.normalize ? lineFault(value) : textFault(value)
}

/** Finds what no database or JSON text may hold, at any depth of a JSON value; null if there is nothing. */
export function jsonFault(value: unknown, depth = 0): string | null {
  if (depth > 8) return 'The value is nested too deeply.'
  if (typeof value === 'string') return textFault(value)
  if (typeof value === 'number') return Number.isFinite(value) ? null : 'The number is not finite.'
  if (typeof value !== 'object' || value === null) {
    return value === null || typeof value === 'boolean' ? null : 'The value is not JSON.'
  }
  for (const [key, item] of Object.entries(value)) {
    if (isPrototypeName(key)) return `The name ${key} is not accepted.`
    const fault = textFault(key) ?? jsonFault(item, depth + 1)
    if (fault) return fault
  }
  return null
}

function codeOf(name: string, { keyword }: ErrorObject) {
  if (name === 'username' && keyword === 'maxLength') return 'username_too_long'
  if (name === 'username' && keyword === 'minLength') return 'username_invalid'
  if (name === 'email' && keyword === 'maxLength') return 'email_too_long'
  if (name === 'email' && keyword === 'format') return 'email_invalid'
  return 'input_invalid'
}

/** What ajv has against a value, for people; without the value. */
export function wording({ keyword, message, params }: ErrorObject): string {
  if (keyword === 'enum') {
    const allowed = (params['allowedValues'] as unknown[]).map((value) =>
      typeof value === 'string' ? value : JSON.stringify(value),
    )
    return `The value must be one of ${allowed.join(', ')}.`
  }
  if (keyword === 'type') return `The value must be of type ${([] as string[]).concat(params['type']).join(' or ')}.`
  if (keyword === 'format' && params['format'] === 'date-time') return 'The value must be an ISO 8601 date and time.'
  return `The value ${message ?? 'is not accepted'}.`
}
