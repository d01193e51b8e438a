import type { Knex } from 'knex'
import type { CodeActor } from '../core/callers.ts'
import { createSso, type Sso } from '../create-sso.ts'
import type { Options } from '../options.ts'
import { findOptions } from './configuration.ts'
import { usageError } from './failures.ts'
import type { Io } from './io.ts'
import { print } from './output.ts'

/** Options of every command. */
export interface GlobalOptions {
  /** Module with the options of `createSso`. */
  readonly config?: string
  /** Database to open with the default options. */
  readonly databaseUrl?: string
  /** Whether programs read what is printed. */
  readonly json?: boolean
}

/** What a command works with. */
export interface Connected {
  readonly sso: Sso
  /** The database that `sso` is on. */
  readonly db: Knex
  /** Who the command is to the package: has every right, and is named in the audit trail. */
  readonly actor: CodeActor
}

/** What a command needs to be different. */
export interface ConnectTerms {
  /** Whether a SQLite file that is not there is made. Default false: the name is taken for a mistake. */
  readonly makesFile?: boolean
}

/**
 * Runs a command's work on the host's options, and lets go of everything in the end: of the database, too. The trail is
 * left for the app's own processes to deliver, so that no sink prints or waits here.
 *
 * @throws CliError where there are no options, or where they cannot be used
 */
export async function withSso<T>(
  globals: GlobalOptions,
  io: Io,
  work: (connected: Connected) => Promise<T>,
  terms: ConnectTerms = {},
): Promise<T> {
  const { options, isDefault } = await findOptions(globals, io, terms)
  try {
    const sso = createSso({ ...options, audit: { ...options.audit, relay: false }, logger: loggerOf(options, io) })
    try {
      if (isDefault) await checkDefaults(sso)
      return await work({ sso, db: options.db, actor: { via: 'code', name: actorName(io) } })
    } finally {
      await sso.close()
    }
  } finally {
    await options.db.destroy()
  }
}

/** Accounts that are in a table of the host's would not be found, and new ones made where nobody looks. @throws CliError */
async function checkDefaults(sso: Sso): Promise<void> {
  const { findings, pending } = await sso.doctor()
  const others = findings.some(({ column, table }) => column === '*' && table.endsWith('migrations'))
  if (!others || !pending.includes('user_001')) return
  throw usageError(
    'The tables of this database were made with other options, for accounts in a table of yours: name the module that exports them with --config.',
  )
}

/** Who does it, for the audit trail. */
export function actorName({ userName }: Io): string {
  return `cli:${userName}`
}

/** What stands out in the table is told by `migrate` and `doctor`, and not by each command again. */
function loggerOf({ logger }: Options, { stderr }: Io): NonNullable<Options['logger']> {
  return logger ?? { warn: () => {}, error: (message) => void print(stderr, `${message}\n`) }
}
