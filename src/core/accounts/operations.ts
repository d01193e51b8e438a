import { SsoError } from '../../errors.ts'
import type { Operation } from '../audit/record.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { requireSuperUser } from '../sessions/gate.ts'
import type { Demands } from './demands.ts'
import type { UpdateRequest } from './propose.ts'
import { directRights } from './rights.ts'
import type { Target } from './target.ts'
import { type UpdateResult, updateAccount } from './update.ts'

/** Who asks, and from where. */
export interface Call {
  readonly credentials: Credentials
  readonly context: Context
  /** What he asks of a change beyond it. */
  readonly demands?: Demands
}

/** Attributes to be changed. */
export interface AttributeChanges extends Call {
  readonly data: unknown
  /** Code of the account's key for one-time codes, as it is or as it will be; null or absent for none. */
  readonly totpCode?: string | null
}

/** Anybody changes his own account. */
export function updateCurrentUser(core: Core, { totpCode = null, ...call }: AttributeChanges): Promise<UpdateResult> {
  const target = { by: 'self' } as const
  return updateAccount(core, { ...call, operation: 'update_current_user', target, extras: { totpCode }, ...nonEmpty })
}

/** A super-user changes any account; anybody may give his own id. */
export function updateUserById(
  core: Core,
  { userId, totpCode = null, ...call }: AttributeChanges & { userId: string },
): Promise<UpdateResult> {
  const target = { by: 'id', userId } as const
  return updateAccount(core, { ...call, operation: 'update_user_by_id', target, extras: { totpCode }, ...nonEmpty })
}

/** A super-user locks an account: it can neither log in nor use its sessions. */
export function lockUser(core: Core, call: Call & { userId: string }): Promise<UpdateResult> {
  return setStatus(core, call, 'lock_user', { is_locked: true })
}

/** A super-user unlocks an account. */
export function unlockUser(core: Core, call: Call & { userId: string }): Promise<UpdateResult> {
  return setStatus(core, call, 'unlock_user', { is_locked: false })
}

/** A super-user lets an account in. */
export function approveUser(core: Core, call: Call & { userId: string }): Promise<UpdateResult> {
  return setStatus(core, call, 'approve_user', { approval_status: 'approved' })
}

/** A super-user keeps an account out. */
export function rejectUser(core: Core, call: Call & { userId: string }): Promise<UpdateResult> {
  return setStatus(core, call, 'reject_user', { approval_status: 'rejected' })
}

/** A change of password (contract section 8.7). */
export interface PasswordChange extends Call {
  /** Null for one's own. */
  readonly userId: string | null
  /** Needed for one's own. */
  readonly oldPassword: string | null
  readonly newPassword: string
  /** Days until it expires; super-users only, ignored from others. Null for the configured number. */
  readonly expiryDays: number | null
  /** Whether the next login must send a new one; super-users only. Null leaves it as it is. */
  readonly mustChange: boolean | null
}

const LONGEST_EXPIRY_DAYS = 36_500

/** Anybody changes his own password, a super-user everybody's. @throws SsoError the precise password code */
export function changePassword(core: Core, change: PasswordChange): Promise<UpdateResult> {
  const { userId, oldPassword, newPassword, expiryDays, mustChange, ...call } = change
  const target: Target = userId === null ? { by: 'self' } : { by: 'id', userId }
  return updateAccount(core, {
    ...call,
    operation: 'change_password',
    target,
    data: mustChange === null ? {} : { password_must_change: mustChange },
    setsPassword: true,
    async prepare({ actor }, { values }) {
      const days = actor.isSuperUser ? expiryDays : null
      if (days !== null && (!Number.isSafeInteger(days) || days > LONGEST_EXPIRY_DAYS)) {
        throw new SsoError('input_invalid', {
          message: `A password expires after ${LONGEST_EXPIRY_DAYS} days at most.`,
        })
      }
      const password = { password: newPassword, oldPassword, expiryDays: days }
      return { rights: directRights(actor, values.user_id), extras: { password } }
    },
  })
}

const nonEmpty: Pick<UpdateRequest, 'refusesEmpty'> = { refusesEmpty: true }

function setStatus(
  core: Core,
  { userId, ...call }: Call & { userId: string },
  operation: Operation,
  data: Readonly<Record<string, unknown>>,
): Promise<UpdateResult> {
  return updateAccount(core, {
    ...call,
    operation,
    target: { by: 'id', userId },
    data,
    async prepare({ actor }, { values }) {
      requireSuperUser(actor)
      return { rights: directRights(actor, values.user_id), extras: {} }
    },
  })
}
