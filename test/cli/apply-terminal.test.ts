import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Terminal } from '@xterm/headless'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fastHasher } from '../support/fast-hasher.ts'
import { idOf, PASSWORD, startHost } from '../support/host.ts'
import { codeAt, TOTP_KEY } from '../support/one-time-codes.ts'
import { cli } from './stage.ts'

const LOADER = fileURLToPath(import.meta.resolve('tsx'))
const BIN = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))
const COLUMNS = 72
const BAR = /^[-\\|/] \[(#*)(-*)\] (\d+)% {2}([\d,]+) records {2}[\d,]+\/s(?: {2}\d+ s left)?$/

let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sso-terminal-'))
  const around = { cwd: directory, signal: new AbortController().signal }
  expect((await cli(['migrate', '--database-url', 'sqlite:a.sqlite'], around)).code).toBe(0)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function fresh(name: string, records: number): string {
  const people = Array.from({ length: records }, (_, index) => `user${index % 3000},N${index}\n`)
  writeFileSync(join(directory, name), `username,first_name\n${people.join('')}`)
  return name
}

interface Session {
  /** Lines of the screen at every moment that something was drawn. */
  readonly screens: readonly (readonly string[])[]
  readonly isCursorShown: boolean
  readonly code: number | null
}

/** Runs the program on a terminal; `act` may type when it sees a screen. */
function onTerminal(
  argv: readonly string[],
  act: (screen: readonly string[], type: (text: string) => void) => void = () => {},
): Promise<Session> {
  const terminal = new Terminal({ cols: COLUMNS, rows: 24, allowProposedApi: true })
  const quoted = [process.execPath, '--import', LOADER, BIN, ...argv].map((part) => `'${part}'`).join(' ')
  const child = spawn('script', ['-qefc', `stty cols ${COLUMNS} rows 24; exec ${quoted}`, '/dev/null'], {
    cwd: directory,
    env: { ...process.env, DATABASE_URL: 'sqlite:a.sqlite', TERM: 'xterm', CI: '' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const screens: string[][] = []
  let raw = ''
  const draw = () => {
    const { active } = terminal.buffer
    const lines = Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true) ?? '')
    screens.push(lines.filter((line) => line !== ''))
    act(screens.at(-1)!, (text) => child.stdin.write(text))
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    raw += text
    terminal.write(text, draw)
  })
  return new Promise((resolve) => {
    child.on('close', (code) => {
      terminal.write('', () => {
        draw()
        resolve({ screens, isCursorShown: raw.lastIndexOf('\u001b[?25h') > raw.lastIndexOf('\u001b[?25l'), code })
      })
    })
  })
}

const barsOf = ({ screens }: Session) =>
  screens.flatMap((screen) => screen.flatMap((line) => [BAR.exec(line)].filter((match) => match !== null)))

describe('on a terminal', () => {
  test('one line is drawn again and again, and is gone in the end', async () => {
    const file = fresh('whole.csv', 1500)
    const session = await onTerminal(['apply', file, '--create'])
    const bars = barsOf(session)
    expect(bars.length).toBeGreaterThan(0)
    for (const [line, done, open, percent] of bars as unknown as [string, string, string, string][]) {
      expect(line.length).toBeLessThanOrEqual(COLUMNS)
      const length = done.length + open.length
      expect(length).toBeGreaterThanOrEqual(5)
      expect(Math.abs(done.length / length - Number(percent) / 100)).toBeLessThanOrEqual(1 / length + 0.01)
    }
    // Never two of them at once.
    for (const screen of session.screens) {
      expect(screen.filter((line) => line.includes('records ')).length).toBeLessThanOrEqual(1)
    }
    expect(session.screens.at(-1)!.join('')).toBe(
      `1,500 records: 1,500 done, 1,500 of them with changes, 0 failed.Results: ${file}.results.ndjson`,
    )
    expect(session).toMatchObject({ code: 0, isCursorShown: true })
  })

  test('Ctrl-C stops it after what is under way, says how to go on, and gives the cursor back', async () => {
    const file = fresh('stopped.csv', 20_000)
    let isTyped = false
    const session = await onTerminal(['apply', file, '--create'], (screen, type) => {
      const [, , , , records] = screen.map((line) => BAR.exec(line)).find((match) => match !== null) ?? []
      if (isTyped || records === undefined || records === '0') return
      isTyped = true
      type('\u0003')
    })
    expect(session).toMatchObject({ code: 130, isCursorShown: true })
    const results = readFileSync(join(directory, `${file}.results.ndjson`), 'utf8')
      .trimEnd()
      .split('\n')
    const { totals, error } = JSON.parse(results.at(-1)!)
    expect(totals.lines).toBe(results.length - 2)
    expect(totals.lines).toBeLessThan(20_000)
    expect(error).toEqual({ code: 'interrupted', message: 'It was interrupted.' })
    const last = session.screens.at(-1)!.join('')
    expect(last).toContain(`${totals.lines.toLocaleString('en')} records: `)
    expect(last).toMatch(/It was interrupted\.To go on from there, give the same command with --resume\.$/)
    expect(last).not.toContain('records  ')
  })

  test('a router’s password and one-time code are asked for, the password unseen', async () => {
    const host = await startHost('sqlite', { options: { password: { hasher: fastHasher() } } })
    try {
      const userId = await idOf(host, 'admin')
      const code = { actor: { via: 'code', name: 'test' }, userId, totpCode: codeAt(TOTP_KEY, new Date()) } as const
      await host.sso.user.updateUserById({ ...code, data: { totp_key: TOTP_KEY, is_totp_enabled: true } })
      const file = fresh('remote.csv', 0)
      writeFileSync(join(directory, file), 'username,first_name\nada,Augusta\n')
      const asked = new Set<string>()
      const once = (question: string, screen: readonly string[], answer: () => void) => {
        if (asked.has(question) || !screen.at(-1)?.startsWith(question)) return
        asked.add(question)
        answer()
      }
      const argv = ['apply', file, '--url', `${host.url}/account`, '--user', 'admin']
      const session = await onTerminal(argv, (screen, type) => {
        once('Password:', screen, () => type(`${PASSWORD}\r`))
        // The code that proved the key is used up.
        once('One-time code:', screen, () => type(`${codeAt(TOTP_KEY, new Date(), 1)}\r`))
      })
      expect(session.screens.flat().join('')).not.toContain(PASSWORD)
      expect(session.screens.at(-1)!.join('')).toContain('1 record: 1 done, 1 of them with changes, 0 failed.')
      expect(session).toMatchObject({ code: 0, isCursorShown: true })
      expect(await host.database.db('sso_session')).toEqual([])
    } finally {
      await host.close()
    }
  })
})
