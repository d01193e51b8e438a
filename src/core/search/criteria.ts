import { type Issue, issue, SsoError, throwIssues } from '../../errors.ts'
import type { Core } from '../core.ts'
import { includes } from '../schema/access.ts'
import type { Attribute } from '../schema/catalogue.ts'
import { characters, textFault } from '../schema/text.ts'
import { isPlainObject } from '../schema/validate.ts'
import type { AccountFilter } from '../store.ts'

/** A search as it was sent. What is undefined was not. */
export type Unchecked = Readonly<Record<keyof Wanted, unknown>>

/** A search whose every part has been checked. */
export interface Wanted extends Pick<AccountFilter, 'nameOp' | 'isNameExact'> {
  /** Criteria by attribute; null for accounts that do not have it. */
  readonly criteria: Readonly<Record<string, string | null>>
  readonly paginate: boolean
  readonly curPage: number
  readonly pageSize: number
}

const EXACT = ['user_id', 'username', 'email', 'sign_up_status', 'approval_status']

/** Checks a search and fills in what it does not say. @throws SsoError `input_invalid`, `attribute_unknown` */
export function checkSearch(core: Core, { criteria, nameOp, isNameExact, ...page }: Unchecked): Wanted {
  const { defaultPageSize, maxPageSize } = core.config.search
  const paginate = flag(page.paginate, 'paginate')
  const curPage = integer(page.curPage, 'curPage', 1)
  const pageSize = integer(page.pageSize, 'pageSize', defaultPageSize)
  if (nameOp !== undefined && nameOp !== 'and' && nameOp !== 'or') fail('nameOp must be "and" or "or".')
  if (pageSize < 1) fail('pageSize must be positive.')
  return {
    criteria: checkCriteria(core, criteria ?? {}),
    nameOp: nameOp === 'or' ? 'or' : 'and',
    isNameExact: flag(isNameExact, 'isNameExact'),
    paginate,
    // What is not paginated is one page, as long as pages get: nothing else bounds it.
    curPage: paginate ? Math.max(1, curPage) : 1,
    pageSize: paginate ? Math.min(pageSize, maxPageSize) : maxPageSize,
  }
}

function checkCriteria(core: Core, criteria: unknown): Wanted['criteria'] {
  if (!isPlainObject(criteria)) fail('criteria must be an object of attributes.')
  const checked: Record<string, string | null> = Object.create(null)
  const issues: Issue[] = []
  for (const [name, given] of Object.entries(criteria as object)) {
    const attribute = core.catalogue.get(name)
    // Hosts that count have numbers for ids.
    const value: unknown = name === 'user_id' && Number.isSafeInteger(given) ? String(given) : given
    const fault = attribute ? faultOf(attribute, value) : null
    if (!attribute) issues.push(issue(name, 'attribute_unknown'))
    else if (fault) issues.push(issue(name, 'input_invalid', fault))
    else checked[name] = value as string | null
  }
  throwIssues(issues)
  return checked
}

function faultOf(attribute: Attribute, value: unknown): string | null {
  const { name, search, secret, nullable, readableBy, maxLength } = attribute
  const isReadable = includes(readableBy, { isSelf: false, isSuperUser: true }) && !secret
  // Whoever could search by what he may not read could find it out.
  if (!isReadable || !(search || EXACT.includes(name))) return 'Accounts are not searched by it.'
  if (value === null) return nullable ? null : 'The value is null.'
  if (typeof value !== 'string') return 'The value must be text.'
  const { enum: accepted } = attribute.schema
  if (accepted && !accepted.includes(value)) return `The value must be one of ${accepted.join(', ')}.`
  if (value === '' && !nullable) return 'The value is empty.'
  if (maxLength !== null && characters(value) > maxLength) return `The value has more than ${maxLength} characters.`
  return textFault(value)
}

function flag(value: unknown, name: string): boolean {
  if (value === undefined) return true
  return typeof value === 'boolean' ? value : fail(`${name} must be true or false.`)
}

function integer(value: unknown, name: string, fallback: number): number {
  if (value === undefined) return fallback
  return Number.isSafeInteger(value) ? (value as number) : fail(`${name} must be an integer.`)
}

function fail(message: string): never {
  throw new SsoError('input_invalid', { message })
}
