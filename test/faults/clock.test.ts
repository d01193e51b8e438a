import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { SealedRecord } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'
import { codeAt, TOTP_KEY } from '../support/one-time-codes.ts'

const actor = { via: 'code', name: 'test' } as const
const THROTTLE = { perAccount: 3, perAddress: 1000, firstWaitSeconds: 10, maxWaitSeconds: 40 }
const HOUR = 3600
const STEPS = [
  ['an hour', HOUR],
  ['a day', 24 * HOUR],
] as const

describe.each(databases)('a clock that steps back on %s', (name) => {
  let database: TestDatabase
  let host: TestHost
  let now: Date
  const delivered: SealedRecord[] = []
  const faults: unknown[] = []
  const pass = (seconds: number) => {
    now = new Date(now.getTime() + seconds * 1000)
  }
  beforeAll(async () => {
    database = await createDatabase(name)
  })
  afterEach(() => host.close())
  afterAll(() => database.drop())

  async function start(): Promise<void> {
    now = new Date('2031-05-06T07:08:09.000Z')
    delivered.length = 0
    faults.length = 0
    host = await startHost(name, {
      database,
      options: {
        now: () => now,
        password: { hasher: fastHasher() },
        throttle: THROTTLE,
        session: { inactivityMinutes: 10 },
        audit: { sinks: [(record) => void delivered.push(record)], firstWaitSeconds: 0.01 },
        hooks: { onError: (error) => void faults.push(error) },
      },
    })
  }
  const guess = async (password: string): Promise<string> => {
    const login = host.sso.user.login({ username: 'ada', password, remoteAddr: '192.0.2.1', currentApp: 'CRM' })
    return login.then(
      () => 'ok',
      ({ code, retryAfter }) => (code === 'throttled' ? retryAfter : code),
    )
  }

  test.each(STEPS)('by %s: what was allowed goes on, and the trail is whole and delivered', async (_, seconds) => {
    await start()
    const [ust, userId] = [await host.login('ada'), await idOf(host, 'ada')]
    const rename = async (display_name: string) => {
      const reply = await host.http.patch('/zato/sso/user').send({ ust, current_app: 'CRM', display_name })
      expect(reply.body).toMatchObject({ status: 'ok' })
    }
    await rename('before')
    await host.sso.flush()
    pass(-seconds)
    await rename('after')
    await host.sso.user.updateUserById({ actor, userId, data: { display_name: 'by function' } })
    expect(await host.login('ada')).toEqual(expect.any(String))

    await host.sso.flush()
    const ids = (await host.audit()).map(({ id }) => Number(id))
    expect(delivered.map(({ id }) => id)).toEqual(ids)
    expect((await host.sso.audit.verifyAudit()).isIntact).toBe(true)
    expect(faults).toEqual([])

    // Unused for too long, as the clock is now.
    pass(11 * 60)
    const reply = await host.http.patch('/zato/sso/user').send({ ust, current_app: 'CRM', display_name: 'idle' })
    expect([reply.status, reply.body.sub_status]).toEqual([403, ['E007001']])
  })

  test.each(STEPS)('by %s: nobody waits longer than the longest wait', async (_, seconds) => {
    await start()
    const { maxWaitSeconds, perAccount } = THROTTLE
    for (let attempt = 0; attempt < perAccount; attempt++) expect(await guess('wrong')).toBe('credentials_invalid')
    expect(await guess(PASSWORD)).toBe(THROTTLE.firstWaitSeconds)
    pass(-seconds)
    expect(await guess(PASSWORD)).toBe(maxWaitSeconds)
    pass(maxWaitSeconds - 1)
    // As much as was left; neither the step nor the attempt has begun the wait anew.
    expect(await guess(PASSWORD)).toBe(1)
    pass(1)
    expect(await guess(PASSWORD)).toBe('ok')
  })

  test('no one-time code is taken twice, and they are taken again once it has caught up', async () => {
    await start()
    const userId = await idOf(host, 'bob')
    const proof = { totp_key: TOTP_KEY, is_totp_enabled: true }
    await host.sso.user.updateUserById({ actor, userId, data: proof, totpCode: codeAt(TOTP_KEY, now) })
    const login = () => {
      const totpCode = codeAt(TOTP_KEY, now)
      return host.sso.user.login({ username: 'bob', password: PASSWORD, totpCode, currentApp: 'CRM' }).then(
        () => 'ok',
        ({ code }) => code,
      )
    }
    pass(120)
    expect(await login()).toBe('ok')
    pass(-60)
    expect(await login()).toBe('totp_invalid')
    pass(90)
    expect(await login()).toBe('ok')
  })
})
