import type { Knex } from 'knex'
import { searchKey } from '../core/schema/text.ts'
import type { AccountFilter, Columns, Slice } from '../core/store.ts'
import type { AccountStatements, Write } from './accounts.ts'
import type { AccountFinder } from './finder.ts'
import type { Layout, Place } from './layout.ts'
import { type Build, prepare, type Statement } from './statements.ts'

type Bind = Parameters<Build>[0]

/** A condition on one attribute. Conditions of the same shape are the same SQL. */
interface Condition {
  readonly shape: string
  readonly sql: (bind: Bind) => Knex.Raw
  readonly parameters: Columns
}

/** Something that accounts are ordered by. */
interface Ordered {
  readonly column: Knex.Raw
  readonly isNullable: boolean
}

/** Searches for accounts. A statement is compiled once for each set of criteria; all values are bound. */
export class SearchStatements {
  readonly #db: Knex
  readonly #layout: Layout
  readonly #accounts: AccountStatements
  readonly #finder: AccountFinder
  readonly #listing: readonly Ordered[]
  readonly #statements = new Map<string, Statement>()

  constructor(db: Knex, layout: Layout, accounts: AccountStatements, finder: AccountFinder) {
    this.#db = db
    this.#layout = layout
    this.#accounts = accounts
    this.#finder = finder
    this.#listing = this.#listedBy()
  }

  /** How many accounts match. */
  count(filter: AccountFilter): Write {
    return this.#search('count', filter, (where) => where(this.#accounts.from()).count({ count: '*' }))
  }

  /** The accounts of one page. Their ids are read off an index before anything else of them is. */
  page(filter: AccountFilter, { limit, offset }: Slice): Write {
    const id = `u.${this.#layout.idColumn}`
    const listing = this.#listing.map(({ column }, index) => this.#db.raw('? as ??', [column, `l${index}`]))
    // By columns of the page: a database that could have these rows in order from an index would read all of it.
    const again = this.#listing.map(({ isNullable }, index) => ({
      column: this.#db.raw('??', [`p.l${index}`]),
      isNullable,
    }))
    const { statement, parameters } = this.#search('page', filter, (where, bindInteger) => {
      const from = this.#accounts.from()
      // The limit limits nothing: it keeps the databases from making one query of the two.
      const matches = () => where(this.#accounts.from()).select(`${id} as match_id`).limit(MOST_ROWS).as('m')
      const matching = hasScan(filter) ? from.join(matches(), 'm.match_id', id) : where(from)
      const page = matching.select([`${id} as page_id`, ...listing]).orderByRaw(this.#order(this.#listing))
      return this.#accounts
        .select()
        .join(page.limit(bindInteger('limit')).offset(bindInteger('offset')).as('p'), 'p.page_id', id)
        .orderByRaw(this.#order(again))
    })
    return { statement, parameters: { ...parameters, limit, offset } }
  }

  /** Accounts in the order of their usernames, those after one; null for the first. */
  after(filter: AccountFilter, username: string | null, limit: number): Write {
    const { column, encode } = this.#finder.wayBy('username')
    const { statement, parameters } = this.#search(`after${username === null}`, filter, (where, bindInteger, bind) => {
      const query = where(this.#accounts.select()).orderBy(column).limit(bindInteger('limit'))
      return username === null ? query : query.where(column, '>', bind('after'))
    })
    return {
      statement,
      parameters: { ...parameters, limit, ...(username === null ? {} : { after: encode(username) }) },
    }
  }

  /** Ids of accounts in their order, those after one; null for the first. */
  idsAfter(filter: AccountFilter, after: string | null, limit: number): Write {
    const id = `u.${this.#layout.idColumn}`
    const { statement, parameters } = this.#search(`ids${after === null}`, filter, (where, bindInteger, bind) => {
      const query = where(this.#accounts.from()).select(id).orderBy(id).limit(bindInteger('limit'))
      return after === null ? query : query.where(id, '>', bind('after'))
    })
    return { statement, parameters: { ...parameters, limit, ...(after === null ? {} : { after }) } }
  }

  #search(
    kind: string,
    filter: AccountFilter,
    build: (
      where: (query: Knex.QueryBuilder) => Knex.QueryBuilder,
      bindInteger: Parameters<Build>[1],
      bind: Bind,
    ) => Knex.QueryBuilder,
  ): Write {
    const equal = Object.entries(filter.equal).map(([name, value]) => this.#equal(name, value))
    const names = Object.entries(filter.names).map(([name, value]) => this.#named(name, value, filter.isNameExact))
    const shape = [kind, filter.nameOp, ...[...equal, ...names].map((condition) => condition.shape)].join()
    let statement = this.#statements.get(shape)
    if (!statement) {
      statement = prepare((bind, bindInteger) =>
        build(
          (query) => {
            for (const { sql } of equal) query.whereRaw(sql(bind))
            return query.where((group) => {
              for (const { sql } of names) group[filter.nameOp === 'or' ? 'orWhereRaw' : 'whereRaw'](sql(bind))
            })
          },
          bindInteger,
          bind,
        ),
      )
      if (this.#statements.size >= MOST_STATEMENTS) this.#statements.clear()
      this.#statements.set(shape, statement)
    }
    const parameters = Object.assign({}, ...[...equal, ...names].map((condition) => condition.parameters))
    return { statement, parameters }
  }

  #equal(name: string, value: string | boolean | null): Condition {
    const place = this.#placeOf(name)
    const column = this.#column(place)
    if (value === null) return isNull(name, column, this.#db)
    // Where a host's row says nothing, the account has what is true of all that say nothing.
    const isFallback = this.#layout.side !== null && value === place.attribute.fallback
    return {
      shape: `${name}${isFallback ? '~' : '='}`,
      sql: (bind) =>
        isFallback
          ? this.#db.raw('(? = ? or ? is null)', [column, bind(name), column])
          : this.#db.raw('? = ?', [column, bind(name)]),
      parameters: { [name]: place.codec.encode(typeof value === 'string' ? value.normalize('NFC') : value) },
    }
  }

  #named(name: string, value: string | null, isExact: boolean): Condition {
    const comparable = this.#comparable(name)
    if (value === null) return isNull(name, comparable, this.#db)
    const keys = this.#layout.shadows.get(name)?.isOurs ? [searchKey(value)] : databaseKeys(value)
    const parameters = keys.map((key, index) => [`${name}${index}`, isExact ? key : `%${escaped(key)}%`] as const)
    const comparison = isExact ? '? = ?' : `? like ? escape '${ESCAPE}'`
    return {
      shape: `${name}${isExact ? '=' : '%'}`,
      sql: (bind) =>
        this.#db.raw(
          `(${keys.map(() => comparison).join(' or ')})`,
          parameters.flatMap(([parameter]) => [comparable, bind(parameter)]),
        ),
      parameters: Object.fromEntries(parameters),
    }
  }

  /** Columns that accounts are listed by. Usernames of our own table are unique, so nothing comes after them. */
  #listedBy(): readonly Ordered[] {
    const { side, idColumn } = this.#layout
    const name = { column: this.#comparable('display_name'), isNullable: true }
    const username = this.#column(this.#placeOf('username'))
    if (side === null) return [name, { column: username, isNullable: false }]
    return [
      name,
      { column: this.#binary(username), isNullable: false },
      { column: this.#column(this.#placeOf('sign_up_time')), isNullable: true },
      { column: this.#db.raw('??', [`u.${idColumn}`]), isNullable: false },
    ]
  }

  /** What a name is compared and listed by: its shadow column, or what the database makes of the name itself. */
  #comparable(name: string): Knex.Raw {
    const shadow = this.#layout.shadows.get(name)
    if (shadow) return this.#column(shadow)
    const column = this.#column(this.#placeOf(name))
    return this.#binary(this.#db.raw('upper(trim(?))', [column]))
  }

  /** Compared by code points, whatever the collation of the host's column. */
  #binary(text: Knex.Raw): Knex.Raw {
    const { dialect } = this.#layout
    if (dialect === 'postgres') return this.#db.raw('? collate "C"', [text])
    return dialect === 'mysql' ? this.#db.raw('convert(? using utf8mb4) collate utf8mb4_bin', [text]) : text
  }

  /** Null comes first; with MySQL and SQLite by itself. */
  #order(listing: readonly Ordered[]): Knex.Raw {
    const isLast = this.#layout.dialect === 'postgres'
    const parts = listing.map(({ isNullable }) => (isNullable && isLast ? '? nulls first' : '?'))
    return this.#db.raw(
      parts.join(', '),
      listing.map(({ column }) => column),
    )
  }

  #column({ table, column }: Pick<Place, 'table' | 'column'>): Knex.Raw {
    return this.#db.raw('??', [`${table === 'users' ? 'u' : 'a'}.${column}`])
  }

  #placeOf(name: string): Place {
    const place = this.#layout.places.get(name)
    if (!place) throw new Error(`accounts cannot be searched by ${name}`)
    return place
  }
}

const MOST_STATEMENTS = 500
const MOST_ROWS = 2 ** 31 - 1

/**
 * Whether every account's name is looked at, in an index that does not have what accounts are ordered by. That index is
 * to be read first: in the order of the page, all rows would be looked up one by one.
 */
function hasScan({ names, isNameExact }: AccountFilter): boolean {
  return !isNameExact && Object.keys(names).some((name) => name !== 'display_name')
}

// Not the backslash, which MySQL takes for an escape in the statement, too, unless it is told not to.
const ESCAPE = '!'

function escaped(text: string): string {
  return text.replace(/[%_!]/g, (character) => `${ESCAPE}${character}`)
}

function isNull(name: string, column: Knex.Raw, db: Knex): Condition {
  return { shape: `${name} null`, sql: () => db.raw('? is null', [column]), parameters: {} }
}

/** What databases may make of a name that they upper-case: what JavaScript does, no longer text than it was, ASCII alone. */
function databaseKeys(text: string): readonly string[] {
  const name = text.normalize('NFC').trim()
  const simple = [...name].map((character) => {
    const upper = character.toUpperCase()
    return [...upper].length === 1 ? upper : character
  })
  return [searchKey(text), simple.join(''), name.replace(/[a-z]/g, (letter) => letter.toUpperCase())]
}
