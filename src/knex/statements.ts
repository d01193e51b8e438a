import type { Knex } from 'knex'

/** Values of a statement's parameters, by name. */
export type Parameters = Readonly<Record<string, unknown>>

/** What a statement gave: rows by position, and how many it touched. */
export interface Result {
  readonly rows: readonly (readonly unknown[])[]
  readonly affected: number
}

/** A query with named parameters; `bind` stands for a parameter's value, `bindInteger` where Knex wants a number. */
export type Build = (bind: (name: string) => never, bindInteger: (name: string) => number) => Knex.QueryBuilder

/** A statement as its driver takes it. */
export interface Compiled {
  readonly sql: string
  /** Parameter of each placeholder, or the constant that goes there. */
  readonly slots: readonly ({ readonly parameter: string } | { readonly constant: unknown })[]
}

/** One statement of the store: built by Knex once, bound for each request. */
export interface Statement {
  readonly compiled: Compiled
  readonly build: Build
  /**
   * Whether the database plans it for each run. A plan for a long list that was made when the table was small would read
   * all of the table ever after, and costs little beside the list.
   */
  readonly isPlannedAnew: boolean
}

/** A connection of Knex's pool, as the driver made it. */
export type Connection = object

/** Runs statements on one connection. */
export interface Runner {
  readonly run: (statement: Statement, parameters: Parameters) => Promise<Result>
  /** Runs `work` in the transaction so that its failure undoes its own writes alone. Absent outside transactions. */
  readonly savepoint?: <T>(work: () => Promise<T>) => Promise<{ readonly result: T } | { readonly error: unknown }>
}

const MARK = '\u0001parameter '
const FIRST_INTEGER_MARK = 9_000_000_000_000_000

/**
 * Compiles a query. Building, hooks and transactions of Knex cost more than the databases do, so the request path must
 * not pay for them again.
 */
export function prepare(
  build: Build,
  { isPlannedAnew = false }: Partial<Pick<Statement, 'isPlannedAnew'>> = {},
): Statement {
  const integers: string[] = []
  const query = build(
    (name) => `${MARK}${name}` as never,
    (name) => FIRST_INTEGER_MARK + integers.push(name) - 1,
  )
  const { sql, bindings } = query.toSQL().toNative()
  const slots = bindings.map((value: unknown) => {
    const integer = typeof value === 'number' ? integers[value - FIRST_INTEGER_MARK] : undefined
    if (integer !== undefined) return { parameter: integer }
    const isMark = typeof value === 'string' && value.startsWith(MARK)
    return isMark ? { parameter: value.slice(MARK.length) } : { constant: value }
  })
  return { compiled: { sql, slots }, build, isPlannedAnew }
}

/** Values in the order of a compiled statement's placeholders. A parameter without a value is a programming error. */
export function bound({ sql, slots }: Compiled, parameters: Parameters): unknown[] {
  return slots.map((slot) => {
    if ('constant' in slot) return slot.constant
    const value = parameters[slot.parameter]
    if (value === undefined) throw new Error(`no value for ${slot.parameter} in ${sql}`)
    return value
  })
}
