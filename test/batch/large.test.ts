import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Memory } from '../support/batch-server.ts'
import { databases, startHost, type TestHost } from '../support/host.ts'
import { BASIC, CODE } from './terms.ts'

const SERVER = fileURLToPath(new URL('../support/batch-server.ts', import.meta.url))
const LINES = 100_000
// No multiple of a hundred: each has right lines.
const ACCOUNTS = 4999
const WARM_LINES = 10_000
const MOST_BYTES = 64 * 1024 * 1024
/** Each so manieth line is wrong: a thousand in all. */
const WRONG = 100

const nameOf = (index: number) => `user${index % ACCOUNTS}`
const isWrong = (line: number) => line % WRONG === 0

/** A line of the batch, and what is wrong with it, in turn. */
function lineOf(line: number): string {
  const [uid, displayName] = [nameOf(line), `Name ${line}`]
  if (!isWrong(line)) return JSON.stringify({ uid, displayName })
  return (
    [
      JSON.stringify({ uid: `nobody${line}`, displayName }),
      `{"uid":"${uid}","displayName":`,
      JSON.stringify({ uid, displayNam: displayName }),
      JSON.stringify({ uid, displayName: 'x'.repeat(192) }),
      JSON.stringify({ uid, displayName, acls: ['a|b'] }),
    ][(line / WRONG) % 5] ?? ''
  )
}

const CODES = ['user_unknown', 'input_malformed', 'input_invalid', 'input_invalid', 'input_invalid']

function* lines(): Generator<string> {
  for (let line = 1; line <= LINES; line++) yield `${lineOf(line)}\n`
}

/** Accounts to be changed, made by the same means. */
async function addAccounts({ sso }: TestHost): Promise<void> {
  const news = Array.from({ length: ACCOUNTS }, (_, index) => ({
    username: nameOf(index),
    create: true,
    patch: { approval_status: 'approved' as const },
  }))
  for await (const event of sso.batch.updateUsers({ actor: CODE, lines: news })) {
    if (event.kind === 'totals') expect(event.ok).toBe(ACCOUNTS)
  }
}

async function memoryOf(server: ChildProcess): Promise<Memory> {
  const answer = once(server, 'message')
  server.send('memory')
  return (await answer)[0] as Memory
}

/** Sends all lines as fast as they are taken; what comes back, line by line. */
function exchange(port: number, body: Iterable<string>): AsyncIterable<string> {
  const lines = (async function* () {
    const outgoing = request({
      port,
      path: '/ddenterpriseapi/updateuser/batch',
      method: 'POST',
      headers: { Authorization: BASIC, 'Content-Type': 'application/x-ndjson' },
    })
    const answer = once(outgoing, 'response')
    Readable.from(body).pipe(outgoing)
    const [reply] = await answer
    yield* createInterface({ input: reply })
  })()
  return lines
}

describe.each(databases)(`${LINES} lines: %s`, (database) => {
  test('every result is there and in order, what was wrong and nothing else is reported, and memory stays flat', {
    timeout: 300_000,
  }, async () => {
    const host = await startHost(database, { users: [], options: { audit: { relay: false } } })
    await addAccounts(host)
    const server = fork(SERVER, { execArgv: ['--expose-gc', '--import', 'tsx'] })
    server.send(host.database.config)
    const [port] = (await once(server, 'message')) as [number]

    // A server that has worked before: what is loaded and compiled at first use, and what a collector leaves room for, is
    // no part of this batch.
    for await (const _ of exchange(port, Array.from(lines()).slice(0, WARM_LINES)));
    const idle = await memoryOf(server)

    let line = 0
    const faults: unknown[] = []
    let totals: unknown
    for await (const text of exchange(port, lines())) {
      const result = JSON.parse(text)
      if ('totals' in result) {
        totals = result.totals
        continue
      }
      line++
      const code = result.errors?.[0].code
      const expected = isWrong(line) ? CODES[(line / WRONG) % 5] : undefined
      if (result.line !== line || code !== expected) faults.push(result)
    }
    const after = await memoryOf(server)
    const left = once(server, 'exit')
    server.send('stop')
    expect(await left).toEqual([0, null])

    expect(faults.slice(0, 3)).toEqual([])
    const wrong = LINES / WRONG
    expect(totals).toMatchObject({ lines: LINES, ok: LINES - wrong, errors: wrong })
    expect((after.peak - idle.now) / MOST_BYTES).toBeLessThan(1)
    expect((after.live - idle.live) / MOST_BYTES).toBeLessThan(0.25)

    // Counted by the database alone: each account has the name of its last right line.
    const rows: { username: string; display_name: string }[] = await host.database
      .db('sso_user')
      .whereNot('username', 'admin')
      .select('username', 'display_name')
    const last = new Map<string, string>()
    for (let index = 1; index <= LINES; index++) if (!isWrong(index)) last.set(nameOf(index), `Name ${index}`)
    expect(rows.length).toBe(ACCOUNTS)
    expect(rows.filter(({ username, display_name: name }) => last.get(username) !== name)).toEqual([])
    const [{ count }] = (await host.database
      .db('sso_audit')
      .where({ operation: 'updateuser', outcome: 'ok' })
      .count({ count: '*' })) as [{ count: unknown }]
    // Lines of the batch before are there, too, but for those that found their name there already.
    expect(Number(count)).toBeGreaterThanOrEqual(LINES - wrong)
    await host.close()
  })
})
