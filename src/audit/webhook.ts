import { createHmac } from 'node:crypto'
import { Agent, type RequestOptions, request, validateHeaderName, validateHeaderValue } from 'node:http'
import { request as requestByTls, Agent as TlsAgent } from 'node:https'
import type { AuditSink, SealedRecord } from '../core/audit/sink.ts'
import { checkNames, refuse } from './wiring.ts'

/** Settings of `webhookSink`. */
export interface WebhookOptions {
  /** Where records are sent to: `https:`, or `http:` within a network that you trust. No username or password in it. */
  readonly url: string
  /**
   * What is signed with: `whsec_` and the base64 of 24 random bytes or more. Of several, each signs: the receiver may
   * know the old one or the new one while they are exchanged.
   */
  readonly secret: string | readonly string[]
  /** The sink's name, of 191 characters at most. Default `webhook:` and the origin of the URL, whose path and query may hold secrets. */
  readonly name?: string
  /** Headers besides, `Authorization` say. None of those that the sink itself writes. */
  readonly headers?: Readonly<Record<string, string>>
  /** Seconds, up to 3600, after which a request has failed. Default 10. */
  readonly timeoutSeconds?: number
}

/** Why a webhook has not taken a record. Has nothing of the URL, the secrets, the request or the reply's body. */
export class WebhookError extends Error {
  /** `WebhookError`. */
  override readonly name = 'WebhookError'
  /** HTTP status of the reply; null if there was none. */
  readonly status: number | null

  constructor(message: string, status: number | null = null) {
    super(message)
    this.status = status
  }
}

const SHORTEST_SECRET = 24
const LONGEST_TIMEOUT = 3600
// Of a short reply all is read, so that the connection can be used again.
const MOST_BYTES_READ = 65_536
// Less than servers keep a connection that nothing is sent on: five seconds, where the server is Node.
const IDLE_MS = 4000
const OWN_HEADERS = [
  'connection',
  'content-length',
  'content-type',
  'expect',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'webhook-id',
  'webhook-signature',
  'webhook-timestamp',
]

/**
 * Sends each record to a URL, signed as Standard Webhooks has it: POST with `webhook-id`, the same each time that a
 * record is sent, `webhook-timestamp` and `webhook-signature`, and `{ type: 'audit.<operation>', timestamp, data: record }`
 * as body. Any 2xx takes it; redirects are not followed. A delivery rejects with a `WebhookError`.
 *
 * @throws SsoError `option_invalid`
 */
export function webhookSink(options: WebhookOptions): AuditSink {
  checkNames('webhookSink', options, ['url', 'secret', 'name', 'headers', 'timeoutSeconds'])
  const url = urlOf(options.url)
  const keys = keysOf(options.secret)
  const headers = headersOf(options.headers ?? {})
  const { name = `webhook:${url.origin}`, timeoutSeconds = 10 } = options
  if (!(timeoutSeconds > 0 && timeoutSeconds <= LONGEST_TIMEOUT)) {
    refuse('webhookSink', `timeoutSeconds must be a number greater than 0, and ${LONGEST_TIMEOUT} at most.`)
  }

  const connections = { keepAlive: true, timeout: IDLE_MS }
  const agent = url.protocol === 'https:' ? new TlsAgent(connections) : new Agent(connections)

  return {
    name,

    async deliver(records, signal) {
      for (const record of records) {
        const { body, ...signed } = signedBody(record, keys)
        await withinTime(timeoutSeconds, signal, (signal) =>
          send(url, body, { agent, headers: { ...headers, ...signed.headers }, signal }),
        )
      }
    },

    close: () => agent.destroy(),
  }
}

/** @throws SsoError `option_invalid` */
function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') refuse('webhookSink', 'url is no URL of http or https.')
  if (url.username || url.password) {
    refuse('webhookSink', 'url has a username or a password in it; headers can have an Authorization.')
  }
  return url
}

/** @throws SsoError `option_invalid` */
function keysOf(secret: string | readonly string[]): readonly Buffer[] {
  const secrets = typeof secret === 'string' ? [secret] : secret
  if (!Array.isArray(secrets) || secrets.length === 0) refuse('webhookSink', 'secret is missing.')
  if (new Set(secrets).size < secrets.length) refuse('webhookSink', 'secret has the same one twice.')
  return secrets.map(keyOf)
}

function keyOf(secret: unknown): Buffer {
  const base64 = typeof secret === 'string' && secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : ''
  const key = Buffer.from(base64, 'base64')
  // What Node would read leniently, receivers may not read at all.
  if (base64 === '' || key.toString('base64') !== base64) refuse('webhookSink', 'secret must be whsec_ and base64.')
  if (key.length < SHORTEST_SECRET) refuse('webhookSink', `secret is shorter than ${SHORTEST_SECRET} bytes.`)
  return key
}

/** @throws SsoError `option_invalid` */
function headersOf(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(given)) {
    if (OWN_HEADERS.includes(name.toLowerCase())) refuse('webhookSink', `headers: ${name} is not yours to set.`)
    if (typeof value !== 'string' || !isHeader(name, value)) refuse('webhookSink', `headers: ${name} cannot be sent.`)
  }
  return { 'user-agent': 'express-sso-users', ...given }
}

function isHeader(name: string, value: string): boolean {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return true
  } catch {
    return false
  }
}

function signedBody(record: SealedRecord, keys: readonly Buffer[]) {
  const body = JSON.stringify({ type: `audit.${record.operation}`, timestamp: record.time, data: record })
  // The number alone is not enough: receivers may hear from more trails than this one.
  const id = `audit_${record.id}_${record.hash}`
  const timestamp = Math.floor(Date.now() / 1000)
  const signatures = keys.map(
    (key) => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  )
  return {
    body,
    headers: {
      'content-length': Buffer.byteLength(body),
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatures.join(' '),
    },
  }
}

/** Aborts when the one or the other time is over. */
async function withinTime(
  seconds: number,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ending = new AbortController()
  const end = () => ending.abort()
  const timer = setTimeout(end, seconds * 1000)
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  try {
    await task(ending.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

type Settings = Pick<RequestOptions, 'agent' | 'headers'> & { readonly signal: AbortSignal }

/** @throws WebhookError */
function send(url: URL, body: string, settings: Settings): Promise<void> {
  return new Promise((resolve, reject) => {
    let status: number | null = null
    let code = 'no reply'
    const open = url.protocol === 'https:' ? requestByTls : request
    const sent = open(url, { ...settings, method: 'POST' })

    sent.once('response', (reply) => {
      status = reply.statusCode ?? null
      let length = 0
      reply.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > MOST_BYTES_READ) reply.destroy()
      })
      // The status has decided: what becomes of the body, and how much of it there is, changes nothing.
      reply.on('error', () => {})
    })
    // No more of it than the code: what Node says may have the address in it, and what was answered.
    sent.on('error', (error: NodeJS.ErrnoException) => {
      code = error.code ?? code
    })
    sent.once('close', () => {
      if (status !== null && status >= 200 && status < 300) resolve()
      else if (status !== null) reject(new WebhookError(`The webhook answered ${status}.`, status))
      else if (settings.signal.aborted) reject(new WebhookError('The webhook did not answer in time.'))
      else reject(new WebhookError(`The webhook could not be reached (${code}).`))
    })
    sent.end(body)
  })
}
