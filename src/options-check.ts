import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { distance } from 'fastest-levenshtein'
import optionsSchema from '#schemas/options.json' with { type: 'json' }
import { nearest } from './core/schema/nearest.ts'
import { SsoError } from './errors.ts'

/** Kinds of values that JSON Schema has no type for. */
const KINDS: Record<string, (value: unknown) => boolean> = {
  function: (value) => typeof value === 'function',
  functions: (value) =>
    typeof value === 'function' || (Array.isArray(value) && value.every((one) => typeof one === 'function')),
  logger: (value) => ['warn', 'error'].every((name) => isMethod(value, name)),
  sink: (value) => typeof value === 'function' || isSink(value),
  redis: (value) => ['multi', 'del'].every((name) => isMethod(value, name)),
  knex: (value) => typeof value === 'function' && typeof (value as { client?: unknown }).client === 'object',
}

function isMethod(value: unknown, name: string): boolean {
  return typeof (value as Record<string, unknown> | null)?.[name] === 'function'
}

function isSink(value: unknown): boolean {
  const { name, batchSize = 1 } = (value ?? {}) as { name?: unknown; batchSize?: unknown }
  const isNamed = typeof name === 'string' && name !== '' && name.length <= 191
  return isNamed && Number.isInteger(batchSize) && Number(batchSize) > 0 && isMethod(value, 'deliver')
}

const KIND_NAMES: Record<string, string> = {
  function: 'a function',
  functions: 'a function or a list of functions',
  logger: 'an object with the functions warn and error',
  sink: 'a function, or an object with a name and the function deliver',
  redis: 'a client of Redis',
  knex: 'a Knex instance',
}

const validate = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true, strictTypes: false })
  .addKeyword({
    keyword: 'x-type',
    schemaType: 'string',
    validate: (kind: string, value: unknown) => KINDS[kind]?.(value) ?? false,
  })
  .compile(optionsSchema)

/** Checks what the host wrote. @throws SsoError `option_invalid`, naming every option's path and the nearest legal name */
export function checkOptions(options: unknown): void {
  // An option that is undefined is one that was not given, at any depth.
  if (validate(given(options))) return
  const faults = [...new Set((validate.errors ?? []).filter(isTelling).map(describe))]
  throw new SsoError('option_invalid', { message: `createSso: ${faults.join(' ')}` })
}

/** A copy without undefined values. */
function given(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([name, item]) => [name, given(item)]),
  )
}

/** Both halves of an anyOf say what they miss; the summary says it better. */
function isTelling({ schemaPath }: ErrorObject): boolean {
  return !schemaPath.includes('/anyOf/')
}

function describe({ instancePath, keyword, params, message }: ErrorObject): string {
  const path = instancePath.slice(1).replaceAll('/', '.')
  const at = (name: string) => (path === '' ? name : `${path}.${name}`)
  if (keyword === 'additionalProperties') {
    const name = String(params['additionalProperty'])
    return `${at(name)} is not an option.${suggestion(name, instancePath)}`
  }
  if (keyword === 'required') return `${at(String(params['missingProperty']))} is required.`
  if (keyword === 'x-type') return `${path} must be ${KIND_NAMES[kindAt(instancePath)] ?? 'a function'}.`
  if (keyword === 'anyOf') return `${path} has a value of a type that is not accepted.`
  return `${path || 'options'} ${message ?? 'is not accepted'}.`
}

interface Node {
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly 'x-type'?: string
}

function nodeAt(instancePath: string): Node | undefined {
  let node: Node | undefined = optionsSchema as Node
  for (const part of instancePath.split('/').slice(1)) node = node?.properties?.[part] ?? node?.items
  return node
}

function kindAt(instancePath: string): string {
  return nodeAt(instancePath)?.['x-type'] ?? ''
}

function suggestion(name: string, instancePath: string): string {
  const legal = Object.keys(nodeAt(instancePath)?.properties ?? {})
  if (legal.length === 0) return ''
  const meant = nearest(name, legal)
  const isNear = distance(name.toLowerCase(), meant.toLowerCase()) <= Math.max(2, name.length / 2)
  return isNear ? ` Did you mean ${meant}?` : ` There are: ${legal.join(', ')}.`
}
