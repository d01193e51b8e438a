import type { Attribute, Catalogue } from '../core/schema/catalogue.ts'
import { type Codec, codecFor, type Dialect, type IdKind, idKindOf, isZoned } from './codecs.ts'

/** How `users` maps the host's table. */
export interface UsersMapping {
  /** Name of the host's table, `schema.table` where it is in another schema. */
  readonly table: string
  /** Column of each attribute that is not named as its attribute; false keeps an attribute out of the host's table. */
  readonly columns: Readonly<Record<string, string | false>>
}

/** What the database says of a column. */
export interface ColumnInfo {
  readonly type: string
  readonly maxLength: number | null
  readonly nullable: boolean
  /** The default, as the database words it; null if there is none. */
  readonly defaultSql: string | null
  /** Of text in MySQL; null elsewhere. */
  readonly collation: string | null
}

/** Where one attribute is stored. */
export interface Place {
  readonly attribute: Attribute
  /** `users` is the accounts' table, `side` the package's beside a host's. */
  readonly table: 'users' | 'side'
  readonly column: string
  readonly codec: Codec
  /** Whether it is written and read as seconds since 1970. */
  readonly isZoned: boolean
}

/** Where the form of a name is kept that it is searched by. */
export interface Shadow {
  readonly table: 'users' | 'side'
  readonly column: string
  /** Whether the package writes it; a host's database keeps its own. */
  readonly isOurs: boolean
}

/** Where everything is stored: the outcome of mapping and examination. */
export interface Layout {
  readonly dialect: Dialect
  /** The accounts' table. */
  readonly users: string
  readonly idColumn: string
  readonly idKind: IdKind
  /** Whether new ids are UUIDs. */
  readonly usesUuids: boolean
  /** Null where the accounts' table is ours. */
  readonly side: string | null
  /** Places by attribute; attributes that are not here are kept in the column `extra`. */
  readonly places: ReadonlyMap<string, Place>
  /** Shadow columns by attribute; names of a host's table need not have one. */
  readonly shadows: ReadonlyMap<string, Shadow>
  /** Attribute by the column whose unique index may refuse it. */
  readonly uniqueColumns: ReadonlyMap<string, string>
  /** Name of one of the package's tables. */
  readonly table: (name: OwnTable) => string
}

/** The package's own tables, without prefix. */
export type OwnTable =
  | 'user'
  | 'account'
  | 'session'
  | 'attribute'
  | 'session_attribute'
  | 'role_grant'
  | 'acl_grant'
  | 'audit'
  | 'migrations'

/** The layout of our own `sso_user`. */
export function ownLayout(catalogue: Catalogue, dialect: Dialect, prefix: string): Layout {
  const table = (name: OwnTable) => `${prefix}${name}`
  return {
    dialect,
    users: table('user'),
    idColumn: 'user_id',
    idKind: 'string',
    usesUuids: false,
    side: null,
    places: new Map(stored(catalogue).map((attribute) => [attribute.name, ownPlace(attribute, 'users', dialect)])),
    shadows: new Map(searchable(catalogue).map(({ name }) => [name, ownShadow(name, 'users')])),
    uniqueColumns: new Map([
      ['username_key', 'username'],
      ['email_key', 'email'],
    ]),
    table,
  }
}

/** The layout of a host's table, with the side table for what it lacks. Missing columns are the doctor's to report. */
export function hostLayout(
  catalogue: Catalogue,
  dialect: Dialect,
  prefix: string,
  mapping: UsersMapping,
  columns: ReadonlyMap<string, ColumnInfo>,
): Layout {
  const table = (name: OwnTable) => `${prefix}${name}`
  const idColumn = mapping.columns['user_id'] || 'user_id'
  const places = new Map<string, Place>()
  for (const attribute of catalogue.values()) {
    if (attribute.name === 'user_id') continue
    const column = hostColumn(attribute, mapping, columns)
    const info = column === null ? undefined : columns.get(column)
    if (column !== null && info) {
      places.set(attribute.name, {
        attribute,
        table: 'users',
        column,
        codec: codecFor(attribute.kind, dialect, info.type),
        isZoned: attribute.kind === 'datetime' && isZoned(dialect, info.type),
      })
    } else if (!attribute.custom) places.set(attribute.name, ownPlace(attribute, 'side', dialect))
  }
  const shadows = new Map<string, Shadow>()
  for (const { name } of searchable(catalogue)) {
    const column = mapping.columns[shadowName(name)]
    if (places.get(name)?.table === 'side') shadows.set(name, ownShadow(name, 'side'))
    else if (column) shadows.set(name, { table: 'users', column, isOurs: false })
  }
  const id = columns.get(idColumn)
  const idKind = idKindOf(id?.type ?? '', dialect) ?? 'string'
  const own = [...places.values()].filter((place) => place.table === 'users')
  return {
    dialect,
    users: mapping.table,
    idColumn,
    idKind,
    usesUuids: idKind === 'uuid' || (id !== undefined && takesUuids(id)),
    side: table('account'),
    places,
    shadows,
    uniqueColumns: new Map(own.map(({ column, attribute }) => [column, attribute.name])),
    table,
  }
}

/** Whether a column is one that UUIDs are kept in as text. */
export function takesUuids({ type, maxLength }: ColumnInfo): boolean {
  return maxLength === 36 && idKindOf(type) === 'string'
}

/** The host's column of an attribute; null if it has none, or is not to be used. */
export function hostColumn(
  attribute: Attribute,
  mapping: UsersMapping,
  columns: ReadonlyMap<string, ColumnInfo>,
): string | null {
  const mapped = mapping.columns[attribute.name]
  if (mapped === false) return null
  return mapped ?? (columns.has(attribute.name) ? attribute.name : null)
}

/** Attributes with a column in our own tables. */
export function stored(catalogue: Catalogue): readonly Attribute[] {
  return [...catalogue.values()].filter(({ name, custom }) => !custom && name !== 'user_id')
}

/** Names that are searched without regard to case. */
export function searchable(catalogue: Catalogue): readonly Attribute[] {
  return stored(catalogue).filter(({ search }) => search)
}

/** What the shadow column of a name is called, in our tables and in `users.columns`. */
export function shadowName(attribute: string): string {
  return `${attribute}_upper`
}

function ownShadow(attribute: string, table: Shadow['table']): Shadow {
  return { table, column: shadowName(attribute), isOurs: true }
}

function ownPlace(attribute: Attribute, table: 'users' | 'side', dialect: Dialect): Place {
  return { attribute, table, column: attribute.name, codec: codecFor(attribute.kind, dialect, null), isZoned: false }
}
