import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { expect } from 'vitest'
import type { ExitCode } from '../../src/cli/failures.ts'
import type { Io } from '../../src/cli/io.ts'
import { run } from '../../src/cli/program.ts'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases.ts'
import { ENCRYPTION_KEY } from '../support/host.ts'

/** What a command came to. */
export interface Ran {
  readonly code: ExitCode
  readonly stdout: string
  readonly stderr: string
}

/** What a command is run with. */
export interface Circumstances {
  /** What is on standard input, which then ends. */
  readonly stdin?: string
  /** What somebody types at a terminal, line by line, each in answer to a question. */
  readonly typed?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Ctrl-C. */
  readonly signal?: AbortSignal
  /** Gets what is printed as it comes. */
  readonly watch?: (text: string) => void
}

/** Runs a command in this process. Fails where it tells a password that it was given. */
export async function cli(argv: readonly string[], circumstances: Circumstances = {}): Promise<Ran> {
  const { stdin = '', typed, env = {}, cwd = tmpdir(), signal, watch } = circumstances
  const printed = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof printed) =>
    new PassThrough().setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
      if (name === 'stdout') watch?.(text)
    })
  const left = [...(typed ?? [])]
  const terminal = { isTTY: typed !== undefined }
  const input = new PassThrough()
  const errors = stream('stderr')
  if (typed === undefined) input.end(stdin)
  else {
    errors.on('data', (text: string) => {
      // An answer too many fails the command, or the test: both say so.
      const answer = () => input.write(`${left.shift()}\r`)
      // Nobody is so quick that the question has not been put yet.
      if (/[:\]] ?$/.test(stripVTControlCharacters(text))) setImmediate(answer)
    })
  }
  const io: Io = {
    stdin: Object.assign(input, terminal),
    stdout: stream('stdout'),
    stderr: Object.assign(errors, terminal),
    env,
    cwd,
    userName: 'tester',
    takeInterrupts: () => {
      if (!signal) throw new Error('nobody interrupts this test')
      return signal
    },
  }
  const code = await run(argv, io)
  expect(left).toEqual([])
  for (const password of [stdin.split('\n')[0], env['SSO_NEW_PASSWORD']].filter(Boolean)) {
    expect(`${printed.stdout}${printed.stderr}`).not.toContain(password)
  }
  return { code, ...printed }
}

/** A database, and a directory for configuration and output. */
export interface Stage {
  readonly database: TestDatabase
  readonly directory: string
  /** Writes a file of the directory; its path. */
  readonly file: (name: string, text: string) => string
  /** Runs a command on the database, in the directory, with an encryption key and these options of `createSso`. */
  readonly cli: (argv: readonly string[], circumstances?: Circumstances) => Promise<Ran>
  /** As `cli`; what it printed as JSON, once it is done. */
  readonly json: (argv: readonly string[], circumstances?: Circumstances) => Promise<any>
  /** Rows of the audit trail, oldest first. */
  readonly audit: (where?: Readonly<Record<string, unknown>>) => Promise<readonly any[]>
  readonly close: () => Promise<void>
}

/** @param options of `createSso`, as source text: what stands between the braces */
export async function setStage(name: DatabaseName, options = ''): Promise<Stage> {
  const database = await createDatabase(name)
  const directory = mkdtempSync(join(tmpdir(), 'sso-cli-'))
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const config = file('options.mjs', `export default { encryptionKeys: ['${ENCRYPTION_KEY}'], ${options} }\n`)
  const onStage: Stage['cli'] = (argv, circumstances = {}) =>
    cli([...argv, '--config', config, '--database-url', database.url], { cwd: directory, ...circumstances })
  return {
    database,
    directory,
    file,
    cli: onStage,
    async json(argv, circumstances) {
      const { code, stdout, stderr } = await onStage([...argv, '--json'], circumstances)
      expect([code, stderr]).toEqual([0, ''])
      return JSON.parse(stdout)
    },
    audit: async (where = {}) => {
      const rows = await database.db('sso_audit').where(where).orderBy('id')
      return rows.map((row) => ({ ...row, changes: JSON.parse(row.changes) }))
    },
    async close() {
      await database.drop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
