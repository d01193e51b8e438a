import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Options } from '../options.ts'
import type { ConnectTerms, GlobalOptions } from './connect.ts'
import { openDatabase } from './database.ts'
import { usageError } from './failures.ts'
import type { Io } from './io.ts'

const FILES = ['js', 'mjs', 'cjs'].map((ending) => `express-sso-users.config.${ending}`)

/** Options that were found. */
export interface Found {
  readonly options: Options
  /** Whether there is nothing but a database. */
  readonly isDefault: boolean
}

/**
 * The options of `createSso`: from the file of `--config`; or the default ones, for the database of `--database-url`; or
 * from the file in the working directory; or for the database that the environment names. A file without `db` is about the
 * database of `--database-url` or of the environment.
 *
 * @throws CliError where there are none, or they are none
 */
export async function findOptions(
  { config, databaseUrl }: GlobalOptions,
  { cwd, env }: Io,
  { makesFile = false }: ConnectTerms,
): Promise<Found> {
  const open = (url: string) => openDatabase(url, cwd, makesFile)
  const found = FILES.map((name) => resolve(cwd, name)).find((path) => existsSync(path))
  const path = config !== undefined ? resolve(cwd, config) : databaseUrl === undefined ? found : undefined
  const url = databaseUrl ?? (env['DATABASE_URL'] || undefined)

  if (path === undefined) {
    if (url !== undefined) return { options: { db: await open(url) }, isDefault: true }
    throw usageError(
      `There is nothing to work on. Name a module with the options of createSso with --config, or call one ${FILES[0]}; or name a database with --database-url or DATABASE_URL.`,
    )
  }
  const options = await load(path)
  if (options.db === undefined) {
    if (url !== undefined) return { options: { ...options, db: await open(url) }, isDefault: false }
    throw usageError(`${path} exports no db, and neither --database-url nor DATABASE_URL names a database.`)
  }
  if (databaseUrl === undefined) return { options, isDefault: false }
  await options.db.destroy()
  throw usageError(`${path} exports its own db: leave out --database-url.`)
}

/** What a module exports as `options` or `default`: an object, a promise of one, or a function that returns either. */
async function load(path: string): Promise<Options> {
  if (!existsSync(path)) throw usageError(`There is no file ${path}.`)
  const module = (await import(pathToFileURL(path).href).catch((error) => {
    throw usageError(`${path} cannot be loaded: ${(error as Error)?.message ?? error}`, error)
  })) as { readonly options?: unknown; readonly default?: unknown }
  const exported = module.options ?? module.default
  let options: unknown
  try {
    options = await (typeof exported === 'function' ? exported() : exported)
  } catch (error) {
    throw usageError(`${path} gives no options: ${(error as Error)?.message ?? error}`, error)
  }
  if (typeof options === 'object' && options !== null) return options as Options
  throw usageError(`${path} must export the options of createSso, as options or default.`)
}
