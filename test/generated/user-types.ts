import type { Attribute } from '../../src/core/schema/catalogue.ts'
import { buildCatalogue } from '../../src/core/schema/catalogue.ts'

const TYPES: Record<Attribute['kind'], string> = {
  text: 'string',
  boolean: 'boolean',
  integer: 'number',
  number: 'number',
  datetime: 'Date',
  json: 'unknown',
}

/** Source text of `src/core/schema/user.gen.ts`. */
export function userTypes(): string {
  const all = [...buildCatalogue(undefined).values()]
  return [
    '// Generated from schemas/user.json by `npm run generate`. Do not edit.',
    '',
    block('StoredUser', 'Every attribute of an account, secrets included. Never leaves the core.', all, (attribute) =>
      field(attribute),
    ),
    block(
      'OwnUser',
      'Our own attributes of an account as it is shown: secrets never, those of super-users only to them.',
      all.filter(({ readableBy }) => readableBy !== 'nobody'),
      (attribute) => field(attribute, attribute.readableBy === 'super_user'),
    ),
    block(
      'OwnUserPatch',
      'Our own attributes that an update may name. An absent key is not touched; null is stored as NULL.',
      all.filter(({ editableBy }) => editableBy !== 'nobody'),
      (attribute) => field(attribute, true, attribute.kind === 'datetime' ? 'Date | string' : undefined),
    ),
  ].join('\n')
}

function block(
  name: string,
  comment: string,
  attributes: readonly Attribute[],
  line: (a: Attribute) => string,
): string {
  return [
    `/** ${comment} */`,
    `export interface ${name} {`,
    ...attributes.map((attribute) => line(attribute)),
    '}',
    '',
  ].join('\n')
}

function field(attribute: Attribute, optional?: unknown, type: string = TYPES[attribute.kind]): string {
  const values = (attribute.schema.enum as string[] | undefined)?.map((value) => `'${value}'`).join(' | ')
  const mark = optional === true ? '?' : ''
  return [
    `  /** ${attribute.schema.description} */`,
    `  readonly ${attribute.name}${mark}: ${values ?? type}${attribute.nullable ? ' | null' : ''}`,
  ].join('\n')
}
