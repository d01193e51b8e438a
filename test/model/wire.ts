import { Agent, request } from 'node:http'

/** A reply as it came. */
export interface WireReply {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly etag: string | null
}

/** Requests over connections that are kept open. */
export class Wire {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 })

  constructor(url: string) {
    this.#url = url
  }

  send(method: string, path: string, headers: Readonly<Record<string, string>>, body?: unknown): Promise<WireReply> {
    const text = body === undefined ? null : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const sent = request(
        `${this.#url}${path}`,
        {
          method,
          agent: this.#agent,
          headers: {
            'User-Agent': 'model',
            ...(text === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }),
            ...headers,
          },
        },
        (reply) => {
          const chunks: Buffer[] = []
          reply.on('data', (chunk: Buffer) => chunks.push(chunk))
          reply.on('error', reject)
          reply.on('end', () => {
            const received = Buffer.concat(chunks).toString()
            const etag = typeof reply.headers.etag === 'string' ? reply.headers.etag : null
            resolve({ status: reply.statusCode ?? 0, body: received === '' ? {} : JSON.parse(received), etag })
          })
        },
      )
      sent.on('error', reject)
      sent.end(text ?? undefined)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
