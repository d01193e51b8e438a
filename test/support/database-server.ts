import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServerName } from './databases.ts'
import { freePort } from './free-port.ts'
import { program } from './programs.ts'

/** A database server of a test's own, that can be away. What it has committed, it keeps, however it ends. */
export interface DatabaseServer {
  /** URL without a database, for `createDatabase`. */
  readonly origin: string
  /** Ends all its processes at once with SIGKILL, and resolves when they have gone. */
  readonly kill: () => Promise<void>
  /** Starts it again on the same data; resolves when it takes connections. */
  readonly start: () => Promise<void>
  /** Lets it stand still, with all its connections, or go on. */
  readonly pause: (isPaused: boolean) => void
  /** Kills it and removes its data. */
  readonly drop: () => Promise<void>
}

interface Kind {
  /** Whom it runs as where the tests are root's: neither wants to be. */
  readonly user: string
  readonly isReady: RegExp
  readonly origin: (port: number) => string
  readonly install: (directory: string, options: SpawnOptions) => void
  readonly command: (directory: string, port: number) => readonly [string, ...string[]]
}

// Small and quick to start; nothing here is about what a commit is worth.
const KINDS: Readonly<Record<ServerName, Kind>> = {
  mariadb: {
    user: 'mysql',
    isReady: /ready for connections/,
    origin: (port) => `mysql://root@127.0.0.1:${port}`,
    install: (directory, options) =>
      run(options, program('mariadb-install-db'), [
        '--no-defaults',
        `--datadir=${join(directory, 'data')}`,
        `--tmpdir=${directory}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
      ]),
    command: (directory, port) => [
      program('mariadbd'),
      '--no-defaults',
      `--datadir=${join(directory, 'data')}`,
      // One that starts clears away what is there: the temporary tables of a server at work, where it is /tmp.
      `--tmpdir=${directory}`,
      `--socket=${join(directory, 'socket')}`,
      `--pid-file=${join(directory, 'pid')}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      '--skip-name-resolve',
      '--innodb-buffer-pool-size=16M',
      '--innodb-log-file-size=8M',
    ],
  },
  postgres: {
    user: 'postgres',
    isReady: /database system is ready to accept connections/,
    origin: (port) => `postgres://postgres@127.0.0.1:${port}`,
    install: (directory, options) =>
      run(options, program('initdb'), [
        `--pgdata=${join(directory, 'data')}`,
        '--username=postgres',
        '--auth=trust',
        '--encoding=UTF8',
        '--locale=C.UTF-8',
        // Of the installation alone.
        '--no-sync',
      ]),
    command: (directory, port) => [
      program('postgres'),
      ...['-D', join(directory, 'data'), '-k', directory, '-h', '127.0.0.1', '-p', String(port)],
      ...['-c', 'shared_buffers=16MB', '-c', 'max_connections=40'],
    ],
  },
}

/** Starts one on a free port, with data of its own. Fails where it is not installed. */
export async function startDatabaseServer(name: ServerName): Promise<DatabaseServer> {
  const { user, isReady, origin, install, command } = KINDS[name]
  const directory = mkdtempSync(join(tmpdir(), `sso-${name}-`))
  const options = { cwd: directory, ...identityOf(user) }
  if (options.uid !== undefined && options.gid !== undefined) chownSync(directory, options.uid, options.gid)
  install(directory, options)
  const port = await freePort()
  const [file, ...parameters] = command(directory, port)
  const start = async () => {
    const child = spawn(file, parameters, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
    await readiness(child, isReady)
    return child
  }

  let server = await start()
  const killNow = () => signalAll(server, 'SIGKILL')
  const remove = () => rmSync(directory, { recursive: true, force: true })
  // A test run that is broken off leaves no server behind.
  const clear = () => {
    killNow()
    remove()
  }
  process.once('exit', clear)
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    const pids = killNow()
    await gone
    while (pids.some(isAlive)) await sleep(10)
  }

  return {
    origin: origin(port),
    kill,
    pause: (isPaused) => void signalAll(server, isPaused ? 'SIGSTOP' : 'SIGCONT'),
    async start() {
      server = await start()
    },
    async drop() {
      await kill()
      process.removeListener('exit', clear)
      remove()
    },
  }
}

async function readiness(server: ChildProcess, isReady: RegExp): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let output = ''
    // Read to the end of its days: a pipe that is full would hold it up.
    server.stderr?.setEncoding('utf8').on('data', (text) => {
      output += text
      if (isReady.test(output)) resolve()
    })
    server.once('error', reject)
    server.once('exit', () => reject(new Error(`${server.spawnfile} ended: ${output}`)))
  })
}

/** PostgreSQL is a process for each connection, each in a group of its own. */
function signalAll({ pid }: ChildProcess, signal: NodeJS.Signals): readonly number[] {
  if (pid === undefined || !isAlive(pid)) return []
  const pids = [
    pid,
    ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  ]
  for (const one of pids) {
    try {
      process.kill(one, signal)
    } catch {
      // It has ended in between.
    }
  }
  return pids
}

/** A process that has ended, and that nobody has asked after, counts as gone. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function identityOf(user: string): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (option: string) => Number(execFileSync('id', [option, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function run(options: SpawnOptions, file: string, parameters: readonly string[]): void {
  execFileSync(file, parameters, { ...options, stdio: 'pipe' })
}
