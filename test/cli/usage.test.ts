import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CliError, EXIT, failureOf } from '../../src/cli/failures.ts'
import { buildProgram } from '../../src/cli/program.ts'
import { SsoError } from '../../src/index.ts'
import { PASSWORD } from '../support/host.ts'
import { cli } from './stage.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sso-cli-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const file = (name: string, text: string) => {
  writeFileSync(join(directory, name), text)
  return join(directory, name)
}
const wrong = (line: string) => ({ code: 2, stdout: '', stderr: `${line}\n` })

/** Every command by its words, groups included. */
function commandsOf(command: Command, words: readonly string[] = []): (readonly [string, Command])[] {
  return command.commands.flatMap((sub) => {
    const path = [...words, sub.name()]
    return [[path.join(' '), sub] as const, ...commandsOf(sub, path)]
  })
}

const program = buildProgram({
  stdin: new PassThrough(),
  stdout: new PassThrough(),
  stderr: new PassThrough(),
  env: {},
  cwd: tmpdir(),
  userName: 'tester',
  takeInterrupts: () => new AbortController().signal,
})
const commands = commandsOf(program)

describe('help', () => {
  test.each(commands)('of %s has a description, an example of it, and the options of every command', async (words) => {
    const { code, stdout, stderr } = await cli([...words.split(' '), '--help'])
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(new RegExp(`^Usage: express-sso-users ${words} `))
    expect(stdout).toMatch(/^Usage: .*\n\n[A-Z][\s\S]+?\.\n\n/)
    expect(stdout).toMatch(new RegExp(`\\nExamples?:\\n {2}\\$ express-sso-users ${words}\\b`))
    for (const option of ['--config', '--database-url', '--json']) expect(stdout).toContain(option)
  })

  test('of the program names every command and every exit code', async () => {
    const { code, stdout } = await cli(['--help'])
    expect(code).toBe(0)
    for (const [words] of commands.filter(([words]) => !words.includes(' '))) expect(stdout).toContain(`\n  ${words} `)
    for (const exit of Object.values(EXIT)) expect(stdout).toMatch(new RegExp(`\\n {2}${exit} +\\w`))
  })

  test('and the README have the same exit codes', async () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const table = readme.slice(readme.indexOf('\n| Exit code |')).trimStart().split('\n\n')[0]!
    const codes = [...table.matchAll(/^\| `(\d+)` \|/gm)].map(([, code]) => Number(code))
    expect(codes).toEqual(Object.values(EXIT))
  })

  test('is what there is without a command', async () => {
    const { code, stdout, stderr } = await cli([])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/^Usage: express-sso-users \[options\] \[command\]\n/)
  })

  test('no option of any command takes a password', () => {
    const options = commands.flatMap(([, command]) => command.options)
    const taking = options.filter(({ required, optional }) => required || optional)
    expect(taking.filter(({ long }) => /pass|secret|key/.test(long ?? ''))).toEqual([])
  })
})

describe('what is mistyped', () => {
  test.each([
    [['migrat'], "unknown command 'migrat'\\u000a(Did you mean migrate?)"],
    [['lock', 'ada', '--jso'], "unknown option '--jso'\\u000a(Did you mean --json?)"],
    [['lock'], "missing required argument 'name'"],
    [['lock', 'ada', 'bob'], "too many arguments for 'lock'. Expected 1 argument but got 2."],
    [['audit', 'prune'], "required option '--before <date>' not specified"],
    [['audit', 'tail', '-n', 'x'], "option '-n, --lines <count>' argument 'x' is invalid. It must be a whole number."],
  ])('%j', async (argv, line) => {
    expect(await cli(argv)).toEqual(wrong(line.replaceAll('\\u000a', '\n')))
    const json = await cli([...argv, '--json'])
    const message = line.replaceAll('\\u000a', '\n')
    expect([json.code, json.stdout, JSON.parse(json.stderr)]).toEqual([
      2,
      '',
      { error: { code: 'usage', message, issues: [] } },
    ])
  })

  test.each([
    [['--password', PASSWORD]],
    [[`--password=${PASSWORD}`]],
    [['--set', `password=${PASSWORD}`]],
    [['--set', `password:=${PASSWORD}`]],
    [['--set', `=${PASSWORD}`]],
    [['--set', `totp_key=${PASSWORD}`]],
  ])('a secret among the arguments is refused, and not told: %j', async (argv) => {
    file('memory.mjs', 'export const options = {}')
    const on = ['--config', join(directory, 'memory.mjs'), '--database-url', 'sqlite::memory:']
    const { code, stdout, stderr } = await cli(['create-user', 'ada', ...argv, ...on])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).not.toContain(PASSWORD)
    expect(stderr).not.toBe('')
  })
})

describe('the configuration', () => {
  const on = (argv: readonly string[], env: Record<string, string> = {}) => cli(argv, { cwd: directory, env })
  const memory = `import knex from 'knex'
    export const db = () => knex({ client: 'better-sqlite3', connection: { filename: ':memory:' }, useNullAsDefault: true })\n`
  const knexUrl = import.meta.resolve('knex')
  const config = (name: string, text: string) => file(name, memory.replace("'knex'", `'${knexUrl}'`) + text)

  test.each([
    ['an object', 'export const options = { db: db() }'],
    ['the default export', 'export default { db: db() }'],
    ['a promise', 'export default Promise.resolve({ db: db() })'],
    ['a function', 'export default () => ({ db: db() })'],
    ['an async function', 'export const options = async () => ({ db: db() })'],
  ])('is %s', async (name, text) => {
    const path = config(`${name.replaceAll(' ', '-')}.mjs`, text)
    expect(await on(['doctor', '--config', path])).toMatchObject({ code: 0, stderr: '' })
  })

  test('its database is closed in the end, whatever happens', async () => {
    const path = config('closing.mjs', 'export const opened = db(); export default { db: opened, apps: ["A"] }')
    expect((await on(['migrate', '--config', path])).code).toBe(0)
    const { opened } = await import(path)
    await expect(opened.raw('select 1')).rejects.toThrow('Unable to acquire a connection')
    const failing = config('failing.mjs', 'export const opened = db(); export default { db: opened, aps: ["A"] }')
    expect(await on(['migrate', '--config', failing])).toEqual(
      wrong('createSso: aps is not an option. Did you mean apps?'),
    )
    await expect((await import(failing)).opened.raw('select 1')).rejects.toThrow('Unable to acquire a connection')
  })

  test('a file in the working directory is found, before the database of the environment', async () => {
    const path = config('express-sso-users.config.mjs', `export default { db: db(), tablePrefix: 'found_' }`)
    const { stdout } = await on(['doctor', '--json'], { DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/none' })
    expect(JSON.parse(stdout).isFit).toBe(true)
    rmSync(path)
  })

  test('there is none', async () => {
    expect(await on(['migrate'])).toEqual(
      wrong(
        'There is nothing to work on. Name a module with the options of createSso with --config, or call one express-sso-users.config.js; or name a database with --database-url or DATABASE_URL.',
      ),
    )
  })

  test.each([
    ['none', () => join(directory, 'missing.mjs'), /^There is no file .+missing\.mjs\.\n$/],
    ['not JavaScript', () => file('broken.mjs', 'export default {'), /^\S+broken\.mjs cannot be loaded: .+\n$/],
    ['without options', () => file('empty.mjs', 'export const other = 1'), /^\S+empty\.mjs must export the options/],
    [
      'a function that throws',
      () => file('throws.mjs', `export default () => { throw new Error('no mysql://me:hush@db/x') }`),
      /^\S+throws\.mjs gives no options: no mysql:\/\/me:…@db\/x\n$/,
    ],
    ['without a database', () => file('no-db.mjs', 'export default {}'), /^\S+no-db\.mjs exports no db, and neither/],
  ])('is %s', async (_name, path, message) => {
    const { code, stdout, stderr } = await on(['doctor', '--config', path()])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(message)
  })

  test('a module with a database and --database-url: one of them is a mistake', async () => {
    const path = config('both.mjs', 'export default { db: db() }')
    expect(await on(['doctor', '--config', path, '--database-url', 'sqlite::memory:'])).toEqual(
      wrong(`${path} exports its own db: leave out --database-url.`),
    )
  })
})

describe('a database URL', () => {
  test.each([
    ['oracle://me:hush@db/x', 'A database URL begins with postgres:, mysql:, mariadb: or sqlite:.'],
    ['hush', 'A database URL begins with postgres:, mysql:, mariadb: or sqlite:.'],
    ['sqlite:', 'A URL of SQLite is sqlite: and the path of the file.'],
  ])('%s', async (url, line) => {
    expect(await cli(['doctor', '--database-url', url])).toEqual(wrong(line))
    expect(await cli(['doctor'], { env: { DATABASE_URL: url }, cwd: directory })).toEqual(wrong(line))
  })

  test.each(['postgres', 'mysql', 'mariadb'])(
    '%s: of a server that is not there ends with 1, and tells no password',
    async (kind) => {
      const { code, stdout, stderr } = await cli([
        'doctor',
        '--database-url',
        `${kind}://me:hush@127.0.0.1:1/x`,
        '--json',
      ])
      expect([code, stdout]).toEqual([1, ''])
      expect(JSON.parse(stderr).error).toMatchObject({
        code: 'ECONNREFUSED',
        message: expect.stringContaining('127.0.0.1:1'),
      })
      expect(stderr).not.toContain('hush')
    },
  )
})

describe('a password', () => {
  const on = ['--config', 'none.mjs', '--database-url', 'sqlite::memory:']
  test('that comes from nowhere', async () => {
    file('none.mjs', 'export default {}')
    expect(await cli(['create-super-user', 'admin', ...on], { cwd: directory })).toEqual(
      wrong('A password is needed: by --password-stdin, in SSO_NEW_PASSWORD, or typed on a terminal.'),
    )
  })

  test('that is not on standard input', async () => {
    const argv = ['create-super-user', 'admin', '--password-stdin', ...on]
    for (const stdin of ['', '\n', '\r\nsecond line\n']) {
      expect(await cli(argv, { cwd: directory, stdin })).toEqual(wrong('There is no password on standard input.'))
    }
  })
})

describe('failures', () => {
  test.each([
    [new SsoError('username_taken'), 3, 'username_taken'],
    [new SsoError('table_unfit'), 2, 'table_unfit'],
    [new SsoError('internal'), 1, 'internal'],
    [new CliError('stopped', 'stopped', 'x'), 5, 'stopped'],
    [Object.assign(new Error('x'), { code: 'ER_X' }), 1, 'ER_X'],
    [new AggregateError([Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })]), 1, 'ECONNREFUSED'],
    [new Error('x'), 1, 'failed'],
    ['text', 1, 'failed'],
    [undefined, 1, 'failed'],
  ])('%s', (error, exitCode, code) => {
    expect(failureOf(error)).toMatchObject({ exitCode, code, message: expect.stringMatching(/./) })
  })
})
