import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

// Where Debian keeps what is in no path of a user's: the newest first.
const POSTGRES = '/usr/lib/postgresql'
const postgresFolders = (): readonly string[] =>
  existsSync(POSTGRES)
    ? readdirSync(POSTGRES)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(POSTGRES, version, 'bin'))
    : []

/** Programs that tests start for themselves: servers, and a terminal. */
export const PROGRAMS = ['mariadb-install-db', 'mariadbd', 'initdb', 'postgres', 'redis-server', 'script'] as const
export type ProgramName = (typeof PROGRAMS)[number]

/** Where a program is; undefined if it is not installed. */
export function locate(name: ProgramName): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', ...postgresFolders()]
  return folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate))
}

/** @throws Error where it is not installed */
export function program(name: ProgramName): string {
  const found = locate(name)
  if (found === undefined) throw new Error(`${name} is not installed`)
  return found
}

/** Test files that cannot run without a program. */
const NEEDS: Readonly<Record<string, readonly ProgramName[]>> = {
  'test/faults/database-away.test.ts': ['mariadb-install-db', 'mariadbd', 'initdb', 'postgres'],
  'test/faults/redis-away.test.ts': ['redis-server'],
  'test/audit/redis-stream.test.ts': ['redis-server'],
  'test/cli/process.test.ts': ['script'],
}

/** The test files that cannot run here. */
export function withoutPrograms(): readonly string[] {
  return Object.keys(NEEDS).filter((file) => NEEDS[file]?.some((name) => locate(name) === undefined))
}
