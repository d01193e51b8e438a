import userSchema from '#schemas/user.json' with { type: 'json' }
import { SsoError } from '../../errors.ts'
import { checkHostAttribute } from './host-attributes.ts'
import { parseTime } from './times.ts'

/** Who may do something to an attribute. */
export type Audience = 'self' | 'super_user' | 'nobody'

/** How a value is represented in code. */
export type AttributeKind = 'text' | 'boolean' | 'integer' | 'number' | 'datetime' | 'json'

/** The keyword `x-sso`: what ordinary JSON Schema cannot say of an attribute. */
export interface AttributeRules {
  /** Who may change it; `self` includes super-users. Default `nobody`. */
  readonly editableBy?: Audience
  /** Who may read it; `self` includes super-users. Default `nobody`. */
  readonly readableBy?: Audience
  /** Never returned, logged or audited in clear; encrypted or hashed at rest. */
  readonly secret?: boolean
  /** Needs a fresh proof of identity in dialects that ask for one (ASVS 7.5.1). */
  readonly reauth?: boolean
  /** Sessions of the account that end in the same transaction (ASVS 7.4.3). */
  readonly revokes?: 'others' | 'all'
  /** Unicode form of stored text; `identity` adds a unique caseless key. */
  readonly normalize?: 'nfc' | 'identity'
  /** Kept upper-cased in a shadow column, too, to be searched in. */
  readonly search?: boolean
  /** Characters that a column must hold at least; a shorter one cannot be used. */
  readonly columnLength?: number
}

/** A property of a user schema: JSON Schema 2020-12 and `x-sso`. */
export interface AttributeSchema {
  /** For people. */
  readonly description?: string
  /** Required for a new attribute; `['string', 'null']` makes it nullable. */
  readonly type?: string | readonly string[]
  /** `date-time` makes text a time; other formats are checked, too. */
  readonly format?: string
  /** All values that are accepted. */
  readonly enum?: readonly unknown[]
  /** What an account has where nothing is stored. Default null. */
  readonly default?: unknown
  /** In characters. */
  readonly minLength?: number
  /** In characters. A shorter column of the host's table shortens it. */
  readonly maxLength?: number
  /** Who may read and change it, and how it is stored. Without it: nobody. */
  readonly 'x-sso'?: AttributeRules
  readonly [keyword: string]: unknown
}

/** What a host adds to `schemas/user.json`: more attributes, or narrower ones. */
export interface AttributesSchema {
  /** Attributes by name. */
  readonly properties: Readonly<Record<string, AttributeSchema>>
  readonly [keyword: string]: unknown
}

/** One attribute of an account, with everything that the rest of the package derives from the schema. */
export interface Attribute {
  readonly name: string
  readonly kind: AttributeKind
  readonly nullable: boolean
  readonly editableBy: Audience
  readonly readableBy: Audience
  readonly secret: boolean
  readonly normalize: 'nfc' | 'identity' | null
  readonly search: boolean
  readonly revokes: 'others' | 'all' | null
  readonly reauth: boolean
  /** Longest value, in characters; null if the schema does not bound it. */
  readonly maxLength: number | null
  /** Characters that a column must hold at least. */
  readonly columnLength: number
  /** What an account has where nothing is stored. */
  readonly fallback: unknown
  /** Declared by the host rather than by `schemas/user.json`. */
  readonly custom: boolean
  readonly schema: AttributeSchema
}

/** All attributes by name. Made once, at construction. */
export type Catalogue = ReadonlyMap<string, Attribute>

/** The package's own attributes, overlaid with the host's. @throws SsoError `option_invalid` */
export function buildCatalogue(host: AttributesSchema | undefined): Catalogue {
  const own = userSchema.properties as Record<string, AttributeSchema>
  const catalogue = new Map(Object.entries(own).map(([name, schema]) => [name, toAttribute(name, schema, false)]))

  for (const [name, schema] of Object.entries(host?.properties ?? {})) {
    const base = Object.hasOwn(own, name) ? own[name] : undefined
    checkHostAttribute(name, schema, base)
    const merged = base ? { ...base, ...schema, 'x-sso': { ...base['x-sso'], ...schema['x-sso'] } } : schema
    catalogue.set(name, toAttribute(name, merged, base === undefined))
  }
  return catalogue
}

/** An attribute that is known to exist. */
export function attributeOf(catalogue: Catalogue, name: string): Attribute {
  const attribute = catalogue.get(name)
  if (!attribute) throw new SsoError('attribute_unknown', { message: `There is no attribute ${name}.` })
  return attribute
}

function toAttribute(name: string, schema: AttributeSchema, custom: boolean): Attribute {
  const types = ([] as string[]).concat((schema.type as string | string[] | undefined) ?? [])
  const rules = schema['x-sso'] ?? {}
  const longestOf = schema.enum?.map((value) => (value === null ? 0 : String(value).length)) ?? []
  const kind = kindOf(types, schema.format)
  return {
    name,
    kind,
    nullable: types.includes('null'),
    editableBy: rules.editableBy ?? 'nobody',
    readableBy: rules.readableBy ?? 'nobody',
    secret: rules.secret ?? false,
    normalize: rules.normalize ?? null,
    search: rules.search ?? false,
    revokes: rules.revokes ?? null,
    reauth: rules.reauth ?? false,
    maxLength: schema.maxLength ?? null,
    columnLength: rules.columnLength ?? Math.max(1, ...longestOf),
    fallback: kind === 'datetime' ? timeOf(schema.default) : (schema.default ?? null),
    custom,
    schema,
  }
}

function timeOf(text: unknown): Date | null {
  return typeof text === 'string' ? parseTime(text) : null
}

/** The kind of a property of a user schema. */
export function kindOfSchema({ type, format }: Pick<AttributeSchema, 'type' | 'format'>): AttributeKind {
  return kindOf(([] as string[]).concat((type as string | string[] | undefined) ?? []), format)
}

function kindOf(types: readonly string[], format: string | undefined): AttributeKind {
  const [type, ...others] = types.filter((candidate) => candidate !== 'null')
  if (type === undefined || others.length > 0) return 'json'
  if (type === 'string') return format === 'date-time' ? 'datetime' : 'text'
  if (type === 'boolean' || type === 'integer' || type === 'number') return type
  return 'json'
}
