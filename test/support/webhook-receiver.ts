import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** How a receiver answers a request. */
export type Answer = (reply: ServerResponse) => void

/** Answers with the status and no body. */
export const status = (code: number, headers: Record<string, string> = {}): Answer => {
  return (reply) => void reply.writeHead(code, headers).end()
}

/** Never answers. */
export const silence: Answer = () => {}

/** Answers 200 and never ends the body. */
export const endlessBody: Answer = (reply) => {
  const more = (): void => {
    while (!reply.destroyed && reply.write(Buffer.alloc(16_384)));
  }
  reply.on('drain', more).writeHead(200)
  more()
}

/** Answers 200 and never begins the body. */
export const silentBody: Answer = (reply) => void reply.writeHead(200).flushHeaders()

/** A request as it came. */
export interface ReceivedRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** An HTTP server that takes webhooks. */
export interface WebhookReceiver {
  /** Its origin. */
  readonly url: string
  readonly requests: readonly ReceivedRequest[]
  /** The next requests are answered so, one each; those after them like the last. */
  readonly answerWith: (...answers: readonly [Answer, ...Answer[]]) => void
  /** Resolves with the next request as soon as it has arrived, before it is answered. */
  readonly nextRequest: () => Promise<ReceivedRequest>
  /** Open connections. */
  readonly connections: () => Promise<number>
  /** Cuts all connections, and takes no more. */
  readonly close: () => Promise<void>
}

/** A key and a certificate of 127.0.0.1 that nobody has signed but itself. */
export function selfSigned(): { readonly key: string; readonly cert: string } {
  const pem = execFileSync(
    'openssl',
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout - -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1'.split(
      ' ',
    ),
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  )
  const begin = pem.indexOf('-----BEGIN CERTIFICATE-----')
  return { key: pem.slice(0, begin), cert: pem.slice(begin) }
}

/** Starts a receiver; it answers 204 until it is told otherwise. @param tls for one by `https:` */
export async function startReceiver(tls?: ReturnType<typeof selfSigned>): Promise<WebhookReceiver> {
  const requests: ReceivedRequest[] = []
  const answers: Answer[] = [status(204)]
  const server = tls ? createTlsServer(tls) : createServer()
  server.on('request', async (request, reply) => {
    const { method = '', url = '', headers } = request
    const received = { method, url, headers, body: await buffer(request) }
    requests.push(received)
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) as Answer
    server.emit('received', received)
    answer(reply)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http${tls ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answerWith: (...next) => void answers.splice(0, answers.length, ...next),
    nextRequest: async () => (await once(server, 'received'))[0],
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)))
      }),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
