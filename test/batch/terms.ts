import { type ClientRequest, request } from 'node:http'
import { createInterface, type Interface } from 'node:readline'
import type { BatchEvent, BatchResult, BatchTotals } from '../../src/index.ts'
import type { DatabaseName } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { type Arrangement, databases, type HostSettings, PASSWORD, startHost, type TestHost } from '../support/host.ts'

/** Where batches are tried: every database, and both arrangements and versions of Express among them. */
export const PLACES = databases.flatMap((database, index) =>
  (['own table', 'host table'] as const).map((arrangement, other) => ({
    database,
    arrangement,
    express: (index + other) % 2 === 0 ? ('express5' as const) : ('express4' as const),
  })),
)

export const PLACE = '$database, $arrangement, $express'

export interface Place {
  readonly database: DatabaseName
  readonly arrangement: Arrangement
  readonly express: 'express4' | 'express5'
}

export const CODE = { via: 'code', name: 'test' } as const

/** A host with fast passwords. */
export function startBatchHost(
  { database, arrangement, express }: Place,
  { options, ...settings }: HostSettings = {},
): Promise<TestHost> {
  return startHost(database, {
    arrangement,
    express,
    ...settings,
    options: { password: { hasher: fastHasher() }, ...options },
  })
}

/** What a batch says, taken apart. */
export async function outcome(events: AsyncIterable<BatchEvent>): Promise<{
  readonly results: readonly BatchResult[]
  readonly totals: BatchTotals
}> {
  const results: BatchResult[] = []
  let totals: BatchTotals | null = null
  for await (const event of events) {
    if (totals) throw new Error('there is something after the totals')
    if (event.kind === 'totals') totals = event
    else results.push(event)
  }
  if (!totals) throw new Error('there are no totals')
  return { results, totals }
}

/** A result as most tests look at it: what came of the line. */
export function brief({ line, status, changed, error }: BatchResult): string {
  return `${line} ${status} ${error ? error.code : changed.join()}`.trim()
}

/** Lines of JSON. */
export function ndjson(lines: readonly unknown[]): string {
  return lines.map((line) => (typeof line === 'string' ? `${line}\n` : `${JSON.stringify(line)}\n`)).join('')
}

export const BASIC = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`
export const UPDATEUSER_BATCH = '/ddenterpriseapi/updateuser/batch'
export const USERS_BATCH = '/account/users/batch'

/** A request whose body is sent piece by piece, and whose reply is read line by line. */
export class Exchange {
  readonly outgoing: ClientRequest
  readonly #reader: Promise<AsyncIterator<string>>
  status = 0
  #lines: Interface | null = null

  constructor(host: TestHost, path: string, headers: Readonly<Record<string, string>>) {
    this.outgoing = request(host.url + path, {
      method: 'POST',
      agent: false,
      headers: { 'Content-Type': 'application/x-ndjson', ...headers },
    })
    this.outgoing.on('error', () => {})
    this.#reader = new Promise((resolve) => {
      this.outgoing.on('response', (reply) => {
        this.status = reply.statusCode ?? 0
        reply.on('error', () => {})
        this.#lines = createInterface({ input: reply })
        resolve(this.#lines[Symbol.asyncIterator]())
      })
    })
    this.outgoing.flushHeaders()
  }

  /** Sends some lines. */
  send(...lines: readonly unknown[]): void {
    this.outgoing.write(ndjson(lines))
  }

  /** The next line of the reply; null at its end. */
  async next(): Promise<any> {
    const { value, done } = await (await this.#reader).next()
    return done ? null : JSON.parse(value)
  }

  /** Ends the request; all lines of the reply that are still to come. */
  async rest(): Promise<any[]> {
    this.outgoing.end()
    const lines: any[] = []
    for (let line = await this.next(); line !== null; line = await this.next()) lines.push(line)
    return lines
  }
}

/** Sends a whole batch. */
export async function sendBatch(
  host: TestHost,
  path: string,
  lines: readonly unknown[],
  headers: Readonly<Record<string, string>> = { Authorization: BASIC },
): Promise<{ readonly status: number; readonly lines: any[]; readonly totals: any }> {
  const exchange = new Exchange(host, path, headers)
  exchange.send(...lines)
  const all = await exchange.rest()
  return { status: exchange.status, lines: all.slice(0, -1), totals: all.at(-1) }
}
