import { Redis } from 'ioredis'
import knexFactory from 'knex'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createSso } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { idOf, startHost } from '../support/host.ts'
import { KINDS, LIMITS, PASSWORD, startThrottled, type Throttled, WRONG } from '../support/throttling.ts'

const { perAccount, perAccountTotal, perAddress, firstWaitSeconds: first, maxWaitSeconds: longest } = LIMITS

const times = <T>(count: number, work: (index: number) => Promise<T>) =>
  Array.from({ length: count }, (_, index) => index).reduce(
    async (results, index) => [...(await results), await work(index)],
    Promise.resolve<T[]>([]),
  )
const repeated = (count: number, value: string) => Array(count).fill(value)

describe.each(KINDS)('guesses that are counted in %s', (kind) => {
  let on: Throttled
  afterEach(() => on.close())

  /** Real time passes a little, and only Redis sees it. */
  const seconds = (wanted: number) =>
    kind === 'redis' ? expect.toSatisfy((wait: number) => wait > wanted / 2 && wait <= wanted) : wanted

  test('ASVS 2.4.1: so many on one account, then each further one waits, twice as long each time', async () => {
    on = await startThrottled(kind, { ...LIMITS, perAddress: 1000 })
    expect(await times(perAccount, () => on.login('ada'))).toEqual(repeated(perAccount, 'credentials_invalid'))
    expect(await on.login('ada')).toBe('throttled')
    expect(await on.waitOf('ada')).toEqual(seconds(first))
    for (const wait of [first * 2, longest, longest]) {
      await on.pass(wait)
      expect(await on.login('ada')).toBe('credentials_invalid')
      expect(await on.waitOf('ada')).toEqual(seconds(wait))
    }
    await on.pass(LIMITS.windowSeconds)
    expect(await on.login('ada')).toBe('credentials_invalid')
    expect(await on.login('ada')).toBe('credentials_invalid')
  })

  test('who is refused does not make the wait longer, nor does he look at a password', async () => {
    on = await startThrottled(kind)
    await times(perAccount, () => on.login('ada'))
    const { verify } = on.count
    expect(await times(20, () => on.login('ada', '192.0.2.1', PASSWORD))).toEqual(repeated(20, 'throttled'))
    expect(on.count.verify).toBe(verify)
    expect(await on.waitOf('ada')).toEqual(seconds(first))
    await on.pass(first)
    expect(await on.login('ada', '192.0.2.1', PASSWORD)).toBe('ok')
  })

  test('ASVS 6.3.8: unknown, locked and known accounts are throttled alike, with as many hash computations', async () => {
    on = await startThrottled(kind, { ...LIMITS, perAddress: 1000 })
    await on.host.sso.user.lockUser({ actor: { via: 'code', name: 'test' }, userId: await idOf(on.host, 'bob') })
    const seen: unknown[] = []
    for (const username of ['ada', 'bob', 'nobody', 'A\u0000', 'x'.repeat(5000)]) {
      const { verify } = on.count
      const codes = await times(perAccount + 2, () => on.login(username))
      const wait = (await on.waitOf(username)) ?? 0
      seen.push([...codes, on.count.verify - verify, wait > first / 2])
    }
    const each = [...repeated(perAccount, 'credentials_invalid'), 'throttled', 'throttled', perAccount, true]
    expect(seen).toEqual(Array(5).fill(each))
  })

  test('one name in several spellings is one account', async () => {
    on = await startThrottled(kind)
    for (const name of ['ada', 'ADA', '\uff21da']) expect(await on.login(name)).toBe('credentials_invalid')
    expect(await on.login('aDa')).toBe('throttled')
  })

  test('one address may not go on to other accounts for ever', async () => {
    on = await startThrottled(kind)
    const codes = await times(perAddress + 2, (index) => on.login(`user ${index}`))
    expect(codes).toEqual([...repeated(perAddress, 'credentials_invalid'), 'throttled', 'throttled'])
    expect(await on.login('ada', '192.0.2.1', PASSWORD)).toBe('throttled')
    expect(await on.login('ada', '192.0.2.2', PASSWORD)).toBe('ok')
  })

  test('IPv6 is counted by its /64, IPv4 within IPv6 as IPv4, and what is no address as one', async () => {
    on = await startThrottled(kind, { ...LIMITS, perAddress: 2 })
    for (const [one, same, other] of [
      ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', '2001:db8:1:3::1'],
      ['::ffff:198.51.100.7', '198.51.100.7', '198.51.100.8'],
      ['not an address', 'another one', '203.0.113.1'],
    ] as const) {
      expect([await on.login(`a ${one}`, one), await on.login(`b ${one}`, same)]).toEqual(
        repeated(2, 'credentials_invalid'),
      )
      expect([await on.login(`c ${one}`, one), await on.login(`d ${one}`, same)]).toEqual(repeated(2, 'throttled'))
      expect(await on.login(`e ${one}`, other)).toBe('credentials_invalid')
    }
    await expect(
      on.host.sso.user.login({ username: 'ada', password: PASSWORD, currentApp: 'CRM' }),
    ).rejects.toMatchObject({ code: 'throttled' })
  })

  test('ASVS 6.1.1: attacks on an account do not keep its owner out, nor may every address try for ever', async () => {
    on = await startThrottled(kind)
    await times(perAccount, () => on.login('ada', '192.0.2.1'))
    expect(await on.login('ada', '192.0.2.1')).toBe('throttled')
    expect(await on.login('ada', '198.51.100.1', PASSWORD)).toBe('ok')

    // That has forgotten what was counted.
    const codes = await times(perAccountTotal + 3, (index) => on.login('ada', `203.0.113.${index}`))
    const free = codes.indexOf('throttled')
    expect(free).toBe(perAccountTotal)
    expect(codes.slice(free)).toEqual(repeated(3, 'throttled'))
    // Addresses that have failed before are not among those that are let pass.
    expect(await on.login('ada', '203.0.113.1')).toBe('throttled')
  })

  test('a success forgets the failures of the account, and none of the address but its own', async () => {
    on = await startThrottled(kind)
    for (let round = 0; round < 2; round++) {
      await times(perAccount - 1, () => on.login('ada'))
      expect(await on.login('ada', '192.0.2.1', PASSWORD)).toBe('ok')
    }
    expect(await times(20, () => on.login('ada', '192.0.2.1', PASSWORD))).toEqual(repeated(20, 'ok'))
    expect(await times(3, (index) => on.login(`user ${index}`))).toEqual([
      ...repeated(2, 'credentials_invalid'),
      'throttled',
    ])
  })

  test('many at once get no more than the allowance', async () => {
    on = await startThrottled(kind)
    await on.login('warm', '192.0.2.99')
    const { verify } = on.count
    const codes = await Promise.all(Array.from({ length: 50 }, () => on.login('ada')))
    expect(codes.filter((code) => code === 'credentials_invalid')).toHaveLength(on.count.verify - verify)
    expect(codes.filter((code) => code === 'throttled')).toHaveLength(50 - (on.count.verify - verify))
    expect(on.count.verify - verify).toBeLessThanOrEqual(perAccount)
    expect(on.count.verify - verify).toBeGreaterThan(0)
    // As long as the first wait, whatever was refused meanwhile.
    expect(await on.waitOf('ada')).toEqual(seconds(first))
  })

  test('instances that count in the same place count together', async () => {
    on = await startThrottled(kind)
    const other = await instanceBeside(on)
    await times(perAccount - 1, () => on.login('ada'))
    expect(await other.login('ada')).toBe('credentials_invalid')
    // Memory is each instance's own.
    expect(await on.login('ada')).toBe(kind === 'memory' ? 'credentials_invalid' : 'throttled')
    expect(await other.login('ada')).toBe(kind === 'memory' ? 'credentials_invalid' : 'throttled')
    await other.close()
  })

  if (kind !== 'memory') {
    test('many at once, in two instances on connections of their own, get no more than the allowance', async () => {
      on = await startThrottled(kind)
      const other = await instanceBeside(on)
      const instances = [on, other]
      for (const { login } of instances) await login('warm', '192.0.2.99')
      const codes = await Promise.all(Array.from({ length: 40 }, (_, index) => instances[index % 2]?.login('ada')))
      const passed = codes.filter((code) => code === 'credentials_invalid').length
      expect([passed > 0, passed <= perAccount]).toEqual([true, true])
      expect(codes.filter((code) => code === 'throttled')).toHaveLength(40 - passed)
      expect(await on.waitOf('ada')).toEqual(seconds(first))
      await other.close()
    })
  }
})

/** Another instance, as in another process: nothing is common but where attempts are counted. */
async function instanceBeside({ host, throttle, clock }: Throttled) {
  const db = knexFactory(host.database.config)
  const sso = createSso({ db, throttle, now: () => clock.now, password: { hasher: fastHasher() } })
  await sso.ready()
  const login = (username: string, remoteAddr = '192.0.2.1') =>
    sso.user.login({ username, password: WRONG, remoteAddr, currentApp: 'CRM' }).then(
      () => 'ok',
      ({ code }) => String(code),
    )
  const close = async () => {
    await sso.close()
    await db.destroy()
  }
  return { login, close }
}

test('ASVS 16.5.3: Redis that is away refuses, and at once', async () => {
  const redis = new Redis({ lazyConnect: true })
  const onError = vi.fn()
  const host = await startHost('sqlite', { options: { hooks: { onError }, throttle: { store: { redis } } } })
  const reply = await host.http
    .post('/zato/sso/user/login')
    .set('Content-Type', 'application/json')
    .send({ username: 'ada', password: PASSWORD, current_app: 'CRM' })
  expect([reply.status, onError.mock.calls.length]).toEqual([500, 1])
  await host.close()
})
