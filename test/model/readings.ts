import { type Actor, type Attempt, Refusal, refuseIf } from './attempt.ts'
import type { Change, Extras } from './change.ts'
import { type CustomEdit, type GrantPatch, isGrantPatch, isRights } from './lists.ts'
import type { Of } from './operations.ts'
import { EDITABLE, namingFault, passwordFault, valueFault } from './rules.ts'
import type { Account, Values } from './world.ts'

const BOOLEANS = ['is_locked', 'password_must_change', 'is_totp_enabled']
const SPELLINGS = new Map<unknown, boolean>([
  ['true', true],
  ['yes', true],
  [1, true],
  ['false', false],
  ['no', false],
  [0, false],
])

/**
 * What Zato's wire makes of attributes: those that nobody may change are left out, booleans have more spellings, and
 * neither they nor times can be null, which is said before anything else and is not recorded.
 */
export function zatoData(data: Values, more: readonly string[] = []): Values {
  const given = Object.entries(data).filter(([name]) => EDITABLE.includes(name) || more.includes(name))
  const isNull = ([name, value]: [string, unknown]) =>
    value === null && (BOOLEANS.includes(name) || name === 'password_expiry')
  if (given.some(isNull)) throw new Refusal('input_invalid', false)
  const read = ([name, value]: [string, unknown]) => [
    name,
    BOOLEANS.includes(name) ? (SPELLINGS.get(value) ?? value) : value,
  ]
  return Object.fromEntries(given.map(read))
}

/** Super-users only. @throws Refusal */
export function grantsOf(actor: Actor, patch: Values): Extras {
  refuseIf(!actor.isSuper && 'super_user_required')
  refuseIf(!isGrantPatch(patch) && 'input_invalid')
  return { grants: patch as GrantPatch }
}

/** Custom attributes, one's own or by a super-user anybody's. @throws Refusal */
export function customEdits(
  { now }: Attempt,
  { mode, items }: Of<'attributes'>,
  actor: Actor,
  target: Account,
): Extras {
  refuseIf(actor.id !== target.id && !actor.isSuper && 'super_user_required')
  refuseIf(items.some(({ name }) => !isCustomName(name)) && 'input_invalid')
  const custom = items.map(({ expiration, ...item }): CustomEdit => {
    const removes = mode === 'remove' || (mode === 'merge' && item.value === null)
    const expires = expiration === undefined ? {} : { expires: new Date(now + expiration * 1000).toISOString() }
    return { ...item, ...expires, mode: removes ? 'remove' : mode }
  })
  return { custom }
}

function isCustomName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return name !== '' && name.trim() === name && name.length <= 191 && !/[\u0000-\u001f]/.test(name)
}

const GRANTS = ['roles', 'rolesnoselected', 'acls', 'aclsnoselected', 'groupacls', 'groupaclsnoselected']
const OURS: Readonly<Record<string, string>> = { digdashMail: 'email', mustChangePassword: 'password_must_change' }

/** The parameters of DigDash's operation (contract `updateuser`), as a change. */
export function updateuserOf(_attempt: Attempt, { parameters }: Of<'updateuser'>): Omit<Change, 'target' | 'terms'> {
  const { displayName, attributes, password } = parameters
  const data: Values = displayName === undefined ? {} : { display_name: displayName }
  const custom: CustomEdit[] = []
  for (const [name, value] of Object.entries((attributes ?? {}) as Values)) {
    const ours = OURS[name]
    if (ours) data[ours] = value === 'true' ? true : value === 'false' ? false : value
    else custom.push(value === null ? { name, mode: 'remove' } : { name, mode: 'set', value })
  }
  return {
    data,
    setsPassword: password !== undefined,
    prepare(actor, target) {
      const isSelf = actor.id === target.id
      refuseIf(!isSelf && !actor.isSuper && 'super_user_required')
      const grants = GRANTS.filter((name) => parameters[name] !== undefined)
      refuseIf(grants.length > 0 && !actor.isSuper && 'attribute_forbidden')
      refuseIf(namingFault(Object.keys(data), isSelf, actor.isSuper))
      refuseIf(!areLists(parameters) && 'input_invalid')
      refuseIf(custom.some(({ name }) => !isCustomName(name)) && 'input_invalid')
      refuseIf(
        Object.entries(data)
          .map(([name, value]) => valueFault(name, value))
          .find((fault) => fault !== null),
      )
      refuseIf(typeof password === 'string' && passwordFault(password, target.values))
      return {
        ...(grants.length > 0 ? { grants: patchOf(parameters) } : {}),
        ...(custom.length > 0 ? { custom } : {}),
        ...(typeof password === 'string' ? { password: { new: password, old: null, days: null } } : {}),
      }
    },
  }
}

/** Role of `id|rights`, with the rights or without. */
function parts(text: string): readonly [id: string, rights: string | null] {
  const at = text.lastIndexOf('|')
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)]
}

function listIn(parameters: Values, name: string): readonly string[] {
  return (parameters[name] as readonly string[] | undefined) ?? []
}

/** Whether the lists can be read: rights where they are needed, nothing in both lists of a pair. */
function areLists(parameters: Values): boolean {
  const roles = listIn(parameters, 'roles').map(parts)
  const pairs = [
    [roles.map(([id]) => id), listIn(parameters, 'rolesnoselected').map((text) => parts(text)[0])],
    [listIn(parameters, 'acls'), listIn(parameters, 'aclsnoselected')],
    [listIn(parameters, 'groupacls'), listIn(parameters, 'groupaclsnoselected')],
  ] as const
  return (
    roles.every(([, rights]) => isRights(rights)) &&
    pairs.every(([given, taken]) => !given.some((id) => taken.includes(id)))
  )
}

function patchOf(parameters: Values): GrantPatch {
  const flags = (given: readonly string[], taken: readonly string[]) =>
    Object.fromEntries([...taken.map((id) => [id, null] as const), ...given.map((id) => [id, true] as const)])
  const taken = listIn(parameters, 'rolesnoselected').map((text) => [parts(text)[0], null] as const)
  return {
    roles: Object.fromEntries([...taken, ...listIn(parameters, 'roles').map(parts)]),
    acls: flags(listIn(parameters, 'acls'), listIn(parameters, 'aclsnoselected')),
    groups: flags(listIn(parameters, 'groupacls'), listIn(parameters, 'groupaclsnoselected')),
  }
}
