import autocannon, { type Request } from 'autocannon'
import { type Call, FORM, type Listening, NAME } from './servers/protocol.ts'

/** One round of requests. */
export interface Round {
  readonly connections: number
  readonly seconds: number
  /** Counts the rounds on this server. */
  readonly number: number
}

/**
 * Sends requests for a while, each connection one after the other, on accounts of its own.
 *
 * @returns replies, and replies a second
 * @throws Error if a single one is not a success
 */
export async function load({ port, calls }: Listening, round: Round): Promise<{ replies: number; rate: number }> {
  let connection = 0
  let refused = ''
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    connections: round.connections,
    duration: round.seconds,
    verifyBody: (body) => {
      const isGood = isSuccess(String(body))
      if (!isGood) refused = String(body)
      return isGood
    },
    setupClient: (client) => client.setRequests(requestsOf(calls, round, connection++)),
  })
  const { errors, timeouts, non2xx, mismatches } = result
  if (errors + timeouts + non2xx + mismatches > 0) {
    throw new Error(
      `${errors} errors, ${timeouts} timeouts, ${non2xx} refusals, ${mismatches} wrong replies: ${refused}`,
    )
  }
  return { replies: result['2xx'], rate: result['2xx'] / result.duration }
}

/** Whether a reply says so: `"status":"ok"` is the package's, behind a `cid` in one dialect, `"status":true` better-auth's. */
export function isSuccess(body: string): boolean {
  return /^\{("cid":"\w+",)?"status":("ok"|true)[,}]/.test(body)
}

/** Sends one name to every account. */
export async function sendOnce({ port, calls }: Listening, name: string): Promise<void> {
  for (const call of calls) {
    const { method, path, headers } = call
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, body: bodyWith(call, name) })
    const text = await reply.text()
    if (reply.status !== 200 || !isSuccess(text)) throw new Error(`${method} ${path}: ${reply.status} ${text}`)
  }
}

/**
 * Names that no earlier round has sent, so that every request changes something. Rounds take turns with two halves of
 * the accounts: a request that was under way when the last round ended must not meet one of this round.
 */
function requestsOf(calls: readonly Call[], { connections, number }: Round, connection: number): Request[] {
  const own = calls.filter(
    (_, index) => index % connections === connection && Math.floor(index / connections) % 2 === number % 2,
  )
  return ['one', 'two'].flatMap((name) =>
    own.map((call) => ({
      method: call.method,
      path: call.path,
      headers: { ...call.headers, 'user-agent': 'bench' },
      body: bodyWith(call, `Name ${number} ${name}`),
    })),
  )
}

function bodyWith({ headers, body }: Call, name: string): string {
  const isForm = headers['content-type'] === FORM
  return body.replace(NAME, isForm ? encodeURIComponent(name) : name)
}
