import { SsoError } from '../../errors.ts'
import { characters, textFault } from '../schema/text.ts'

/** Zato's list of what no password may contain (contract section 9). */
export const REJECT_LIST: readonly string[] =
  '111111 123123 123321 123456 123qwe 1q2w3e 1q2w3e4r 1q2w3e4r5t 222222 333333 444444 555555 654321 666666 777777 888888 999999 987654321 google letmein mynoob password qwerty zxcvbnm'.split(
    ' ',
  )

/** What a new password must satisfy, wherever one is set (ASVS 6.2.x, contract section 8.16). */
export interface PasswordPolicy {
  /** In characters. */
  readonly minLength: number
  /** In characters. */
  readonly maxLength: number
  /** Strings that no password may contain, whatever the case. */
  readonly rejectList: readonly string[]
  /** The host's own check of the clear password. */
  readonly validate: ((password: string, about: PasswordSubject) => unknown) | null
}

/** Whose password is being set. */
export interface PasswordSubject {
  /** Username that the account will have. */
  readonly username: string
  /** Email address that the account will have. */
  readonly email: string | null
}

/** @throws SsoError `password_too_short`, `password_too_long`, `password_rejected`, or what `validate` throws */
export async function checkPassword(policy: PasswordPolicy, password: string, about: PasswordSubject): Promise<void> {
  const fault = textFault(password)
  if (fault) throw new SsoError('password_rejected', { message: fault })

  const length = characters(password)
  if (length < policy.minLength) {
    throw new SsoError('password_too_short', { message: `The password has fewer than ${policy.minLength} characters.` })
  }
  if (length > policy.maxLength) {
    throw new SsoError('password_too_long', { message: `The password has more than ${policy.maxLength} characters.` })
  }
  const lower = password.toLowerCase()
  if (policy.rejectList.some((rejected) => lower.includes(rejected))) throw new SsoError('password_rejected')

  await policy.validate?.(password, about)
}
