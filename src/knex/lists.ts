import type { Knex } from 'knex'
import { type Build, prepare, type Result, type Runner, type Statement } from './statements.ts'

type Bind = Parameters<Build>[0]

/** Values of one list at most; longer ones are run in parts. A power of two. */
export const LONGEST_LIST = 256

/**
 * A statement with a list of values in it, `where id in (...)` for instance. It is compiled for a few lengths, powers of
 * two, and shorter lists are filled up with their last value.
 */
export class Listed {
  readonly #build: (list: readonly never[], bind: Bind) => Knex.QueryBuilder
  readonly #longest: number
  readonly #statements = new Map<number, Statement>()

  /** @param longest values of one run at most, a power of two */
  constructor(build: (list: readonly never[], bind: Bind) => Knex.QueryBuilder, longest: number = LONGEST_LIST) {
    this.#build = build
    this.#longest = longest
  }

  /** Runs it as often as the list is long, with each value once; the rows of all runs, in their order. */
  async run(
    runner: Runner,
    list: readonly unknown[],
    others: Readonly<Record<string, unknown>> = {},
  ): Promise<Result['rows']> {
    const rows: (readonly unknown[])[] = []
    const values = [...new Set(list)]
    for (let start = 0; start < values.length; start += this.#longest) {
      const part = values.slice(start, start + this.#longest)
      const length = 2 ** Math.ceil(Math.log2(part.length))
      const filled = Array.from({ length }, (_, index) => part[Math.min(index, part.length - 1)])
      const result = await runner.run(this.#statement(length), Object.assign(numbered(filled), others))
      rows.push(...result.rows)
    }
    return rows
  }

  #statement(length: number): Statement {
    let statement = this.#statements.get(length)
    if (!statement) {
      const list = (bind: Bind) => Array.from({ length }, (_, index) => bind(String(index)))
      statement = prepare((bind) => this.#build(list(bind), bind), { isPlannedAnew: true })
      this.#statements.set(length, statement)
    }
    return statement
  }
}

/** Values whose names are their numbers: an object of a thousand names would cost more than the rest. */
export function numbered(values: readonly unknown[]): Record<string, unknown> {
  return values as unknown as Record<string, unknown>
}

// Powers of four: a hundred rows are four statements, and there are few of them to keep.
const ROWS = [64, 16, 4, 1] as const

/** Inserts many rows in few statements. Compiled for a few numbers of rows. */
export class Inserted {
  readonly #db: Knex
  readonly #table: string
  readonly #columns: readonly string[]
  readonly #statements = new Map<number, Statement>()

  constructor(db: Knex, table: string, columns: readonly string[]) {
    this.#db = db
    this.#table = table
    this.#columns = columns
  }

  /** Inserts the rows in their order. */
  async run(runner: Runner, rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    let done = 0
    while (done < rows.length) {
      const count = ROWS.find((rowCount) => rowCount <= rows.length - done) ?? 1
      const values: unknown[] = []
      for (const row of rows.slice(done, done + count)) for (const name of this.#columns) values.push(row[name])
      await runner.run(this.#statement(count), numbered(values))
      done += count
    }
  }

  #statement(count: number): Statement {
    let statement = this.#statements.get(count)
    if (!statement) {
      const width = this.#columns.length
      const row = (bind: Bind, index: number) =>
        Object.fromEntries(this.#columns.map((name, place) => [name, bind(String(index * width + place))]))
      statement = prepare((bind) =>
        this.#db(this.#table).insert(Array.from({ length: count }, (_, index) => row(bind, index))),
      )
      this.#statements.set(count, statement)
    }
    return statement
  }
}
