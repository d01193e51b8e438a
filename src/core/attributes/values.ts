import type { Actor } from '../context.ts'
import type { Core } from '../core.ts'
import type { CustomAttribute, CustomAttributeValue } from '../store.ts'

/** A custom attribute as it is shown. */
export interface AttributeDetails {
  /** Its name, unique within the account or the session. */
  readonly name: string
  /** Any JSON. Absent where it is encrypted and not shown: not asked for, secret, or under a key that is gone. */
  readonly value?: unknown
  /** Whether it is encrypted at rest. */
  readonly isEncrypted: boolean
  /** When it was created. */
  readonly creationTime: Date
  /** When its value or its expiry was last changed. */
  readonly lastModified: Date
  /** When it ceases to exist; null for never. */
  readonly expirationTime: Date | null
}

/** Whether the host keeps attributes of this name from everybody but its own program. */
export function isSecret(core: Core, name: string): boolean {
  return core.config.customAttributes.secret.includes(name)
}

/** A value as it is stored. @throws SsoError `encryption_key_missing` */
export function encode(
  core: Core,
  name: string,
  value: unknown,
  isEncrypted: boolean,
): Pick<CustomAttributeValue, 'value'> {
  const text = JSON.stringify(value)
  return { value: isEncrypted ? core.secrets.encrypt(purpose(name), text) : text }
}

/** A stored value in clear. Undefined, which no value is, for what no key opens. */
export function opened(core: Core, { name, value, isEncrypted }: CustomAttribute): unknown {
  const text = isEncrypted ? core.secrets.opened(purpose(name), value) : value
  return text === null ? undefined : JSON.parse(text)
}

/** What may be shown of an account's custom attributes without asking for encrypted ones: values by name. */
export function visibleCustom(core: Core, attributes: readonly CustomAttribute[]): Record<string, unknown> {
  const shown = attributes.filter(({ name, isEncrypted }) => !isEncrypted && !isSecret(core, name))
  return Object.fromEntries(shown.map((attribute) => [attribute.name, opened(core, attribute)]))
}

/** Custom attributes as whoever may read them at all sees them. */
export function visibleDetails(core: Core, attributes: readonly CustomAttribute[]): readonly AttributeDetails[] {
  return attributes.map((attribute) => detailsOf(core, attribute, null, true))
}

/**
 * A custom attribute as this actor may see it: secret ones only the host's own program reads.
 *
 * @param actor null for anybody but the host's own program
 */
export function detailsOf(
  core: Core,
  attribute: CustomAttribute,
  actor: Actor | null,
  decrypt: boolean,
): AttributeDetails {
  const { name, value: _, ...others } = attribute
  const isHidden = (isSecret(core, name) && actor?.via !== 'code') || (attribute.isEncrypted && !decrypt)
  const value = isHidden ? undefined : opened(core, attribute)
  return { name, ...(value === undefined ? {} : { value }), ...others }
}

function purpose(name: string): string {
  return `attribute ${name}`
}
