import { issue, SsoError } from '../../errors.ts'
import type { Actor } from '../context.ts'
import type { Core, Permission } from '../core.ts'
import { authorizeAttributes, includes, type Standing } from '../schema/access.ts'
import type { Account } from '../store.ts'

/** What an actor may do to one account. Deny by default. */
export interface Rights extends Standing {
  /** Permissions that an ACL gives him over others. */
  readonly delegated: ReadonlySet<Permission>
}

/** How the actor stands to the account. */
export function standingOf(actor: Actor, userId: string): Standing {
  return { isSelf: actor.userId === userId, isSuperUser: actor.isSuperUser }
}

/** Rights by being oneself or a super-user; nothing is delegated. */
export function directRights(actor: Actor, userId: string): Rights {
  return { ...standingOf(actor, userId), delegated: new Set() }
}

/** The permissions that the actor's ACLs give him in the `updateuser` operation. */
export async function delegatedTo(core: Core, actor: Actor): Promise<ReadonlySet<Permission>> {
  const permissions = Object.entries(core.config.updateuser.permissions) as [Permission, string][]
  if (permissions.length === 0 || actor.userId === null || actor.isSuperUser) return new Set()
  const { acls } = await core.store.grantsOf(actor.userId)
  return new Set(permissions.filter(([, acl]) => acls.includes(acl)).map(([permission]) => permission))
}

/**
 * Whether the actor may change anything at all on the account. Delegates stop short of super-users: whoever may set a
 * super-user's password is one.
 */
export function canReach(rights: Rights, target: Account): boolean {
  const isDelegate = rights.delegated.size > 0 && !target.values.is_super_user
  return rights.isSelf || rights.isSuperUser || isDelegate
}

/** @throws SsoError `super_user_required` to whoever may change nothing on the account */
export function checkReach(rights: Rights, target: Account): void {
  if (!canReach(rights, target)) throw new SsoError('super_user_required')
}

/** @throws SsoError with an issue for each attribute that the actor may not change */
export function checkAttributes(core: Core, rights: Rights, names: readonly string[]): void {
  const remaining = names.filter((name) => !isDelegatedAttribute(core, rights, name))
  authorizeAttributes(core.catalogue, remaining, rights)
}

function isDelegatedAttribute(core: Core, { delegated }: Rights, name: string): boolean {
  if (name === 'password_must_change') return delegated.has('password')
  const attribute = core.catalogue.get(name)
  // What its owner may not edit, or what proves his identity, is not profile data.
  return (
    delegated.has('attributes') && attribute?.editableBy === 'self' && !attribute.secret && !name.startsWith('is_totp')
  )
}

/** Whether the actor may set the password (his own he must have proved). */
export function maySetPassword({ isSelf, isSuperUser, delegated }: Rights): boolean {
  return isSelf || isSuperUser || delegated.has('password')
}

/**
 * Whether the actor may know the password that he sets: his own he may, another's only if the configuration lets him
 * (ASVS 6.4.6). The host's own code is not a person.
 */
export function mayChoosePassword({ config }: Core, { via }: Actor, { isSelf }: Pick<Rights, 'isSelf'>): boolean {
  return isSelf || via === 'code' || config.password.superUsersMayChoose
}

/** The refusal of a password that would be another's. */
export function passwordForbidden(): SsoError {
  const message = 'Only its owner may choose a password: start a reset.'
  return new SsoError('attribute_forbidden', { message, issues: [issue('password', 'attribute_forbidden', message)] })
}

/** Whether the actor may grant and take roles and authorisations. */
export function mayGrant({ isSuperUser, delegated }: Rights): boolean {
  return isSuperUser || delegated.has('authorizations')
}

/** Whether the actor may set a custom attribute. */
export function maySetCustom(core: Core, rights: Rights, name: string): boolean {
  if (rights.isSuperUser) return true
  if (core.config.updateuser.protectedAttributes.includes(name)) return rights.delegated.has('protectedAttributes')
  return rights.isSelf || rights.delegated.has('attributes')
}

/** Whether somebody of this standing may read an attribute. */
export function mayRead(core: Core, standing: Standing, name: string): boolean {
  const attribute = core.catalogue.get(name)
  return attribute !== undefined && !attribute.secret && includes(attribute.readableBy, standing)
}
