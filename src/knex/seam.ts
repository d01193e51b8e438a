import type { Knex } from 'knex'
import { discard, driverOf, isOutstanding } from './drivers.ts'
import { isTransient } from './failures.ts'
import type { Connection, Parameters, Result, Runner, Statement } from './statements.ts'

/** The seam between the store and Knex: connections of its pool, statements run on them. */
export class Seam {
  readonly db: Knex
  readonly #driver: ReturnType<typeof driverOf>
  readonly #usesTransactor: boolean

  /** @param usesTransactor whether hooks need a Knex transaction around what the store writes */
  constructor(db: Knex, { usesTransactor, prepared }: { usesTransactor: boolean; prepared: boolean }) {
    this.db = db
    this.#driver = driverOf(db, prepared)
    this.#usesTransactor = usesTransactor
  }

  /** False as soon as the host destroys its Knex instance, which waits for what is under way. */
  isOpen(): boolean {
    const { pool } = this.db.client
    return Boolean(pool) && !pool.destroyed
  }

  /** Runs one statement on a connection of its own. */
  async run(statement: Statement, parameters: Parameters): Promise<Result> {
    const connection = await this.#acquire()
    try {
      return await this.#driver.execute(connection, statement, parameters)
    } catch (error) {
      if (isOutstanding(error)) discard(connection, error)
      throw error
    } finally {
      await this.db.client.releaseConnection(connection)
    }
  }

  /** Runs `work` in a transaction; `native` is Knex' transaction where hooks want one. */
  async transaction<T>(work: (runner: Runner, native: Knex.Transaction | null) => Promise<T>): Promise<T> {
    return this.#usesTransactor ? this.#inTransactor(work) : this.#onConnection(work)
  }

  async #onConnection<T>(work: (runner: Runner, native: null) => Promise<T>): Promise<T> {
    const connection = await this.#acquire()
    try {
      await this.#driver.begin(connection)
      const result = await work(this.#runnerOn(connection), null)
      await this.#driver.commit(connection)
      return result
    } catch (error) {
      await this.#driver.rollback(connection)
      throw error
    } finally {
      await this.db.client.releaseConnection(connection)
    }
  }

  async #inTransactor<T>(work: (runner: Runner, native: Knex.Transaction) => Promise<T>): Promise<T> {
    return this.db.transaction(async (native) => {
      const connection: Connection = await native.client.acquireConnection()
      try {
        // Knex goes on where the beginning has failed, on a connection that it gives back.
        if (native.isCompleted()) throw new Error('the transaction could not be begun')
        await this.#driver.afterBegin(connection)
        const result = await work(this.#runnerOn(connection), native)
        if (await this.#driver.isStillOpen(connection)) return result
        throw new Error('a hook has caught an error of the database that had ended the transaction: nothing is written')
      } catch (error) {
        if (native.isCompleted() || isOutstanding(error)) discard(connection, error)
        throw error
      }
    })
  }

  /** A pool that is being destroyed would let whoever asks wait for its longest time. */
  async #acquire(): Promise<Connection> {
    if (!this.isOpen()) throw new Error('the database has been closed')
    return this.db.client.acquireConnection()
  }

  #runnerOn(connection: Connection): Runner {
    return {
      run: (statement, parameters) => this.#driver.execute(connection, statement, parameters),
      savepoint: async (work) => {
        await this.#driver.savepoint(connection)
        try {
          const result = await work()
          await this.#driver.releaseSavepoint(connection)
          return { result }
        } catch (error) {
          // Of these the database has ended the whole transaction, or may have.
          if (isTransient(error) || isOutstanding(error)) throw error
          await this.#driver.rollbackToSavepoint(connection)
          return { error }
        }
      },
    }
  }
}
