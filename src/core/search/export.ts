import type { Call } from '../accounts/operations.ts'
import { standingOf } from '../accounts/rights.ts'
import { isSecret, visibleCustom } from '../attributes/values.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { visible } from '../schema/access.ts'
import type { HostAttributes, User } from '../schema/user.ts'
import { authenticate, requireSuperUser } from '../sessions/gate.ts'
import type { Account, AccountFilter, Grants } from '../store.ts'
import { checkSearch, type Unchecked } from './criteria.ts'
import { filterOf, foundByName, type SearchInput } from './search.ts'

/** Which accounts are exported. */
export type ExportInput = Pick<SearchInput, 'criteria' | 'nameOp' | 'isNameExact'>

/** One account of an export. */
export interface ExportedUser<Attrs extends object = HostAttributes> {
  /** The account, as a super-user may see it. */
  readonly user: User<Attrs>
  /** Roles and authorisations, in the order of their ids. */
  readonly grants: Grants
  /** Custom attributes by name, those aside that are secret or encrypted. */
  readonly attributes: Readonly<Record<string, unknown>>
}

const PAGE = 256

/**
 * Accounts that a search finds, in the order of their usernames, each once, whatever is written meanwhile: who has been
 * renamed to a name that was passed already, and who has been created since, comes at the end. Read in pages, so that no
 * transaction stays open for as long as the reader takes; the ids of what has been read are kept.
 *
 * @throws SsoError `super_user_required`, `input_invalid`, `attribute_unknown`
 */
export async function* exportUsers(
  core: Core,
  { search, ...call }: Call & { search: Pick<Unchecked, 'criteria' | 'nameOp' | 'isNameExact'> },
): AsyncGenerator<ExportedUser> {
  const { now } = call.context
  const { actor, wanted } = await asSuperUser(core, call, () =>
    checkSearch(core, { ...search, paginate: undefined, curPage: undefined, pageSize: undefined }),
  )
  const told = new Set<string>()
  for await (const accounts of pages(core, wanted.criteria, filterOf(core, wanted), told)) {
    const fresh = accounts.filter(({ values }) => !told.has(values.user_id))
    const ids = fresh.map(({ values }) => values.user_id)
    const held = await core.store.holdingsOf(ids, now)
    for (const { values } of fresh) {
      told.add(values.user_id)
      const { grants, attributes } = held.get(values.user_id) ?? NOTHING
      const user = visible(core.catalogue, values, standingOf(actor, values.user_id))
      yield { user, grants: inOrder(grants), attributes: visibleCustom(core, attributes) }
    }
  }
}

/** Names of the custom attributes that an export may have. @throws SsoError `super_user_required` */
export async function customNames(core: Core, call: Call): Promise<readonly string[]> {
  await asSuperUser(core, call, () => null)
  const names = await core.store.customNames(call.context.now)
  return names.filter((name) => !isSecret(core, name)).sort()
}

/** By code units: databases sort by their collations. */
function inOrder({ roles, acls, groups }: Grants): Grants {
  return {
    roles: [...roles].sort((a, b) => (a.role < b.role ? -1 : 1)),
    acls: [...acls].sort(),
    groups: [...groups].sort(),
  }
}

const NOTHING = { grants: { roles: [], acls: [], groups: [] }, attributes: [] } as const

function asSuperUser<T>(core: Core, { credentials, context }: Call, check: () => T) {
  return attempted(core, 'search_users', context, async (attempt) => {
    const { actor } = await authenticate(core, credentials, context, attempt)
    requireSuperUser(actor)
    return { actor, wanted: check() }
  })
}

async function* pages(
  core: Core,
  criteria: Readonly<Record<string, string | null>>,
  filter: AccountFilter,
  told: ReadonlySet<string>,
): AsyncGenerator<readonly Account[]> {
  const alone = await foundByName(core, criteria)
  if (alone) return yield alone

  let name: string | null = null
  do {
    const accounts: readonly Account[] = await core.store.accountsAfter(filter, name, PAGE)
    yield accounts
    name = accounts.length < PAGE ? null : (accounts.at(-1)?.values.username ?? null)
  } while (name !== null)

  let id: string | null = null
  do {
    const ids: readonly string[] = await core.store.idsAfter(filter, id, PAGE)
    const missing = ids.filter((one) => !told.has(one))
    if (missing.length > 0) yield [...(await core.store.findAccountsByEach('user_id', missing)).values()].flat()
    id = ids.length < PAGE ? null : (ids.at(-1) ?? null)
  } while (id !== null)
}
