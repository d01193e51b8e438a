import { once } from 'node:events'
import type { AuditSink, SealedRecord } from '../core/audit/sink.ts'
import { checkNames, refuse } from './wiring.ts'

/** Settings of `redisStreamSink`. */
export interface RedisStreamOptions {
  /**
   * A client of Redis that the host has connected: ioredis, or one of a single server by node-redis from version 4 on.
   * Never opened or closed.
   */
  readonly redis: object
  /** Key of the stream; made with the first record. */
  readonly stream: string
  /** The sink's name, of 191 characters at most. Default `redis-stream:` and the key. */
  readonly name?: string
  /** Entries that the stream keeps, about: Redis drops the oldest. Default: all of them. */
  readonly maxLength?: number
}

const BATCH_SIZE = 500

/** What ioredis has of a pipeline. */
interface Ioredis {
  readonly pipeline: (commands: readonly (readonly string[])[]) => {
    readonly exec: () => Promise<readonly (readonly [Error | null, unknown])[] | null>
  }
}

/** What node-redis has; commands that are given at once are sent at once. */
interface NodeRedis {
  readonly sendCommand: (command: readonly string[]) => Promise<unknown>
}

/** What tells whether there is a connection; `ready` is emitted when there is one again. */
interface Connection extends NodeJS.EventEmitter {
  /** Of ioredis. */
  readonly status?: string
  /** Of node-redis. */
  readonly isReady?: boolean
}

// ioredis connects in the first of them when it gets a command, and in the second never again.
const ANSWERS_ANYWAY = ['wait', 'end']

/**
 * Adds each record to a stream of Redis, with the fields `id`, `cid`, `operation`, `outcome`, and `record`, which is JSON
 * of all of it. What Redis has acknowledged has been taken: how long it keeps it is for its own persistence to say. If
 * one record of a delivery is refused, all of them come again.
 *
 * @throws SsoError `option_invalid`
 */
export function redisStreamSink(options: RedisStreamOptions): AuditSink {
  checkNames('redisStreamSink', options, ['redis', 'stream', 'name', 'maxLength'])
  const { redis, stream, maxLength } = options
  if (typeof stream !== 'string' || stream === '') refuse('redisStreamSink', 'stream must be text, and not empty.')
  if (maxLength !== undefined && !(Number.isSafeInteger(maxLength) && maxLength > 0)) {
    refuse('redisStreamSink', 'maxLength must be an integer greater than 0.')
  }
  const send = sendingOver(redis)
  const trimming = maxLength === undefined ? [] : ['MAXLEN', '~', String(maxLength)]

  return {
    name: options.name ?? `redis-stream:${stream}`,
    batchSize: BATCH_SIZE,

    async deliver(records, signal) {
      signal.throwIfAborted()
      // Clients queue what they cannot send, and would send it again with every attempt.
      if (isAway(redis as Connection)) await once(redis as Connection, 'ready', { signal })
      // In lower case: to ioredis it is the name of a method.
      const commands = records.map((record) => ['xadd', stream, ...trimming, '*', ...fieldsOf(record)])
      await unlessAborted(signal, send(commands))
    },
  }
}

type Send = (commands: readonly string[][]) => Promise<unknown>

/** @throws SsoError `option_invalid` */
function sendingOver(redis: object): Send {
  if (typeof redis === 'object' && redis !== null) {
    if ('defineCommand' in redis) return sendByIoredis(redis as unknown as Ioredis)
    if ('sendCommand' in redis) return sendByNodeRedis(redis as NodeRedis)
  }
  return refuse('redisStreamSink', 'redis must be a client: ioredis, or node-redis from version 4 on.')
}

function sendByIoredis(redis: Ioredis): Send {
  return async (commands) => {
    const replies = await redis.pipeline(commands).exec()
    const refused = replies?.find(([error]) => error)
    // Without what the client adds to its errors: the command, and the record in it.
    if (refused) throw new Error(`Redis has not taken a record: ${refused[0]?.message}`)
    if (replies?.length !== commands.length) throw new Error('Redis has not answered every command.')
  }
}

function sendByNodeRedis(redis: NodeRedis): Send {
  return async (commands) => {
    const replies = await Promise.allSettled(commands.map((command) => redis.sendCommand(command)))
    const refused = replies.find(({ status }) => status === 'rejected')
    if (refused) throw new Error(`Redis has not taken a record: ${(refused as PromiseRejectedResult).reason?.message}`)
  }
}

function isAway({ status, isReady }: Connection): boolean {
  if (status !== undefined) return status !== 'ready' && !ANSWERS_ANYWAY.includes(status)
  return isReady === false
}

function fieldsOf(record: SealedRecord): string[] {
  const { id, cid, operation, outcome } = record
  return Object.entries({ id: String(id), cid, operation, outcome, record: JSON.stringify(record) }).flat()
}

/** Rejects when the time is over, whatever the client still waits for. */
async function unlessAborted(signal: AbortSignal, work: Promise<unknown>): Promise<void> {
  const settled = new AbortController()
  const over = new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { signal: settled.signal })
  })
  try {
    await Promise.race([work, over])
  } finally {
    settled.abort()
  }
}
