import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { isIP } from 'node:net'
import { type AttributeSchema, kindOfSchema } from '../../core/schema/catalogue.ts'
import { CliError, usageError } from '../failures.ts'
import type { Kinds } from './columns.ts'
import type { Told } from './results.ts'
import type { BatchOptions, Target } from './target.ts'

/** Who applies, to a router of the `rest` dialect. */
export interface RemoteCredentials {
  /** Token of a session; null to log in. */
  readonly ust: string | null
  readonly username: () => Promise<string>
  readonly password: () => Promise<string>
  /** Asks for a one-time code. */
  readonly totpCode: () => Promise<string>
}

const LONGEST_REPLY = 1_048_576
const JSON_TYPE = 'application/json'

/**
 * The URL of a router, without a slash at its end.
 *
 * @throws CliError for what is none, and for one that would show secrets to the network, unless `insecure`
 */
export function routerUrl(given: string, insecure: boolean): URL {
  const url = URL.canParse(given) ? new URL(given) : null
  if (!url || !/^https?:$/.test(url.protocol))
    throw usageError('--url must be the http or https URL of the rest router.')
  if (url.username !== '' || url.password !== '') throw usageError('--url must have no user and no password in it.')
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !insecure) {
    throw usageError(
      `Over http, everybody between here and ${url.hostname} could read passwords: use https, or --insecure.`,
    )
  }
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

/** A router of the `rest` dialect, over HTTP. @throws CliError where it does not let in */
export async function remoteTarget(base: URL, credentials: RemoteCredentials): Promise<Target> {
  const own = credentials.ust === null
  const ust = credentials.ust ?? (await logIn(base, credentials))
  const session = new Session(base, ust)
  let batches = 0
  return {
    kinds: await kindsOf(session),
    async *run(lines, options) {
      // A long run would outlive a session.
      if (own && batches++ > 0) await session.ask('POST', '/renew').catch(() => {})
      yield* session.batch(lines, options)
    },
    close: async () => {
      if (own) await session.ask('POST', '/logout').catch(() => {})
    },
  }
}

async function logIn(base: URL, { username, password, totpCode }: RemoteCredentials): Promise<string> {
  const given = { username: await username(), password: await password() }
  const anonymous = new Session(base, null)
  const reply = await anonymous.ask('POST', '/login', given).catch(async (error) => {
    if (!(error instanceof CliError && error.code === 'totp_missing')) throw error
    return anonymous.ask('POST', '/login', { ...given, totpCode: await totpCode() })
  })
  const { ust } = reply as { ust?: unknown }
  if (typeof ust === 'string') return ust
  throw new CliError('failed', 'reply_malformed', 'The router gave no session token.')
}

async function kindsOf(session: Session): Promise<Kinds> {
  const { properties } = (await session.ask('GET', '/me/schema')) as { properties?: Record<string, AttributeSchema> }
  return new Map(Object.entries(properties ?? {}).map(([name, schema]) => [name, kindOfSchema(schema)]))
}

/** Requests with one token. */
class Session {
  readonly #base: URL
  readonly #ust: string | null

  constructor(base: URL, ust: string | null) {
    this.#base = base
    this.#ust = ust
  }

  /** One request and its JSON. @throws CliError for a refusal, by its code */
  async ask(method: string, path: string, body?: object): Promise<unknown> {
    const request = this.#request(method, path, body === undefined ? {} : { 'Content-Type': JSON_TYPE })
    const response = responseTo(request)
    request.end(body === undefined ? undefined : JSON.stringify(body))
    return accepted(await response)
  }

  /** Sends lines and reads results at the same time. */
  async *batch(lines: AsyncIterable<unknown>, options: BatchOptions): AsyncGenerator<Told> {
    const { mode, dryRun, key, firstLine, signal } = options
    const query = new URLSearchParams({ mode, dryRun: String(dryRun), firstLine: String(firstLine) })
    const request = this.#request('POST', `/users/batch?${query}`, {
      'Content-Type': 'application/x-ndjson',
      'Idempotency-Key': key,
    })
    const response = responseTo(request)
    // What has failed is told by whoever reads the response.
    response.catch(() => {})
    const sending = send(request, lines, signal).catch((error) => request.destroy(error as Error))
    try {
      const incoming = await response
      if (incoming.statusCode !== 200) await accepted(incoming)
      yield* toldIn(incoming)
    } finally {
      request.destroy()
      await sending
    }
  }

  #request(method: string, path: string, headers: Readonly<Record<string, string>>): ClientRequest {
    const url = new URL(`${this.#base.href.replace(/\/+$/, '')}${path}`)
    const open = url.protocol === 'https:' ? secureRequest : plainRequest
    const authorization = this.#ust === null ? {} : { Authorization: `Bearer ${this.#ust}` }
    return open(url, { method, headers: { Accept: JSON_TYPE, ...authorization, ...headers } })
  }
}

/** Writes the lines as fast as they are taken. */
async function send(request: ClientRequest, lines: AsyncIterable<unknown>, signal: AbortSignal): Promise<void> {
  for await (const line of lines) {
    if (signal.aborted || request.destroyed) break
    if (!request.write(`${JSON.stringify(line)}\n`))
      await Promise.race([once(request, 'drain'), once(request, 'close')])
  }
  request.end()
}

/** Results as they come. @throws Error where the connection breaks */
async function* toldIn(response: IncomingMessage): AsyncGenerator<Told> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8')) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') yield JSON.parse(line) as Told
  }
}

async function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new CliError('failed', code ?? 'failed', `The router does not answer: ${message || code}`, error)
  } finally {
    // A connection may break at any time; what is waited for then says so.
    request.on('error', () => {})
  }
}

/** The JSON of a reply. @throws CliError for a refusal, in its own words */
async function accepted(response: IncomingMessage): Promise<unknown> {
  const { statusCode = 0 } = response
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.length > LONGEST_REPLY) break
  }
  const body = parsed(text)
  if (statusCode >= 200 && statusCode < 300 && body !== undefined) return body
  const { code, title } = (body ?? {}) as { code?: unknown; title?: unknown }
  if (typeof code !== 'string' || typeof title !== 'string') {
    throw new CliError(
      'failed',
      'reply_malformed',
      `There is no rest router at this URL: it replied with ${statusCode}.`,
    )
  }
  throw new CliError(statusCode >= 500 ? 'failed' : 'refused', code, title)
}

function parsed(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    return undefined
  }
}
