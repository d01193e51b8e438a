import { createHash } from 'node:crypto'
import type { Knex } from 'knex'
import { isIncomparable, isStalePlan } from './failures.ts'
import { bound, type Compiled, type Connection, type Parameters, type Result, type Statement } from './statements.ts'

/** How one database driver runs statements and transactions on a connection of Knex's pool. */
export interface Driver {
  readonly execute: (connection: Connection, statement: Statement, parameters: Parameters) => Promise<Result>
  readonly begin: (connection: Connection) => Promise<void>
  readonly commit: (connection: Connection) => Promise<void>
  /** Never throws: a connection that cannot roll back is taken out of the pool. */
  readonly rollback: (connection: Connection) => Promise<void>
  /** Marks where the transaction is; there is one such mark at a time. */
  readonly savepoint: (connection: Connection) => Promise<void>
  /** Takes the mark away. */
  readonly releaseSavepoint: (connection: Connection) => Promise<void>
  /** Undoes what has been written since the mark, and takes it away. */
  readonly rollbackToSavepoint: (connection: Connection) => Promise<void>
  /** What is still to be done after Knex itself has begun a transaction. */
  readonly afterBegin: (connection: Connection) => Promise<void>
  /**
   * Whether what hooks have taken part in can still be committed. They may have caught the error that ended the transaction,
   * and the commit of one that has ended succeeds.
   */
  readonly isStillOpen: (connection: Connection) => Promise<boolean>
}

/**
 * The driver for a Knex instance.
 *
 * @param prepared false runs everything through Knex's own builder, as for databases without a driver here
 */
export function driverOf(db: Knex, prepared: boolean): Driver {
  const name = String(db.client.driverName)
  if (prepared && name === 'pg') return postgres()
  if (prepared && name === 'mysql2') return mysql
  if (prepared && name === 'better-sqlite3') return sqlite()
  return builder(db)
}

/** Knex destroys a connection that carries this mark instead of lending it again. */
export function discard(connection: Connection, error: unknown): void {
  ;(connection as { __knex__disposed?: unknown }).__knex__disposed = error
}

/**
 * Whether the answer was not waited for: pg's `query_timeout`, also in the words of Knex. It may come yet, and what was sent
 * after it may never be.
 */
export function isOutstanding(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith('Query read timeout')
}

const NOTHING: Result = { rows: [], affected: 0 }

interface PgConnection {
  query(query: string | object): Promise<{ rows: unknown[][]; rowCount: number | null }>
}

// The host may have changed how pg parses types; the codecs read what the server sends.
const asSent = { getTypeParser: () => (text: unknown) => text }

function postgres(): Driver {
  const generations = new WeakMap<Compiled, number>()
  const names = new WeakMap<Compiled, string>()

  /** pg keeps prepared statements by name on each connection; one that went stale needs another name. */
  const nameOf = (compiled: Compiled): string => {
    let name = names.get(compiled)
    if (name === undefined) {
      const digest = createHash('sha256').update(compiled.sql).digest('base64url').slice(0, 24)
      name = `sso_${digest}_${generations.get(compiled) ?? 0}`
      names.set(compiled, name)
    }
    return name
  }

  return {
    async execute(connection, { compiled, isPlannedAnew }, parameters) {
      const query = () =>
        (connection as PgConnection).query({
          ...(isPlannedAnew ? {} : { name: nameOf(compiled) }),
          text: compiled.sql,
          values: bound(compiled, parameters),
          rowMode: 'array',
          types: asSent,
        })
      const { rows, rowCount } = await query().catch((error: unknown) => {
        if (!isStalePlan(error)) throw error
        // The host has altered its table since. In a transaction this fails again, and the transaction is run again.
        generations.set(compiled, (generations.get(compiled) ?? 0) + 1)
        names.delete(compiled)
        return query().catch(() => {
          throw error
        })
      })
      return { rows, affected: rowCount ?? 0 }
    },
    ...transactions('postgresql', (connection, sql) => (connection as PgConnection).query(sql)),
  }
}

type MysqlDone = (error: Error | null, result: unknown) => void

interface MysqlConnection {
  execute(options: object, done: MysqlDone): void
  query(sql: string, done: MysqlDone): void
}

const plainCast = (_field: unknown, next: () => unknown) => next()

/** The host may have changed how mysql2 reads values; a function for casting gives way only to another one. */
function mysqlAsSent(connection: Connection): Readonly<Record<string, unknown>> {
  const { typeCast } = (connection as { config?: { typeCast?: unknown } }).config ?? {}
  return typeof typeCast === 'function' ? { ...MYSQL_AS_SENT, typeCast: plainCast } : MYSQL_AS_SENT
}

const MYSQL_AS_SENT = {
  dateStrings: true,
  supportBigNumbers: true,
  bigNumberStrings: true,
  jsonStrings: true,
}

const mysql: Driver = {
  execute(connection, { compiled }, parameters) {
    return new Promise((resolve, reject) => {
      const options = {
        sql: compiled.sql,
        values: bound(compiled, parameters),
        rowsAsArray: true,
        ...mysqlAsSent(connection),
      }
      ;(connection as MysqlConnection).execute(options, (error, result) => {
        if (error) isIncomparable(error) ? resolve(NOTHING) : reject(error)
        else if (Array.isArray(result)) resolve({ rows: result, affected: result.length })
        else resolve({ rows: [], affected: (result as { affectedRows: number }).affectedRows })
      })
    })
  },
  ...transactions(
    'mysql',
    (connection, sql) =>
      new Promise((resolve, reject) => {
        ;(connection as MysqlConnection).query(sql, (error, result) => (error ? reject(error) : resolve(result)))
      }),
  ),
}

interface SqliteStatement {
  readonly reader: boolean
  raw(): SqliteStatement
  all(values: unknown[]): unknown[][]
  run(values: unknown[]): { changes: number }
}

interface SqliteConnection {
  readonly inTransaction: boolean
  prepare(sql: string): SqliteStatement
}

/** Values of the option `users.defaults` as Knex itself gives them to SQLite. */
function sqliteValue(value: unknown): unknown {
  return typeof value === 'boolean' || value instanceof Date ? Number(value) : value
}

function sqlite(): Driver {
  const prepared = new WeakMap<Connection, WeakMap<Compiled, SqliteStatement>>()
  const controls = new Map<string, Compiled>()

  const statementOn = (connection: SqliteConnection, compiled: Compiled): SqliteStatement => {
    const statements = prepared.get(connection) ?? new WeakMap<Compiled, SqliteStatement>()
    prepared.set(connection, statements)
    let statement = statements.get(compiled)
    if (!statement) {
      statement = connection.prepare(compiled.sql)
      if (statement.reader) statement = statement.raw()
      statements.set(compiled, statement)
    }
    return statement
  }

  /** BEGIN, COMMIT and ROLLBACK, kept prepared like the rest. */
  const controlOf = (sql: string): Compiled => {
    const control = controls.get(sql) ?? { sql, slots: [] }
    controls.set(sql, control)
    return control
  }

  return {
    async execute(connection, { compiled }, parameters) {
      const statement = statementOn(connection as SqliteConnection, compiled)
      const values = bound(compiled, parameters).map(sqliteValue)
      if (!statement.reader) return { rows: [], affected: statement.run(values).changes }
      const rows = statement.all(values)
      return { rows, affected: rows.length }
    },
    ...transactions(
      'sqlite3',
      async (connection, sql) => {
        // Some failures have rolled back already.
        if (sql === 'ROLLBACK' && !(connection as SqliteConnection).inTransaction) return
        statementOn(connection as SqliteConnection, controlOf(sql)).run([])
      },
      // A deferred transaction that reads before it writes fails if another process wrote in between.
      'BEGIN IMMEDIATE',
    ),
  }
}

/** Any database that Knex speaks to, through its builder: slower, nothing assumed. */
function builder(db: Knex): Driver {
  const name = String(db.client.driverName)
  const readOptions = (connection: Connection): Readonly<Record<string, unknown>> => {
    if (name === 'pg') return { types: asSent }
    return name === 'mysql2' || name === 'mysql' ? mysqlAsSent(connection) : {}
  }
  return {
    async execute(connection, { build }, parameters) {
      const given = (name: string) => parameters[name] as never
      const query = build(given, given).connection(connection)
      const answer: unknown = await query.options(readOptions(connection)).catch((error: unknown) => {
        if (isIncomparable(error)) return []
        throw error
      })
      if (typeof answer === 'number') return { rows: [], affected: answer }
      if (!Array.isArray(answer)) return { rows: [], affected: 0 }
      const rows = answer.map((row) => (typeof row === 'object' && row !== null ? Object.values(row) : [row]))
      return { rows, affected: rows.length }
    },
    ...transactions(db.client.dialect, (connection, sql) => db.raw(sql).connection(connection), beginOf(db)),
  }
}

function beginOf(db: Knex): string {
  const name = String(db.client.dialect)
  if (name === 'sqlite3') return 'BEGIN IMMEDIATE'
  return name === 'mssql' ? 'BEGIN TRANSACTION' : 'BEGIN'
}

function transactions(
  dialect: string,
  run: (connection: Connection, sql: string) => PromiseLike<unknown>,
  begin = 'BEGIN',
): Omit<Driver, 'execute'> {
  const isTransactSql = dialect === 'mssql'
  // Oracle has no word for it either.
  const isReleased = !isTransactSql && dialect !== 'oracle' && dialect !== 'oracledb'
  return {
    begin: async (connection) => void (await run(connection, begin)),
    commit: async (connection) => void (await run(connection, 'COMMIT')),
    async rollback(connection) {
      try {
        await run(connection, 'ROLLBACK')
      } catch (error) {
        discard(connection, error)
      }
    },
    savepoint: async (connection) =>
      void (await run(connection, isTransactSql ? `SAVE TRANSACTION ${MARK}` : `SAVEPOINT ${MARK}`)),
    releaseSavepoint: async (connection) => {
      if (isReleased) await run(connection, `RELEASE SAVEPOINT ${MARK}`)
    },
    rollbackToSavepoint: async (connection) => {
      await run(connection, isTransactSql ? `ROLLBACK TRANSACTION ${MARK}` : `ROLLBACK TO SAVEPOINT ${MARK}`)
      if (isReleased) await run(connection, `RELEASE SAVEPOINT ${MARK}`)
    },
    async afterBegin(connection) {
      // Knex begins a deferred transaction on SQLite. A statement that writes nothing takes the lock all the same.
      if (begin === 'BEGIN IMMEDIATE') await run(connection, 'DELETE FROM sqlite_sequence WHERE 1 = 0')
    },
    isStillOpen: (connection) => isStillOpen(dialect, connection, (sql) => run(connection, sql)),
  }
}

const MARK = 'sso_line'
const MYSQL_IN_TRANSACTION = 1
const PG_ABORTED = '25P02'

/** What it cannot find out counts as open. */
async function isStillOpen(
  dialect: string,
  connection: Connection,
  ask: (sql: string) => PromiseLike<unknown>,
): Promise<boolean> {
  if (dialect === 'sqlite3') return (connection as Partial<SqliteConnection>).inTransaction !== false
  if (dialect === 'mysql') {
    const [answer] = [await ask('DO 0')].flat() as { serverStatus?: number }[]
    return answer?.serverStatus === undefined || (answer.serverStatus & MYSQL_IN_TRANSACTION) !== 0
  }
  if (dialect !== 'postgresql') return true
  try {
    await ask('SELECT 1')
    return true
  } catch (error) {
    if ((error as { code?: string }).code === PG_ABORTED) return false
    throw error
  }
}
