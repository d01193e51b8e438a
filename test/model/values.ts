import type { Random } from './random.ts'
import type { Account, Values } from './world.ts'

const NAMES = ['Blue', 'Green 7', '', 'cafe\u0301', '😀 Ünïcode', ' padded ', 'x'.repeat(191), "O'Brien; --"]
const UNFIT = [5, true, 'a\u0000b', 'line\nline', 'y'.repeat(192), ['a'], { a: 1 }]
const FORBIDDEN = ['is_super_user', 'user_id', 'locked_by', 'password_is_set', 'sign_up_time', 'password']
const UNKNOWN = ['nope', 'is_approved', 'Username']
const PERSONAL = ['username', 'email', 'display_name', 'first_name', 'middle_name', 'last_name', 'totp_label']
const MANAGED = ['is_locked', 'approval_status', 'password_must_change', 'password_expiry', 'sign_up_status']
const DAY = 86_400_000

/** A username: few enough that some are taken, in capitals now and then. */
export function username(random: Random): string {
  const name = `user${random.below(40)}`
  return random.oneIn(8) ? name.toUpperCase() : name
}

/** A password that any account may have. */
export function password(random: Random): string {
  return `zq-${random.below(1000)}-7kd9`
}

/** A new password, now and then one that is refused. */
export function newPassword(random: Random, owner: Account | null): string {
  if (!random.oneIn(6)) return password(random)
  return random.pick([
    'short',
    'z'.repeat(257),
    'xx-qwerty-xx',
    `xx-${String(owner?.values['username'] ?? 'user1')}-yy`,
  ])
}

/** A patch: mostly of what the caller may change, sometimes of what he may not, of what there is not, and of nothing. */
export function patch(random: Random, isSuper: boolean, target: Account | null, now: number): Values {
  if (random.oneIn(30)) return {}
  const names = random.some(isSuper && !random.oneIn(3) ? [...PERSONAL, ...MANAGED] : PERSONAL, 4)
  if (random.oneIn(15)) names.push(random.pick(['is_totp_enabled', 'totp_key']))
  if (random.oneIn(12)) names.push(random.pick(isSuper ? FORBIDDEN : [...FORBIDDEN, ...MANAGED]))
  if (random.oneIn(20)) names.push(random.pick(UNKNOWN))
  const fitFor = (name: string) => {
    if (target && random.oneIn(8)) return target.values[name] ?? null
    return random.oneIn(20) ? random.pick(UNFIT) : value(random, name, now)
  }
  return Object.fromEntries(names.map((name) => [name, fitFor(name)]))
}

/** A value of an attribute, most of them fit for it. */
export function value(random: Random, name: string, now: number): unknown {
  switch (name) {
    case 'username':
      return random.oneIn(12) ? random.pick(['', ' user1', null, 'u'.repeat(192)]) : username(random)
    case 'email':
      return random.oneIn(8) ? random.pick(['no address', '', `${'m'.repeat(250)}@example.org`]) : email(random)
    case 'is_locked':
    case 'password_must_change':
      return random.oneIn(10) ? random.pick(['true', 'yes', null, 1]) : random.oneIn(4)
    case 'is_totp_enabled':
      return random.oneIn(2)
    case 'approval_status':
      return random.pick(['approved', 'approved', 'approved', 'rejected', 'before_decision', 'maybe'])
    case 'sign_up_status':
      return random.pick(['final', 'final', 'final', 'before_confirmation', ''])
    case 'password_expiry':
      return random.pick([null, null, 'tomorrow', timeNear(random, now), timeNear(random, now)])
    case 'totp_key':
      return random.pick([null, 'JBSWY3DPEHPK3PXP', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 'short'])
    default:
      return random.pick([null, `Name ${random.below(30)}`, `Name ${random.below(30)}`, random.pick(NAMES)])
  }
}

function email(random: Random): string | null {
  if (random.oneIn(4)) return null
  const address = `mail${random.below(30)}@example.org`
  return random.oneIn(6) ? address.toUpperCase() : address
}

/** A time not long ago, soon, or far away. */
function timeNear(random: Random, now: number): string {
  const days = random.pick([-1, 0.02, 5, 29, 31, 400])
  return new Date(now + Math.round(days * DAY) + random.below(1000)).toISOString()
}

const CUSTOM_NAMES = ['lang', 'theme', 'shoe size', 'digdashMailPassword', 'notes', 'ünï']
const CUSTOM_VALUES = ['fr', '', 5, -1.5, true, false, [1, 'a'], { a: 1, b: { c: 'd' } }, { b: { c: null, e: 2 } }, {}]

export function customName(random: Random): string {
  return random.oneIn(25) ? random.pick([' x', '', 'a\u0001b']) : random.pick(CUSTOM_NAMES)
}

export function customValue(random: Random): unknown {
  return random.oneIn(3) ? `text ${random.below(50)}` : random.pick(CUSTOM_VALUES)
}

const IDS = ['sales', 'reports', 'ops', 'a b', 'Ünï']

/** A patch of grants, now and then one that cannot be read. */
export function grants(random: Random): Values {
  const patch: Values = {}
  for (const name of random.some(['roles', 'acls', 'groups'], 3)) {
    const given = () => (name === 'roles' ? random.pick(['R', 'RW', 'WR', 'RWX', 'X']) : true)
    const members = random.some(IDS, 3).map((id) => [id, random.oneIn(3) ? null : given()])
    patch[name] = Object.fromEntries(members)
  }
  return patch
}

/** What no patch of grants may say. */
export function unfitGrants(random: Random): Values {
  return random.pick<Values>([{ roles: { sales: 'RR' } }, { acls: { ' x': true } }, { groups: { 'a|b': true } }])
}

/** Parameters of the `updateuser` operation, beside who and whom. */
export function parameters(random: Random, isSuper: boolean): Values {
  const parameters: Values = {}
  if (random.oneIn(3)) parameters['displayName'] = random.pick(['Shown', '', `Name ${random.below(9)}`])
  if (random.oneIn(6)) parameters['password'] = newPassword(random, null)
  if (isSuper || random.oneIn(10)) {
    for (const name of ['acls', 'groupacls']) {
      if (random.oneIn(4)) parameters[name] = random.some(IDS, 2)
      if (random.oneIn(6)) parameters[`${name}noselected`] = random.some(IDS, 2)
    }
    const rights = () => random.pick(['R', 'RW', 'XR', 'RWX'])
    if (random.oneIn(4)) parameters['roles'] = random.some(IDS, 2).map((id) => `${id}|${rights()}`)
    if (random.oneIn(6)) parameters['rolesnoselected'] = random.some(IDS, 2)
    if (random.oneIn(30)) parameters['roles'] = ['sales']
  }
  if (random.oneIn(2)) {
    const names = random.some(['lang', 'theme', 'digdashMailPassword', 'digdashMail', 'mustChangePassword'], 3)
    const fitFor = (name: string) => {
      if (name === 'digdashMail') return random.oneIn(5) ? 'no address' : email(random)
      if (name === 'mustChangePassword') return random.pick([true, false, 'true', 'false', 'maybe'])
      return random.oneIn(4) ? null : customValue(random)
    }
    parameters['attributes'] = Object.fromEntries(names.map((name) => [name, fitFor(name)]))
  }
  return parameters
}
