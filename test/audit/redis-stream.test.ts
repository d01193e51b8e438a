import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { redisStreamSink } from '../../src/audit/redis-stream.ts'
import type { AuditSink } from '../../src/core/audit/sink.ts'
import { type PlainRedis, plainRedis } from '../support/plain-redis.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { sealedRecord, sealedRecords, UNHURRIED } from '../support/sealed-records.ts'

let own: RedisServer
let reader: Redis
let plain: PlainRedis

beforeAll(async () => {
  own = await startRedis()
  reader = new Redis(own.port, '127.0.0.1')
  plain = await plainRedis(`redis://127.0.0.1:${own.port}`)
})
afterAll(async () => {
  reader.disconnect()
  plain.close()
  await own.stop()
})

function newStream(): string {
  return `test-${randomBytes(6).toString('hex')}`
}

/** Fields of a stream's entries, the oldest first. */
async function entriesOf(stream: string, redis = reader): Promise<Record<string, string>[]> {
  const entries = await redis.xrange(stream, '-', '+')
  return entries.map(([, fields]) =>
    Object.fromEntries(Array.from({ length: fields.length / 2 }, (_, at) => [fields[2 * at]!, fields[2 * at + 1]!])),
  )
}
const idsOf = async (stream: string, redis = reader) => (await entriesOf(stream, redis)).map(({ id }) => id)

async function failureOf(sink: AuditSink, signal = UNHURRIED): Promise<Error> {
  const error = await Promise.resolve(sink.deliver(sealedRecords(1, 2), signal)).then(
    () => expect.fail('it was delivered'),
    (reason) => reason,
  )
  expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain('Ada')
  return error
}

describe.each([
  ['ioredis', () => reader],
  ['a client with the method of node-redis', () => plain],
])('over %s', (_, client) => {
  test('each record is an entry, in order, with its fields beside it', async () => {
    const stream = newStream()
    const record = sealedRecord(1, { operation: 'lock_user', outcome: 'unchanged', user_agent: 'ünï\r\n$5\r\n' })
    const sink = redisStreamSink({ redis: client(), stream })
    await sink.deliver([record, sealedRecord(2)], UNHURRIED)
    await sink.deliver(sealedRecords(3), UNHURRIED)

    const [first, ...others] = await entriesOf(stream)
    expect({ ...first, record: JSON.parse(first!['record']!) }).toEqual({
      id: '1',
      cid: 'c1',
      operation: 'lock_user',
      outcome: 'unchanged',
      record,
    })
    expect(others.map(({ id }) => id)).toEqual(['2', '3'])
  })

  test('a full batch arrives whole and in order', async () => {
    const stream = newStream()
    const sink = redisStreamSink({ redis: client(), stream })
    const ids = Array.from({ length: sink.batchSize ?? 0 }, (_, index) => index)
    expect(ids).toHaveLength(500)
    await sink.deliver(sealedRecords(...ids), UNHURRIED)
    expect(await idsOf(stream)).toEqual(ids.map(String))
  })

  test('a stream is trimmed to about as many entries as are wanted', async () => {
    const stream = newStream()
    const sink = redisStreamSink({ redis: client(), stream, maxLength: 10 })
    const ids = Array.from({ length: 500 }, (_, index) => index)
    await sink.deliver(sealedRecords(...ids), UNHURRIED)
    const kept = await idsOf(stream)
    expect(kept.length).toBeGreaterThanOrEqual(10)
    // Redis drops whole nodes of a stream, of a hundred entries as it comes.
    expect(kept.length).toBeLessThan(250)
    expect(kept.at(-1)).toBe('499')
  })

  test('what Redis refuses is refused, and nothing of the record is in the error', async () => {
    const stream = newStream()
    await reader.set(stream, 'no stream')
    const error = await failureOf(redisStreamSink({ redis: client(), stream }))
    expect(error.message).toMatch(/^Redis has not taken a record: WRONGTYPE /)
  })

  test('a delivery of which one record is refused fails', async () => {
    // A stream whose last entry has the greatest id but one has room for one more.
    const stream = newStream()
    await reader.xadd(stream, '18446744073709551615-18446744073709551614', 'id', '0')
    const error = await failureOf(redisStreamSink({ redis: client(), stream }))
    expect(error.message).toMatch(/^Redis has not taken a record: ERR /)
    expect(await idsOf(stream)).toEqual(['0', '1'])
  })

  test('a delivery whose time was over before it began adds nothing', async () => {
    const stream = newStream()
    const sink = redisStreamSink({ redis: client(), stream })
    expect((await failureOf(sink, AbortSignal.abort())).name).toBe('AbortError')
    expect(await reader.exists(stream)).toBe(0)
  })
})

describe('a Redis that goes away', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  function connected(): Redis {
    const redis = new Redis(server.port, '127.0.0.1', { retryStrategy: () => 20 })
    // ioredis says it on the console else.
    redis.on('error', () => {})
    onTestFinished(() => redis.disconnect())
    return redis
  }

  /** The next event of the name, whatever attempts to connect fail before. */
  const heard = (redis: Redis, name: string) => new Promise<void>((resolve) => redis.once(name, () => resolve()))

  test('fails deliveries, queues none of them, and takes the same records when it is back', async () => {
    const redis = connected()
    const sink = redisStreamSink({ redis, stream: 'audit' })
    await sink.deliver(sealedRecords(1), UNHURRIED)
    expect(await idsOf('audit', redis)).toEqual(['1'])

    const lost = heard(redis, 'close')
    await server.stop()
    await lost
    // Whether at the attempt to connect again or at the end of its time: it does not hang.
    for (let attempt = 0; attempt < 5; attempt++) await failureOf(sink, AbortSignal.timeout(200))

    const back = heard(redis, 'ready')
    await server.start()
    await back
    await sink.deliver(sealedRecords(1, 2), UNHURRIED)
    expect(await idsOf('audit', redis)).toEqual(['1', '2'])
  })

  test('is waited for, as long as there is time', async () => {
    const redis = connected()
    expect(redis.status).not.toBe('ready')
    await redisStreamSink({ redis, stream: 'soon' }).deliver(sealedRecords(1), UNHURRIED)
    expect(await idsOf('soon', redis)).toEqual(['1'])
  })

  test('is connected to by the first delivery, where the client is lazy', async () => {
    const redis = new Redis(server.port, '127.0.0.1', { lazyConnect: true })
    onTestFinished(() => redis.disconnect())
    await redisStreamSink({ redis, stream: 'lazy' }).deliver(sealedRecords(1), UNHURRIED)
    expect(await idsOf('lazy', redis)).toEqual(['1'])
  })

  test('that does not answer holds up a delivery until its time is over', async () => {
    const redis = connected()
    await redis.ping()
    server.pause(true)
    onTestFinished(() => server.pause(false))
    const time = new AbortController()
    const delivery = failureOf(redisStreamSink({ redis, stream: 'paused' }), time.signal)
    setTimeout(() => time.abort(new Error('time is over')), 50)
    expect((await delivery).message).toBe('time is over')
  })

  test('a client that has been closed fails at once', async () => {
    const redis = connected()
    await redis.ping()
    redis.disconnect()
    await heard(redis, 'end')
    expect((await failureOf(redisStreamSink({ redis, stream: 'closed' }))).message).toContain('Connection is closed')
  })
})

describe('options', () => {
  const redis = { sendCommand: async () => null }

  test('the name is the stream unless there is another', () => {
    expect(redisStreamSink({ redis, stream: 'audit' }).name).toBe('redis-stream:audit')
    expect(redisStreamSink({ redis, stream: 'audit', name: 'siem' }).name).toBe('siem')
  })

  test.each<[object, string]>([
    [{ redis: {} }, 'redis must be a client: ioredis, or node-redis from version 4 on.'],
    [{ redis: null }, 'redis must be a client: ioredis, or node-redis from version 4 on.'],
    [{ redis: 'redis://:secret@localhost' }, 'redis must be a client: ioredis, or node-redis from version 4 on.'],
    [{ stream: '' }, 'stream must be text, and not empty.'],
    [{ stream: undefined }, 'stream must be text, and not empty.'],
    [{ maxLength: 0 }, 'maxLength must be an integer greater than 0.'],
    [{ maxLength: 1.5 }, 'maxLength must be an integer greater than 0.'],
    [{ maxlength: 5 }, 'maxlength is not an option. Did you mean maxLength?'],
  ])('%j: %s', (options, message) => {
    expect(() => redisStreamSink({ redis, stream: 'audit', ...options })).toThrow(
      expect.objectContaining({ code: 'option_invalid', message: `redisStreamSink: ${message}` }),
    )
  })
})
