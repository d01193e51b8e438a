import type { Knex } from 'knex'
import { identityKey } from '../core/schema/text.ts'
import type { StoredUser } from '../core/schema/user.gen.ts'
import type { Account } from '../core/store.ts'
import type { AccountStatements } from './accounts.ts'
import { Listed } from './lists.ts'
import { prepare, type Runner, type Statement } from './statements.ts'

/** How accounts are found by an attribute. */
export interface Way {
  /** The column, with its table. */
  readonly column: string
  /** The first two that have a value. */
  readonly one: Statement
  /** Those that have one of many values. */
  readonly many: Listed
  /** A value as it is in the column. */
  readonly encode: (value: string) => unknown
  /** What two values have in common that are the same beyond doubt. */
  readonly keyOf: (value: string) => string
}

/** Finds accounts by their attributes, and many at once by their ids. Its statements are compiled once. */
export class AccountFinder {
  readonly #accounts: AccountStatements
  readonly #emailIsUnique: boolean
  readonly #byId: Listed
  readonly #byIdLocked: Listed
  readonly #lock: Listed | null
  readonly #ways = new Map<string, Way>()

  constructor(db: Knex, accounts: AccountStatements, emailIsUnique: boolean) {
    this.#accounts = accounts
    this.#emailIsUnique = emailIsUnique
    const { layout, lock, byId, byIdLocked } = accounts
    const id = `u.${layout.idColumn}`
    // Everybody locks in the order of the ids, so that nobody waits in a circle.
    const ordered = (ids: readonly never[]) => accounts.select().whereIn(id, ids).orderBy(id)
    this.#byId = new Listed(ordered)
    this.#byIdLocked = byIdLocked === byId ? this.#byId : new Listed((ids) => ordered(ids).forUpdate())
    this.#lock =
      lock === null
        ? null
        : new Listed((ids) =>
            db(layout.users).whereIn(layout.idColumn, ids).select(layout.idColumn).orderBy(layout.idColumn).forUpdate(),
          )
  }

  /** The first two accounts with a value; usernames by their caseless key where the table is ours. */
  async findBy(runner: Runner, attribute: string, value: string): Promise<readonly Account[]> {
    const { one, encode } = this.wayBy(attribute)
    const { rows } = await runner.run(one, { value: encode(value) })
    // MySQL compares without regard to spaces at the end, PostgreSQL and SQLite with.
    return rows
      .map((row) => this.#accounts.decode(row))
      .filter(({ values }) => endSpaces(values[attribute as keyof StoredUser]) === endSpaces(value))
  }

  /** As `findBy`, of many values; ids count as an attribute, too. */
  async findByEach(
    runner: Runner,
    attribute: string,
    values: readonly string[],
  ): Promise<ReadonlyMap<string, readonly Account[]>> {
    if (attribute === 'user_id') {
      const accounts = await this.#read(this.#byId, runner, values)
      return new Map(values.map((value) => [value, [accounts.get(this.#accounts.id(value) ?? '') ?? []].flat()]))
    }
    const found = await this.#findExactly(runner, attribute, values)
    if (found) return found
    const alone = new Map<string, readonly Account[]>()
    for (const value of values) alone.set(value, await this.findBy(runner, attribute, value))
    return alone
  }

  /** Null where the database takes values for equal that are not: then each must be asked for by itself. */
  async #findExactly(
    runner: Runner,
    attribute: string,
    values: readonly string[],
  ): Promise<ReadonlyMap<string, readonly Account[]> | null> {
    const { many, encode, keyOf } = this.wayBy(attribute)
    const wanted = new Map<string, Account[]>(values.map((value) => [keyOf(value), []]))
    const rows = await many.run(runner, values.map(encode))
    for (const row of rows) {
      const account = this.#accounts.decode(row)
      const alike = wanted.get(keyOf(String(account.values[attribute as keyof StoredUser])))
      if (!alike) return null
      alike.push(account)
    }
    // One may be another in a spelling of its own, and the account is with that. Not where the column has the keys.
    if (rows.length > 0 && encode !== keyOf) {
      const missing = values.filter((value) => wanted.get(keyOf(value))?.length === 0)
      if ((await many.run(runner, missing.map(encode))).length > 0) return null
    }
    return new Map(values.map((value) => [value, wanted.get(keyOf(value)) ?? []]))
  }

  /** The accounts by their ids, each locked until the end of the transaction; all locks before the first read. */
  async lock(runner: Runner, ids: readonly string[]): Promise<ReadonlyMap<string, Account>> {
    if (this.#lock) await this.#lock.run(runner, this.#known(ids))
    return this.#read(this.#byIdLocked, runner, ids)
  }

  async #read(listed: Listed, runner: Runner, ids: readonly string[]): Promise<ReadonlyMap<string, Account>> {
    const rows = await listed.run(runner, this.#known(ids))
    const accounts = rows.map((row) => this.#accounts.decode(row))
    return new Map(accounts.map((account) => [account.values.user_id, account]))
  }

  /** The canonical forms of those that can be ids, in an order that all share. */
  #known(ids: readonly string[]): readonly string[] {
    return ids.flatMap((id) => this.#accounts.id(id) ?? []).sort()
  }

  /** The statements by an attribute. */
  wayBy(attribute: string): Way {
    let way = this.#ways.get(attribute)
    if (!way) {
      const { column, encode, keyOf } = this.#columnOf(attribute)
      way = {
        column,
        one: prepare((bind) => this.#accounts.select().where(column, bind('value')).limit(2)),
        many: new Listed((items) => this.#accounts.select().whereIn(column, items)),
        encode,
        keyOf,
      }
      this.#ways.set(attribute, way)
    }
    return way
  }

  #columnOf(name: string): { readonly column: string } & Pick<Way, 'encode' | 'keyOf'> {
    const { places, side } = this.#accounts.layout
    const place = places.get(name)
    if (name === 'user_id' || !place) throw new Error(`accounts cannot be looked up by ${name}`)
    if (side === null && (name === 'username' || (name === 'email' && this.#emailIsUnique))) {
      return { column: `u.${name}_key`, encode: identityKey, keyOf: identityKey }
    }
    const keyOf = (value: string) => value.normalize('NFC')
    const column = `${place.table === 'users' ? 'u' : 'a'}.${place.column}`
    return { column, encode: (value) => place.codec.encode(keyOf(value)), keyOf }
  }
}

function endSpaces(value: unknown): number {
  return typeof value === 'string' ? value.length - value.trimEnd().length : 0
}
