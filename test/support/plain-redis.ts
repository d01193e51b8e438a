import { once } from 'node:events'
import { connect } from 'node:net'

/** A client with the one method of node-redis that sinks call: an array of text goes out, a promise of its reply comes back. */
export interface PlainRedis {
  readonly isReady: boolean
  readonly sendCommand: (command: readonly string[]) => Promise<unknown>
  readonly close: () => void
}

interface Waiting {
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: Error) => void
}

/** Connects; speaks RESP 2 as far as replies of one value go. */
export async function plainRedis(url: string): Promise<PlainRedis> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port || 6379), hostname)
  await once(socket, 'connect')
  const waiting: Waiting[] = []
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    for (let reply = firstReply(text); reply; reply = firstReply(text)) {
      text = text.slice(reply.length)
      const next = waiting.shift()
      if (reply.value instanceof Error) next?.reject(reply.value)
      else next?.resolve(reply.value)
    }
  })

  return {
    isReady: true,
    sendCommand(command) {
      const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
      socket.write(`*${command.length}\r\n${parts.join('')}`)
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    close: () => socket.destroy(),
  }
}

/** The reply that the text begins with, once all of it is there. */
function firstReply(text: string): { readonly value: unknown; readonly length: number } | null {
  const [line, kind, rest = ''] = /^([+\-:$])(.*?)\r\n/.exec(text) ?? []
  if (line === undefined) return null
  if (kind === '-') return { value: new Error(rest), length: line.length }
  if (kind !== '$') return { value: rest, length: line.length }
  const length = line.length + Number(rest) + 2
  return text.length < length ? null : { value: text.slice(line.length, length - 2), length }
}
