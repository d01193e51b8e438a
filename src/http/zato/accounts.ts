import { createAccount } from '../../core/accounts/create.ts'
import type { Call } from '../../core/accounts/operations.ts'
import type { Core } from '../../core/core.ts'
import type { Catalogue } from '../../core/schema/catalogue.ts'
import { type Issue, issue, throwIssues } from '../../errors.ts'
import { booleanIn, codeIn, type Input, toBoolean } from './input.ts'
import { NOT_ON_CREATION, userFields } from './output.ts'

const MAY_BE_EMPTY_ON_CREATION = [
  'display_name',
  'first_name',
  'middle_name',
  'last_name',
  'email',
  'totp_key',
  'totp_label',
  'rate_limit_def',
]
const ONLY_ON_CREATION = ['password', 'is_rate_limit_active', 'rate_limit_def']

/**
 * The attributes of a PATCH: own keys of the body that somebody may edit; others are ignored, as Zato does.
 *
 * @throws SsoError `input_invalid` for a null that Zato's types do not know (contract section 13)
 */
export function updateData(catalogue: Catalogue, body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = Object.keys(body).filter((name) => (catalogue.get(name)?.editableBy ?? 'nobody') !== 'nobody')
  return typed(catalogue, body, names)
}

/** POST /user (contract section 8.4). */
export async function createUser(core: Core, call: Call, input: Input): Promise<Record<string, unknown>> {
  const isTaken = (name: string) =>
    ONLY_ON_CREATION.includes(name) || (core.catalogue.get(name)?.editableBy ?? 'nobody') !== 'nobody'
  const body = Object.fromEntries(input.fields)
  // Accepted but without effect: password_expiry, approval_status. Null and empty values count as not given.
  const names = Object.keys(body).filter(
    (name) => isTaken(name) && name !== 'password_expiry' && name !== 'approval_status' && !isEmpty(name, body[name]),
  )
  const data = typed(core.catalogue, body, names)
  const autoApprove = booleanIn(input, 'auto_approve') ?? false
  const totpCode = codeIn(input)
  const { user } = await createAccount(core, { ...call, operation: 'create_user', data, autoApprove, totpCode })
  const without = names.includes('email') || 'email' in body ? NOT_ON_CREATION : [...NOT_ON_CREATION, 'email']
  const { totp_key } = user
  // A key that nobody was told could not be used: Zato's own bug (contract section 8.4).
  return { ...userFields(core.catalogue, user, without), ...(totp_key === undefined ? {} : { totp_key }) }
}

function isEmpty(name: string, value: unknown): boolean {
  if (name === 'password') return value === null || value === ''
  return MAY_BE_EMPTY_ON_CREATION.includes(name) && (value === null || value === '')
}

function typed(catalogue: Catalogue, body: Readonly<Record<string, unknown>>, names: readonly string[]) {
  const data: Record<string, unknown> = Object.create(null)
  const issues: Issue[] = []
  for (const name of names) {
    const attribute = catalogue.get(name)
    const value = body[name]
    const hasNoNull = attribute?.kind === 'boolean' || attribute?.kind === 'datetime'
    if (value === null && hasNoNull && !attribute?.custom)
      issues.push(issue(name, 'input_invalid', 'The value is null.'))
    else data[name] = attribute?.kind === 'boolean' ? toBoolean(value) : value
  }
  throwIssues(issues)
  return data
}
