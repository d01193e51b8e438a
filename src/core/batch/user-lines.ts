import { Ajv2020 } from 'ajv/dist/2020.js'
import lineSchema from '#schemas/batch-line.json' with { type: 'json' }
import { type Issue, issue, SsoError, throwIssues } from '../../errors.ts'
import type { CreateRequest } from '../accounts/create.ts'
import { userMatches } from '../accounts/demands.ts'
import type { Extras, Prepared } from '../accounts/propose.ts'
import {
  checkAttributes,
  checkReach,
  directRights,
  mayGrant,
  maySetCustom,
  maySetPassword,
  type Rights,
} from '../accounts/rights.ts'
import type { Target } from '../accounts/target.ts'
import { issuesOf } from '../accounts/updateuser.ts'
import { type CustomEdits, customIssues, markEncrypted } from '../attributes/edits.ts'
import { readMerge } from '../attributes/input.ts'
import type { Core } from '../core.ts'
import { hasGrants } from '../grants/edits.ts'
import { type GrantPatch, readGrantPatch } from '../grants/patch.ts'
import { checkPassword } from '../passwords/policy.ts'
import { faultsOf } from '../schema/faults.ts'
import { mergePatch } from '../schema/merge-patch.ts'
import type { UserPatch } from '../schema/user.ts'
import { isPlainObject } from '../schema/validate.ts'
import type { Account } from '../store.ts'
import type { LineCall, RawLine, Task } from './task.ts'

/** A change of one account: one line of a batch. Either `id` or `username`, and at least one of the rest. */
export interface UserLine {
  /** Id of the account. */
  readonly id?: string | number
  /** Username of the account. */
  readonly username?: string
  /** Attributes to be changed, as a merge patch: an absent key is not touched, null is stored as NULL. */
  readonly patch?: UserPatch
  /** Roles, ACLs and groups to be given and taken. */
  readonly grants?: GrantPatch
  /** Custom attributes to be changed: null removes one. */
  readonly attributes?: Readonly<Record<string, unknown>>
  /** New password. */
  readonly password?: string
  /** Entity tags of which the account must have one. */
  readonly ifMatch?: string | readonly string[]
  /** Whether the account is created, under the username, where there is none. Default false. */
  readonly create?: boolean
}

const validate = new Ajv2020({
  allErrors: true,
  strict: true,
  strictTypes: false,
  strictRequired: false,
}).compile<UserLine>(lineSchema)
const OPERATION = 'update_user_by_id'

/** Reads a line of the code and of the `rest` dialect. @param unknownHash hash of a password that nobody knows */
export function userTask(
  core: Core,
  { line, value }: RawLine,
  call: LineCall,
  unknownHash: () => Promise<string>,
): Task {
  const { credentials, context, isDryRun, began } = call
  const read = lineOf(value)
  if (read instanceof SsoError) return unreadable(line, value, call, read)
  const { id, username, patch = {}, ifMatch, create = false, password } = read
  const target: Target =
    id === undefined
      ? { by: 'attribute', attribute: 'username', value: username as string }
      : { by: 'id', userId: String(id) }
  const demands = {
    isDryRun,
    merges: true,
    reauth: { password: null, asOf: began },
    ...(ifMatch === undefined ? {} : { precondition: userMatches(core, [ifMatch].flat()) }),
  }
  return {
    line,
    called: { id: id === undefined ? null : String(id), username: username ?? null, uid: null },
    context,
    request: {
      operation: OPERATION,
      credentials,
      context,
      target,
      data: patch,
      setsPassword: password !== undefined,
      demands,
      prepare: ({ actor }, account) => prepare(core, read, call, directRights(actor, account.values.user_id), account),
    },
    asked: [...Object.keys(patch), ...(password === undefined ? [] : ['password']), ...(create ? ['username'] : [])],
    pointerTo,
    create:
      create && username !== undefined && ifMatch === undefined
        ? () => creationOf(core, read, call, unknownHash)
        : null,
    renames: Object.hasOwn(patch, 'username'),
  }
}

function lineOf(value: unknown): UserLine | SsoError {
  if (value instanceof SsoError) return value
  if (!isPlainObject(value)) return new SsoError('input_malformed', { message: 'The line is not a JSON object.' })
  if (Object.hasOwn(value, 'id') === Object.hasOwn(value, 'username')) {
    return new SsoError('input_invalid', { message: 'A line names its account by id or by username.' })
  }
  return validate(value) ? value : faultsOf(validate.errors ?? [])
}

/** A line that nothing can be done with, under the names that it gives. */
export function unreadable(line: number, value: unknown, { context }: LineCall, error: SsoError): Task {
  const names = (isPlainObject(value) ? value : {}) as Readonly<Record<string, unknown>>
  const text = (name: string) => {
    const given = names[name]
    return typeof given === 'string' && given.length <= LONGEST_NAME ? given : null
  }
  return {
    line,
    called: { id: text('id'), username: text('username'), uid: text('uid') },
    context,
    request: error,
    asked: [],
    create: null,
    renames: false,
  }
}

const LONGEST_NAME = 191
const MEMBERS = ['grants', 'attributes', 'password']

/** Where in the line an issue is: what is about no other member is about the patch. */
function pointerTo(pointer: string): string {
  const member = pointer.split('/')[1] ?? ''
  return MEMBERS.includes(member) ? pointer : `/patch${pointer}`
}

/** Whether the caller may do all that the line asks for, and what of it is more than attributes; all faults at once. */
async function prepare(
  core: Core,
  { patch = {}, grants, attributes, password }: UserLine,
  { context }: LineCall,
  rights: Rights,
  account: Account,
): Promise<Prepared> {
  checkReach(rights, account)
  const keys = core.validator.keysOf(patch)
  const custom = readCustom(attributes)
  const forbidden = [...(await issuesOf(() => checkAttributes(core, rights, keys)))]
  if (grants && !mayGrant(rights)) forbidden.push(issue('grants', 'attribute_forbidden'))
  if (password !== undefined && !maySetPassword(rights)) forbidden.push(issue('password', 'attribute_forbidden'))
  for (const [name, { pointer }] of custom) {
    if (!maySetCustom(core, rights, name)) forbidden.push(issue(name, 'attribute_forbidden', undefined, pointer))
  }
  throwIssues(forbidden)

  const issues: Issue[] = []
  // Patches of JSON are checked once they have been merged.
  const plain = keys.filter((key) => core.catalogue.get(key)?.kind !== 'json')
  const values = patch as Readonly<Record<string, unknown>>
  issues.push(...(await issuesOf(() => core.validator.values(values, plain))))
  const edits = await readExtras(core, grants, custom, issues)
  if (password !== undefined) {
    const subject = { ...account.values, ...values }
    issues.push(...(await issuesOf(() => checkPassword(core.config.password, password, subject), 'password')))
  }
  throwIssues(issues)
  return {
    rights,
    extras: {
      ...(edits.grants ? { grants: edits.grants } : {}),
      ...(custom.size > 0 ? { custom: await markEncrypted(core, account.values.user_id, custom, context.now) } : {}),
      ...(password === undefined ? {} : { password: { password, oldPassword: null, expiryDays: null } }),
    },
  }
}

/** The account that a line describes. @throws SsoError with an issue for each member that is not accepted */
async function creationOf(
  core: Core,
  { username, patch = {}, grants, attributes, password }: UserLine,
  { credentials, context, isDryRun }: LineCall,
  unknownHash: () => Promise<string>,
): Promise<CreateRequest> {
  const issues: Issue[] = []
  const custom = readCustom(attributes)
  const edits = await readExtras(core, grants, custom, issues)
  throwIssues(issues)
  const isJson = (name: string) => core.catalogue.get(name)?.kind === 'json'
  const values = Object.entries(patch).map(([name, value]) => [name, isJson(name) ? mergePatch(null, value) : value])
  return {
    operation: 'create_user',
    credentials,
    context,
    data: { username, ...Object.fromEntries(values), ...(password === undefined ? {} : { password }) },
    autoApprove: false,
    keepsNames: true,
    unknownHash,
    demands: { isDryRun },
    extras: { ...(edits.grants ? { grants: edits.grants } : {}), ...(custom.size > 0 ? { custom } : {}) },
  }
}

function readCustom(attributes: UserLine['attributes']): CustomEdits {
  return attributes && Object.keys(attributes).length > 0 ? readMerge(attributes, '/attributes') : new Map()
}

/** Grants, and what is wrong with them and with custom attributes. */
async function readExtras(
  core: Core,
  grants: UserLine['grants'],
  custom: CustomEdits,
  issues: Issue[],
): Promise<Pick<Extras, 'grants'>> {
  issues.push(...customIssues(core, custom))
  if (!grants) return {}
  try {
    const edits = await readGrantPatch(core, { ...grants })
    return hasGrants(edits) ? { grants: edits } : {}
  } catch (error) {
    if (!(error instanceof SsoError)) throw error
    issues.push(...error.issues.map((one) => ({ ...one, pointer: `/grants${one.pointer}` })))
    return {}
  }
}
