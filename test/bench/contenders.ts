import { fork } from 'node:child_process'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases.ts'
import { sendOnce } from './load.ts'
import type { Listening, Settings } from './servers/protocol.ts'

/** How a contender's work is found in its database. */
interface Work {
  readonly title: string
  readonly table: string
  readonly column: string
  /** Operation of its audit records; null if it writes none. */
  readonly operation: string | null
}

const OWN = { table: 'sso_user', column: 'display_name', operation: 'update_current_user' }

/**
 * What is measured, and against what: `earlier` is the package as it was at some commit, `table-only` the package without
 * what comes after the audit row, `updateuser` its other dialect, where a super-user's `user` and `pass` come with every
 * change.
 */
export const CONTENDERS = {
  package: { ...OWN, title: 'express-sso-users' },
  earlier: { ...OWN, title: 'earlier' },
  'table-only': { ...OWN, title: 'table only' },
  updateuser: { ...OWN, title: 'updateuser', operation: 'updateuser' },
  'hand-written': { ...OWN, title: 'hand-written' },
  'better-auth': { title: 'better-auth', table: 'user', column: 'name', operation: null },
} as const satisfies Record<string, Work>

export type ContenderName = keyof typeof CONTENDERS

/** A contender's server, on a database of its own. */
export interface Contender {
  readonly name: ContenderName
  readonly listening: Listening
  /** Processor time that the server has used, in microseconds. */
  readonly processorTime: () => Promise<number>
  /** @throws Error unless the trail has a row with a change for each of so many replies */
  readonly checkTrail: (replies: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/** What all contenders have in common. */
export interface Circumstances {
  /** The compiled server of each. */
  readonly serverOf: (name: ContenderName) => string
  readonly accounts: number
  readonly poolSize: number
  /** Where a CPU profile of each server goes; null for none. */
  readonly profiles: string | null
}

/** Starts a contender and makes certain that it does its work. */
export async function start(
  name: ContenderName,
  databaseName: DatabaseName,
  circumstances: Circumstances,
): Promise<Contender> {
  const database = await createDatabase(databaseName)
  try {
    const { listening, processorTime, end } = await startServer(name, database, circumstances)
    const stop = async () => {
      await end()
      await database.drop()
    }
    try {
      await checkWork(name, database, listening)
    } catch (error) {
      await stop()
      throw error
    }
    return { name, listening, processorTime, checkTrail: (replies) => checkTrail(name, database, replies), stop }
  } catch (error) {
    await database.drop()
    throw error
  }
}

async function startServer(name: ContenderName, database: TestDatabase, circumstances: Circumstances) {
  const { serverOf, accounts, poolSize, profiles } = circumstances
  const settings: Settings = { database: database.name, config: database.config, accounts, poolSize }
  const profile =
    profiles === null
      ? []
      : ['--cpu-prof', '--cpu-prof-dir', profiles, '--cpu-prof-name', `${name}-${database.name}.cpuprofile`]
  const server = fork(serverOf(name), [JSON.stringify(settings)], {
    execArgv: profile,
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  const listening = await new Promise<Listening>((resolve, reject) => {
    server.once('message', (message) => resolve(message as Listening))
    server.once('exit', (code) => reject(new Error(`the ${name} server ended with code ${code} before it listened`)))
  })
  const processorTime = () =>
    new Promise<number>((resolve) => {
      server.once('message', (microseconds) => resolve(microseconds as number))
      server.send('processor time')
    })
  const end = async () => {
    server.disconnect()
    await ended
  }
  return { listening, processorTime, end }
}

/** Every account's name is changed twice: each must be in the table, each change in the trail. */
async function checkWork(name: ContenderName, { db }: TestDatabase, listening: Listening): Promise<void> {
  const { table, column, operation } = CONTENDERS[name]
  const accounts = listening.calls.length
  for (const [from, to] of [
    [null, 'Check One'],
    ['Check One', 'Check Two'],
  ] as const) {
    await sendOnce(listening, to)
    const [written] = await db(table).where(column, to).count({ rows: '*' })
    if (Number(written?.['rows']) !== accounts) {
      throw new Error(`${name} has not written the names that it said it had`)
    }
    if (operation === null || from === null) continue
    const changes: string[] = await db('sso_audit').where({ operation }).orderBy('id').pluck('changes')
    const expected = JSON.stringify([{ attribute: column, from, to }])
    const last = changes.slice(accounts)
    if (last.length !== accounts || last.some((row) => row !== expected)) {
      throw new Error(`${name} has not written the audit rows that it should have`)
    }
  }
}

async function checkTrail(name: ContenderName, { db }: TestDatabase, replies: number): Promise<void> {
  const { operation } = CONTENDERS[name]
  if (operation === null) return
  const where = { operation, outcome: 'ok' }
  const [counted] = await db('sso_audit').where(where).count({ rows: '*' })
  if (Number(counted?.['rows']) < replies) {
    throw new Error(`${name} has answered ${replies} requests and recorded ${counted?.['rows']} changes`)
  }
}
