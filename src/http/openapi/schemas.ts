import type { Core } from '../../core/core.ts'
import type { Attribute } from '../../core/schema/catalogue.ts'
import { publicSchema } from '../../core/schema/form.ts'
import { type Schema, type Schemas, schemaName } from './model.ts'

const REF = /^(?:([a-z-]+)\.json)?#\/(\$defs|properties)\/([^/]+)(.*)$/

/**
 * A published schema as a part of the document: references lead to the document's own schemas, those to attributes are
 * replaced by the attribute as this instance has it.
 *
 * @param nameOf name in the document of one of `$defs`, of the file that is named or of the schema's own
 */
export function inlined(core: Core, schema: object, nameOf: (name: string, file?: string) => string): Schema {
  const visit = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(visit)
    if (typeof node !== 'object' || node === null) return node
    const { $ref: ref, ...rest } = node as Record<string, unknown>
    const visited = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, visit(value)]))
    const [, file, , name = '', deeper = ''] = (typeof ref === 'string' && REF.exec(ref)) || []
    if (name === '') return visited
    const attribute = file === 'user' ? core.catalogue.get(name) : undefined
    return attribute
      ? { ...writeSchema(core, attribute), ...visited }
      : { ...visited, $ref: `#/components/schemas/${nameOf(name, file)}${deeper}` }
  }
  const { $schema: _, $id: __, $defs: ___, ...own } = schema as Record<string, unknown>
  return visit(own) as Schema
}

/** Every schema of a file's `$defs`. */
export function inlinedAll(core: Core, defs: object, nameOf: (name: string, file?: string) => string): Schemas {
  return Object.fromEntries(
    Object.entries(defs).map(([name, schema]) => [nameOf(name), inlined(core, schema as object, nameOf)]),
  )
}

/** What an attribute may be set to. */
export function writeSchema(core: Core, attribute: Attribute): Schema {
  return publicSchema(core.validator, attribute)
}

/** What an attribute is when it is read: what was stored before its rules were is not bound by them. */
function readSchema(core: Core, attribute: Attribute): Schema {
  const { description, type, format, enum: values } = core.validator.schemaOf(attribute)
  return {
    ...(description === undefined ? {} : { description }),
    ...(type === undefined ? {} : { type }),
    ...(attribute.kind === 'datetime' ? { format } : {}),
    ...(values === undefined ? {} : { enum: values }),
  }
}

/** Attributes that somebody may read, and those that whoever reads the account is shown in any case. */
export function readable(core: Core): { properties: Record<string, Schema>; required: string[] } {
  const attributes = [...core.catalogue.values()].filter(({ secret, readableBy }) => !secret && readableBy !== 'nobody')
  return {
    properties: Object.fromEntries(attributes.map((attribute) => [attribute.name, readSchema(core, attribute)])),
    required: attributes.filter(({ readableBy }) => readableBy === 'self').map(({ name }) => name),
  }
}

/** Attributes that somebody may change. */
export function editable(core: Core): readonly Attribute[] {
  return [...core.catalogue.values()].filter(({ editableBy }) => editableBy !== 'nobody')
}

/** A key for one-time codes in the reply to whoever created the account. */
export const GENERATED_KEY: Schemas = {
  totp_key: { description: 'The key, if one was generated: base32; it cannot be had again.', type: 'string' },
}

/** The name of a published file or of one of its `$defs` in the document. */
export function prefixed(prefix: string, suffix = '') {
  return (name: string) => `${prefix}${schemaName(name)}${suffix}`
}
