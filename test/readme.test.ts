import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import optionsSchema from '#schemas/options.json' with { type: 'json' }
import { ROWS } from './asvs/rows.ts'
import { buildInto } from './support/built.ts'

// How the README's blocks of code are run, by what stands after their three backticks:
//
// js server.mjs  parts of one file, in order: the server that `sh` blocks talk to
// ts             what follows the first part of server.mjs, each block on its own
// sh             one shell, in order; localhost:3000 is server.mjs
// sh cli         one shell, in order, in the directory of express-sso-users.config.mjs; npx runs the package as it is built
// sh demo        one shell, in order; localhost:3000 is the demo, `npm start`
// sh install     not run: they are in a list below
// json, text     what the block before it prints; "…" stands for any text
const CONFIG = 'js express-sso-users.config.mjs'
const RUNNABLE = ['js server.mjs', CONFIG, 'ts', 'sh', 'sh cli', 'sh demo']
const OUTPUT = ['json', 'text']
const INSTALLATION = [
  'npm install express-sso-users express knex better-sqlite3',
  'npm ci && npm start   # an Express app with its own members table; prints curl lines to try',
  'npm ci && npm test    # on SQLite, and on MariaDB and PostgreSQL where they answer',
]

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(PROJECT, 'README.md'), 'utf8')
const run = promisify(execFile)
// Below the test's own limit, so that what hangs is ended and not left behind.
const LONGEST_MS = 50_000

interface Block {
  readonly kind: string
  readonly text: string
  readonly line: number
  /** The block of output that stands right below it. */
  readonly output: Block | null
}

function blocksOf(markdown: string): readonly Block[] {
  const found = [...markdown.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    kind: match[1]!,
    text: match[2]!,
    line: markdown.slice(0, match.index).split('\n').length,
    end: match.index + match[0].length,
    start: match.index,
  }))
  return found.map(({ kind, text, line, end }, index) => {
    const next = found[index + 1]
    const isBelow = next && OUTPUT.includes(next.kind) && markdown.slice(end, next.start).trim() === ''
    return { kind, text, line, output: isBelow ? { ...next, output: null } : null }
  })
}

const blocks = blocksOf(README)
const ofKind = (kind: string) => blocks.filter((block) => block.kind === kind)

/** Fails unless a block printed what the README shows below it. */
function compare(printed: string, shown: Block): void {
  if (shown.kind === 'text') expect(printed.trim()).toBe(shown.text.trim())
  else {
    const expected: unknown = JSON.parse(shown.text)
    expect(masked(JSON.parse(printed), expected)).toEqual(expected)
  }
}

/** The value with "…" wherever the README has it in place of some text. */
function masked(value: any, like: any): unknown {
  if (like === '…') return typeof value === 'string' && value !== '' ? like : value
  if (typeof value !== 'object' || value === null || typeof like !== 'object' || like === null) return value
  if (Array.isArray(value)) return value.map((item, index) => masked(item, like[index]))
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, masked(item, like[name])]))
}

const PWNED_PASSWORDS = 'https://api.pwnedpasswords.com'
const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase()
const asked: IncomingMessage[] = []
let rangesStatus = 200

/** Stands for the range API of Have I Been Pwned, whose hosts no test reaches: one password has been stolen. */
const ranges = createHttpServer((req, res) => {
  asked.push(req)
  const begin = req.url!.slice('/range/'.length)
  const lines = ['stolen engine:9', 'difference engine:0'].flatMap((line) => {
    const [password, count] = line.split(':') as [string, string]
    return sha1(password).startsWith(begin) ? [`${sha1(password).slice(5)}:${count}`] : []
  })
  res.writeHead(rangesStatus).end([...lines, `${'0'.repeat(35)}:0`].join('\r\n'))
})

let directory: string
let environment: NodeJS.ProcessEnv
const servers: ChildProcess[] = []

const fileOf = ({ line }: Block) => `line-${line}.ts`

beforeAll(async () => {
  await new Promise<void>((resolve) => ranges.listen(0, '127.0.0.1', resolve))
  const pwnedPasswords = `http://127.0.0.1:${(ranges.address() as AddressInfo).port}`
  directory = mkdtempSync(join(tmpdir(), 'sso-readme-'))
  symlinkSync(join(PROJECT, 'node_modules'), join(directory, 'node_modules'))
  const tsconfig = {
    extends: join(PROJECT, 'tsconfig.json'),
    compilerOptions: { paths: { 'express-sso-users': [join(PROJECT, 'src/index.ts')] } },
    include: ['*.ts'],
  }
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(tsconfig))
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))

  const parts = ofKind('js server.mjs').map(({ text }) => text)
  writeFileSync(join(directory, 'server.ts'), parts.join('\n'))
  const first = parts[0]!.replace(/^app\.listen\(3000\)\n$/m, '')
  expect(first).not.toBe(parts[0])
  for (const block of ofKind('ts')) {
    // An open pool would keep the process from ending.
    const text = block.text.replaceAll(PWNED_PASSWORDS, pwnedPasswords)
    writeFileSync(join(directory, fileOf(block)), `${first}${text}\nawait db.destroy()\n`)
  }
  environment = { ...process.env, TSX_TSCONFIG_PATH: join(directory, 'tsconfig.json'), FORCE_COLOR: '0' }
})

afterAll(async () => {
  ranges.close()
  await Promise.all(
    servers.map((server) => {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      return server.kill() ? ended : null
    }),
  )
  rmSync(directory, { recursive: true, force: true })
})

const LOADER = fileURLToPath(import.meta.resolve('tsx'))
const node = (file: string, extra: NodeJS.ProcessEnv = {}) => ({
  command: process.execPath,
  args: ['--import', LOADER, file],
  options: { cwd: directory, env: { ...environment, ...extra } },
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts a server and waits until it takes connections. */
async function serve(file: string, port: number, extra: NodeJS.ProcessEnv = {}): Promise<void> {
  const { command, args, options } = node(file, extra)
  const server = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
  servers.push(server)
  let errors = ''
  server.stderr.on('data', (data) => {
    errors += data
  })
  while (!(await answers(port))) {
    if (server.exitCode !== null) throw new Error(`${file} ended: ${errors}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, 'localhost')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** Runs blocks in one shell; what each of them printed. */
async function inShell(
  shellBlocks: readonly Block[],
  port: number,
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<ReadonlyMap<Block, string>> {
  const END = '\n@@ end of block @@\n'
  const script = shellBlocks.map(({ text }) => `${text}printf '%s' "$END"\n`).join('')
  const { stdout } = await run(
    'bash',
    ['-euo', 'pipefail', '-c', script.replaceAll('localhost:3000', `localhost:${port}`)],
    { ...options, env: { ...environment, ...options.env, END }, timeout: LONGEST_MS },
  )
  const printed = stdout.split(END)
  return new Map(shellBlocks.map((block, index) => [block, printed[index]!]))
}

const named = (all: readonly Block[]) => all.map((block) => ({ line: block.line, block }))

describe('the blocks of code', () => {
  test('each is run, or what the block above it prints, or an installation command from the list', () => {
    const outputs = blocks.flatMap(({ kind, output }) => (RUNNABLE.includes(kind) && output ? [output.line] : []))
    const others = blocks.filter(({ kind, line }) => !RUNNABLE.includes(kind) && !outputs.includes(line))
    expect(others.map(({ kind }) => kind)).toEqual(others.map(() => 'sh install'))
    expect(others.flatMap(({ text }) => text.trim().split('\n'))).toEqual(INSTALLATION)
  })

  test('every block in a shell shows what it prints', () => {
    const silent = blocks.filter(({ kind, output }) => kind.startsWith('sh') && kind !== 'sh install' && !output)
    expect(silent.map(({ line }) => line)).toEqual([])
  })

  test('the first example imports what the first command installs, and the scripts are there', () => {
    const { scripts, devDependencies } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'))
    const imported = [...ofKind('js server.mjs')[0]!.text.matchAll(/ from '(.+)'$/gm)].map(([, name]) => name)
    const driver = /client: '(.+?)'/.exec(ofKind('js server.mjs')[0]!.text)![1]
    expect(INSTALLATION[0]!.split(' ').slice(2).sort()).toEqual([...imported, driver].sort())
    expect(Object.keys(devDependencies)).toContain(driver)
    expect(scripts).toMatchObject({ start: 'tsx example-app/server.ts', test: 'vitest run' })
  })

  test('they compile against the package', async () => {
    const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc')
    const printed = await run(process.execPath, [tsc, '-p', directory], { cwd: directory }).then(
      () => '',
      ({ stdout }) => stdout,
    )
    expect(printed).toBe('')
  })
})

describe('TypeScript that continues from server.mjs prints what is shown', () => {
  test.each(named(ofKind('ts')))('line $line', async ({ block }) => {
    const { command, args, options } = node(fileOf(block))
    const { stdout, stderr } = await run(command, args, { ...options, timeout: LONGEST_MS })
    expect(stderr).toBe('')
    if (block.output) compare(stdout, block.output)
    else expect(stdout).toBe('')
  })
})

describe('ASVS 6.2.12 the example that refuses stolen passwords', () => {
  const [block] = ofKind('ts').filter(({ text }) => text.includes(PWNED_PASSWORDS))
  const runIt = async () => {
    const { command, args, options } = node(fileOf(block!))
    asked.length = 0
    return run(command, args, { ...options, timeout: LONGEST_MS })
  }

  test('tells five characters of each hash, and asks for padding', async () => {
    const { stdout } = await runIt()
    expect(stdout).toContain('stolen engine This password has been stolen before.\ndifference engine ok\n')
    const of = (password: string) => `/range/${sha1(password).slice(0, 5)}`
    expect(asked.map(({ url }) => url)).toEqual([of('stolen engine'), of('difference engine')])
    expect(asked.map(({ headers }) => headers['add-padding'])).toEqual(['true', 'true'])
  })

  test('fails open, and says so, where nobody answers', async () => {
    rangesStatus = 503
    const { stdout, stderr } = await runIt().finally(() => {
      rangesStatus = 200
    })
    expect(stdout).toContain('\nstolen engine ok\ndifference engine ok\n')
    expect(stderr).toBe('Not checked: whether a new password has been stolen\n'.repeat(2))
  })
})

describe('commands against server.mjs print what is shown', () => {
  let printed: ReadonlyMap<Block, string>

  beforeAll(async () => {
    const port = await freePort()
    const text = readFileSync(join(directory, 'server.ts'), 'utf8')
    writeFileSync(join(directory, 'running.mjs'), text.replace('app.listen(3000)', `app.listen(${port})`))
    await serve('running.mjs', port)
    printed = await inShell(ofKind('sh'), port)
  })

  test.each(named(ofKind('sh')))('line $line', ({ block }) => compare(printed.get(block)!, block.output!))
})

describe('commands of the command line print what is shown', () => {
  let printed: ReadonlyMap<Block, string>

  beforeAll(async () => {
    const place = join(directory, 'operators')
    mkdirSync(place)
    const bin = await buildInto(place)
    const [config, ...others] = ofKind(CONFIG)
    expect(others).toEqual([])
    writeFileSync(join(place, 'express-sso-users.config.mjs'), config!.text)
    writeFileSync(join(place, 'password.txt'), 'difference engine\n')
    // Stands for npm's, which would look for the package in the registry.
    const npx = `#!/bin/sh\n[ "$1" = express-sso-users ] || exit 127\nshift\nexec '${process.execPath}' '${bin}' "$@"\n`
    writeFileSync(join(place, 'npx'), npx, { mode: 0o755 })
    const env = { PATH: `${place}:${process.env['PATH']}`, DATABASE_URL: undefined, SSO_NEW_PASSWORD: undefined }
    printed = await inShell(ofKind('sh cli'), 0, { cwd: place, env })
  })

  test.each(named(ofKind('sh cli')))('line $line', ({ block }) => compare(printed.get(block)!, block.output!))
})

describe('commands against the demo print what is shown', () => {
  let printed: ReadonlyMap<Block, string>

  beforeAll(async () => {
    const data = join(directory, 'demo')
    mkdirSync(data)
    const port = await freePort()
    await serve(join(PROJECT, 'example-app/server.ts'), port, {
      PORT: String(port),
      HOST: '127.0.0.1',
      DATABASE_URL: '',
      DEMO_ACCOUNTS: '',
      EXAMPLE_DATA_DIR: data,
      TSX_TSCONFIG_PATH: undefined,
    })
    printed = await inShell(ofKind('sh demo'), port)
  })

  test.each(named(ofKind('sh demo')))('line $line', ({ block }) => compare(printed.get(block)!, block.output!))
})

/** Requirements that comments name, as `ASVS 1.2.3, 4.5.6` or `ASVS 1.2.3-1.2.5`. */
function asvsCitedIn(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const citations = files.flatMap((file) => readFileSync(join(folder, file), 'utf8').match(/ASVS \d[\d., -]*\d/g) ?? [])
  const ids = citations.flatMap((citation) => citation.match(/\d+\.\d+\.\d+(-\d+\.\d+\.\d+)?/g) ?? [])
  return [...new Set(ids.flatMap(expanded))].sort()
}

function expanded(id: string): string[] {
  const [from, to = from] = id.split('-') as [string, string?]
  const chapter = from.replace(/\d+$/, '')
  const [first, last] = [from, to].map((end) => Number(end.split('.')[2])) as [number, number]
  return Array.from({ length: last - first + 1 }, (_, index) => `${chapter}${first + index}`)
}

describe('tables that are written by hand', () => {
  const rowsUnder = (heading: string) => {
    const section = README.slice(README.indexOf(`\n## ${heading}\n`) + 1)
    const table = section.slice(section.indexOf('\n|')).trimStart().split('\n\n')[0]!
    return table.split('\n').slice(2)
  }

  test('the hooks are those that there are', () => {
    const names = rowsUnder('Hooks').map((row) => /^\| `(\w+)\(/.exec(row)?.[1])
    expect(names).toEqual(Object.keys(optionsSchema.properties.hooks.properties))
  })

  test('the ASVS table has every requirement that the source cites, and names options that there are', () => {
    const listed = ROWS.map(({ id }) => id)
    expect(listed).toEqual([...new Set(listed)])
    expect(asvsCitedIn(join(PROJECT, 'src')).filter((id) => !listed.includes(id))).toEqual([])

    const named = ROWS.flatMap(({ by }) =>
      [...by.replace(/\byou: .*?(;|$)/, '').matchAll(/`(.+?)`/g)].map(([, name]) => name!),
    )
    const options = [...README.matchAll(/^\| `([\w.]+)` \| `/gm)].map(([, option]) => option!)
    expect(named.filter((option) => !options.includes(option))).toEqual([])
  })
})

test('a difference between what is printed and what is shown is found', () => {
  const shown = (kind: string, text: string): Block => ({ kind, text, line: 0, output: null })
  const json = shown('json', '{ "cid": "…", "list": [{ "id": "…" }], "n": 1 }')
  compare('{"n":1,"list":[{"id":"x"}],"cid":"y"}', json)
  for (const other of [
    '{"cid":"","list":[{"id":"x"}],"n":1}',
    '{"cid":"y","list":[],"n":1}',
    '{"cid":"y","list":[{"id":"x"}],"n":2}',
    '{"cid":5,"list":[{"id":"x"}],"n":1}',
    '{"cid":"y","list":[{"id":"x"}],"n":1,"more":1}',
  ]) {
    expect(() => compare(other, json)).toThrow()
  }
  compare('a\nb\n', shown('text', 'a\nb\n'))
  expect(() => compare('a\n', shown('text', 'a\nb\n'))).toThrow()
})
