import type { Response } from 'express'
import type { Context } from '../../core/context.ts'
import type { Catalogue } from '../../core/schema/catalogue.ts'
import type { User } from '../../core/schema/user.ts'

/** Answers with Zato's envelope; `sub_status` is there even if empty (contract section 3). */
export function sendOk(
  res: Response,
  { cid }: Context,
  fields: Readonly<Record<string, unknown>> = {},
  warnings: readonly string[] = [],
): void {
  res.status(200).json({ status: warnings.length > 0 ? 'warning' : 'ok', cid, sub_status: warnings, ...fields })
}

/** Naive UTC in ISO form; microseconds only if there are any, never a zone (contract section 3). */
export function isoformat(time: Date): string {
  const text = time.toISOString()
  return text.endsWith('.000Z') ? text.slice(0, 19) : `${text.slice(0, 23)}000`
}

/** What a regular user reads of himself; his user_id is not among it (contract section 8.3). */
export const TO_SELF: readonly string[] = [
  'username',
  'email',
  'display_name',
  'first_name',
  'middle_name',
  'last_name',
  'is_totp_enabled',
  'totp_label',
]

/** What a super-user reads of anybody. */
export const TO_SUPER_USERS: readonly string[] = [
  'user_id',
  ...TO_SELF,
  'is_active',
  'is_internal',
  'is_super_user',
  'is_locked',
  'is_approval_needed',
  'approval_status',
  'approval_status_mod_time',
  'approval_status_mod_by',
  'locked_time',
  'locked_by',
  'creation_ctx',
  'password_expiry',
  'password_is_set',
  'password_must_change',
  'password_last_set',
  'sign_up_status',
  'sign_up_time',
]

/** Fields that the reply to POST /user leaves out (contract section 8.4). */
export const NOT_ON_CREATION: readonly string[] = ['locked_time', 'locked_by', 'creation_ctx']

/** What a search shows: two more (contract section 8.10). */
export const FOUND: readonly string[] = [...TO_SUPER_USERS, 'is_rate_limit_active', 'rate_limit_def']

/** An account that was found by a search. */
export function foundFields(catalogue: Catalogue, user: User): Record<string, unknown> {
  return fieldsOf(catalogue, user, FOUND)
}

/** An account in Zato's fields, with the host's own attributes after them. */
export function userFields(catalogue: Catalogue, user: User, without: readonly string[] = []): Record<string, unknown> {
  const names = 'is_super_user' in user ? TO_SUPER_USERS : TO_SELF
  return fieldsOf(
    catalogue,
    user,
    names.filter((name) => !without.includes(name)),
  )
}

function fieldsOf(catalogue: Catalogue, user: User, own: readonly string[]): Record<string, unknown> {
  const custom = [...catalogue.values()].filter(({ custom }) => custom).map(({ name }) => name)
  const names = [...own, ...custom].filter((name) => name in user)
  return Object.fromEntries(names.map((name) => [name, written(name, user[name as keyof User])]))
}

function written(name: string, value: unknown): unknown {
  if (value instanceof Date) return isoformat(value)
  // A label that was never set comes as empty text (contract section 8.3).
  return name === 'totp_label' ? (value ?? '') : value
}
