import type { Knex } from 'knex'
import type { Attribute, Catalogue } from '../core/schema/catalogue.ts'
import { identityKey, searchKey } from '../core/schema/text.ts'
import type { StoredUser } from '../core/schema/user.gen.ts'
import type { Account, Columns } from '../core/store.ts'
import { canonicalId } from './codecs.ts'
import { type Layout, type Place, stamped } from './layout.ts'
import { SESSION_COLUMNS } from './own-statements.ts'
import { type Build, prepare, type Statement } from './statements.ts'

/** Reads and writes accounts under a layout. Its statements are compiled once. */
export class AccountStatements {
  readonly layout: Layout
  readonly byId: Statement
  /**
   * Locks an account's row. Where the side table is joined, it is read afterwards: a database that waited for a lock
   * has the row that it waited for, but other tables as they were before.
   */
  readonly lock: Statement | null
  readonly byIdLocked: Statement
  readonly bySession: Statement
  readonly remove: Statement
  readonly removeSide: Statement | null
  readonly #db: Knex
  readonly #emailIsUnique: boolean
  readonly #read: readonly Place[]
  readonly #zoned: ReadonlySet<string>
  readonly #extras: readonly Attribute[]
  readonly #blank: Columns
  readonly #passwordIsSet: number
  readonly #writers = new Map<string, Statement>()

  constructor(db: Knex, catalogue: Catalogue, layout: Layout, emailIsUnique: boolean) {
    this.layout = layout
    this.#db = db
    this.#emailIsUnique = emailIsUnique
    this.#read = [...layout.places.values()]
    this.#extras = [...catalogue.values()].filter(({ name }) => name !== 'user_id' && !layout.places.has(name))
    this.#blank = Object.fromEntries([...catalogue.keys()].map((name) => [name, null]))
    this.#zoned = new Set([...this.#read, ...layout.stamps.created].flatMap((p) => (p.isZoned ? [p.column] : [])))
    this.#passwordIsSet = this.#read.findIndex(({ attribute }) => attribute.name === 'password_is_set')

    const { idColumn } = layout
    this.byId = prepare((bind) => this.select().where(`u.${idColumn}`, bind('id')))
    const isJoined = layout.side !== null && layout.dialect !== 'sqlite'
    this.lock = isJoined
      ? prepare((bind) => db(layout.users).where(idColumn, bind('id')).select(idColumn).forUpdate())
      : null
    const locks = !isJoined && layout.dialect !== 'sqlite'
    this.byIdLocked = locks
      ? prepare((bind) => this.select().where(`u.${idColumn}`, bind('id')).forUpdate())
      : this.byId
    this.bySession = prepare((bind) =>
      this.select()
        .select(SESSION_COLUMNS.map((name) => `s.${name} as s_${name}`))
        .join(`${layout.table('session')} as s`, 's.user_id', `u.${idColumn}`)
        .where('s.ust_hash', bind('hash')),
    )
    this.remove = prepare((bind) => db(layout.users).where(idColumn, bind('id')).delete())
    const { side } = layout
    this.removeSide = side === null ? null : prepare((bind) => db(side).where('user_id', bind('id')).delete())
  }

  /** Columns that come before those of a session in `bySession`. */
  get width(): number {
    return this.#read.length + LEADING_COLUMNS
  }

  /** The canonical form of an id, or null for what is none. */
  id(text: string): string | null {
    return canonicalId(text, this.layout.idKind)
  }

  /** An account as a row of one of the selects has it. */
  decode(row: readonly unknown[]): Account {
    const [id, version, sideId, extraText] = row
    const extra: Record<string, unknown> = typeof extraText === 'string' ? JSON.parse(extraText) : {}
    // Copied from a whole one: what is put together name by name is slow to copy ever after.
    const values: Record<string, unknown> = { ...this.#blank, user_id: String(id) }
    this.#read.forEach(({ attribute, codec }, index) => {
      values[attribute.name] = codec.decode(row[LEADING_COLUMNS + index]) ?? attribute.fallback
    })
    for (const attribute of this.#extras) values[attribute.name] = fromExtra(attribute, extra[attribute.name])
    // Where nobody has kept count, there is a password if there is a hash.
    if (isNothing(row[LEADING_COLUMNS + this.#passwordIsSet])) values['password_is_set'] = values['password'] !== null
    const isOwn = this.layout.side === null
    return {
      values: values as unknown as StoredUser,
      version: isOwn ? Number(version) : null,
      hasSideRow: isOwn || !isNothing(sideId),
      extra,
    }
  }

  /** Statements, with their values, that write changed columns: of the accounts' table and of the side table. */
  writes(account: Account, columns: Columns, now: Date): { users: Write | null; side: Write | null } {
    const { users, side } = this.split(columns, account.extra)
    const key = { id: account.values.user_id }
    if (this.layout.side === null) {
      const values = { ...users, row_version: (account.version ?? 0) + 1 }
      const statement = this.#writer('users', Object.keys(values), (names, bind) =>
        this.#db(this.layout.users)
          .where('user_id', bind('id'))
          .where('row_version', bind('version'))
          .update(this.#assigned(names, bind)),
      )
      return { users: { statement, parameters: { ...prefixed(values), ...key, version: account.version } }, side: null }
    }
    const touched = Object.keys(users).length > 0 ? { ...stamped(this.layout.stamps.updated, now), ...users } : {}
    const usersWrite = this.#write('users', touched, (names, bind) =>
      this.#db(this.layout.users).where(this.layout.idColumn, bind('id')).update(this.#assigned(names, bind)),
    )
    const table = this.layout.side
    const sideWrite = account.hasSideRow
      ? this.#write('side', side, (names, bind) =>
          this.#db(table).where('user_id', bind('id')).update(this.#assigned(names, bind)),
        )
      : this.#write('side insert', side, (names, bind) =>
          this.#db(table).insert({ ...this.#assigned(names, bind), user_id: bind('id') }),
        )
    return { users: usersWrite && add(usersWrite, key), side: sideWrite && add(sideWrite, key) }
  }

  /** Statements that insert an account; the side row needs the id, which the database may have made. */
  inserts(values: Columns, raw: Columns, id: string | null): { users: Write; side: (id: string) => Write | null } {
    const { users, side } = this.split({ ...this.#fallbacks(), ...values }, {})
    const row = { ...raw, ...users, ...(id === null ? {} : { [this.layout.idColumn]: id }) }
    const insert = (names: readonly string[], bind: Bind) =>
      this.#db(this.layout.users).insert(this.#assigned(names, bind))
    const statement = this.#writer('insert', Object.keys(row), insert)
    return {
      users: { statement, parameters: prefixed(row) },
      side: (newId) => {
        const table = this.layout.side
        if (table === null) return null
        const write = this.#write('side insert', side, (names, bind) =>
          this.#db(table).insert({ ...this.#assigned(names, bind), user_id: bind('id') }),
        )
        return write && add(write, { id: newId })
      },
    }
  }

  /** The accounts' table as `u`, and beside a host's the side table as `a`. */
  from(): Knex.QueryBuilder {
    const { users, idColumn, side } = this.layout
    const query = this.#db({ u: users })
    return side === null ? query : query.leftJoin(`${side} as a`, 'a.user_id', `u.${idColumn}`)
  }

  /** All that `decode` needs. */
  select(): Knex.QueryBuilder {
    const { idColumn, side } = this.layout
    const isOwn = side === null
    const source = isOwn ? 'u' : 'a'
    return this.from().select([
      `u.${idColumn} as c_id`,
      isOwn ? 'u.row_version as c_version' : 'a.user_id as c_version',
      isOwn ? 'u.user_id as c_side' : 'a.user_id as c_side',
      `${source}.extra as c_extra`,
      ...this.#read.map(({ table, column, isZoned }, index) => {
        const name = `${table === 'users' ? 'u' : 'a'}.${column}`
        return isZoned ? this.#db.raw('UNIX_TIMESTAMP(??) as ??', [name, `c${index}`]) : `${name} as c${index}`
      }),
    ])
  }

  /** What columns of the accounts' table are given where a new account says nothing: they may have no default. */
  #fallbacks(): Columns {
    const places = this.#read.filter(({ table, attribute }) => table === 'users' && attribute.fallback !== null)
    return Object.fromEntries(places.map(({ attribute }) => [attribute.name, attribute.fallback]))
  }

  /** Column values by table, encoded, with the shadow columns that follow. */
  split(columns: Columns, extra: Readonly<Record<string, unknown>>) {
    const users: Record<string, unknown> = {}
    const side: Record<string, unknown> = {}
    const loose: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(columns)) {
      const place = this.layout.places.get(name)
      if (!place) loose[name] = value
      else if (place.isWritten) (place.table === 'users' ? users : side)[place.column] = place.codec.encode(value)
    }
    if (Object.keys(loose).length > 0) {
      const holder = this.layout.side === null ? users : side
      holder['extra'] = JSON.stringify({ ...extra, ...loose })
    }
    for (const [name, { table, column, isOurs }] of this.layout.shadows) {
      if (!isOurs || columns[name] === undefined) continue
      ;(table === 'users' ? users : side)[column] = columns[name] === null ? null : searchKey(columns[name] as string)
    }
    if (this.layout.side === null) Object.assign(users, this.#keys(columns))
    return { users, side }
  }

  #keys({ username, email }: Columns): Record<string, unknown> {
    const emailKey = () => (this.#emailIsUnique && email !== null ? identityKey(email as string) : null)
    return {
      ...(username === undefined ? {} : { username_key: identityKey(username as string) }),
      ...(email === undefined ? {} : { email_key: emailKey() }),
    }
  }

  #write(
    kind: string,
    values: Columns,
    build: (names: readonly string[], bind: Bind) => Knex.QueryBuilder,
  ): Write | null {
    const names = Object.keys(values)
    if (names.length === 0) return null
    return { statement: this.#writer(kind, names, build), parameters: prefixed(values) }
  }

  #assigned(names: readonly string[], bind: Bind): Record<string, never> {
    return Object.fromEntries(names.map((name) => [name, this.written(name, bind(`c:${name}`))]))
  }

  /** A value as it is written to a column of the accounts' table. */
  written(column: string, value: never): never {
    return this.#zoned.has(column) ? (this.#db.raw('FROM_UNIXTIME(?)', [value]) as never) : value
  }

  /** One statement for each set of columns; there are few in practice, and a cap where there are not. */
  #writer(
    kind: string,
    names: readonly string[],
    build: (names: readonly string[], bind: Bind) => Knex.QueryBuilder,
  ): Statement {
    const sorted = [...names].sort()
    const key = `${kind}:${sorted.join(',')}`
    let statement = this.#writers.get(key)
    if (!statement) {
      statement = prepare((bind) => build(sorted, bind as Bind))
      if (this.#writers.size >= MOST_WRITERS) this.#writers.clear()
      this.#writers.set(key, statement)
    }
    return statement
  }
}

/** A statement and the values to run it with. */
export interface Write {
  readonly statement: Statement
  readonly parameters: Columns
}

type Bind = Parameters<Build>[0]

// Id, version, side row and extra come before the attributes.
const LEADING_COLUMNS = 4
const MOST_WRITERS = 500

/** Values of columns, under names that no key parameter has. */
function prefixed(values: Columns): Columns {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`c:${name}`, value]))
}

function add(write: Write, parameters: Columns): Write {
  return { ...write, parameters: { ...write.parameters, ...parameters } }
}

function isNothing(stored: unknown): boolean {
  return stored === null || stored === undefined
}

function fromExtra({ kind, fallback }: Attribute, value: unknown): unknown {
  if (value === undefined || value === null) return fallback
  return kind === 'datetime' ? new Date(value as string) : value
}
