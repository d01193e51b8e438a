import fc, { type Arbitrary } from 'fast-check'
import type { OpenApiDocument } from '../../../src/index.ts'
import { PASSWORD } from '../../support/host.ts'

const PEOPLE = ['admin', 'ada', 'bob']
/** Placeholders of this for each person. */
export const of = (what: string) => PEOPLE.map((person) => `@{${person}.${what}}`)

// Values that lead further than random ones would.
const LIKELY: Readonly<Record<string, readonly unknown[]>> = {
  ...Object.fromEntries(['user_id', 'id'].map((name) => [name, [...of('id'), '999999', 1]])),
  ...Object.fromEntries(
    ['ust', 'current_ust', 'target_ust'].map((name) => [name, [...of('ust'), '@{admin.ust}', 'none']]),
  ),
  ...Object.fromEntries(
    ['username', 'user', 'uid', 'login'].map((name) => [name, [...of('name'), '@{fresh}', '@{fresh}']]),
  ),
  ...Object.fromEntries(
    ['password', 'pass', 'currentPassword', 'old_password', 'newPassword', 'new_password'].map((name) => [
      name,
      [PASSWORD, PASSWORD, `${PASSWORD}!`, 'short'],
    ]),
  ),
  current_app: ['CRM', 'CRM', 'Shop', 'none'],
  name: ['one', 'two', 'three'],
  limit: [1, 2, 100],
  before: [1, 5, 1000],
}

/** Text that is hard on whoever takes it. */
export const oddText = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\0',
    'a\0b',
    '\ud800',
    'x\udc00',
    '\u202eabc',
    'ﷺ'.repeat(60),
    'İ'.repeat(191),
    'x'.repeat(5000),
  ),
  fc.constantFrom(
    "' or 1=1 --",
    '%00',
    '../..',
    '__proto__',
    'constructor',
    '\r\n',
    '1e400',
    '2020-02-30',
    '🧑‍🚀',
    'ß',
  ),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary', maxLength: 20 }),
)

/** JSON that is hard on whoever takes it. */
export const oddValue: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 1e308, 2 ** 53, -(2 ** 63), [], {}, [[]], [null], {
    a: { b: [] },
  }),
  oddText,
  fc.jsonValue({ maxDepth: 3 }),
)
/** Makes values of the document's schemas. */
export class Values {
  readonly #document: any
  readonly #known = new Map<string, Arbitrary<unknown>>()

  constructor(document: OpenApiDocument) {
    this.#document = document
  }

  of(schema: any, name = ''): Arbitrary<unknown> {
    const likely = LIKELY[name]
    const value = this.#bySchema(schema)
    return likely ? fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...likely) }, value) : value
  }

  #bySchema(schema: any): Arbitrary<unknown> {
    if (schema.$ref) return this.#byRef(schema.$ref)
    if ('const' in schema) return fc.constant(schema.const)
    if (schema.enum) return fc.constantFrom(...schema.enum)
    const among =
      schema.anyOf ?? (Array.isArray(schema.type) ? schema.type.map((type: string) => ({ ...schema, type })) : null)
    if (among && !schema.properties) return fc.oneof(...among.map((one: any) => this.#bySchema(one)))
    if (schema.type === 'object') return this.#object(schema)
    if (schema.type === 'array') return fc.array(this.#bySchema(schema.items ?? {}), { maxLength: 4 })
    return scalar(schema)
  }

  #byRef(ref: string): Arbitrary<unknown> {
    const known = this.#known.get(ref)
    if (known) return known
    const target = ref
      .slice(2)
      .split('/')
      .reduce((node, key) => node[key], this.#document)
    const made = this.#bySchema(target)
    this.#known.set(ref, made)
    return made
  }

  #object({ properties = {}, required = [], additionalProperties }: any): Arbitrary<unknown> {
    const members = Object.entries(properties).map(([name, schema]) => [name, this.of(schema, name)] as const)
    // A few of them: what is wrong with one would hide what the others do.
    const optional = members.map(([name]) => name).filter((name) => !required.includes(name))
    const some = fc
      .subarray(optional, { maxLength: Math.min(4, optional.length) })
      .chain((names) =>
        fc.record(Object.fromEntries(members.filter(([name]) => [...required, ...names].includes(name)))),
      )
    if (members.length > 0) return some
    const others = typeof additionalProperties === 'object' ? this.#bySchema(additionalProperties) : oddValue
    return fc.dictionary(fc.oneof(fc.constantFrom('one', 'two', 'sales'), fc.string({ minLength: 1 })), others, {
      maxKeys: 4,
    })
  }
}

function scalar({
  type,
  pattern,
  format,
  minLength = 0,
  maxLength = 40,
  minimum = -10,
  maximum = 100_000,
}: any): Arbitrary<unknown> {
  if (type === 'null') return fc.constant(null)
  if (type === 'boolean') return fc.boolean()
  if (type === 'integer') return fc.integer({ min: minimum, max: maximum })
  if (type === 'number') return fc.double({ noNaN: true, noDefaultInfinity: true })
  if (type === undefined) return oddValue
  if (format === 'date-time')
    return fc
      .date({ min: new Date('1970-01-01'), max: new Date('2400-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString())
  if (format === 'email') return fc.emailAddress()
  if (pattern) {
    try {
      return fc.stringMatching(new RegExp(pattern))
    } catch {
      // What looks behind cannot be generated.
      return fc.constantFrom('sales|RW', 'support|R', 'a', 'b', 'c|X')
    }
  }
  return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 40) })
}
