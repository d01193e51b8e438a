import { type Issue, issue, throwIssues } from '../../errors.ts'
import type { Attribute, AttributeKind, Audience, Catalogue } from './catalogue.ts'
import type { StoredUser } from './user.gen.ts'
import type { User } from './user.ts'

/** How the one who asks stands to the account that he asks about. */
export interface Standing {
  /** The account is his own. */
  readonly isSelf: boolean
  /** He may manage accounts. */
  readonly isSuperUser: boolean
}

/** Whether an audience includes somebody of this standing (ASVS 8.2.1-8.2.3: deny by default). */
export function includes(audience: Audience, { isSelf, isSuperUser }: Standing): boolean {
  if (audience === 'nobody') return false
  return isSuperUser || (audience === 'self' && isSelf)
}

/** Names every attribute that may not be changed or does not exist. @throws SsoError with one issue each */
export function authorizeAttributes(catalogue: Catalogue, keys: readonly string[], standing: Standing): void {
  const issues: Issue[] = []
  for (const key of keys) {
    const attribute = catalogue.get(key)
    if (!attribute) issues.push(issue(key, 'attribute_unknown'))
    else if (!includes(attribute.editableBy, standing)) issues.push(issue(key, 'attribute_forbidden'))
  }
  // A refusal outranks a typing error: it is what the audit trail must show.
  issues.sort((a, b) => Number(b.code === 'attribute_forbidden') - Number(a.code === 'attribute_forbidden'))
  throwIssues(issues)
}

/** The account as somebody of this standing may see it: what he may not read is absent, not null. */
export function visible(catalogue: Catalogue, account: StoredUser | User, standing: Standing): User {
  const user: Record<string, unknown> = {}
  for (const { name, readableBy, secret } of catalogue.values()) {
    if (!secret && includes(readableBy, standing)) user[name] = account[name as keyof typeof account]
  }
  return user as unknown as User
}

/** The account as hooks see it: everything but secrets and what nobody may read. */
export function wholeUser(catalogue: Catalogue, stored: StoredUser): User {
  return visible(catalogue, stored, { isSelf: true, isSuperUser: true })
}

/** One row of the access matrix. */
export interface AccessRow {
  /** Name of the attribute. */
  readonly attribute: string
  /** Who may change it; `self` includes super-users. */
  readonly editableBy: Audience
  /** Who may read it; `self` includes super-users, and a secret nobody reads. */
  readonly readableBy: Audience
  /** Whether null is a value of it. */
  readonly nullable: boolean
  /** Whether it is never returned, logged or audited in clear. */
  readonly secret: boolean
  /** How its values are represented in code; `json` for everything that has no name here. */
  readonly kind: AttributeKind
}

/** Who may read and change what, from the schema (ASVS 8.1.1, 8.1.2). */
export function accessMatrix(catalogue: Catalogue): readonly AccessRow[] {
  return [...catalogue.values()].map(({ name, editableBy, readableBy, nullable, secret, kind }: Attribute) => ({
    attribute: name,
    editableBy,
    readableBy: secret ? 'nobody' : readableBy,
    nullable,
    secret,
    kind,
  }))
}
