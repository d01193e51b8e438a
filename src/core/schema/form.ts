import { includes, type Standing } from './access.ts'
import type { Attribute, Catalogue } from './catalogue.ts'
import type { Validator } from './validate.ts'

/** What somebody may change on an account, as JSON Schema 2020-12: what a form is made from. */
export interface FormSchema {
  readonly $schema: string
  readonly title: string
  readonly type: 'object'
  readonly additionalProperties: false
  /** Attributes by name; `x-reauth` marks those that need a fresh proof of identity. */
  readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** The schema of what somebody of this standing may change, narrowed to what its columns hold. */
export function formSchema(catalogue: Catalogue, validator: Validator, standing: Standing): FormSchema {
  const editable = [...catalogue.values()].filter(({ editableBy }) => includes(editableBy, standing))
  const properties = editable.map((attribute) => [attribute.name, publicSchema(validator, attribute)] as const)
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'What may be changed on the account',
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  }
}

/** What an attribute may be set to, for whoever may set it; `x-reauth` marks what needs a fresh proof of identity. */
export function publicSchema(validator: Validator, attribute: Attribute): Readonly<Record<string, unknown>> {
  const { 'x-sso': _, default: __, ...schema } = validator.schemaOf(attribute)
  return {
    ...schema,
    ...(attribute.secret ? { writeOnly: true } : {}),
    ...(attribute.reauth ? { 'x-reauth': true } : {}),
  }
}
