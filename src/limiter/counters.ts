import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible'
import type { Counters } from '../core/throttle/counters.ts'

/** A client of Redis that the host has connected: ioredis, or node-redis from version 4 on. */
export type RedisClient = object

/** Counting in Redis. */
export interface RedisStore {
  /** The host's client; never opened or closed. */
  readonly redis: RedisClient
}

// The library wants limits of its own; counting needs none of them.
const NO_LIMIT = { points: Number.MAX_SAFE_INTEGER, duration: 1 }

/** Counters of one process: for tests, and for hosts that are one process. */
export function memoryCounters(): Counters {
  return countersOf(new RateLimiterMemory(NO_LIMIT))
}

/** Counters in Redis. Without a connection they fail at once, rather than when there is one again. */
export function redisCounters(client: RedisClient, keyPrefix: string): Counters {
  const useRedisPackage = !('defineCommand' in client)
  return countersOf(
    new RateLimiterRedis({ ...NO_LIMIT, storeClient: client, keyPrefix, useRedisPackage, rejectIfRedisNotReady: true }),
  )
}

function countersOf(limiter: RateLimiterMemory | RateLimiterRedis): Counters {
  return {
    async add(key, seconds) {
      const { consumedPoints, msBeforeNext } = await limiter.penalty(key, 1, { customDuration: seconds })
      return { points: consumedPoints, endsIn: msBeforeNext }
    },
    async extend(key, seconds) {
      await limiter.set(key, 1, seconds)
    },
    async giveBack(key) {
      // What has ended in between would begin at less than none, and let more pass.
      const { consumedPoints } = await limiter.penalty(key, -1, { customDuration: 1 })
      if (consumedPoints < 0) await limiter.delete(key)
    },
    async remove(key) {
      await limiter.delete(key)
    },
  }
}
