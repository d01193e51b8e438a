import fc, { type Arbitrary } from 'fast-check'
import type { OpenApiDocument } from '../../../src/index.ts'
import { type Described, operationsOf } from './judge.ts'
import { oddText, oddValue, of, Values } from './values.ts'

/** A request as it was generated; `@{ada.ust}` and the like stand for what there is when it is sent. */
export interface Generated {
  readonly id: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** `hex:` begins bytes. */
  readonly body: string | null
}

const NESTED = '['.repeat(3000) + ']'.repeat(3000)
const rawBody = fc.oneof(
  fc.constantFrom('', '{', 'null', '[]', '"x"', '7', '{"a":1e999}', '\ufeff{}', '{"ust":1,"ust":2}', ' ', NESTED),
  fc.constantFrom('hex:ff', 'hex:7b2261223a22ed a080227d'.replace(' ', ''), 'hex:c0af', 'hex:00', 'hex:1f8b0800'),
  fc.constantFrom('{"__proto__":{"a":1}}', '{"constructor":{}}', '{"a":'.repeat(3000), `{"settings":${NESTED}}`),
  fc.constant(`{"display_name":"${'x'.repeat(110_000)}"}`),
  fc.json(),
  fc.string({ unit: 'binary' }),
)

type Mutation = { readonly at: number; readonly name: string | null; readonly value: unknown }

const mutation: Arbitrary<Mutation> = fc.record({
  at: fc.nat(20),
  name: fc.option(fc.oneof(fc.constantFrom('nosuch', '', 'constructor', 'is_super_user', 'password', 'data'), oddText)),
  value: fc.option(oddValue, { nil: undefined }),
})

/** Gives one member another value, or takes it away, or adds one. */
function mutated(value: unknown, mutations: readonly Mutation[]): unknown {
  if (typeof value !== 'object' || value === null) return mutations[0]?.value
  const members = new Map(Object.entries(value))
  for (const { at, name, value: other } of mutations) {
    const key = name ?? [...members.keys()][at % Math.max(1, members.size)] ?? 'x'
    if (other === undefined) members.delete(key)
    else members.set(key, other)
  }
  return Object.fromEntries(members)
}

function textOf(value: unknown, type: string): string {
  if (!type.includes('urlencoded') || typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  return encoded(Object.entries(value))
}

function encoded(pairs: readonly (readonly [string, unknown])[]): string {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  return new URLSearchParams(
    pairs.map(([name, value]): [string, string] => [name, text(value)?.toWellFormed() ?? '']),
  ).toString()
}

/** What a URL may carry as it is. */
const inUrl = (text: string) =>
  encodeURIComponent(text.toWellFormed()).replaceAll('%40%7B', '@{').replaceAll('%7D', '}')

const tag = fc.constantFrom('*', '"x"', 'W/"x"', '"a", "b"', 'x', '"', ',', '')
const authorization = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...of('ust'), '@{admin.ust}', '@{admin.ust}').map((ust) => `Bearer ${ust}`) },
  fc.constantFrom(
    'Bearer none',
    'Bearer',
    'Basic',
    'Basic eA==',
    'Basic ÿ',
    `Basic ${Buffer.from('x:y').toString('base64')}`,
    'Digest x',
  ),
)
const ODD_HEADERS = {
  'If-Match': tag,
  'If-None-Match': tag,
  Prefer: fc.constantFrom('return=minimal', 'return="minimal"', 'return=representation', 'x;;,', '='),
  'X-Zato-SSO-Current-App': fc.constantFrom('none', '', 'x'.repeat(500), 'ÿ'),
  Accept: fc.constantFrom('text/plain', '*/*', 'image/png', 'application/json;q=0', 'x', ''),
  'Content-Encoding': fc.constantFrom('gzip', 'deflate', 'x', 'identity', ''),
  'Content-Type': fc.constantFrom(
    'text/plain',
    'application/json;charset=x',
    'application/x-www-form-urlencoded',
    'x/y+json',
    ';',
    '',
  ),
  'User-Agent': fc.constantFrom('', 'x'.repeat(2000), 'ÿ\t'),
  Origin: fc.constantFrom('null', 'https://example.com', 'x'),
  'X-HTTP-Method-Override': fc.constantFrom('DELETE', 'x'),
}
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PROPFIND']

/** Requests to every operation of a document, some as they should be and some not. */
export function requestsTo(document: OpenApiDocument): Arbitrary<Generated> {
  const values = new Values(document)
  return fc.oneof(...operationsOf(document).map((described) => requestTo(values, described)))
}

function requestTo(values: Values, { id, method, path, operation }: Described): Arbitrary<Generated> {
  const { parameters = [], requestBody } = operation
  const inPlace = (place: string) => parameters.filter((parameter: any) => parameter.in === place)
  const types = Object.keys(requestBody?.content ?? {})
  const isZato = operation.tags.includes('zato')

  const query = fc.subarray(inPlace('query') as any[], { minLength: 0 }).chain((chosen) => {
    const all = [...new Set([...chosen, ...inPlace('query').filter(({ required }: any) => required)])]
    const ofParameter = ({ name, schema, content }: any) =>
      values.of(schema ?? content['application/json'].schema, name)
    return fc.record(Object.fromEntries(all.map((parameter) => [parameter.name, ofParameter(parameter)])))
  })
  const valid = types.length > 0 ? values.of(requestBody.content[types.at(-1)!].schema) : fc.constant(undefined)

  return fc
    .record({
      method: often(12, fc.constant(method), fc.constantFrom(...METHODS)),
      ids: fc.array(
        often(
          8,
          fc.constantFrom(...of('id')),
          oddText.filter((text) => text !== ''),
        ),
        { minLength: 2, maxLength: 2 },
      ),
      rawId: often(40, fc.constant(null), fc.constantFrom('%', '%zz', '%ff', '%E0%A4%A', '%00', '..', 'x%2Fy')),
      query: often(6, query, fc.dictionary(oddText, fc.oneof(oddText, oddValue), { maxKeys: 3 })),
      rawQuery: often(
        20,
        fc.constant(null),
        fc.constantFrom('', '&&', '=', '%', 'a=%ff', '__proto__=1', 'a=1&a=2', 'ust=x'),
      ),
      type: fc.constantFrom(...(types.length > 0 ? types : ['application/json'])),
      body: often(
        6,
        valid,
        fc
          .tuple(valid, fc.array(mutation, { minLength: 1, maxLength: 3 }))
          .map(([value, list]) => mutated(value, list)),
      ),
      rawBody: often(12, fc.constant(null), rawBody),
      authorization: often(8, authorization, fc.constant(null)),
      odd: often(3, fc.constant({}), fc.record(ODD_HEADERS, { requiredKeys: [] })),
    })
    .map(({ method, ids, rawId, query, rawQuery, type, body, rawBody, authorization, odd }): Generated => {
      const rest = [...ids]
      const filled = path.replaceAll(/\{\w+\}/g, () => rawId ?? inUrl(rest.pop()!))
      const pairs = encoded(Object.entries(query)).replaceAll('%40%7B', '@{').replaceAll('%7D', '}')
      const search = rawQuery ?? pairs
      const text = rawBody ?? (body === undefined ? null : textOf(body, type))
      return {
        id,
        method,
        path: search === '' && rawQuery === null ? filled : `${filled}?${search}`,
        headers: {
          ...(authorization === null ? {} : { Authorization: authorization }),
          ...(isZato ? { 'X-Zato-SSO-Current-App': 'CRM' } : {}),
          ...(text === null ? {} : { 'Content-Type': type }),
          ...(odd as Record<string, string>),
        },
        body: text,
      }
    })
}

function often<A, B>(weight: number, usual: Arbitrary<A>, unusual: Arbitrary<B>): Arbitrary<A | B> {
  return fc.oneof(
    { weight, arbitrary: usual as Arbitrary<A | B> },
    { weight: 1, arbitrary: unusual as Arbitrary<A | B> },
  )
}
