/** A JSON Schema 2020-12, as OpenAPI 3.1 has them. */
export type Schema = Readonly<Record<string, unknown>>

/** Schemas by name. */
export type Schemas = Readonly<Record<string, Schema>>

/** A parameter of an operation. */
export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly description: string
  readonly required?: boolean
  readonly schema?: Schema
  /** Instead of `schema`: the value is text of this media type. */
  readonly content?: Content
}

/** Schemas of bodies by media type. */
export type Content = Readonly<Record<string, { readonly schema: Schema; readonly encoding?: Schema }>>

/** A reply. */
export interface Response {
  readonly description: string
  readonly headers?: Readonly<Record<string, Schema>>
  readonly content?: Content
}

/** What one method of one path does. */
export interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly required: boolean; readonly description?: string; readonly content: Content }
  /** By status. */
  readonly responses: Readonly<Record<string, Response>>
}

/** Operations by path and method. */
export type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>

/** What is described of one dialect. */
export interface DialectDescription {
  readonly paths: Paths
  readonly schemas: Schemas
}

/** An OpenAPI 3.1 document. */
export interface OpenApiDocument {
  /** Version of OpenAPI. */
  readonly openapi: string
  /** Title, version and description. */
  readonly info: Readonly<Record<'title' | 'version' | 'description', string>>
  /** The dialects. */
  readonly tags: readonly Readonly<Record<'name' | 'description', string>>[]
  /** Operations by path and method. */
  readonly paths: Readonly<Record<string, object>>
  /** Schemas, headers and security schemes that the operations refer to. */
  readonly components: Readonly<Record<string, object>>
}

/** Makes an operation's id of its method and path: `get`, `/users/:id/lock` gives `getUsersByIdLock`. */
export function operationId(prefix: string, method: string, path: string): string {
  const words = path
    .replaceAll(':', 'by/')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
  const [first = '', ...others] = [prefix, method.toLowerCase(), ...words].filter((word) => word !== '')
  return [first, ...others.map(capitalized)].join('')
}

/** `set-totp-key`, `attribute_name` and the like as the name of a schema: `SetTotpKey`. */
export function schemaName(name: string): string {
  return name.split(/[-_]/).map(capitalized).join('')
}

/** A reference to a schema of the document. */
export function schemaRef(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

function capitalized(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1)
}
