import { type Issue, issue, throwIssues } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import { directRights } from '../accounts/rights.ts'
import { type UpdateResult, updateAccount } from '../accounts/update.ts'
import type { AttributeChange } from '../audit/record.ts'
import type { Core, IdCatalogue } from '../core.ts'
import { isPlainObject } from '../schema/validate.ts'
import { requireSuperUser } from '../sessions/gate.ts'
import type { Grants } from '../store.ts'
import {
  exists,
  type GrantEdits,
  type GrantList,
  MOST_IDS,
  parseId,
  parseRights,
  parseRole,
  readList,
} from './edits.ts'

/** Everything that is granted to an account, by id: rights of each role, `true` for each ACL and group. */
export interface GrantMap {
  readonly roles: Readonly<Record<string, string>>
  readonly acls: Readonly<Record<string, true>>
  readonly groups: Readonly<Record<string, true>>
}

/** What is to be given and taken: a merge patch of a `GrantMap`. A list in place of an object is the whole of it. */
export interface GrantPatch {
  /** One to three of the letters `RWX` for each role, null to take it away; or all roles there are to be, as `id|RWX`. */
  readonly roles?: Readonly<Record<string, string | null>> | readonly string[]
  /** `true` for each ACL, null to take it away; or the ids of all there are to be. */
  readonly acls?: Readonly<Record<string, true | null>> | readonly string[]
  /** `true` for each group, null to take it away; or the ids of all there are to be. */
  readonly groups?: Readonly<Record<string, true | null>> | readonly string[]
}

/** Grants as a map, which a merge patch can take parts of. */
export function grantMap({ roles, acls, groups }: Grants): GrantMap {
  const flags = (ids: readonly string[]) => Object.fromEntries(ids.map((id) => [id, true] as const))
  return {
    roles: Object.fromEntries(roles.map(({ role, rights }) => [role, rights])),
    acls: flags(acls),
    groups: flags(groups),
  }
}

/**
 * Grants and takes roles and authorisations; super-users only.
 *
 * @param patch merge patch (RFC 7396) of a `GrantMap`: null takes away
 * @throws SsoError with an issue for each member that is not accepted
 */
export function updateGrants(
  core: Core,
  { userId, patch, ...call }: Call & { userId: string; patch: Readonly<Record<string, unknown>> },
): Promise<UpdateResult> {
  return updateAccount(core, {
    ...call,
    operation: 'update_grants',
    target: { by: 'id', userId },
    data: {},
    async prepare({ actor }, { values }) {
      requireSuperUser(actor)
      return { rights: directRights(actor, values.user_id), extras: { grants: await readGrantPatch(core, patch) } }
    },
  })
}

/** The patch that makes of lists what they were before changes of the audit trail. */
export function patchBack(changes: readonly AttributeChange[]): GrantPatch {
  const members = changes.map(({ attribute, from, to }) => {
    const [was, is] = [entriesOf(attribute, from), entriesOf(attribute, to)]
    const given = [...was].filter(([id, value]) => is.get(id) !== value)
    const taken = [...is.keys()].filter((id) => !was.has(id)).map((id) => [id, null] as const)
    return [attribute, Object.fromEntries([...given, ...taken])]
  })
  return Object.fromEntries(members)
}

/** A list of the audit trail by id: rights of each role, true for the others. */
function entriesOf(attribute: string, list: unknown): ReadonlyMap<string, string | true> {
  const entries = (list as readonly string[]).map((item): [string, string | true] => {
    const at = item.lastIndexOf('|')
    return attribute === 'roles' ? [item.slice(0, at), item.slice(at + 1)] : [item, true]
  })
  return new Map(entries)
}

/** Reads a patch of grants. @throws SsoError with an issue for each member that is not accepted */
export async function readGrantPatch(core: Core, patch: Readonly<Record<string, unknown>>): Promise<GrantEdits> {
  const { catalogues } = core.config
  const issues: Issue[] = []
  for (const name of Object.keys(patch).filter((name) => !Object.hasOwn(catalogues, name))) {
    issues.push(issue(name, 'attribute_unknown'))
  }
  const roles = await readEntries(patch['roles'], 'roles', catalogues.roles, issues, parseRights, roleEntry)
  const acls = await readEntries(patch['acls'], 'acls', catalogues.acls, issues, isTrue, idEntry)
  const groups = await readEntries(patch['groups'], 'groups', catalogues.groups, issues, isTrue, idEntry)
  throwIssues(issues)
  return {
    addRoles: [...roles].flatMap(([role, rights]) => (rights === null ? [] : [{ role, rights }])),
    removeRoles: removed(roles),
    addAcls: added(acls),
    removeAcls: removed(acls),
    addGroups: added(groups),
    removeGroups: removed(groups),
    whole: LISTS.filter((name) => Array.isArray(patch[name])),
  }
}

const LISTS: readonly GrantList[] = ['roles', 'acls', 'groups']

/** One item of a whole list: the id and what it is given; or what is wrong with it. */
type Entry<T> = { id: string; item: T } | string

/** One member of the patch: what each id is given, null where it is taken away. */
async function readEntries<T>(
  member: unknown,
  name: string,
  catalogue: IdCatalogue,
  issues: Issue[],
  parse: (value: unknown) => { item: T } | string,
  parseItem: (text: string) => Entry<T>,
): Promise<ReadonlyMap<string, T | null>> {
  if (Array.isArray(member)) {
    const entries = await readList(member, name, catalogue, issues, (text) => {
      const entry = parseItem(text)
      return typeof entry === 'string' ? entry : { id: entry.id, item: [entry.id, entry.item] as const }
    })
    return new Map(entries)
  }
  const items = new Map<string, T | null>()
  if (member === undefined) return items
  const fault = (message: string, id?: string) => {
    const pointer =
      id === undefined ? undefined : `${issue(name, 'input_invalid').pointer}${issue(id, 'input_invalid').pointer}`
    issues.push(issue(name, 'input_invalid', message, pointer))
  }
  if (!isPlainObject(member)) fault('The value must be an object with the ids as names, or a list.')
  else if (Object.keys(member).length > MOST_IDS) fault(`There are more than ${MOST_IDS} ids.`)
  else {
    for (const [id, value] of Object.entries(member)) {
      const parsedId = parseId(id)
      const parsed = value === null ? { item: null } : parse(value)
      if (typeof parsedId === 'string') fault(parsedId, id)
      else if (typeof parsed === 'string') fault(parsed, id)
      // What has left the catalogue can still be taken away.
      else if (parsed.item !== null && !(await exists(catalogue, id))) fault('There is no such id.', id)
      else items.set(id, parsed.item)
    }
  }
  return items
}

function roleEntry(text: string): Entry<string> {
  const parsed = parseRole(text)
  return typeof parsed === 'string' ? parsed : { id: parsed.id, item: parsed.item.rights }
}

function idEntry(text: string): Entry<true> {
  const parsed = parseId(text)
  return typeof parsed === 'string' ? parsed : { id: parsed.id, item: true }
}

function isTrue(value: unknown): { item: true } | string {
  return value === true ? { item: true } : 'The value must be true, or null to take it away.'
}

function added(items: ReadonlyMap<string, unknown>): readonly string[] {
  return [...items].flatMap(([id, item]) => (item === null ? [] : [id]))
}

function removed(items: ReadonlyMap<string, unknown>): readonly string[] {
  return [...items].flatMap(([id, item]) => (item === null ? [id] : []))
}
