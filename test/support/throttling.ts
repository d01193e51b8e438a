import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { inject, vi } from 'vitest'
import type { Options, SsoError } from '../../src/index.ts'
import type { DatabaseName } from './databases.ts'
import { type CountingHasher, countingHasher } from './fast-hasher.ts'
import { databases, type HostSettings, PASSWORD, startHost, type TestHost } from './host.ts'
import { startRedis } from './redis-server.ts'

/** Where attempts are counted: on every database, in Redis, in the process. */
export type Kind = DatabaseName | 'redis' | 'memory'
export const KINDS: readonly Kind[] = [...databases, ...(inject('hasRedis') ? (['redis'] as const) : []), 'memory']

/** Limits that are met soon, and waits that no test lives to see the end of. */
export const LIMITS = {
  perAccount: 3,
  perAccountTotal: 10,
  perAddress: 6,
  windowSeconds: 100_000,
  firstWaitSeconds: 1000,
  maxWaitSeconds: 3000,
} as const

/** A host that throttles, and ways to try its patience. */
export interface Throttled {
  readonly host: TestHost
  readonly count: CountingHasher['count']
  /** What a login came to: `ok`, or the error's code. */
  readonly login: (username: string, remoteAddr?: string, password?: string) => Promise<string>
  /** Seconds that a login is told to wait; null if it is not. */
  readonly waitOf: (username: string, remoteAddr?: string) => Promise<number | null>
  /** Lets time pass. */
  readonly pass: (seconds: number) => Promise<void>
  readonly clock: { now: Date }
  /** Options of another instance that counts in the same place. */
  readonly throttle: NonNullable<Options['throttle']>
  readonly close: () => Promise<void>
}

export const WRONG = 'a wrong password'

/** Starts a host that counts in the given place. */
export async function startThrottled(
  kind: Kind,
  throttle: Options['throttle'] = LIMITS,
  settings: HostSettings = {},
): Promise<Throttled> {
  const { count, hasher } = countingHasher()
  const clock = { now: new Date('2031-05-06T07:08:09.000Z') }
  const isOnDatabase = (databases as readonly string[]).includes(kind)
  const prefix = `test-${randomBytes(6).toString('hex')}:`
  const server = kind === 'redis' ? await startRedis() : null
  const redis = server && new Redis(server.port, '127.0.0.1', { keyPrefix: prefix })
  await redis?.ping()
  if (kind === 'memory') vi.useFakeTimers({ toFake: ['Date'], now: clock.now })

  const counted: NonNullable<Options['throttle']> = {
    ...throttle,
    enabled: true,
    ...(redis ? { store: { redis } } : {}),
    ...(kind === 'memory' ? { store: 'memory' } : {}),
  }
  const host = await startHost(isOnDatabase ? (kind as DatabaseName) : 'sqlite', {
    ...settings,
    options: { password: { hasher }, now: () => clock.now, ...settings.options, throttle: counted },
    before: (app, sso) => {
      app.set('trust proxy', true)
      settings.before?.(app, sso)
    },
  })
  const attempt = async (username: string, remoteAddr = '192.0.2.1', password = WRONG) => {
    try {
      await host.sso.user.login({ username, password, remoteAddr, currentApp: 'CRM' })
      return null
    } catch (error) {
      return error as SsoError
    }
  }

  return {
    host,
    count,
    clock,
    throttle: counted,
    login: async (...of) => (await attempt(...of))?.code ?? 'ok',
    waitOf: async (...of) => (await attempt(...of))?.retryAfter ?? null,
    async pass(seconds) {
      clock.now = new Date(clock.now.getTime() + seconds * 1000)
      if (kind === 'memory') vi.setSystemTime(clock.now)
      if (redis) await age(redis, prefix, seconds)
    },
    async close() {
      redis?.disconnect()
      await server?.stop()
      vi.useRealTimers()
      await host.close()
    },
  }
}

/** Redis keeps its own time: what is left of every key's is shortened instead. */
async function age(redis: Redis, prefix: string, seconds: number): Promise<void> {
  for (const key of await redis.keys(`${prefix}*`)) {
    const own = key.slice(prefix.length)
    const left = (await redis.pttl(own)) - seconds * 1000
    if (left <= 0) await redis.del(own)
    else await redis.pexpire(own, left)
  }
}

export { PASSWORD }
