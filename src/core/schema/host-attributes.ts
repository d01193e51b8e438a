import { SsoError } from '../../errors.ts'
import type { AttributeRules, AttributeSchema, Audience } from './catalogue.ts'

const FORBIDDEN_NAMES = new Set(['__proto__', 'constructor', 'prototype'])
const NAME = /^[a-z][a-z0-9_]{0,62}$/i

const AUDIENCES = 'self, super_user or nobody'
const isAudience = (value: unknown) => value === 'self' || value === 'super_user' || value === 'nobody'
const isFlag = (value: unknown) => typeof value === 'boolean'

/** What each rule may be, and in what words. */
const RULES: Record<keyof AttributeRules, readonly [isLegal: (value: unknown) => boolean, legal: string]> = {
  editableBy: [isAudience, AUDIENCES],
  readableBy: [isAudience, AUDIENCES],
  secret: [isFlag, 'true or false'],
  reauth: [isFlag, 'true or false'],
  revokes: [(value) => value === 'others' || value === 'all', 'others or all'],
  normalize: [(value) => value === 'nfc' || value === 'identity', 'nfc or identity'],
  search: [isFlag, 'true or false'],
  columnLength: [(value) => Number.isSafeInteger(value) && (value as number) > 0, 'a number of characters'],
}

/** Our columns are made for these; they are not a matter of who may do what. */
const FIXED_RULES = ['normalize', 'search', 'columnLength'] as const
const LOOKED_UP = ['user_id', 'username', 'email']

type Fail = (fault: string) => never

/**
 * Checks what a host says of one attribute.
 *
 * @param base the same attribute in `schemas/user.json`, if it is one of ours
 * @throws SsoError `option_invalid`
 */
export function checkHostAttribute(name: string, schema: AttributeSchema, base: AttributeSchema | undefined): void {
  const fail: Fail = (fault) => {
    throw new SsoError('option_invalid', { message: `attributes.properties.${name}: ${fault}` })
  }
  if (FORBIDDEN_NAMES.has(name) || !NAME.test(name))
    fail('names are letters, digits and underscores, at most 63 of them.')
  if (typeof schema !== 'object' || schema === null) fail('must be a JSON Schema object.')

  const rules = schema['x-sso'] ?? {}
  for (const [rule, value] of Object.entries(rules)) {
    if (!Object.hasOwn(RULES, rule)) fail(`x-sso has no rule "${rule}"; it has ${Object.keys(RULES).join(', ')}.`)
    const [isLegal, legal] = RULES[rule as keyof AttributeRules]
    if (value !== undefined && !isLegal(value)) fail(`x-sso.${rule} must be ${legal}.`)
  }
  if (base) checkNarrowing(name, schema, base, fail)
  else checkNew(schema, rules, fail)
}

function checkNew(schema: AttributeSchema, rules: AttributeRules, fail: Fail): void {
  if (schema.type === undefined) fail('must have a "type".')
  const isText = typesOf(schema).every((type) => type === 'string' || type === 'null') && schema.format !== 'date-time'
  if (rules.secret && !isText) fail('x-sso.secret: only text can be encrypted.')
  if (rules.search) fail('x-sso.search: only our own attributes have a column for it.')
}

const WIDTH: Record<Audience, number> = { nobody: 0, super_user: 1, self: 2 }

/** A host may narrow our attributes, never widen them: columns, other rules and clients rest on them. */
function checkNarrowing(name: string, schema: AttributeSchema, base: AttributeSchema, fail: Fail): void {
  const [rules, baseRules] = [schema['x-sso'] ?? {}, base['x-sso'] ?? {}]
  for (const right of ['editableBy', 'readableBy'] as const) {
    const [wanted, given] = [rules[right] ?? 'nobody', baseRules[right] ?? 'nobody']
    if (WIDTH[wanted] > WIDTH[given]) fail(`x-sso.${right} may narrow ${given}, not widen it.`)
  }
  if (baseRules.secret && rules.secret === false) fail('x-sso.secret cannot be taken back.')
  if (rules.secret && LOOKED_UP.includes(name)) fail('x-sso.secret: accounts are found by it.')
  for (const rule of FIXED_RULES) {
    if (rules[rule] !== undefined && rules[rule] !== baseRules[rule]) fail(`x-sso.${rule} cannot be changed.`)
  }

  if (schema.type !== undefined && !typesOf(schema).every((type) => typesOf(base).includes(type)))
    fail(`type may narrow ${typesOf(base).join(' or ')}, not widen it.`)
  if (schema.enum && base.enum && !schema.enum.every((value) => base.enum?.includes(value)))
    fail(`enum may narrow ${base.enum.join(', ')}, not widen it.`)
  for (const [keyword, given] of Object.entries(base)) {
    const wanted = schema[keyword]
    if (wanted === undefined || wanted === given) continue
    const isWider = keyword.startsWith('max') ? Number(wanted) > Number(given) : Number(wanted) < Number(given)
    if (/^(min|max)/.test(keyword) && isWider) fail(`${keyword} may narrow ${given}, not widen it.`)
    if (keyword === 'format' || keyword === 'pattern') fail(`${keyword} cannot be changed.`)
  }
}

function typesOf({ type }: AttributeSchema): readonly string[] {
  return ([] as string[]).concat((type as string | string[] | undefined) ?? [])
}
