import { type Issue, issue, SsoError, throwIssues } from '../../errors.ts'
import { customIssues, MOST_ATTRIBUTES, markEncrypted, mergeEdits } from '../attributes/edits.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { GRANT_PARAMETERS, type GrantParameter, hasGrants, parseGrants } from '../grants/edits.ts'
import { checkPassword } from '../passwords/policy.ts'
import { isPlainObject } from '../schema/validate.ts'
import type { Account } from '../store.ts'
import type { Extras, UpdateRequest } from './propose.ts'
import {
  canReach,
  checkAttributes,
  delegatedTo,
  directRights,
  mayChoosePassword,
  mayGrant,
  maySetCustom,
  maySetPassword,
  type Rights,
} from './rights.ts'
import { type UpdateResult, updateAccount } from './update.ts'

/** The parameters of contract `updateuser`, lists and objects already read from their JSON. */
export interface UpdateuserParameters extends Partial<Record<GrantParameter, unknown>> {
  /** The account to be updated. */
  readonly uid: string
  /** New password. */
  readonly password?: unknown
  /** Displayed name. */
  readonly displayName?: unknown
  /** Attributes by the operation's names. */
  readonly attributes?: unknown
}

/** The operation, as it was asked for. */
export interface UpdateuserRequest {
  readonly credentials: Credentials
  readonly context: Context
  readonly parameters: UpdateuserParameters
  /** What reading the parameters has found wrong already. */
  readonly faults?: readonly Issue[]
}

/**
 * The DigDash operation: profile, password, roles, authorisations and attributes of one account in one transaction.
 *
 * @throws SsoError with an issue for each parameter that is wrong or not allowed, all of them at once
 */
export function updateuser(core: Core, request: UpdateuserRequest): Promise<UpdateResult> {
  return updateAccount(core, updateuserRequest(core, request))
}

/** The operation as a change of an account. */
export function updateuserRequest(
  core: Core,
  { credentials, context, parameters, faults = [] }: UpdateuserRequest,
): UpdateRequest {
  const sorted = sortAttributes(core, parameters, faults)
  const { uidAttribute } = core.config.updateuser
  return {
    operation: 'updateuser',
    credentials,
    context,
    target:
      uidAttribute === 'user_id'
        ? { by: 'id', userId: parameters.uid }
        : { by: 'attribute', attribute: uidAttribute, value: parameters.uid },
    data: sorted.data,
    setsPassword: parameters.password !== undefined,
    async mayKnow({ actor }) {
      if ((await delegatedTo(core, actor)).size > 0) return true
      throw strangerError(sorted)
    },

    async prepare({ actor }, target) {
      const isSelf = actor.userId === target.values.user_id
      const delegated = isSelf ? new Set<never>() : await delegatedTo(core, actor)
      const rights: Rights = { ...directRights(actor, target.values.user_id), delegated }
      // Whoever may not change the account hears the same whether or not there is one.
      if (!canReach(rights, target)) throw strangerError(sorted)
      const mayChoose = mayChoosePassword(core, actor, rights)
      return { rights, extras: await readExtras(core, { rights, mayChoose }, target, sorted, context) }
    },
  }
}

/** The parameters, taken apart. */
interface Sorted {
  /** Our attributes under our names. */
  readonly data: Readonly<Record<string, unknown>>
  readonly custom: ReadonlyMap<string, unknown>
  readonly parameters: UpdateuserParameters
  readonly faults: readonly Issue[]
}

/** Our attributes under our names, custom ones apart. */
function sortAttributes(core: Core, parameters: UpdateuserParameters, found: readonly Issue[]): Sorted {
  const { displayName, attributes } = parameters
  const data: Record<string, unknown> = Object.create(null)
  const custom = new Map<string, unknown>()
  const faults = [...found]
  const sorted: Sorted = { data, custom, parameters, faults }
  if (displayName !== undefined) data['display_name'] = displayName
  if (attributes === undefined) return sorted
  const entries = isPlainObject(attributes) ? Object.entries(attributes) : null
  if (entries === null || entries.length > MOST_ATTRIBUTES) {
    const message = entries ? `There are more than ${MOST_ATTRIBUTES}.` : 'The value must be a JSON object.'
    faults.push(issue('attributes', 'input_invalid', message))
    return sorted
  }
  for (const [name, value] of entries) {
    const mapped = Object.hasOwn(core.config.updateuser.attributeMap, name)
      ? core.config.updateuser.attributeMap[name]
      : undefined
    if (mapped === undefined) custom.set(name, value)
    else if (mapped in data) {
      faults.push(issue(name, 'input_invalid', 'Another parameter names the same attribute.', pointerTo(name)))
    } else data[mapped] = core.catalogue.get(mapped)?.kind === 'boolean' ? readBoolean(value) : value
  }
  return sorted
}

function readBoolean(value: unknown): unknown {
  if (value === 'true') return true
  return value === 'false' ? false : value
}

/** Reads and checks every parameter, so that the caller hears of all that is wrong and not of the first. */
async function readExtras(
  core: Core,
  { rights, mayChoose }: { rights: Rights; mayChoose: boolean },
  target: Account,
  { data, custom, parameters, faults }: Sorted,
  { now }: Context,
): Promise<Extras> {
  const { password } = parameters
  const forbidden = forbiddenParameters(core, { rights, mayChoose }, parameters, custom)
  forbidden.push(...(await issuesOf(() => checkAttributes(core, rights, Object.keys(data)))))
  throwIssues(forbidden)

  const issues = [...faults]
  const grants = await parseGrants(core, parameters, issues)
  const edits = mergeEdits(custom, pointerTo)
  issues.push(...customIssues(core, edits))
  issues.push(...(await issuesOf(() => core.validator.values(data, Object.keys(data)))))
  if (typeof password === 'string') {
    issues.push(...(await issuesOf(() => checkPassword(core.config.password, password, target.values), 'password')))
  } else if (password !== undefined) issues.push(issue('password', 'input_invalid', 'The value must be text.'))
  throwIssues(issues)

  return {
    ...(hasGrants(grants) ? { grants } : {}),
    ...(edits.size > 0 ? { custom: await markEncrypted(core, target.values.user_id, edits, now) } : {}),
    ...(typeof password === 'string' ? { password: { password, oldPassword: null, expiryDays: null } } : {}),
  }
}

/** Every parameter that the actor may not use on this account. */
function forbiddenParameters(
  core: Core,
  { rights, mayChoose }: { rights: Rights; mayChoose: boolean },
  parameters: UpdateuserParameters,
  custom: ReadonlyMap<string, unknown>,
): Issue[] {
  const names: string[] = []
  if (parameters.password !== undefined && !(maySetPassword(rights) && mayChoose)) names.push('password')
  for (const name of GRANT_PARAMETERS) if (parameters[name] !== undefined && !mayGrant(rights)) names.push(name)
  const customNames = [...custom.keys()].filter((name) => !maySetCustom(core, rights, name))
  return forbidden(names, customNames)
}

/** What somebody hears who may change nothing at all: every parameter by name, and nothing of the account. */
function strangerError({ data, custom, parameters }: Sorted): SsoError {
  const names = ['password', ...GRANT_PARAMETERS].filter((name) => parameters[name as GrantParameter] !== undefined)
  return new SsoError('super_user_required', {
    issues: forbidden([...names, ...Object.keys(data)], [...custom.keys()]),
  })
}

function forbidden(names: readonly string[], customNames: readonly string[]): Issue[] {
  return [
    ...names.map((name) => issue(name, 'attribute_forbidden')),
    ...customNames.map((name) => issue(name, 'attribute_forbidden', undefined, pointerTo(name))),
  ]
}

/** The issues of a check; an error without any becomes one about `attribute`, or goes on. */
export async function issuesOf(check: () => unknown, attribute?: string): Promise<Issue[]> {
  try {
    await check()
    return []
  } catch (error) {
    if (!(error instanceof SsoError)) throw error
    if (error.issues.length > 0) return [...error.issues]
    if (attribute === undefined) throw error
    return [issue(attribute, error.code, error.message)]
  }
}

function pointerTo(name: string): string {
  return `/attributes/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
