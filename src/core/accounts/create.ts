import { type Issue, issue, SsoError, throwIssues } from '../../errors.ts'
import { type Operation, recordOf } from '../audit/record.ts'
import type { Actor, Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { passwordColumns } from '../passwords/columns.ts'
import { checkPassword } from '../passwords/policy.ts'
import { wholeUser } from '../schema/access.ts'
import { attributeOf } from '../schema/catalogue.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { HostAttributes, User } from '../schema/user.ts'
import type { Values } from '../schema/validate.ts'
import { authenticate, requireSuperUser } from '../sessions/gate.ts'
import { randomPassword } from '../sessions/tokens.ts'
import type { Columns } from '../store.ts'
import { newTotpKey } from '../totp/codes.ts'
import { totpColumns } from '../totp/enrolment.ts'
import { applyExtras, type Committed, type Writing, writingIn } from './commit.ts'
import { type Demands, inTransaction, tagOfUser } from './demands.ts'
import type { Extras } from './propose.ts'
import { mayChoosePassword, passwordForbidden } from './rights.ts'
import { changesBetween, differing, encodeSecrets, hideSecrets, restoreSecrets } from './values.ts'

/** An account to be created. */
export interface CreateRequest {
  readonly operation: Extract<Operation, 'create_user' | 'create_super_user'>
  readonly credentials: Credentials
  readonly context: Context
  /** Attributes by name, `password` in clear among them. */
  readonly data: unknown
  /** Approved at once, whatever the configuration. */
  readonly autoApprove: boolean
  /** Code of the `totp_key` among the attributes, which it proves; null or absent for none. */
  readonly totpCode?: string | null
  /** Hash of a password that nobody knows, for an account without one. Default: one is made. */
  readonly unknownHash?: () => Promise<string>
  /** Whether names stay as they are given, null and white space included. Default: as `withNames` makes them. */
  readonly keepsNames?: boolean
  /** Grants and custom attributes of the account, checked already. Default none. */
  readonly extras?: Pick<Extras, 'grants' | 'custom'>
  readonly demands?: Demands
}

/** A new account, as its creator may see it. */
export type CreatedUser<Attrs extends object = HostAttributes> = User<Attrs> & {
  /**
   * Key of the one-time codes, base32, if the package made it: `is_totp_enabled` without a key, where
   * `totp.requireProof` is off. It is stored encrypted, and cannot be had again.
   */
  readonly totp_key?: string
}

/** What came of a creation. */
export interface CreateResult {
  readonly user: CreatedUser
  /** Entity tag of the account. */
  readonly etag: string
}

const NAMES = ['display_name', 'first_name', 'middle_name', 'last_name'] as const
/** Attributes that nobody may edit later, yet POST /user takes them (contract section 8.4). */
export const ON_CREATION: readonly string[] = ['is_rate_limit_active', 'rate_limit_def']

/** Creates an account. @throws SsoError `super_user_required`, `username_taken` and all of validation */
export function createAccount(core: Core, request: CreateRequest): Promise<CreateResult> {
  const { operation, context, credentials, demands = {} } = request
  return attempted(core, operation, context, async (attempt) => {
    const { actor } = await authenticate(core, credentials, context, attempt)
    const proposal = await proposeAccount(core, request, actor)
    const { change, after } = await inTransaction(core, demands, (transaction) =>
      insertProposed(core, proposal, writingIn(transaction)),
    )
    if (!demands.isDryRun) {
      core.trail.committed()
      await core.hooks.after(change)
    }
    return { user: { ...change.after, ...proposal.generated } as CreatedUser, etag: tagOfUser(core, after) }
  })
}

/** A new account as it will be tried, found outside the transaction. */
export interface NewAccount {
  readonly request: CreateRequest
  readonly actor: Actor
  readonly columns: Columns
  /** A key that nobody asked for, which its owner must be told. */
  readonly generated: { readonly totp_key?: string }
}

/**
 * Whether the account may be made, and with which values.
 *
 * @throws SsoError `super_user_required`, `username_taken` and all of validation
 */
export async function proposeAccount(core: Core, request: CreateRequest, actor: Actor): Promise<NewAccount> {
  const { operation, context, demands = {} } = request
  requireSuperUser(actor)
  const { password, values } = readData(core, request.data)
  if (password !== null && !mayChoosePassword(core, actor, { isSelf: false })) throw passwordForbidden()
  const named = withNames(core, values)
  const patch = request.keepsNames ? { ...named, ...values } : named
  const seen = hideSecrets(core.catalogue, patch)
  const proposed = { operation, actor, before: null, context, isDryRun: demands.isDryRun ?? false }
  const replaced = await core.hooks.before({ ...proposed, patch: seen })
  const wanted = replaced === seen ? patch : readData(core, restoreSecrets(core.catalogue, replaced, patch)).values
  await checkUnique(core, wanted)
  const generated = generatedKey(core, wanted)
  const columns = await initialColumns(core, request, actor, { ...wanted, ...generated }, password)
  return { request, actor, columns, generated }
}

/** Inserts what was proposed, with the audit record. */
export async function insertProposed(
  core: Core,
  { request, actor, columns }: NewAccount,
  { transaction, append }: Pick<Writing, 'transaction' | 'append'>,
): Promise<Omit<Committed, 'keepsCurrent'>> {
  const { operation, context, demands = {}, extras = {} } = request
  const userId = await transaction.insertAccount(encodeSecrets(core, columns))
  const readBack = demands.readsBack ? await transaction.findAccount(userId) : null
  const after: StoredUser = readBack?.values ?? { ...emptyAccount(core), ...columns, user_id: userId }
  const target = { id: userId, name: after.username }
  const changes = [
    ...changesBetween(core.catalogue, null, columns).filter(({ to }) => to !== null),
    ...(await applyExtras(core, transaction, userId, extras, context)),
  ]
  await append(recordOf({ operation, context, actor, target }, changes))
  const change = {
    operation,
    actor,
    before: null,
    context,
    isDryRun: demands.isDryRun ?? false,
    target: { user_id: userId, username: after.username },
    after: wholeUser(core.catalogue, after),
    changes,
  }
  await core.hooks.within(change, transaction.native)
  return { change, after }
}

function readData(core: Core, data: unknown): { password: string | null; values: Values } {
  const keys = core.validator.keysOf(data)
  const { password = null } = data as { password?: unknown }
  const issues: Issue[] = []
  if (password !== null && typeof password !== 'string') issues.push(issue('password', 'input_invalid'))
  if (!isText((data as Values)['username'])) issues.push(issue('username', 'username_invalid'))
  for (const key of keys) {
    const editableBy = core.catalogue.get(key)?.editableBy
    const isKnown = key === 'password' || ON_CREATION.includes(key) || (editableBy && editableBy !== 'nobody')
    if (!isKnown) issues.push(issue(key, editableBy ? 'attribute_forbidden' : 'attribute_unknown'))
  }
  throwIssues(issues)
  return {
    // An empty password counts as not given (contract section 8.4).
    password: (password as string | null) || null,
    values: core.validator.values(
      data as object,
      keys.filter((key) => key !== 'password'),
    ),
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

/** Names are trimmed, empty ones are none, and there is a name to show if there is any name. */
function withNames({ catalogue, validator }: Core, values: Values): Values {
  const named: Record<string, unknown> = { ...values }
  for (const name of NAMES) {
    const value = named[name]
    if (typeof value === 'string') named[name] = value.trim() || null
  }
  const parts = [named['first_name'], named['middle_name'], named['last_name']].filter(Boolean)
  // Each of them fits its column; all of them together need not.
  const { maxLength = Number.POSITIVE_INFINITY } = validator.schemaOf(attributeOf(catalogue, 'display_name'))
  named['display_name'] ??= [...parts.join(' ')].slice(0, maxLength).join('').trimEnd()
  return named
}

async function initialColumns(
  core: Core,
  { operation, context, autoApprove, totpCode = null, unknownHash }: CreateRequest,
  actor: Actor,
  values: Values,
  given: string | null,
): Promise<Columns> {
  const before = emptyAccount(core)
  const columns = differing(before, values)
  const totp = totpColumns(core, { before, wanted: values, columns, code: totpCode, now: context.now })
  if (given !== null) await checkPassword(core.config.password, given, values as unknown as StoredUser)

  const makeHash = () => core.hasher.hash(given ?? randomPassword())
  const hash = given === null && unknownHash ? await unknownHash() : await makeHash()

  const isApproved = autoApprove || !core.config.signUp.approvalNeeded
  const by = actor.userId ?? actor.name
  return {
    ...passwordColumns(core, hash, context.now),
    sign_up_status: 'final',
    sign_up_time: context.now,
    approval_status: isApproved ? 'approved' : 'before_decision',
    approval_status_mod_time: context.now,
    approval_status_mod_by: by,
    is_super_user: operation === 'create_super_user',
    ...values,
    ...totp,
    ...('approval_status' in values ? {} : { is_approval_needed: !isApproved }),
    ...(values['is_locked'] === true ? { locked_time: context.now, locked_by: by } : {}),
  }
}

async function checkUnique(core: Core, { username, email }: Values): Promise<void> {
  if (await core.store.isTaken('username', username as string, null)) throw new SsoError('username_taken')
  if (core.config.email.unique && typeof email === 'string' && (await core.store.isTaken('email', email, null))) {
    throw new SsoError('email_taken')
  }
}

/** Zato makes a key where codes are switched on without one (contract section 8.4); nobody can have proved it. */
function generatedKey(core: Core, { is_totp_enabled: isEnabled, totp_key: key }: Values): { totp_key?: string } {
  return isEnabled && !key && !core.config.totp.requireProof ? { totp_key: newTotpKey() } : {}
}

function emptyAccount(core: Core): StoredUser {
  return Object.fromEntries(
    [...core.catalogue.values()].map(({ name, fallback }) => [name, fallback]),
  ) as unknown as StoredUser
}
