import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { type Member, openDatabase } from '../../example-app/database.ts'
import { createDatabase, type DatabaseName } from '../support/databases.ts'
import type { AuditRow } from '../support/host.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Ids of the demo accounts. */
export const ADMIN_ID = 'zusradmin'
export const THENAME_ID = 'zusrthename'
export const MYUSER_ID = 'zusr4q51jwtsdh9s298315h4at6t1n'

/** The example app as a process of its own. */
export interface AppProcess {
  readonly base: string
  /** Everything that it printed until it listened. */
  readonly output: string
  /** Sends a signal and waits for the end. */
  readonly end: (signal: NodeJS.Signals) => Promise<Exit>
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Where the example app keeps its data, and a connection to look into it. */
export interface Example {
  readonly db: Knex
  readonly dataDirectory: string
  /** Starts the app on this data, on a free port. */
  readonly start: (environment?: NodeJS.ProcessEnv) => Promise<AppProcess>
  readonly member: (login: string) => Promise<PlainMember>
  /** Rows of the audit trail, oldest first. */
  readonly audit: (where?: Readonly<Record<string, unknown>>) => Promise<readonly AuditRow[]>
  /** Ends whatever was started, and deletes the data. */
  readonly drop: () => Promise<void>
}

/** A member's row, alike on all databases. */
export type PlainMember = Omit<Member, 'admin' | 'blocked' | 'password_expires'> & {
  readonly admin: boolean
  readonly blocked: boolean
  readonly password_expires: string | null
}

/** A place for the example app on one of the databases, with nothing in it yet. */
export async function createExample(name: DatabaseName): Promise<Example> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'sso-example-'))
  const database = name === 'sqlite' ? null : await createDatabase(name)
  const databaseUrl = database?.url ?? null
  const db = openDatabase({ databaseUrl, dataDirectory } as Parameters<typeof openDatabase>[0])
  const started: AppProcess[] = []

  return {
    db,
    dataDirectory,
    async start(environment = {}) {
      const app = await startApp({
        EXAMPLE_DATA_DIR: dataDirectory,
        ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
        ...environment,
      })
      started.push(app)
      return app
    },
    member: async (login) => plain(await db<Member>('members').where({ login }).first()),
    audit: async (where = {}) => {
      const rows = await db('sso_audit').where(where).orderBy('id')
      return rows.map((row) => ({ ...row, changes: JSON.parse(row.changes) }))
    },
    async drop() {
      for (const app of started) await app.end('SIGKILL')
      await db.destroy()
      await database?.drop()
      rmSync(dataDirectory, { recursive: true, force: true })
    },
  }
}

export function plain(row: Member | undefined): PlainMember {
  if (!row) throw new Error('no such member')
  const time = row.password_expires as Date | string | null
  return {
    ...row,
    admin: Boolean(row.admin),
    blocked: Boolean(row.blocked),
    password_expires: time && new Date(time).toISOString(),
  }
}

/** Runs the app to its end, which must come by itself. */
export function runApp(environment: NodeJS.ProcessEnv): Promise<Exit> {
  return ended(spawnApp(environment))
}

async function startApp(environment: NodeJS.ProcessEnv): Promise<AppProcess> {
  const child = spawnApp(environment)
  const exit = ended(child)
  const output = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk) => {
      text += chunk
      if (/^Listening at \S+\n/m.test(text)) resolve(text)
    })
    exit.then(({ stderr }) => reject(new Error(`the example app did not start: ${stderr}`)), reject)
  })
  return {
    base: /^Listening at (\S+)$/m.exec(output)?.[1] as string,
    output,
    end: (signal) => {
      child.kill(signal)
      return exit
    },
  }
}

/** Without `npm start` in between, so that a signal reaches the app itself. */
function spawnApp(environment: NodeJS.ProcessEnv): ChildProcess {
  const { PATH, HOME } = process.env
  return spawn(process.execPath, ['--import', 'tsx', 'example-app/server.ts'], {
    cwd: ROOT,
    env: { PATH, HOME, PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function ended(child: ChildProcess): Promise<Exit> {
  const [stdout, stderr]: string[][] = [[], []]
  child.stdout?.setEncoding('utf8').on('data', (chunk) => stdout?.push(chunk))
  child.stderr?.setEncoding('utf8').on('data', (chunk) => stderr?.push(chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({ code, signal, stdout: stdout?.join('') ?? '', stderr: stderr?.join('') ?? '' })
    })
  })
}

/** What came back. */
export interface Reply {
  readonly status: number
  readonly body: any
  readonly headers: Headers
}

/** One request with a body of JSON, if any. */
export async function send(
  base: string,
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const reply = await fetch(base + path, {
    method,
    headers: { ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
    body: body ? JSON.stringify(body) : null,
    redirect: 'manual',
  })
  const text = await reply.text()
  const isJson = /json/.test(reply.headers.get('Content-Type') ?? '')
  return { status: reply.status, body: isJson ? JSON.parse(text) : text, headers: reply.headers }
}

/** A session over /zato/sso/user/login. */
export async function logIn(base: string, username: string, password = username): Promise<string> {
  const reply = await send(base, 'POST', '/zato/sso/user/login', { username, password, current_app: 'CRM' })
  if (reply.body.status !== 'ok') throw new Error(`${username} cannot log in: ${JSON.stringify(reply.body)}`)
  return reply.body.ust
}
