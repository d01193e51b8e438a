import type { Attribute, Catalogue } from '../core/schema/catalogue.ts'
import { type Codec, codecFor, type Dialect, type IdKind, idKindOf, isZoned } from './codecs.ts'
import { habitOf } from './column-types.ts'

/** How `users` maps the host's table. */
export interface UsersMapping {
  /** Name of the host's table, `schema.table` where it is in another schema. */
  readonly table: string
  /** Column of each attribute that is not named as its attribute; false keeps an attribute out of the host's table. */
  readonly columns: Readonly<Record<string, string | false>>
  /** Columns of the time at which a row was made, and last changed; null where there is none. */
  readonly timestamps: { readonly created: string | null; readonly updated: string | null }
}

/** What the database says of a column. */
export interface ColumnInfo {
  /** Without length, precision and the like. */
  readonly type: string
  /** The type as a definition has it. */
  readonly definition: string
  readonly maxLength: number | null
  readonly nullable: boolean
  /** The default, as the database words it; null if there is none. */
  readonly defaultSql: string | null
  /** Of text in MySQL; null elsewhere. */
  readonly collation: string | null
  /** Whether the database computes it, so that nothing can be written. */
  readonly isGenerated: boolean
  /** All values that an enumerated type has; null for other types. */
  readonly values: readonly string[] | null
  /** Some value that the column has in a row, read only where it says how truth is written. */
  readonly sample: string | null
  /** Of SQLite: whether an index or the primary key has it, so that it cannot be dropped; false elsewhere. */
  readonly isIndexed: boolean
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
  /** False for a column that the database computes. */
  readonly isWritten: boolean
}

/** Where the form of a name is kept that it is searched by. */
export interface Shadow {
  readonly table: 'users' | 'side'
  readonly column: string
  /** Whether the package writes it; a host's database keeps its own. */
  readonly isOurs: boolean
}

/** A column that gets the time of a change. */
export type Stamp = Pick<Place, 'column' | 'codec' | 'isZoned'>

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
  /** Columns that get the time at which a row is made, and those that get the time of each change. */
  readonly stamps: { readonly created: readonly Stamp[]; readonly updated: readonly Stamp[] }
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
  | 'password_reset'
  | 'role_grant'
  | 'acl_grant'
  | 'throttle'
  | 'audit'
  | 'audit_seal'
  | 'audit_target'
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
    stamps: { created: [], updated: [] },
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
        codec: codecFor(attribute.kind, dialect, info.type, habitOf(attribute.kind, dialect, info)),
        isZoned: attribute.kind === 'datetime' && isZoned(dialect, info.type),
        isWritten: !info.isGenerated,
      })
    } else if (!attribute.custom) places.set(attribute.name, ownPlace(attribute, 'side', dialect))
  }
  const shadows = new Map<string, Shadow>()
  for (const { name } of searchable(catalogue)) {
    const column = mapping.columns[shadowName(name)]
    if (places.get(name)?.table === 'side') shadows.set(name, ownShadow(name, 'side'))
    else if (column) shadows.set(name, { table: 'users', column, isOurs: false })
  }
  const stampsIn = (...names: readonly (string | null)[]) =>
    names.flatMap((column) => {
      const info = column === null ? undefined : columns.get(column)
      if (column === null || !info) return []
      const codec = codecFor('datetime', dialect, info.type, habitOf('datetime', dialect, info))
      return [{ column, codec, isZoned: isZoned(dialect, info.type) }]
    })
  const { created, updated } = mapping.timestamps
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
    stamps: { created: stampsIn(created, updated), updated: stampsIn(updated) },
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
  if (mapped !== undefined) return mapped || null
  return columns.has(attribute.name) && !isMappedElsewhere(attribute.name, mapping) ? attribute.name : null
}

/** Whether the column named as an attribute is that of another one: who logs in by email has the username in `email`. */
export function isMappedElsewhere(name: string, { columns }: UsersMapping): boolean {
  return columns[name] === undefined && Object.values(columns).includes(name)
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
  const codec = codecFor(attribute.kind, dialect, null)
  return { attribute, table, column: attribute.name, codec, isZoned: false, isWritten: true }
}

/** What columns for the time of a change get. */
export function stamped(stamps: readonly Stamp[], now: Date): Readonly<Record<string, unknown>> {
  return Object.fromEntries(stamps.map(({ column, codec }) => [column, codec.encode(now)]))
}
