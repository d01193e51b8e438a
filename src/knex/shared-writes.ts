import type { Knex } from 'knex'
import type { Account, Columns } from '../core/store.ts'
import type { AccountStatements } from './accounts.ts'
import { stamped } from './layout.ts'
import { type Build, prepare, type Runner, type Statement } from './statements.ts'

type Bind = Parameters<Build>[0]

/** Changed columns of one account. */
export interface AccountUpdate {
  readonly account: Account
  readonly columns: Columns
}

interface Row {
  readonly id: string
  readonly values: Columns
}

// Powers of four: there are few statements to keep, and fewer rows than the last are filled up.
const SIZES = [4, 16, 64] as const
const MOST_ROWS = 64
const MOST_STATEMENTS = 200

/**
 * Writes changed columns of many accounts that are locked. Accounts that change in the same columns share a statement, in
 * which the account's id says which value is its own.
 */
export class SharedWrites {
  readonly #db: Knex
  readonly #accounts: AccountStatements
  readonly #statements = new Map<string, Statement>()

  constructor(db: Knex, accounts: AccountStatements) {
    this.#db = db
    this.#accounts = accounts
  }

  /** @param now the time of the change, where the host's rows have one */
  async run(runner: Runner, updates: readonly AccountUpdate[], now: Date): Promise<void> {
    const { layout } = this.#accounts
    const alike = new Map<string, Row[]>()
    for (const { account, columns } of updates) {
      const { users, side } = this.#accounts.split(columns, account.extra)
      const values = layout.side === null ? users : { ...stamped(layout.stamps.updated, now), ...users }
      if (Object.keys(users).length > 0 && Object.keys(side).length === 0) {
        const key = Object.keys(values).sort().join()
        const rows = alike.get(key) ?? []
        alike.set(key, rows)
        rows.push({ id: account.values.user_id, values })
      } else await this.#runAlone(runner, { account, columns }, now)
    }
    for (const rows of alike.values()) {
      for (let start = 0; start < rows.length; start += MOST_ROWS) {
        await this.#runTogether(runner, rows.slice(start, start + MOST_ROWS))
      }
    }
  }

  async #runAlone(runner: Runner, { account, columns }: AccountUpdate, now: Date): Promise<void> {
    const { users, side } = this.#accounts.writes(account, columns, now)
    if (users) await runner.run(users.statement, users.parameters)
    if (side) await runner.run(side.statement, side.parameters)
  }

  async #runTogether(runner: Runner, rows: readonly Row[]): Promise<void> {
    const size = SIZES.find((length) => length >= rows.length) ?? MOST_ROWS
    const columns = Object.keys(rows[0]?.values ?? {}).sort()
    const parameters: Record<string, unknown> = {}
    for (let index = 0; index < size; index++) {
      const { id, values } = rows[Math.min(index, rows.length - 1)] as Row
      parameters[`id ${index}`] = id
      for (const column of columns) parameters[`${column} ${index}`] = values[column]
    }
    await runner.run(this.#statement(columns, size), parameters)
  }

  #statement(columns: readonly string[], size: number): Statement {
    const key = `${size} ${columns.join()}`
    let statement = this.#statements.get(key)
    if (!statement) {
      statement = prepare((bind) => this.#build(columns, size, bind), { isPlannedAnew: true })
      if (this.#statements.size >= MOST_STATEMENTS) this.#statements.clear()
      this.#statements.set(key, statement)
    }
    return statement
  }

  #build(columns: readonly string[], size: number, bind: Bind): Knex.QueryBuilder {
    const { users, idColumn, side } = this.#accounts.layout
    const indexes = Array.from({ length: size }, (_, index) => index)
    const choices = (column: string) =>
      indexes.flatMap((index) => [bind(`id ${index}`), this.#accounts.written(column, bind(`${column} ${index}`))])
    // The column itself, which no row comes to, tells the database of which type the values are.
    const chosen = (column: string) =>
      this.#db.raw(`case ?? ${'when ? then ? '.repeat(size)}else ?? end`, [idColumn, ...choices(column), column])
    return this.#db(users)
      .whereIn(
        idColumn,
        indexes.map((index) => bind(`id ${index}`)),
      )
      .update({
        ...Object.fromEntries(columns.map((column) => [column, chosen(column)])),
        ...(side === null ? { row_version: this.#db.raw('?? + 1', ['row_version']) } : {}),
      })
  }
}
