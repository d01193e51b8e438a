import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fastHasher } from '../support/fast-hasher.ts'
import { PASSWORD, startHost, type TestHost } from '../support/host.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'

// What the host sets; without it, a client waits for as long as Redis stands still.
const COMMAND_MS = 200
const LONGEST_MS = 5000

let server: RedisServer
let redis: Redis
let host: TestHost
const faults: unknown[] = []
beforeAll(async () => {
  server = await startRedis()
  redis = new Redis(server.port, '127.0.0.1', { commandTimeout: COMMAND_MS, retryStrategy: () => 20 })
  redis.on('error', () => {})
  await redis.ping()
  host = await startHost('sqlite', {
    options: {
      password: { hasher: fastHasher() },
      throttle: { store: { redis } },
      hooks: { onError: (error) => void faults.push(error) },
    },
  })
})
afterAll(async () => {
  redis.disconnect()
  await host.close()
  await server.stop()
})

const login = async () => {
  const reply = await host.http
    .post('/zato/sso/user/login')
    .send({ username: 'ada', password: PASSWORD, current_app: 'CRM' })
  return reply.body.status === 'ok' ? 'ok' : [reply.status, reply.body.sub_status]
}

test.each([
  ['killed', () => server.stop(), () => server.start()],
  ['standing still', async () => server.pause(true), async () => server.pause(false)],
])(
  'with Redis %s nobody is let in uncounted, nor waits for it; logins go on when it does',
  async (_, leave, comeBack) => {
    expect(await login()).toBe('ok')
    const told = faults.length
    const begun = performance.now()
    await leave()
    try {
      expect(await login()).toEqual([500, ['E008004']])
      expect(performance.now() - begun).toBeLessThan(LONGEST_MS)
      expect(faults.length).toBeGreaterThan(told)
      const users = await host.audit({ operation: 'login' })
      expect(users.at(-1)).toMatchObject({ outcome: 'failed', error: 'internal' })
    } finally {
      await comeBack()
    }
    await expect.poll(login, { timeout: 10_000 }).toBe('ok')
  },
)
