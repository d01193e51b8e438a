import { SsoError } from '../../errors.ts'
import { visibleCustom } from '../attributes/values.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { type Standing, visible } from '../schema/access.ts'
import { type FormSchema, formSchema } from '../schema/form.ts'
import type { HostAttributes, User } from '../schema/user.ts'
import { authenticate } from '../sessions/gate.ts'
import type { Account, Grants } from '../store.ts'
import { tagOfUser } from './demands.ts'
import { standingOf } from './rights.ts'

/** Whose account is asked for, and by whom. */
export interface ReadRequest {
  readonly credentials: Credentials
  readonly context: Context
  /** Null for the caller's own. */
  readonly userId: string | null
}

/** An account as it is read. */
export interface ReadResult<Attrs extends object = HostAttributes> {
  /** The account, as the caller may see it. */
  readonly user: User<Attrs>
  /** Entity tag of the account, for `ifMatch`. */
  readonly etag: string
}

/** An account, its grants and custom attributes, each as the caller may see it. */
export interface AccountDetails<Attrs extends object = HostAttributes> extends ReadResult<Attrs> {
  /** Roles and authorisations. */
  readonly grants: Grants
  /** Custom attributes by name, without the secret ones. */
  readonly attributes: Readonly<Record<string, unknown>>
}

/** One account, as far as the caller may see it. @throws SsoError `super_user_required`, `user_unknown` */
export async function readAccount(core: Core, request: ReadRequest): Promise<ReadResult> {
  const { account, standing } = await find(core, request)
  return { user: visible(core.catalogue, account.values, standing), etag: tagOfUser(core, account.values) }
}

/** One account with what is granted to it and its custom attributes. @throws as `readAccount` */
export async function readDetails(core: Core, request: ReadRequest): Promise<AccountDetails> {
  const read = await readAccount(core, request)
  const [grants, attributes] = await Promise.all([
    core.store.grantsOf(read.user.user_id),
    core.store.customAttributesOf({ kind: 'account', id: read.user.user_id }, request.context.now),
  ])
  return { ...read, grants, attributes: visibleCustom(core, attributes) }
}

/** What the caller may change on an account, as JSON Schema. @throws as `readAccount` */
export async function readForm(core: Core, request: ReadRequest): Promise<FormSchema> {
  const { standing } = await find(core, request)
  return formSchema(core.catalogue, core.validator, standing)
}

function find(core: Core, request: ReadRequest): Promise<{ account: Account; standing: Standing }> {
  return attempted(core, 'get_user', request.context, async (attempt) => {
    const { actor, account: own } = await authenticate(core, request.credentials, request.context, attempt)
    const { userId } = request
    const isOwn = userId === null || userId === actor.userId
    const account = isOwn ? own : await core.store.findAccount(userId)
    const standing = standingOf(actor, account?.values.user_id ?? '')
    if (!isOwn) attempt.target = { id: account?.values.user_id ?? null, name: account?.values.username ?? null }
    // UUIDs are written in capitals, too: another spelling of one's own id is still one's own.
    if (!isOwn && !standing.isSelf && !actor.isSuperUser) throw new SsoError('super_user_required')
    if (!account) throw new SsoError('user_unknown')
    return { account, standing }
  })
}
