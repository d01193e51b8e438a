import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Knex } from 'knex'
import { usageError } from './failures.ts'

// What fails is thrown as well, and standard output belongs to the commands.
const SILENT: Knex.Logger = { warn: () => {}, error: () => {}, deprecate: () => {}, debug: () => {} }

/**
 * Opens the database of a URL. Messages never have it in them: it may hold a password.
 *
 * @param cwd what the path of a SQLite file is relative to
 * @param makesFile whether a SQLite file that is not there is made
 * @throws CliError for a URL of another kind, a driver that is not installed, a file that is not there
 */
export async function openDatabase(url: string, cwd: string, makesFile: boolean): Promise<Knex> {
  const [, scheme = ''] = /^([a-z]+):/i.exec(url) ?? []
  switch (scheme.toLowerCase()) {
    case 'postgres':
    case 'postgresql':
      return open('pg', { connection: url })
    case 'mysql':
    case 'mariadb':
      return open('mysql2', { connection: url })
    case 'sqlite': {
      const filename = sqliteFile(url, cwd)
      if (!makesFile && filename !== ':memory:' && !existsSync(filename)) {
        throw usageError(`There is no file ${filename}; \`express-sso-users migrate\` would make it.`)
      }
      return open('better-sqlite3', { connection: { filename }, useNullAsDefault: true })
    }
    default:
      throw usageError('A database URL begins with postgres:, mysql:, mariadb: or sqlite:.')
  }
}

function sqliteFile(url: string, cwd: string): string {
  const path = url.slice('sqlite:'.length)
  if (path === '') throw usageError('A URL of SQLite is sqlite: and the path of the file.')
  if (path === ':memory:') return path
  return path.startsWith('///') ? fileURLToPath(`file:${path}`) : resolve(cwd, path)
}

async function open(driver: string, config: Knex.Config): Promise<Knex> {
  // Knex loads the driver from where it is itself, and would print an error of its own.
  const ofKnex = createRequire(import.meta.resolve('knex'))
  try {
    ofKnex.resolve(driver)
  } catch (error) {
    throw usageError(`The driver of this database is not installed: npm install ${driver}`, error)
  }
  const { default: knex } = await import('knex')
  return knex({ ...config, client: driver, log: SILENT })
}
