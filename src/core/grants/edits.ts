import { type ErrorCode, type Issue, issue } from '../../errors.ts'
import type { AttributeChange } from '../audit/record.ts'
import type { Core, IdCatalogue } from '../core.ts'
import { characters, lineFault } from '../schema/text.ts'
import type { AclKind, Grants, RoleGrant, Transaction } from '../store.ts'

/** Roles and authorisations to be given and taken. */
export interface GrantEdits {
  readonly addRoles: readonly RoleGrant[]
  readonly removeRoles: readonly string[]
  readonly addAcls: readonly string[]
  readonly removeAcls: readonly string[]
  readonly addGroups: readonly string[]
  readonly removeGroups: readonly string[]
  /** Lists that are whole: what is not added is removed. */
  readonly whole?: readonly GrantList[]
}

/** Name of a list of what is granted. */
export type GrantList = 'roles' | 'acls' | 'groups'

/** The parameters as they come: names of contract `updateuser`, lists of text. */
export type GrantParameters = Readonly<Partial<Record<GrantParameter, unknown>>>

/** Names of the list parameters. */
export const GRANT_PARAMETERS = [
  'roles',
  'rolesnoselected',
  'acls',
  'aclsnoselected',
  'groupacls',
  'groupaclsnoselected',
] as const

/** Name of a list parameter. */
export type GrantParameter = (typeof GRANT_PARAMETERS)[number]

const NO_GRANTS: GrantEdits = {
  addRoles: [],
  removeRoles: [],
  addAcls: [],
  removeAcls: [],
  addGroups: [],
  removeGroups: [],
}
const LONGEST_ID = 191
/** Ids of one request at most, of each kind. */
export const MOST_IDS = 1000

/** Reads the list parameters; adds to `issues` whatever is wrong with them. */
export async function parseGrants(core: Core, parameters: GrantParameters, issues: Issue[]): Promise<GrantEdits> {
  if (GRANT_PARAMETERS.every((name) => parameters[name] === undefined)) return NO_GRANTS
  const { roles, acls, groups } = core.config.catalogues
  const addRoles = await readList(parameters.roles, 'roles', roles, issues, parseRole)
  const removeRoles = await readList(parameters.rolesnoselected, 'rolesnoselected', roles, issues, parseRoleName)
  const addAcls = await readList(parameters.acls, 'acls', acls, issues, parseId)
  const removeAcls = await readList(parameters.aclsnoselected, 'aclsnoselected', acls, issues, parseId)
  const addGroups = await readList(parameters.groupacls, 'groupacls', groups, issues, parseId)
  const removeGroups = await readList(parameters.groupaclsnoselected, 'groupaclsnoselected', groups, issues, parseId)

  // Added and removed at once makes no sense (ASVS 2.2.3).
  const inBoth: [GrantParameter, readonly string[], readonly string[]][] = [
    ['roles', addRoles.map(({ role }) => role), removeRoles],
    ['acls', addAcls, removeAcls],
    ['groupacls', addGroups, removeGroups],
  ]
  for (const [name, added, removed] of inBoth) {
    for (const id of added.filter((candidate) => removed.includes(candidate))) {
      issues.push(issue(name, 'input_invalid', `"${id}" is in both lists, ${name} and ${name}noselected.`))
    }
  }
  return { addRoles, removeRoles, addAcls, removeAcls, addGroups, removeGroups }
}

/** Whether there is anything to do. */
export function hasGrants(edits: GrantEdits): boolean {
  return Object.values(edits).some((list: readonly unknown[]) => list.length > 0)
}

/** Edits by the names that the audit trail gives them: what is to be added, and what removed. */
export function grantsShown(edits: GrantEdits): Record<string, unknown> {
  const lists = {
    roles: { add: edits.addRoles.map(written), remove: edits.removeRoles },
    acls: { add: edits.addAcls, remove: edits.removeAcls },
    groups: { add: edits.addGroups, remove: edits.removeGroups },
  }
  return Object.fromEntries(
    Object.entries(lists).flatMap(([name, { add, remove }]): [string, unknown][] => {
      if (isWhole(edits, name as GrantList)) return [[name, { whole: add }]]
      return add.length + remove.length > 0 ? [[name, { add, remove }]] : []
    }),
  )
}

function isWhole({ whole = [] }: GrantEdits, name: GrantList): boolean {
  return whole.includes(name)
}

/** What is to be removed: of a whole list, everything that is not to be there. */
function removals(
  edits: GrantEdits,
  name: GrantList,
  before: readonly string[],
  added: readonly string[],
  removed: readonly string[],
): readonly string[] {
  return isWhole(edits, name) ? before.filter((id) => !added.includes(id)) : removed
}

/** Applies the edits, removals first. What is there already, or gone already, is left alone. */
export async function applyGrants(
  transaction: Transaction,
  userId: string,
  before: Grants,
  edits: GrantEdits,
): Promise<AttributeChange[]> {
  const roles = new Map(before.roles.map(({ role, rights }) => [role, rights]))
  const added = edits.addRoles.map(({ role }) => role)
  for (const role of removals(edits, 'roles', [...roles.keys()], added, edits.removeRoles)) {
    if (roles.delete(role)) await transaction.removeRole(userId, role)
  }
  for (const grant of edits.addRoles) {
    if (roles.get(grant.role) === grant.rights) continue
    await transaction.putRole(userId, grant)
    roles.set(grant.role, grant.rights)
  }
  const after = [...roles].map(([role, rights]) => ({ role, rights }))
  const removedAcls = removals(edits, 'acls', before.acls, edits.addAcls, edits.removeAcls)
  const acls = await applyAcls(transaction, userId, 'acl', before.acls, edits.addAcls, removedAcls)
  const removedGroups = removals(edits, 'groups', before.groups, edits.addGroups, edits.removeGroups)
  const groups = await applyAcls(transaction, userId, 'group', before.groups, edits.addGroups, removedGroups)

  return [
    listChange('roles', before.roles.map(written), after.map(written)),
    listChange('acls', before.acls, acls),
    listChange('groups', before.groups, groups),
  ].flat()
}

async function applyAcls(
  transaction: Transaction,
  userId: string,
  kind: AclKind,
  before: readonly string[],
  added: readonly string[],
  removed: readonly string[],
): Promise<readonly string[]> {
  const ids = new Set(before)
  for (const id of removed) {
    if (ids.delete(id)) await transaction.removeAcl(userId, kind, id)
  }
  for (const id of added) {
    if (ids.has(id)) continue
    await transaction.addAcl(userId, kind, id)
    ids.add(id)
  }
  return [...ids]
}

function listChange(attribute: string, from: readonly string[], to: readonly string[]): AttributeChange[] {
  const [sortedFrom, sortedTo] = [[...from].sort(), [...to].sort()]
  return sortedFrom.join('\n') === sortedTo.join('\n') ? [] : [{ attribute, from: sortedFrom, to: sortedTo }]
}

/** Everything that is granted, as the audit trail has it: sorted lists. */
export function grantLists({ roles, acls, groups }: Grants): Record<'roles' | 'acls' | 'groups', readonly string[]> {
  return { roles: roles.map(written).sort(), acls: [...acls].sort(), groups: [...groups].sort() }
}

/** A role as the wire has it. */
export function written({ role, rights }: RoleGrant): string {
  return `${role}|${rights}`
}

/** Items of a list, each id once; adds to `issues` whatever is wrong with them. */
export async function readList<T>(
  list: unknown,
  name: string,
  catalogue: IdCatalogue,
  issues: Issue[],
  parse: (text: string) => { id: string; item: T } | string,
): Promise<readonly T[]> {
  const fault = (message: string, pointer?: string, code: ErrorCode = 'input_invalid') => {
    issues.push(issue(name, code, message, pointer))
  }
  if (list === undefined) return []
  if (!Array.isArray(list)) fault('The value must be a JSON array of text.')
  else if (list.length > MOST_IDS) fault(`The list is longer than ${MOST_IDS}.`)
  else {
    const items = new Map<string, T>()
    for (const [index, text] of list.entries()) {
      const pointer = `/${name}/${index}`
      const parsed = typeof text === 'string' ? parse(text) : 'The value must be text.'
      if (typeof parsed === 'string') fault(parsed, pointer)
      else if (items.has(parsed.id)) fault('The id is there twice.', pointer)
      else if (!(await exists(catalogue, parsed.id))) fault('There is no such id.', pointer)
      else items.set(parsed.id, parsed.item)
    }
    return [...items.values()]
  }
  return []
}

/** Whether the host knows the id. */
export async function exists(catalogue: IdCatalogue, id: string): Promise<boolean> {
  if (catalogue === null) return true
  return typeof catalogue === 'function' ? catalogue(id) : catalogue.includes(id)
}

/** An id, or what is wrong with it. */
export function parseId(id: string): { id: string; item: string } | string {
  const length = characters(id)
  if (length < 1 || length > LONGEST_ID) return `Ids have 1 to ${LONGEST_ID} characters.`
  if (id.includes('|')) return 'Ids have no "|" in them.'
  if (id.trim() !== id) return 'Ids neither begin nor end with white space.'
  return lineFault(id) ?? { id, item: id }
}

/** `id|rights`: a non-empty subset of R, W and X in any order, no letter twice. */
export function parseRole(text: string): { id: string; item: RoleGrant } | string {
  const at = text.lastIndexOf('|')
  if (at < 0) return 'A role is written as "id|rights", for instance "sales|RW".'
  const rights = parseRights(text.slice(at + 1))
  if (typeof rights === 'string') return rights
  const parsed = parseId(text.slice(0, at))
  return typeof parsed === 'string' ? parsed : { id: parsed.id, item: { role: parsed.id, rights: rights.item } }
}

/** A non-empty subset of R, W and X in any order, no letter twice; or what is wrong with it. */
export function parseRights(value: unknown): { item: string } | string {
  const letters = typeof value === 'string' ? value : ''
  const rights = [...'RWX'].filter((letter) => letters.includes(letter)).join('')
  const isWhole = rights !== '' && rights.length === letters.length
  return isWhole ? { item: rights } : 'Rights are one or more of the letters R, W and X, none of them twice.'
}

/** Rights are useless where a role is taken away; they are accepted and ignored. */
function parseRoleName(text: string): { id: string; item: string } | string {
  const at = text.lastIndexOf('|')
  return parseId(at < 0 ? text : text.slice(0, at))
}
