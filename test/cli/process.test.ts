import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import knexFactory from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSso } from '../../src/index.ts'
import { buildInto } from '../support/built.ts'
import { PASSWORD } from '../support/host.ts'

const run = promisify(execFile)

let directory: string
let bin: string

// What is built is what is run.
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sso-cli-'))
  bin = await buildInto(directory)
  expect(await cli(['migrate'])).toMatchObject({ code: 0 })
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const URL_ARGUMENTS = ['--database-url', 'sqlite:accounts.sqlite']

interface Ending {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function gathered(child: ChildProcess): Promise<Ending> {
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  }
  return once(child, 'close').then(([code]) => ({ code, ...printed }))
}

function start(argv: readonly string[], node: readonly string[] = []): ChildProcess {
  const { DATABASE_URL, SSO_NEW_PASSWORD, ...env } = process.env
  return spawn(process.execPath, [...node, bin, ...argv], { cwd: directory, env, stdio: ['pipe', 'pipe', 'pipe'] })
}

/** Runs the program with something on its standard input. */
async function cli(argv: readonly string[], stdin = ''): Promise<Ending> {
  const child = start([...argv, ...URL_ARGUMENTS])
  child.stdin?.end(stdin)
  return gathered(child)
}

/**
 * Runs the program on a terminal, where somebody answers each question in turn.
 *
 * @param answers text of a question, and what is typed when it is there
 */
async function onTerminal(argv: readonly string[], answers: readonly (readonly [string, string])[]) {
  const command = [process.execPath, bin, ...argv, ...URL_ARGUMENTS].map((part) => `'${part}'`).join(' ')
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: directory,
    env: { ...process.env, TERM: 'dumb' },
  })
  const ending = gathered(child)
  const left = [...answers]
  let unread = ''
  child.stdout.on('data', (text: string) => {
    unread += text
    const [question, answer] = left[0] ?? []
    if (question === undefined || !unread.includes(question)) return
    left.shift()
    unread = ''
    child.stdin.write(answer)
  })
  const { code, stdout } = await ending
  expect(left).toEqual([])
  return { code, screen: stripVTControlCharacters(stdout).replaceAll('\r', '') }
}

async function onDatabase<T>(work: (sso: ReturnType<typeof createSso>) => Promise<T>): Promise<T> {
  const connection = { filename: join(directory, 'accounts.sqlite') }
  const db = knexFactory({ client: 'better-sqlite3', connection, useNullAsDefault: true })
  const sso = createSso({ db, audit: { relay: false } })
  try {
    return await work(sso)
  } finally {
    await sso.close()
    await db.destroy()
  }
}
const login = (username: string, password: string) =>
  onDatabase((sso) =>
    sso.user.login({ username, password, currentApp: 'CRM' }).then(
      () => 'ok',
      ({ code }) => code,
    ),
  )

describe('on a terminal', () => {
  test('a password is typed twice, and is not on the screen', async () => {
    const { code, screen } = await onTerminal(
      ['create-super-user', 'admin'],
      [
        ['New password:', `${PASSWORD}\r`],
        ['The same again:', `${PASSWORD}\r`],
      ],
    )
    expect(code).toBe(0)
    expect(screen).toMatch(/^New password: *\nThe same again: *\nadmin is a super-user now; the id is \w+\.\n$/)
    expect(await login('admin', PASSWORD)).toBe('ok')
  })

  test('Ctrl-C in place of a password ends it with 130', async () => {
    const { code, screen } = await onTerminal(['change-password', 'admin'], [['New password:', 'anal\u0003']])
    expect([code, screen.split('\n').at(-2)]).toEqual([130, 'Interrupted.'])
    expect(screen).not.toContain('anal')
  })

  test('a deletion is asked for', async () => {
    await cli(['create-user', 'ada', '--no-password'])
    const { code, screen } = await onTerminal(['delete-user', 'ada'], [['[y/N]', 'y\r']])
    expect(code).toBe(0)
    expect(screen).toMatch(/^Delete ada, id \w+\? \[y\/N\] y\nada is deleted\.\n$/)
  })
})

describe('as a process', () => {
  test('the password comes from standard input, and the exit code and the streams are those of the command', async () => {
    const created = await cli(['create-user', 'bob', '--password-stdin', '--approve', '--json'], 'punched card\n')
    expect([created.code, created.stderr]).toEqual([0, ''])
    expect(JSON.parse(created.stdout)).toMatchObject({ username: 'bob', approval_status: 'approved' })
    expect(await login('bob', 'punched card')).toBe('ok')
    const again = await cli(['create-user', 'bob', '--password-stdin', '--json'], 'punched card\n')
    expect([again.code, again.stdout]).toEqual([3, ''])
    expect(JSON.parse(again.stderr)).toEqual({
      error: { code: 'username_taken', message: 'The username is taken.', issues: [] },
    })
  })

  test('a driver that is not installed is named, and nothing else is printed', async () => {
    const hidden = join(directory, 'without-pg.cjs')
    writeFileSync(
      hidden,
      `const Module = require('node:module')
       const resolve = Module._resolveFilename
       Module._resolveFilename = (name, ...rest) => resolve(name === 'pg' ? 'pg-that-is-not-there' : name, ...rest)`,
    )
    const child = start(['doctor', '--database-url', 'postgres://me:hush@localhost/x'], ['--require', hidden])
    expect(await gathered(child)).toEqual({
      code: 2,
      stdout: '',
      stderr: 'The driver of this database is not installed: npm install pg\n',
    })
  })

  test('it ends although the options hold something open', async () => {
    writeFileSync(join(directory, 'holding.mjs'), 'setInterval(() => {}, 1000)\nexport default {}\n')
    const { code, stderr } = await cli(['doctor', '--config', 'holding.mjs'])
    expect([code, stderr]).toEqual([0, ''])
  })

  test('whoever reads no further is not complained about', async () => {
    const command = `'${process.execPath}' '${bin}' audit tail -n 1000 --json ${URL_ARGUMENTS.join(' ')} | true`
    const { stdout, stderr } = await run('bash', ['-c', command], { cwd: directory })
    expect([stdout, stderr]).toEqual(['', ''])
  })

  test('Ctrl-C ends what follows the trail with 130', async () => {
    const child = start(['audit', 'tail', '--follow', '-n', '1', ...URL_ARGUMENTS])
    const ending = gathered(child)
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    child.kill('SIGINT')
    expect(await ending).toMatchObject({ code: 130, stderr: '' })
  })
})
