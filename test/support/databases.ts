import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import knexFactory, { type Knex } from 'knex'

/** Databases that the tests run on. */
export const DATABASES = ['sqlite', 'mariadb', 'postgres'] as const

export type DatabaseName = (typeof DATABASES)[number]

const MYSQL_URL = process.env['TEST_MYSQL_URL'] ?? 'mysql://root@127.0.0.1:3306'
const PG_URL = process.env['TEST_PG_URL'] ?? 'postgres://postgres@127.0.0.1:5432'

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
  const db = knexFactory({ ...serverConfig(name, null), acquireConnectionTimeout: 3000 })
  try {
    await db.raw('select 1')
    return null
  } catch (error) {
    return (error as Error).message
  } finally {
    await db.destroy()
  }
}

/** Creates an empty database. SQLite's is a file, so that other processes can open it, too. */
export async function createDatabase(name: DatabaseName, pool: Knex.PoolConfig = {}): Promise<TestDatabase> {
  const id = `sso_test_${randomBytes(6).toString('hex')}`
  if (name === 'sqlite') {
    const directory = mkdtempSync(join(tmpdir(), 'sso-test-'))
    const config = sqliteConfig(join(directory, 'test.sqlite'))
    const db = knexFactory(config)
    const drop = async () => {
      await db.destroy()
      rmSync(directory, { recursive: true, force: true })
    }
    return { name, db, config, url: `sqlite:${join(directory, 'test.sqlite')}`, drop }
  }

  const server = knexFactory(serverConfig(name, null))
  await server.raw(`create database ${id}`)
  const config = { ...serverConfig(name, id), pool }
  const db = knexFactory(config)
  const drop = async () => {
    await db.destroy()
    await server.raw(name === 'postgres' ? `drop database ${id} with (force)` : `drop database ${id}`)
    await server.destroy()
  }
  return { name, db, config, url: `${name === 'postgres' ? PG_URL : MYSQL_URL}/${id}`, drop }
}

function sqliteConfig(filename: string): Knex.Config {
  return { client: 'better-sqlite3', connection: { filename }, useNullAsDefault: true }
}

function serverConfig(name: 'mariadb' | 'postgres', database: string | null): Knex.Config {
  if (name === 'postgres') return { client: 'pg', connection: `${PG_URL}/${database ?? 'postgres'}` }
  return { client: 'mysql2', connection: `${MYSQL_URL}/${database ?? ''}` }
}
