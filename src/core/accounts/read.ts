import { SsoError } from '../../errors.ts'
import { visibleCustom } from '../attributes/edits.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { visible } from '../schema/access.ts'
import type { User } from '../schema/user.gen.ts'
import { authenticate } from '../sessions/gate.ts'
import type { Account, Grants } from '../store.ts'
import { standingOf } from './rights.ts'

/** Whose account is asked for, and by whom. */
export interface ReadRequest {
  readonly credentials: Credentials
  readonly context: Context
  /** Null for the caller's own. */
  readonly userId: string | null
}

/** An account, its grants and custom attributes, each as the caller may see it. */
export interface AccountDetails {
  /** The account, as the caller may see it. */
  readonly user: User
  /** Roles and authorisations. */
  readonly grants: Grants
  /** Custom attributes by name, without the secret ones. */
  readonly attributes: Readonly<Record<string, unknown>>
}

/** One account, as far as the caller may see it. @throws SsoError `super_user_required`, `user_unknown` */
export function readAccount(core: Core, request: ReadRequest): Promise<User> {
  return attempted(core, 'get_user', request.context, async (attempt) => {
    const proof = await authenticate(core, request.credentials, request.context, attempt)
    const { actor } = proof
    const target = await reachable(core, proof.account, request)
    return visible(core.catalogue, target.values, standingOf(actor, target.values.user_id))

    async function reachable(core: Core, own: Account | null, { userId }: ReadRequest): Promise<Account> {
      if (own && (userId === null || userId === actor.userId)) return own
      const found = userId === null ? null : await core.store.findAccount(userId)
      attempt.target = { id: found?.values.user_id ?? null, name: found?.values.username ?? null }
      // UUIDs are written in capitals, too.
      if (found && found.values.user_id === actor.userId) return found
      if (!actor.isSuperUser) throw new SsoError('super_user_required')
      if (!found) throw new SsoError('user_unknown')
      return found
    }
  })
}

/** One account with what is granted to it and its custom attributes. @throws as `readAccount` */
export async function readDetails(core: Core, request: ReadRequest): Promise<AccountDetails> {
  const user = await readAccount(core, request)
  const [grants, attributes] = await Promise.all([
    core.store.grantsOf(user.user_id),
    core.store.customAttributesOf(user.user_id),
  ])
  return { user, grants, attributes: visibleCustom(core, attributes) }
}
