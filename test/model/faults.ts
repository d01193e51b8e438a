import knexFactory, { type Knex } from 'knex'
import type { TestDatabase } from '../support/databases.ts'
import type { Fault } from './operations.ts'

type StatementFault = Extract<Fault, { at: 'statement' }>
type Method = (...args: unknown[]) => unknown

interface Raw {
  readonly processID?: number
  readonly threadId?: number
  readonly stream?: Emitter
  readonly connection?: { readonly stream: Emitter }
}

interface Emitter {
  once(event: 'close', listener: () => void): void
}

// What operations touch; the relay, which is at work at the same time, touches none of it.
const OURS =
  /(insert into|update|delete from|from) [`"](sso_user|members|sso_account|sso_session|sso_attribute|sso_role_grant|sso_acl_grant)[`"]|insert into [`"]sso_audit[`"]/i

const DEADLOCK = {
  sqlite: { code: 'SQLITE_BUSY' },
  mariadb: { code: 'ER_LOCK_DEADLOCK', errno: 1213 },
  postgres: { code: '40P01' },
} as const

/** An error that a test has put there. */
export class Injected extends Error {}

/** Makes statements of a database fail, at the driver's own connections. */
export class Faults {
  readonly #database: TestDatabase
  readonly #connections = new Map<object, Raw>()
  readonly #touched = new WeakMap<object, number>()
  #armed: StatementFault | null = null
  #server: Knex | null = null
  /** Whether the armed fault has come to pass. */
  hasFired = false

  /** @param database nothing may have been asked of it yet */
  constructor(database: TestDatabase) {
    this.#database = database
    const client = database.db.client as { acquireRawConnection(): Promise<object>; logger: object }
    // Knex would tell of each connection that is cut off.
    Object.assign(client.logger, { warn: () => {}, error: () => {} })
    const open = client.acquireRawConnection.bind(client)
    client.acquireRawConnection = async () => this.#watched(await open())
  }

  /** The next transaction of an operation meets it, if it is long enough. */
  arm(fault: StatementFault | null): void {
    this.#armed = fault
    this.hasFired = false
  }

  /** Ends every connection that the pool has, and waits until the drivers know. */
  async killAll(): Promise<void> {
    const closed = [...this.#connections].map(([connection, raw]) => {
      const gone = new Promise<void>((resolve) => (raw.stream ?? raw.connection?.stream)?.once('close', resolve))
      return this.#kill(raw)
        .then(() => gone)
        .then(() => this.#connections.delete(connection))
    })
    await Promise.all(closed)
  }

  async close(): Promise<void> {
    await this.#server?.destroy()
  }

  async #kill({ processID, threadId }: Raw): Promise<void> {
    this.#server ??= knexFactory(this.#database.config)
    if (processID !== undefined) await this.#server.raw('select pg_terminate_backend(?)', [processID])
    else await this.#server.raw(`kill ${Number(threadId)}`)
  }

  #watched(connection: object): object {
    const { name } = this.#database
    if (name === 'sqlite') return this.#watchedSqlite(connection as { prepare: Method })
    const raw = connection as Raw
    this.#connections.set(connection, raw)
    ;(raw.stream ?? raw.connection?.stream)?.once('close', () => this.#connections.delete(connection))
    for (const method of name === 'postgres' ? ['query'] : ['query', 'execute']) {
      const methods = connection as Record<string, Method>
      const original = (methods[method] as Method).bind(connection)
      methods[method] = (...args) => {
        const fault = this.#strikes(connection, textOf(args[0]))
        if (!fault) return original(...args)
        const done = args.at(-1)
        if (fault.how === 'killed') {
          const killed = this.#kill(raw)
          if (typeof done !== 'function') return killed.then(() => original(...args))
          // mysql2's queries have a `then` that throws.
          return void killed.then(() => void original(...args))
        }
        // A commit that fails leaves nothing behind.
        const ended = isCommit(textOf(args[0]))
          ? new Promise((resolve) => original('ROLLBACK', resolve))
          : Promise.resolve()
        const error = this.#errorOf(fault)
        if (typeof done !== 'function') return ended.then(() => Promise.reject(error))
        return void ended.then(() => done(error))
      }
    }
    return connection
  }

  #watchedSqlite(connection: { prepare: Method }): object {
    const prepare = connection.prepare.bind(connection)
    connection.prepare = (...args) => {
      const statement = prepare(...args) as Record<string, Method>
      for (const method of ['run', 'all']) {
        const original = (statement[method] as Method).bind(statement)
        statement[method] = (...values) => {
          const fault = this.#strikes(connection, String(args[0]))
          if (!fault) return original(...values)
          if (isCommit(String(args[0]))) (prepare('ROLLBACK') as { run: Method }).run()
          throw this.#errorOf(fault)
        }
      }
      return statement
    }
    return connection
  }

  /** The fault that is to happen in place of this statement. */
  #strikes(connection: object, sql: string): StatementFault | null {
    if (/^begin/i.test(sql)) this.#touched.set(connection, 0)
    const touched = this.#touched.get(connection)
    if (touched === undefined) return null
    const isEnd = isCommit(sql) || /^rollback/i.test(sql)
    if (isEnd) this.#touched.delete(connection)
    const counts = OURS.test(sql) || (isCommit(sql) && touched > 0)
    if (!counts) return null
    if (!isEnd) this.#touched.set(connection, touched + 1)
    if (!this.#armed || touched + 1 !== this.#armed.number) return null
    const fault = this.#armed
    this.#armed = null
    this.hasFired = true
    return fault
  }

  #errorOf({ how }: StatementFault): Error {
    const error = new Injected(`injected: ${how}`)
    return how === 'deadlock' ? Object.assign(error, DEADLOCK[this.#database.name]) : error
  }
}

function isCommit(sql: string): boolean {
  return /^commit/i.test(sql)
}

function textOf(query: unknown): string {
  if (typeof query === 'string') return query
  const { text, sql } = query as { text?: string; sql?: string }
  return text ?? sql ?? ''
}
