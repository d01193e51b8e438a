import { once } from 'node:events'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { DatabaseName } from '../support/databases.ts'
import { type Circumstances, start } from './contenders.ts'
import { load } from './load.ts'
import type { Listening } from './servers/protocol.ts'

/** Rates of one round, a second. */
export interface BatchRound {
  /** Single requests, one after the other, as a script sends them. */
  readonly single: number
  /** Lines of a batch. */
  readonly lines: number
}

interface Settings extends Omit<Circumstances, 'accounts'> {
  readonly rounds: number
  readonly seconds: number
}

const ACCOUNTS = 400
const LINES = 10_000

/** The same changes by `POST /updateuser` and by `POST /updateuser/batch` on one server, in turns. */
export async function measureBatches(database: DatabaseName, settings: Settings): Promise<readonly BatchRound[]> {
  const contender = await start('updateuser', database, { ...settings, accounts: ACCOUNTS })
  try {
    const rounds: BatchRound[] = []
    for (let number = 0; number <= settings.rounds; number++) {
      const single = (await load(contender.listening, { connections: 1, seconds: settings.seconds, number })).rate
      const lines = await sendBatch(contender.listening, number)
      // The first one warms up.
      if (number > 0) rounds.push({ single, lines })
    }
    return rounds
  } finally {
    await contender.stop()
  }
}

/** @returns lines a second @throws Error unless every line has changed something */
async function sendBatch({ port, calls }: Listening, number: number): Promise<number> {
  const bodies = calls.map(({ body }) => new URLSearchParams(body))
  const [user, pass] = [bodies[0]?.get('user'), bodies[0]?.get('pass')]
  const uids = bodies.map((body) => body.get('uid'))
  const began = performance.now()
  const outgoing = request({
    port,
    path: '/ddenterpriseapi/updateuser/batch',
    method: 'POST',
    headers: {
      Authorization: `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}`,
      'Content-Type': 'application/x-ndjson',
    },
  })
  const answer = once(outgoing, 'response')
  const lines = (function* () {
    for (let line = 0; line < LINES; line++) {
      yield `${JSON.stringify({ uid: uids[line % uids.length], displayName: `Batch ${number} ${line}` })}\n`
    }
  })()
  Readable.from(lines).pipe(outgoing)
  let last = ''
  for await (const line of createInterface({ input: (await answer)[0] })) last = line
  const { totals } = JSON.parse(last)
  if (totals?.changed !== LINES) throw new Error(`the batch has not changed what it should have: ${last}`)
  return LINES / ((performance.now() - began) / 1000)
}
