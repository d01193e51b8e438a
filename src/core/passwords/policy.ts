import { SsoError } from '../../errors.ts'
import { characters, identityKey, textFault } from '../schema/text.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import { namesIn } from './names.ts'
import { complexityOf, isFrequent } from './strength.ts'

/** Zato's list of what no password may contain (contract section 9). */
export const REJECT_LIST: readonly string[] =
  '111111 123123 123321 123456 123qwe 1q2w3e 1q2w3e4r 1q2w3e4r5t 222222 333333 444444 555555 654321 666666 777777 888888 999999 987654321 google letmein mynoob password qwerty zxcvbnm'.split(
    ' ',
  )

/** What a new password must satisfy, wherever one is set (ASVS 6.2.x, contract section 8.16). */
export interface PasswordPolicy {
  /** Least score of zxcvbn, 0 to 4; 0 for none. */
  readonly minComplexity: number
  /** In characters. */
  readonly minLength: number
  /** In characters. */
  readonly maxLength: number
  /** Strings that no password may contain, whatever the case. */
  readonly rejectList: readonly string[]
  /** How many of the most common passwords are refused (ASVS 6.2.4); 0 for none. */
  readonly rejectMostCommon: number
  /** The host's words that no password may contain, beside its owner's names (ASVS 6.2.11); null for not even those. */
  readonly contextWords: readonly string[] | null
  /** The host's own check of the clear password. */
  readonly validate: ((password: string, about: PasswordSubject) => unknown) | null
}

/** Whose password is being set. */
export interface PasswordSubject {
  /** Username that the account will have. */
  readonly username: string
  /** Email address that the account will have. */
  readonly email: string | null
  /** Its display, first, middle and last name, as far as it has them. */
  readonly names: readonly string[]
}

/** Attributes that tell whose password it is. */
export type PasswordOwner = Pick<StoredUser, 'username'> & Partial<StoredUser>

/**
 * Checks a new password as it is: nothing is trimmed or changed (ASVS 6.2.8).
 *
 * @throws SsoError `password_too_simple`, `password_too_short`, `password_too_long`, `password_rejected`, or what
 * `validate` throws
 */
export async function checkPassword(policy: PasswordPolicy, password: string, owner: PasswordOwner): Promise<void> {
  const fault = textFault(password)
  if (fault) throw new SsoError('password_rejected', { message: fault })

  const about = subjectOf(owner)
  const names = namesIn(about)
  const words = policy.contextWords ?? []
  // The order of the contract, then what Zato does not check.
  if (policy.minComplexity > 0 && (await complexityOf(password, [...words, ...names])) < policy.minComplexity) {
    throw new SsoError('password_too_simple')
  }
  const length = characters(password)
  if (length < policy.minLength) {
    throw new SsoError('password_too_short', { message: `The password has fewer than ${policy.minLength} characters.` })
  }
  if (length > policy.maxLength) {
    throw new SsoError('password_too_long', { message: `The password has more than ${policy.maxLength} characters.` })
  }
  const lower = password.toLowerCase()
  if (policy.rejectList.some((rejected) => lower.includes(rejected))) throw new SsoError('password_rejected')

  if (policy.rejectMostCommon > 0 && (await isFrequent(password, policy.rejectMostCommon, policy.minLength))) {
    throw new SsoError('password_rejected', { message: 'The password is one of the most common ones.' })
  }
  // The message does not say which: the word is part of a password.
  const key = identityKey(password)
  if (policy.contextWords && [...words, ...names].some((word) => key.includes(identityKey(word)))) {
    throw new SsoError('password_rejected', {
      message: "The password contains a name of its owner's, or of what it is for.",
    })
  }
  await policy.validate?.(password, about)
}

function subjectOf({
  username,
  email,
  display_name,
  first_name,
  middle_name,
  last_name,
}: PasswordOwner): PasswordSubject {
  const names = [display_name, first_name, middle_name, last_name].filter((name) => name != null && name !== '')
  return { username, email: email ?? null, names: names as string[] }
}
