import { type Attempt, authenticate, checkApp, refuseIf } from './attempt.ts'
import { checkCodes, checkHook, edit, passwordValues } from './change.ts'
import type { Of, Reply } from './operations.ts'
import { zatoData } from './readings.ts'
import { ATTRIBUTES, EDITABLE, normal, passwordFault, takenFault, valueFault, visible } from './rules.ts'
import { type Edit, REDACTED, type Values } from './world.ts'

const ON_CREATION = ['is_rate_limit_active', 'rate_limit_def']
const NAMES = ['display_name', 'first_name', 'middle_name', 'last_name']
const MAY_BE_EMPTY = [...NAMES, 'email', 'totp_key', 'totp_label', 'password']

/** A new account (contract section 8.4). @throws Refusal */
export function createAccount(attempt: Attempt, operation: Of<'create'>): { reply: Reply; changes: readonly Edit[] } {
  const { world, now, learned, settings } = attempt
  if (operation.channel === 'zato') checkApp(attempt)
  const data = operation.channel === 'zato' ? zatoCreation(operation.data) : operation.data
  const actor = authenticate(attempt)
  refuseIf(!actor.isSuper && 'super_user_required')
  const { password = null, ...given } = data
  const { username } = given
  refuseIf((typeof username !== 'string' || username === '') && 'username_invalid')
  for (const name of Object.keys(given)) {
    const isKnown = EDITABLE.includes(name) || ON_CREATION.includes(name)
    refuseIf(!isKnown && (name in ATTRIBUTES ? 'attribute_forbidden' : 'attribute_unknown'))
  }
  refuseIf(
    Object.entries(given)
      .map(([name, value]) => valueFault(name, value))
      .find((fault) => fault !== null),
  )
  const wanted = named(Object.fromEntries(Object.entries(given).map(([name, value]) => [name, normal(name, value)])))
  refuseIf(takenFault(world, settings, wanted, null))

  const initial = Object.fromEntries(Object.entries(ATTRIBUTES).map(([name, { initial }]) => [name, initial]))
  checkCodes(null, { ...initial, ...wanted })
  refuseIf(typeof password === 'string' && password !== '' && passwordFault(password, wanted))

  const time = new Date(now).toISOString()
  const by = actor.id ?? actor.name
  const isApproved = operation.autoApprove || operation.isSuper
  const columns: Values = {
    ...passwordValues(null, now),
    sign_up_status: 'final',
    sign_up_time: time,
    approval_status: isApproved ? 'approved' : 'before_decision',
    approval_status_mod_time: time,
    approval_status_mod_by: by,
    is_super_user: operation.isSuper,
    ...wanted,
    ...(wanted['totp_key'] ? { totp_is_proved: false } : {}),
    ...('approval_status' in wanted ? {} : { is_approval_needed: !isApproved }),
    ...(wanted['is_locked'] === true ? { locked_time: time, locked_by: by } : {}),
  }
  checkHook(attempt)
  const id = learned.userId ?? ''
  const values: Values = { ...initial, ...columns, user_id: id }
  attempt.target = { id, name: String(values['username']) }
  const secret = typeof password === 'string' && password !== '' ? password : null
  if (!operation.isDryRun) {
    world.accounts.set(id, { id, values, password: secret, roles: {}, acls: [], groups: [], custom: {} })
  }
  const changes = Object.keys(columns)
    .filter((name) => columns[name] !== null)
    .map((name) => edit(name, null, columns[name]))
  return {
    reply: { error: null, user: visible(values, true) },
    changes: [...changes, { attribute: 'password', from: null, to: REDACTED }],
  }
}

/** Names are trimmed, empty ones are none, and there is a name to show if there is any name. */
function named(values: Values): Values {
  const result = { ...values }
  for (const name of NAMES) {
    const value = result[name]
    if (typeof value === 'string') result[name] = value.trim() || null
  }
  const parts = [result['first_name'], result['middle_name'], result['last_name']].filter(Boolean)
  result['display_name'] ??= parts.join(' ').slice(0, 191).trimEnd()
  return result
}

/** Zato takes some fields without effect, and empty ones for none. */
function zatoCreation(data: Values): Values {
  const { password_expiry: _expiry, approval_status: _status, ...rest } = data
  const given = Object.entries(rest).filter(
    ([name, value]) => !(MAY_BE_EMPTY.includes(name) && (value === null || value === '')),
  )
  return zatoData(Object.fromEntries(given), ['password', ...ON_CREATION])
}
