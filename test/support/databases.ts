import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import knexFactory, { type Knex } from 'knex'

/** Databases that the tests run on. */
export const DATABASES = ['sqlite', 'mariadb', 'postgres'] as const

export type DatabaseName = (typeof DATABASES)[number]

/** Databases that are servers. */
export type ServerName = Exclude<DatabaseName, 'sqlite'>

const SERVERS: Readonly<Record<ServerName, string>> = {
  mariadb: process.env['TEST_MYSQL_URL'] ?? 'mysql://root@127.0.0.1:3306',
  postgres: process.env['TEST_PG_URL'] ?? 'postgres://postgres@127.0.0.1:5432',
}

// Connections that are lost, and servers that are away, are what some tests are about.
const SILENT: Knex.Logger = { warn: () => {}, error: () => {} }

/** A database of its own for one test file, and everything that is needed to reach it from another process. */
export interface TestDatabase {
  readonly name: DatabaseName
  readonly db: Knex
  /** Knex configuration of further connections to the same database. */
  readonly config: Knex.Config
  readonly url: string
  readonly drop: () => Promise<void>
}

/** Why a database cannot be used; null if it answers. */
export async function unavailability(name: DatabaseName): Promise<string | null> {
  if (name === 'sqlite') return null
  const db = knexFactory({ ...serverConfig(name, SERVERS[name]), acquireConnectionTimeout: 3000 })
  try {
    await db.raw('select 1')
    return null
  } catch (error) {
    return (error as Error).message
  } finally {
    await db.destroy()
  }
}

/**
 * Creates an empty database. SQLite's is a file, so that other processes can open it, too.
 *
 * @param origin URL of a server, without a database; that of the suite if there is none
 */
export async function createDatabase(
  name: DatabaseName,
  pool: Knex.PoolConfig = {},
  origin?: string,
): Promise<TestDatabase> {
  const id = `sso_test_${randomBytes(6).toString('hex')}`
  if (name === 'sqlite') {
    const directory = mkdtempSync(join(tmpdir(), 'sso-test-'))
    const config = sqliteConfig(join(directory, 'test.sqlite'))
    const db = knexFactory({ ...config, pool: { min: 1, max: 1, afterCreate: leaveToTheSystem } })
    const drop = async () => {
      await db.destroy()
      rmSync(directory, { recursive: true, force: true })
    }
    return { name, db, config, url: `sqlite:${join(directory, 'test.sqlite')}`, drop }
  }

  const url = origin ?? SERVERS[name]
  const server = knexFactory(serverConfig(name, url))
  await server.raw(`create database ${id}`)
  // As for SQLite; a server of a test's own is there to be killed, and keeps what it has committed.
  if (name === 'postgres' && origin === undefined) await server.raw(`alter database ${id} set synchronous_commit = off`)
  const config = { ...serverConfig(name, url, id), pool, log: SILENT }
  const db = knexFactory(config)
  const drop = async () => {
    await db.destroy()
    await server.raw(name === 'postgres' ? `drop database ${id} with (force)` : `drop database ${id}`)
    await server.destroy()
  }
  return { name, db, config, url: `${url}/${id}`, drop }
}

/** Nobody pulls the plug: commits do not wait for the disk, which would be a good part of all the time. */
function leaveToTheSystem(
  connection: { readonly pragma: (text: string) => unknown },
  done: (error: null, connection: object) => void,
): void {
  connection.pragma('synchronous = OFF')
  done(null, connection)
}

function sqliteConfig(filename: string): Knex.Config {
  return { client: 'better-sqlite3', connection: { filename }, useNullAsDefault: true, log: SILENT }
}

function serverConfig(name: ServerName, url: string, database?: string): Knex.Config {
  if (name === 'postgres') return { client: 'pg', connection: `${url}/${database ?? 'postgres'}` }
  return { client: 'mysql2', connection: `${url}/${database ?? ''}` }
}
