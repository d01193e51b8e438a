import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { OpenApiDocument } from '../../../src/index.ts'

/** An operation of a document. */
export interface Described {
  readonly id: string
  /** Upper case. */
  readonly method: string
  /** Path with its parameters in braces. */
  readonly path: string
  readonly operation: any
}

/** A reply as it came. */
export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

/** Every operation of a document. */
export function operationsOf(document: OpenApiDocument): readonly Described[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
}

/** Compares replies with a document. */
export class Judge {
  readonly #document: any
  readonly #ajv = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true, allErrors: true })
  readonly #compiled = new Map<string, ValidateFunction>()

  constructor(document: OpenApiDocument) {
    this.#document = document
    addFormats.default(this.#ajv)
    // The document is no schema, but what leads to those that it has.
    this.#ajv.addVocabulary(['x-reauth', ...Object.keys(document)])
    this.#ajv.addSchema(document, 'document', undefined, false)
  }

  /** A schema of the document at a JSON Pointer. */
  schema(pointer: string): ValidateFunction {
    const known = this.#compiled.get(pointer)
    const validate = known ?? this.#ajv.compile({ $ref: `document#${pointer}` })
    this.#compiled.set(pointer, validate)
    return validate
  }

  /** What a reply has that the document does not, or lacks of it; empty where it is as described. */
  faults({ path, method, operation }: Described, { status, headers, text }: Received): string[] {
    const described = operation.responses[status]
    if (!described) return [`status ${status} is not declared`]
    const missing = Object.entries(described.headers ?? {}).flatMap(([name, ref]) => {
      const { required } = this.#resolve((ref as { $ref: string }).$ref)
      return required && headers[name.toLowerCase()] === undefined ? [`header ${name} is missing`] : []
    })
    if (!described.content) return text === '' ? missing : [...missing, 'there is a body']
    // The path of a router that was mounted has nothing that a pointer would have to be escaped for, but slashes.
    const at = `/paths/${pointerTo(path)}/${method.toLowerCase()}/responses/${status}/content`
    return [...missing, ...this.#bodyFaults(described.content, at, headers, text)]
  }

  #bodyFaults(content: object, at: string, headers: Received['headers'], text: string): string[] {
    const type = String(headers['content-type']).split(';')[0] as string
    if (!(type in content)) return [`content type ${type} is not declared`]
    const validate = this.schema(`${at}/${pointerTo(type)}/schema`)
    return bodiesOf(type, text).flatMap((body) => {
      if (validate(body)) return []
      return (validate.errors ?? []).map(({ instancePath, message, params }) =>
        [instancePath, message, JSON.stringify(params)].join(' '),
      )
    })
  }

  #resolve(ref: string): any {
    return ref
      .slice(2)
      .split('/')
      .reduce((node, key) => node[key], this.#document)
  }
}

/** What a schema describes: of lines, each. */
function bodiesOf(type: string, text: string): readonly unknown[] {
  if (type.endsWith('ndjson')) return text.trimEnd().split('\n').map(parsed)
  return [type.endsWith('json') ? parsed(text) : text]
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A name as a part of a JSON Pointer in a URI fragment. */
export function pointerTo(name: string): string {
  return encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))
}
