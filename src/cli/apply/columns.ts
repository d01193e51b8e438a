import type { GrantList } from '../../core/grants/edits.ts'
import type { AttributeKind } from '../../core/schema/catalogue.ts'
import { nearest } from '../../core/schema/nearest.ts'
import { usageError } from '../failures.ts'
import { customFromText, fromText, listFromText, type Notation, readCell } from './cells.ts'

/** Kinds of the attributes that can be set, by name. */
export type Kinds = ReadonlyMap<string, AttributeKind>

/** What is to become of one account: a line of `sso.batch.updateUsers`. */
export interface Line {
  readonly id?: string
  readonly username?: string
  readonly patch: Readonly<Record<string, unknown>>
  readonly grants?: Readonly<Partial<Record<GrantList, unknown>>>
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly password?: unknown
  readonly create?: boolean
}

/** What a name in the header, or of a member, is about. */
export type Column =
  | { readonly about: 'id' | 'username' | 'password' }
  | { readonly about: 'list'; readonly name: GrantList }
  | { readonly about: 'custom'; readonly name: string }
  | { readonly about: 'attribute'; readonly name: string; readonly kind: AttributeKind }

const CUSTOM = 'attributes.'
const LISTS: readonly string[] = ['roles', 'acls', 'groups'] satisfies GrantList[]

/** What a name is about; null for one that is not known. */
export function columnOf(name: string, kinds: Kinds): Column | null {
  if (name === 'user_id') return { about: 'id' }
  if (name === 'username' || name === 'password') return { about: name }
  const kind = kinds.get(name)
  if (kind) return { about: 'attribute', name, kind }
  if (LISTS.includes(name)) return { about: 'list', name: name as GrantList }
  return name.startsWith(CUSTOM) && name !== CUSTOM ? { about: 'custom', name: name.slice(CUSTOM.length) } : null
}

/** The name of a custom attribute's column. */
export function customColumn(name: string): string {
  return `${CUSTOM}${name}`
}

/** What the columns of a header are about. @throws CliError for names that are unknown or there twice, or without a key */
export function readHeader(header: readonly string[], kinds: Kinds): readonly Column[] {
  const known = [...new Set(['user_id', 'username', 'password', ...kinds.keys(), ...LISTS])]
  const faults: string[] = []
  const columns = header.map((name, index) => {
    const column = columnOf(name, kinds)
    if (header.indexOf(name) < index) faults.push(`The column ${named(name)} is there twice.`)
    else if (!column) faults.push(`There is no attribute ${named(name)}: perhaps ${nearest(name, known)} is meant.`)
    return column
  })
  if (!header.includes('user_id') && !header.includes('username')) {
    faults.push('There must be a column user_id or username, which says whose account is meant.')
  }
  if (faults.length > 0) throw usageError(faults.join('\n'))
  return columns.filter((column) => column !== null)
}

function named(name: string): string {
  return name === '' ? 'without a name' : name
}

/** The line that a row stands for. @throws Error that says what is wrong with it */
export function lineOfCells(
  cells: readonly string[],
  header: readonly string[],
  columns: readonly Column[],
  notation: Notation,
): Line {
  if (cells.length !== columns.length) {
    throw new Error(`The header has ${columns.length} cells, the record ${cells.length}.`)
  }
  const values = columns.flatMap((column, index): [Column, unknown][] => {
    const cell = readCell(cells[index] ?? '', notation)
    if (cell === undefined) return []
    try {
      return [[column, cell === null ? null : cellValue(column, cell)]]
    } catch (error) {
      throw new Error(`${header[index]}: the cell ${(error as Error).message}.`)
    }
  })
  return lineOf(values)
}

function cellValue(column: Column, cell: string): unknown {
  switch (column.about) {
    case 'attribute':
      return fromText(column.kind, cell)
    case 'custom':
      return customFromText(cell)
    case 'list':
      return listFromText(cell)
    default:
      return cell
  }
}

/** The line that a flat record of JSON stands for; what it names that is not known is an attribute, to be refused as such. */
export function lineOfMembers(record: Readonly<Record<string, unknown>>, kinds: Kinds): Line {
  const values = Object.entries(record).map(([name, value]): [Column, unknown] => {
    const column = columnOf(name, kinds) ?? { about: 'attribute', name, kind: 'json' }
    return [column, value]
  })
  return lineOf(values)
}

/** @throws Error where nothing says whose account is meant */
function lineOf(values: readonly (readonly [Column, unknown])[]): Line {
  const patch: [string, unknown][] = []
  const grants: [GrantList, unknown][] = []
  const attributes: [string, unknown][] = []
  const keys: { id?: string; username?: string } = {}
  let password: unknown
  for (const [column, value] of values) {
    if (column.about === 'attribute') patch.push([column.name, value])
    else if (column.about === 'custom') attributes.push([column.name, value])
    // None at all is a list, too.
    else if (column.about === 'list') grants.push([column.name, value ?? []])
    else if (column.about === 'password') password = value
    else keys[column.about] = keyOf(column.about, value)
  }
  const { id, username } = keys
  if (id === undefined && username === undefined) throw new Error('Nothing says whose account is meant.')
  // Beside an id, a username is one that is to be set.
  if (id !== undefined && username !== undefined) patch.push(['username', username])
  return {
    ...(id === undefined ? { username: username ?? '' } : { id }),
    patch: Object.fromEntries(patch),
    ...(grants.length > 0 ? { grants: Object.fromEntries(grants) } : {}),
    ...(attributes.length > 0 ? { attributes: Object.fromEntries(attributes) } : {}),
    ...(password === undefined ? {} : { password }),
  }
}

function keyOf(about: 'id' | 'username', value: unknown): string {
  if (typeof value === 'string') return value
  if (about === 'id' && Number.isSafeInteger(value)) return String(value)
  throw new Error(`${about === 'id' ? 'user_id' : 'username'} must be text.`)
}
