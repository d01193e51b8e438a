import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import knexFactory, { type Knex } from 'knex'
import type { Call, Listening, Settings } from './protocol.ts'

/** Every contender opens SQLite with these. */
export const PRAGMAS = ['journal_mode = WAL', 'synchronous = NORMAL', 'foreign_keys = ON'] as const

export const settings: Settings = JSON.parse(process.argv[2] ?? '{}')

/** The Knex instance of a host app. */
export function openDatabase(): Knex {
  const { database, config, poolSize } = settings
  const pool = { min: 2, max: poolSize }
  if (database === 'postgres') return knexFactory({ ...config, pool })
  // Without it, mysql2 would take the times in the table for local ones.
  if (database === 'mariadb') return knexFactory({ ...config, connection: `${config.connection}?timezone=Z`, pool })
  const afterCreate = (connection: { pragma: (pragma: string) => unknown }, done: (error: null) => void) => {
    for (const pragma of PRAGMAS) connection.pragma(pragma)
    done(null)
  }
  return knexFactory({ ...config, pool: { min: 1, max: 1, afterCreate } })
}

/** Listens on a free port and tells the bench; says how much processor time has been used when asked, ends with the bench. */
export function serve(app: Express, calls: readonly Call[]): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  process.once('disconnect', () => process.exit())
  const server = app.listen(0, '127.0.0.1', (error) => {
    if (error) throw error
    const { port } = server.address() as AddressInfo
    const listening: Listening = { port, calls }
    process.send?.(listening)
  })
}
