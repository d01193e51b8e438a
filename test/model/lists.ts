import { isDeepStrictEqual } from 'node:util'
import { Refusal } from './attempt.ts'
import type { CustomItem, Of } from './operations.ts'
import { type Account, type Custom, type Edit, REDACTED, type Values } from './world.ts'

/** What an account is given and what is taken from it; null takes. */
export interface GrantPatch {
  readonly roles?: Readonly<Record<string, string | null>>
  readonly acls?: Readonly<Record<string, true | null>>
  readonly groups?: Readonly<Record<string, true | null>>
}

/** Everything that is granted, as the trail has it. */
export function grantLists({ roles, acls, groups }: Account): Readonly<Record<string, readonly string[]>> {
  return {
    roles: Object.entries(roles)
      .map(([role, rights]) => `${role}|${rights}`)
      .sort(),
    acls: [...acls].sort(),
    groups: [...groups].sort(),
  }
}

/** The account with the patch applied: what is there already is given once. */
export function granted(account: Account, { roles = {}, acls = {}, groups = {} }: GrantPatch): Account {
  const flags = (held: readonly string[], patch: Readonly<Record<string, true | null>>) => {
    const ids = new Set(held)
    for (const [id, isGiven] of Object.entries(patch)) isGiven ? ids.add(id) : ids.delete(id)
    return [...ids]
  }
  const given = Object.entries({ ...account.roles, ...roles }).filter(([, rights]) => rights !== null)
  return {
    ...account,
    roles: Object.fromEntries(given.map(([role, rights]) => [role, orderly(String(rights))])),
    acls: flags(account.acls, acls),
    groups: flags(account.groups, groups),
  }
}

/** Rights in the order in which they are kept. */
function orderly(rights: string): string {
  return [...'RWX'].filter((letter) => rights.includes(letter)).join('')
}

/** What the trail says of grants that differ. */
export function grantChanges(before: Account, after: Account): Edit[] {
  const [from, to] = [grantLists(before), grantLists(after)]
  return Object.keys(from).flatMap((attribute) =>
    isDeepStrictEqual(from[attribute], to[attribute]) ? [] : [{ attribute, from: from[attribute], to: to[attribute] }],
  )
}

/** Whether a grant's patch is one: ids without a bar, rights of the letters R, W and X, none twice. */
export function isGrantPatch(patch: Values): boolean {
  return Object.entries(patch).every(
    ([name, members]) =>
      ['roles', 'acls', 'groups'].includes(name) &&
      Object.entries(members as object).every(([id, value]) => {
        const isRight = name === 'roles' ? isRights(value) : value === true
        return id !== '' && !id.includes('|') && id.trim() === id && (value === null || isRight)
      }),
  )
}

/** Whether a text is a non-empty subset of R, W and X. */
export function isRights(value: unknown): boolean {
  return typeof value === 'string' && /^[RWX]+$/.test(value) && new Set(value).size === value.length
}

/** What is to become of one custom attribute. */
export interface CustomEdit extends Omit<CustomItem, 'expiration'> {
  readonly mode: Of<'attributes'>['mode']
  /** ISO 8601; null for never, absent for no change. */
  readonly expires?: string | null
}

/** Name of which every value is encrypted. */
export const SECRET_NAME = 'digdashMailPassword'

/** The custom attributes that have not expired. */
export function present(custom: Readonly<Record<string, Custom>>, now: number): Record<string, Custom> {
  return Object.fromEntries(
    Object.entries(custom).filter(([, { expires }]) => expires === null || Date.parse(expires) > now),
  )
}

/** Applies edits to custom attributes. @throws Refusal */
export function customised(before: Readonly<Record<string, Custom>>, edits: readonly CustomEdit[], now: number) {
  const after = present(before, now)
  const held = { ...after }
  checkPresence(held, edits)
  const changes: Edit[] = []
  for (const { name, mode, ...edit } of edits) {
    const old = held[name]
    const [was, wasUntil] = [recorded(name, old), old?.expires ?? null]
    const note = (attribute: string, from: unknown, to: unknown) => changes.push({ attribute, from, to })
    if (mode === 'remove') {
      if (!old) continue
      delete after[name]
      note(`attributes.${name}`, was, null)
      if (wasUntil !== null) note(`expirations.${name}`, wasUntil, null)
      continue
    }
    const hasValue = 'value' in edit
    const value = !hasValue ? old?.value : mode === 'merge' ? merge(old?.value, edit.value) : edit.value
    const isEncrypted = name === SECRET_NAME || (edit.encrypt ?? old?.isEncrypted ?? false)
    const expires = edit.expires === undefined ? wasUntil : edit.expires
    const isSame = old?.isEncrypted === isEncrypted && isDeepStrictEqual(old.value, value)
    after[name] = { value, isEncrypted, expires }
    // What was encrypted does not come to light by ceasing to be.
    const isHidden = isEncrypted || (!hasValue && old?.isEncrypted === true)
    if (!isSame) note(`attributes.${name}`, was, isHidden ? REDACTED : value)
    if (expires !== wasUntil) note(`expirations.${name}`, wasUntil, expires)
  }
  return { custom: after, changes }
}

/** A value as the trail has it. */
export function recorded(name: string, custom: Custom | undefined): unknown {
  if (!custom) return null
  return custom.isEncrypted || name === SECRET_NAME ? REDACTED : custom.value
}

function checkPresence(held: Readonly<Record<string, Custom>>, edits: readonly CustomEdit[]): void {
  for (const { name, mode, ...edit } of edits) {
    const isThere = name in held
    if (mode === 'create' && isThere) throw new Refusal('attribute_exists')
    if (mode === 'update' && !isThere) throw new Refusal('attribute_missing')
    if (mode !== 'remove' && !isThere && !('value' in edit)) throw new Refusal('input_invalid')
  }
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  const isObject = (value: unknown): value is Values =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isObject(patch)) return patch
  const merged: Values = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = merge(merged[name], value)
  }
  return merged
}
