import { Agent, request } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OpenApiDocument } from '../../../src/index.ts'
import { databases, PASSWORD } from '../../support/host.ts'
import type { Person } from '../zato/wire.ts'
import { type Generated, requestsTo } from './arbitraries.ts'
import type { Received } from './judge.ts'
import { placeOf, type Stage, startStage } from './stage.ts'

const REQUESTS = 20_000
const BATCH = 10
const LONGEST_MS = 20_000

/** Where requests go. Their paths are sent as they are: in a URL they would be put right. */
interface Server {
  readonly host: string
  readonly port: string
  readonly agent: Agent
}

type People = Readonly<Record<string, Person>>

describe.each(databases)('%s', (database) => {
  const agent = new Agent({ keepAlive: true, maxSockets: BATCH })
  const logged: string[] = []
  let stage: Stage
  let document: OpenApiDocument
  let server: Server

  beforeAll(async () => {
    const logger = { warn: () => {}, error: (message: string) => void logged.push(message) }
    stage = await startStage(placeOf(database), { logger })
    document = await stage.host.sso.openapi()
    const { hostname, port } = new URL(stage.host.url)
    server = { host: hostname, port, agent }
  })
  afterAll(async () => {
    agent.destroy()
    await stage.host.close()
  })

  test('whatever is sent, the reply is one that the document has', { timeout: 300_000 }, async () => {
    const counts = { batches: 0, successes: 0, replies: 0 }
    let people: People = {}
    const batches = fc.array(requestsTo(document), { minLength: BATCH, maxLength: BATCH, size: 'max' })
    const property = fc.asyncProperty(batches, async (batch) => {
      // Requests lock, log out and delete whomever they can.
      if (counts.batches++ % 10 === 0) people = await newPeople(stage, counts.batches)
      const replies = await Promise.all(batch.map((generated) => sent(server, generated, people)))
      for (const [index, reply] of replies.entries()) {
        counts.replies++
        if (reply.status < 300) counts.successes++
        const generated = batch[index]!
        const faults = faultsOf(stage, generated, reply)
        if (faults.length === 0) continue
        const told = `${reply.status} ${reply.text}`.slice(0, 1000)
        throw new Error([...faults, JSON.stringify(generated), told, ...logged].join('\n'))
      }
      logged.length = 0
    })
    // What came before made the accounts what they are: a smaller batch need not fail for the same reason.
    await fc.assert(property, { numRuns: Math.ceil(REQUESTS / BATCH / databases.length), endOnFailure: true })
    expect(counts.replies).toBeGreaterThanOrEqual(REQUESTS / databases.length)
    // Or it would be about refusals only.
    expect(counts.successes / counts.replies).toBeGreaterThan(0.1)
  })
})

async function newPeople(stage: Stage, round: number): Promise<People> {
  const username = `admin${round}`
  const { user_id } = await stage.host.sso.user.createSuperUser({ data: { username, password: PASSWORD } })
  const admin = { name: username, id: user_id, ust: await stage.host.login(username) }
  return { admin, ada: await stage.person(), bob: await stage.person() }
}

function faultsOf({ judge, operations }: Stage, { id, method, path }: Generated, reply: Received): readonly string[] {
  const { path: template } = operations.find((operation) => operation.id === id)!
  const methods = operations.filter((operation) => operation.path === template).map((operation) => operation.method)
  const described = operations.find((operation) => operation.path === template && operation.method === method)
  if (reply.status >= 500) return [`status ${reply.status}`]
  if (described) return judge.faults(described, reply)
  // HEAD is GET without a body, but where a GET would change something.
  if (method === 'HEAD' && methods.includes('GET') && !path.includes('/updateuser')) return []
  // A path that is not well-formed is refused before its methods are looked at.
  if (reply.status === 400) return []
  const expected = [method === 'OPTIONS' ? 204 : 405, [...methods].sort().join(', ')]
  const actual = [reply.status, String(reply.headers['allow']).split(', ').sort().join(', ')]
  return actual.join() === expected.join() ? [] : [`${actual}, expected ${expected}`]
}

let fresh = 0

/** Sends a request with what its placeholders stand for. */
async function sent(server: Server, generated: Generated, people: People): Promise<Received> {
  const filled = (text: string) =>
    text.replaceAll(/@\{(\w+)(?:\.(\w+))?\}/g, (whole, name, member) =>
      name === 'fresh' ? `fresh${++fresh}` : (people[name]?.[member as keyof Person] ?? whole),
    )
  const { body } = generated
  const bytes = body?.startsWith('hex:') ? Buffer.from(body.slice(4), 'hex') : Buffer.from(filled(body ?? ''))
  const headers = Object.entries(generated.headers).map(([name, value]) => [name, filled(value)])
  const transmit = () =>
    transmitted(
      server,
      {
        method: generated.method,
        path: filled(generated.path),
        headers: { ...Object.fromEntries(headers), ...(body === null ? {} : { 'Content-Length': bytes.length }) },
      },
      bytes,
    )
  try {
    return await transmit()
  } catch (error) {
    // The server may have closed an idle connection just as it was used again.
    if (!['ECONNRESET', 'EPIPE'].includes((error as { code?: string }).code ?? '')) throw error
    return transmit()
  }
}

function transmitted(
  server: Server,
  what: Readonly<Record<'method' | 'path', string>> & { readonly headers: Readonly<Record<string, string | number>> },
  body: Buffer,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...server, ...what, timeout: LONGEST_MS }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk) => chunks.push(chunk))
      reply.on('error', reject)
      reply.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text })
      })
    })
    outgoing.on('timeout', () =>
      outgoing.destroy(new Error(`no reply within ${LONGEST_MS} ms: ${JSON.stringify(what)}`)),
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
