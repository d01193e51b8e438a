import type { Call } from '../accounts/operations.ts'
import { standingOf } from '../accounts/rights.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { visible } from '../schema/access.ts'
import type { HostAttributes, User } from '../schema/user.ts'
import { authenticate, requireSuperUser } from '../sessions/gate.ts'
import type { Account, AccountFilter } from '../store.ts'
import { checkSearch, type Unchecked, type Wanted } from './criteria.ts'

/**
 * What accounts are searched by. All that are given must match, but for names under `nameOp: 'or'`; null finds accounts
 * that do not have the attribute. An id makes all else moot, and so does a username but for the id.
 */
export interface SearchCriteria {
  /** Id of the account; a number where the host's table counts. */
  readonly user_id?: string | number
  /** The whole name, compared as at login. */
  readonly username?: string
  /** The whole address, as it is stored. */
  readonly email?: string | null
  /** Name, or part of it, in any case. */
  readonly display_name?: string | null
  /** Name, or part of it, in any case. */
  readonly first_name?: string | null
  /** Name, or part of it, in any case. */
  readonly middle_name?: string | null
  /** Name, or part of it, in any case. */
  readonly last_name?: string | null
  /** Whether a sign-up has been confirmed. */
  readonly sign_up_status?: 'before_confirmation' | 'final'
  /** Whether the account has been let in. */
  readonly approval_status?: 'before_decision' | 'approved' | 'rejected'
}

/** What is searched for, and which page of it is wanted. */
export interface SearchInput {
  /** Default: everybody. */
  readonly criteria?: SearchCriteria
  /** Whether all names must match, or one of them. Default `and`. */
  readonly nameOp?: 'and' | 'or'
  /** Whether names must match as a whole, or contain what is searched for. Default true. */
  readonly isNameExact?: boolean
  /** False for one page of `search.maxPageSize` accounts, the first. Default true. */
  readonly paginate?: boolean
  /** Number of the page, from 1; what is less is 1. Default 1. */
  readonly curPage?: number
  /** Accounts on a page, `search.maxPageSize` at most. Default `search.defaultPageSize`. */
  readonly pageSize?: number
}

/** One page of what was found. */
export interface SearchResult<Attrs extends object = HostAttributes> {
  /** By display name without regard to case, those without one first; then by username. */
  readonly users: readonly User<Attrs>[]
  /** Accounts that match, on all pages. */
  readonly total: number
  /** Pages that there are; 0 if nothing was found. */
  readonly numPages: number
  /** Accounts on a page, as it was applied. */
  readonly pageSize: number
  /** Number of this page; it may lie behind the last. */
  readonly curPage: number
  /** Whether a page comes before this one. */
  readonly hasPrevPage: boolean
  /** Whether a page comes after this one. */
  readonly hasNextPage: boolean
  /** Number of the page before; null on the first. */
  readonly prevPage: number | null
  /** Number of the page after; null on the last. */
  readonly nextPage: number | null
}

/** Searches for accounts; super-users only. @throws SsoError `super_user_required`, `input_invalid`, `attribute_unknown` */
export function searchUsers(
  core: Core,
  { search, credentials, context }: Call & { search: Unchecked },
): Promise<SearchResult> {
  return attempted(core, 'search_users', context, async (attempt) => {
    const { actor } = await authenticate(core, credentials, context, attempt)
    requireSuperUser(actor)
    const wanted = checkSearch(core, search)
    const { total, accounts } = await find(core, wanted)
    const users = accounts.map(({ values }) => visible(core.catalogue, values, standingOf(actor, values.user_id)))
    return { users, ...pageOf(wanted, total) }
  })
}

async function find(core: Core, wanted: Wanted): Promise<{ total: number; accounts: readonly Account[] }> {
  const { criteria, curPage, pageSize } = wanted
  const offset = (curPage - 1) * pageSize
  const alone = await foundByName(core, criteria)
  if (alone) return { total: alone.length, accounts: alone.slice(offset, offset + pageSize) }

  const filter = filterOf(core, wanted)
  const total = await core.store.countAccounts(filter)
  // A page far behind the last is not the database's to skip to.
  return { total, accounts: offset < total ? await core.store.searchAccounts(filter, { limit: pageSize, offset }) : [] }
}

/** Accounts by their id, or else by their username, which make all other criteria moot; null if neither is given. */
export async function foundByName(core: Core, criteria: Wanted['criteria']): Promise<readonly Account[] | null> {
  const { user_id: id, username } = criteria
  if (typeof id === 'string') return [(await core.store.findAccount(id)) ?? []].flat()
  return typeof username === 'string' ? core.store.findAccountsBy('username', username) : null
}

/** The criteria as the store takes them. */
export function filterOf(core: Core, { criteria, nameOp, isNameExact }: Wanted): AccountFilter {
  const isName = ([name]: [string, unknown]) => core.catalogue.get(name)?.search === true
  const entries = Object.entries(criteria)
  return {
    equal: Object.fromEntries(entries.filter((entry) => !isName(entry))),
    names: Object.fromEntries(entries.filter(isName)),
    nameOp,
    isNameExact,
  }
}

function pageOf({ curPage, pageSize }: Wanted, total: number): Omit<SearchResult, 'users'> {
  const numPages = Math.ceil(total / pageSize)
  const [hasPrevPage, hasNextPage] = [curPage > 1, curPage < numPages]
  return {
    total,
    numPages,
    pageSize,
    curPage,
    hasPrevPage,
    hasNextPage,
    prevPage: hasPrevPage ? curPage - 1 : null,
    nextPage: hasNextPage ? curPage + 1 : null,
  }
}
