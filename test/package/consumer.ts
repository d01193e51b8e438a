import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import type { Knex } from 'knex'
import { PASSWORD } from '../support/host.ts'

/** What consumers with `JWT_SECRET` in their environment sign JSON Web Tokens with. */
export const JWT_SECRET = 'a secret of the host alone, of which its tests know'

/** A consumer that runs in a process of its own. */
export interface Consumer<Port extends string = 'plain' | 'parsed'> {
  /** `process.version` of that process. */
  readonly node: string
  /** Where it listens: without body parsers of its own, and behind them, unless it says otherwise. */
  readonly ports: Readonly<Record<Port, number>>
  /** Lets it close its servers and its pool, and waits for it to end by itself. */
  readonly end: () => Promise<Ending>
  /** Stops it at once, if it still runs. */
  readonly kill: () => void
}

/** How a consumer ended, and what it said on standard error: warnings, for instance. */
export interface Ending {
  readonly code: number | null
  readonly complaints: string
}

/** Starts a consumer and waits until it listens. */
export async function start<Port extends string = 'plain' | 'parsed'>(
  node: string,
  directory: string,
  script: string,
  database: Knex.Config,
): Promise<Consumer<Port>> {
  const child = spawn(node, [script], {
    cwd: directory,
    env: { DATABASE: JSON.stringify(database), password: PASSWORD, JWT_SECRET },
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  const ended = once(child, 'close') as Promise<[number | null]>
  const said = once(createInterface(child.stdout), 'line') as Promise<[string]>
  const [line] = await Promise.race([said, ended.then(() => [null])])
  if (line === null) throw new Error(`The consumer ended before it listened:\n${complaints}`)

  const end = async () => {
    child.stdin.end()
    const [code] = await ended
    return { code, complaints }
  }
  return { ...(JSON.parse(line) as Pick<Consumer<Port>, 'node' | 'ports'>), end, kill: () => child.kill('SIGKILL') }
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** Sends a request with exactly these headers: a body without a content type if none is given, with GET, too. */
export async function send(
  port: number,
  method: string,
  path: string,
  { body = '', headers = {} }: { body?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const length = body === '' ? {} : { 'Content-Length': Buffer.byteLength(body) }
  const req = request({ port, host: '127.0.0.1', method, path, agent: false, headers: { ...headers, ...length } })
  req.end(body)
  const [res] = await once(req, 'response')
  const chunks: Buffer[] = await res.toArray()
  return { status: res.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) }
}
