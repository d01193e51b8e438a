import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { buildInto } from '../support/built.ts'
import type { DatabaseName } from '../support/databases.ts'
import { databases, startHost, type TestHost } from '../support/host.ts'

const LINES = 100_000
// No multiple of a hundred: each has right lines.
const ACCOUNTS = 4999
/** Each so manieth line is wrong: a thousand in all. */
const WRONG = 100
const KILLS = 10
const KILLED_LINES = 20_000
const MOST_PAUSE_MS = 200

let directory: string
let bin: string
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sso-apply-'))
  bin = await buildInto(directory)
}, 120_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const nameOf = (line: number) => `user${line % ACCOUNTS}`
const isWrong = (line: number) => line % WRONG === 0

/** A record, or one that is wrong, in one of three ways in turn. */
function recordOf(line: number): string {
  if (!isWrong(line)) return `${nameOf(line)},Name ${line},`
  return [`nobody${line},Name ${line},`, `${nameOf(line)},Name ${line}`, `${nameOf(line)},Name ${line},maybe`][
    (line / WRONG) % 3
  ] as string
}

const CODES = ['user_unknown', 'input_malformed', 'input_malformed']

function csv(lines: number, record: (line: number) => string): string {
  const records = Array.from({ length: lines }, (_, index) => record(index + 1))
  return ['username,display_name,is_locked', ...records, ''].join('\n')
}

async function hostWithAccounts(name: DatabaseName): Promise<TestHost> {
  const host = await startHost(name, { users: [], options: { audit: { relay: false } } })
  const lines = Array.from({ length: ACCOUNTS }, (_, index) => ({ username: nameOf(index), create: true, patch: {} }))
  const actor = { via: 'code', name: 'setup' } as const
  for await (const event of host.sso.batch.updateUsers({ actor, lines })) {
    if (event.kind === 'totals') expect(event.ok).toBe(ACCOUNTS)
  }
  return host
}

function apply(host: TestHost, file: string, ...options: readonly string[]): ChildProcess {
  const { DATABASE_URL, ...env } = process.env
  return spawn(process.execPath, [bin, 'apply', file, '--database-url', host.database.url, ...options], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** Lines of the file of results, without its first. */
function resultsIn(file: string): any[] {
  const [, ...lines] = readFileSync(join(directory, `${file}.results.ndjson`), 'utf8')
    .trimEnd()
    .split('\n')
  return lines.map((line) => JSON.parse(line))
}

/** What the database says: names of accounts, and how often each was written. */
async function namesIn({ database: { db } }: TestHost): Promise<ReadonlyMap<string, string>> {
  const rows: { username: string; display_name: string }[] = await db('sso_user')
    .whereNot('username', 'admin')
    .select('username', 'display_name')
  return new Map(rows.map(({ username, display_name: name }) => [username, name]))
}

function lastNames(lines: number, isLeft: (line: number) => boolean): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (let line = 1; line <= lines; line++) if (!isLeft(line)) names.set(nameOf(line), `Name ${line}`)
  return names
}

describe.each(databases)('apply, on %s', (name) => {
  test(`does ${LINES} records, and reports those that are wrong and no other`, { timeout: 300_000 }, async () => {
    const host = await hostWithAccounts(name)
    const file = `${name}.csv`
    writeFileSync(join(directory, file), csv(LINES, recordOf))
    const child = apply(host, file)
    const printed = text(child.stderr as NodeJS.ReadableStream)
    child.stdout?.resume()
    const [code] = await once(child, 'close')
    expect({ code, printed: await printed }).toEqual({ code: 4, printed: expect.any(String) })

    const results = resultsIn(file)
    const totals = results.pop()
    const wrong = LINES / WRONG
    expect(totals).toMatchObject({ totals: { lines: LINES, ok: LINES - wrong, errors: wrong } })
    const faults = results.filter(({ line, status, errors }, index) => {
      const expected = isWrong(index + 1) ? CODES[((index + 1) / WRONG) % 3] : undefined
      return line !== index + 1 || errors?.[0].code !== expected || (status === 'ok') !== (expected === undefined)
    })
    expect([results.length, faults.slice(0, 3)]).toEqual([LINES, []])
    expect(await namesIn(host)).toEqual(lastNames(LINES, isWrong))
    await host.close()
  })

  test(`killed with -9 ${KILLS} times and resumed, does each record once`, { timeout: 300_000 }, async () => {
    const host = await hostWithAccounts(name)
    const file = `${name}-killed.csv`
    const results = join(directory, `${file}.results.ndjson`)
    writeFileSync(
      join(directory, file),
      csv(KILLED_LINES, (line) => `${nameOf(line)},Name ${line},`),
    )
    let kills = 0
    for (; kills < KILLS; kills++) {
      const before = statSync(results, { throwIfNoEntry: false })?.size ?? 0
      const child = apply(host, file, ...(kills === 0 ? [] : ['--resume']))
      const ended = once(child, 'close')
      // It is at work; then any moment is as good as another.
      await vi.waitUntil(() => (statSync(results, { throwIfNoEntry: false })?.size ?? 0) > before + 1000, {
        timeout: 60_000,
        interval: 5,
      })
      await new Promise((resolve) => setTimeout(resolve, Math.random() * MOST_PAUSE_MS))
      child.kill('SIGKILL')
      expect(await ended).toEqual([null, 'SIGKILL'])
    }
    const last = apply(host, file, '--resume')
    const printed = text(last.stderr as NodeJS.ReadableStream)
    last.stdout?.resume()
    const [code] = await once(last, 'close')
    expect({ code, printed: await printed }).toEqual({ code: 0, printed: expect.any(String) })

    const told = resultsIn(file)
    const totals = told.pop()
    expect(totals).toMatchObject({ totals: { ok: expect.any(Number), errors: 0 }, status: 'ok' })
    expect(told.map(({ line }) => line)).toEqual(Array.from({ length: KILLED_LINES }, (_, index) => index + 1))
    expect(told.filter(({ status }) => status !== 'ok')).toEqual([])
    expect(await namesIn(host)).toEqual(lastNames(KILLED_LINES, () => false))
    // Each line has one record: the correlation id ends with its number.
    const records: { cid: string }[] = await host.database
      .db('sso_audit')
      .where({ operation: 'update_user_by_id' })
      .select('cid')
    const lines = records.map(({ cid }) => Number(cid.slice(cid.lastIndexOf('-') + 1))).sort((a, b) => a - b)
    expect(lines).toEqual(told.map(({ line }) => line))
    await host.close()
  })
})
