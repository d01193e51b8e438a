import type { Account, Settings, Values, World } from './world.ts'

type Audience = 'self' | 'super_user' | 'nobody'

interface Rule {
  readonly editableBy: Audience
  readonly readableBy: Audience
  /** Value of a new account's. */
  readonly initial: unknown
  /** Sessions that a change ends. */
  readonly revokes?: 'others' | 'all'
  /** Whether the `rest` dialect wants a fresh proof. */
  readonly reauth?: true
}

const own = (initial: unknown = null): Rule => ({ editableBy: 'self', readableBy: 'self', initial })
const managed = (initial: unknown): Rule => ({ editableBy: 'super_user', readableBy: 'super_user', initial })
const kept = (initial: unknown = null): Rule => ({ editableBy: 'nobody', readableBy: 'super_user', initial })

/** The access matrix of the README, with the defaults of the contract's section 8.4. The password is apart. */
export const ATTRIBUTES: Readonly<Record<string, Rule>> = {
  user_id: { editableBy: 'nobody', readableBy: 'self', initial: null },
  username: { ...own(), reauth: true },
  email: { ...own(), reauth: true },
  display_name: own(),
  first_name: own(),
  middle_name: own(),
  last_name: own(),
  is_active: kept(true),
  is_internal: kept(false),
  is_super_user: kept(false),
  is_locked: { ...managed(false), revokes: 'all' },
  locked_time: kept(),
  locked_by: kept(),
  creation_ctx: kept('null'),
  approval_status: { ...managed('approved'), revokes: 'all' },
  approval_status_mod_time: kept(),
  approval_status_mod_by: kept(),
  is_approval_needed: kept(false),
  password_is_set: kept(false),
  password_must_change: managed(false),
  password_last_set: kept(),
  password_expiry: managed(null),
  sign_up_status: managed('final'),
  sign_up_time: kept(),
  is_totp_enabled: { ...own(false), reauth: true, revokes: 'others' },
  totp_key: { ...own(), readableBy: 'nobody', reauth: true, revokes: 'others' },
  totp_label: own(),
  totp_last_step: { ...kept(), readableBy: 'nobody' },
  totp_is_proved: kept(false),
  is_rate_limit_active: kept(false),
  rate_limit_def: kept(),
}

/** Names of the attributes that somebody may change. */
export const EDITABLE: readonly string[] = Object.keys(ATTRIBUTES).filter(
  (name) => ATTRIBUTES[name]?.editableBy !== 'nobody',
)

/** An account as somebody sees it who is a super-user, or not. */
export function visible(values: Values, isSuperUser: boolean): Values {
  const seen = ([name]: [string, unknown]) => {
    const audience = ATTRIBUTES[name]?.readableBy
    return audience === 'self' || (audience === 'super_user' && isSuperUser)
  }
  return Object.fromEntries(Object.entries(values).filter(seen))
}

/** What is wrong with naming these attributes: what is forbidden comes before what there is not. */
export function namingFault(names: readonly string[], isSelf: boolean, isSuperUser: boolean): string | null {
  const known = names.map((name) => ATTRIBUTES[name] ?? (name === 'password' ? kept() : null))
  const mayNot = (rule: Rule | null) =>
    rule !== null && (rule.editableBy === 'nobody' || !(isSuperUser || (isSelf && rule.editableBy === 'self')))
  if (known.some(mayNot)) return 'attribute_forbidden'
  return known.includes(null) ? 'attribute_unknown' : null
}

const BOOLEANS = ['is_locked', 'password_must_change', 'is_totp_enabled', 'is_rate_limit_active']
const STATES: Readonly<Record<string, readonly string[]>> = {
  approval_status: ['before_decision', 'approved', 'rejected'],
  sign_up_status: ['before_confirmation', 'final'],
}
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** The code of what is wrong with a value; null for nothing. */
export function valueFault(name: string, value: unknown): string | null {
  if (BOOLEANS.includes(name)) return typeof value === 'boolean' ? null : 'input_invalid'
  if (STATES[name]) return STATES[name].includes(value as string) ? null : 'input_invalid'
  if (value === null) return name === 'username' ? 'input_invalid' : null
  if (typeof value !== 'string') return 'input_invalid'
  if (name === 'password_expiry') return Number.isNaN(Date.parse(value)) ? 'input_invalid' : null
  if (name === 'totp_key') return /^[A-Z2-7]{16,64}$/.test(value) ? null : 'input_invalid'
  if (name === 'username') return usernameFault(value)
  if (CONTROL.test(value)) return 'input_invalid'
  if (name === 'email')
    return value.length > 254 ? 'email_too_long' : /^\w+@\w+\.\w+$/.test(value) ? null : 'email_invalid'
  return [...value].length > 191 ? 'input_invalid' : null
}

function usernameFault(value: string): string | null {
  if (CONTROL.test(value) || value === '') return 'username_invalid'
  if (value.trim() !== value) return 'username_has_whitespace'
  return value.length > 191 ? 'username_too_long' : null
}

/** A value in the form in which it is kept. */
export function normal(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  return name === 'password_expiry' ? new Date(value).toISOString() : value.normalize('NFC')
}

/** The code of what is wrong with a new password; null for nothing. */
export function passwordFault(password: string, owner: Values): string | null {
  if (password.length < 8) return 'password_too_short'
  if (password.length > 256) return 'password_too_long'
  const lower = password.toLowerCase()
  const email = String(owner['email'] ?? '').split('@')[0] ?? ''
  const names = ['username', 'display_name', 'first_name', 'middle_name', 'last_name'].map((name) => owner[name])
  const words = [email, ...names].flatMap((name) => [
    String(name ?? ''),
    ...String(name ?? '').split(/[^\p{L}\p{M}\p{N}]+/u),
  ])
  const isNamed = words.some((word) => [...word].length >= 4 && lower.includes(word.toLowerCase()))
  return isNamed || /qwerty|password|123123/.test(lower) ? 'password_rejected' : null
}

/** Whether two usernames are one. */
export function isSameName({ namesAreCaseless }: Settings, one: string, other: string): boolean {
  return namesAreCaseless ? one.toLowerCase() === other.toLowerCase() : one === other
}

/** The account of a username. */
export function accountNamed(world: World, settings: Settings, username: string): Account | null {
  const found = [...world.accounts.values()].find(({ values }) =>
    isSameName(settings, String(values['username']), username),
  )
  return found ?? null
}

/** The code for a username or an address that somebody else has; null if nobody has. */
export function takenFault(world: World, settings: Settings, wanted: Values, owner: Account | null): string | null {
  const others = [...world.accounts.values()].filter(({ id }) => id !== owner?.id)
  const has = (name: string, isSame: (one: string, other: string) => boolean) => {
    const value = wanted[name]
    if (typeof value !== 'string' || value === owner?.values[name]) return false
    return others.some(({ values }) => typeof values[name] === 'string' && isSame(String(values[name]), value))
  }
  if (has('username', (one, other) => isSameName(settings, one, other))) return 'username_taken'
  const isSameAddress = (one: string, other: string) => one.toLowerCase() === other.toLowerCase()
  return settings.emailIsUnique && has('email', isSameAddress) ? 'email_taken' : null
}
