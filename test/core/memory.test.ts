import { LRUCache } from 'lru-cache'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { buildMemory, type Claim, type Memory } from '../../src/core/passwords/memory.ts'

const CLAIM: Claim = {
  username: 'ada',
  password: 'analytical engine',
  hash: '$fast$of-her-password',
  remoteAddr: '192.0.2.1',
}
const BOB: Claim = { ...CLAIM, username: 'bob', password: 'difference engine' }
const WRONG = { ...CLAIM, password: 'a wrong password' }

describe('what is remembered of passwords', () => {
  // A clock of any reading; zero is not one of them.
  const clock = { now: 1000 }
  let memory: Memory
  beforeEach(() => {
    memory = buildMemory({ seconds: 60, most: 3 }, () => clock.now)
  })
  afterEach(() => vi.restoreAllMocks())

  test('the password that was verified, and nothing before it was', () => {
    expect(memory.recalls(CLAIM)).toBe(false)
    memory.remember(CLAIM)
    expect([memory.recalls(CLAIM), memory.recalls(CLAIM)]).toEqual([true, true])
  })

  test.each([
    ['password', { password: 'analytical engine ' }],
    ['name', { username: 'Ada' }],
    ['hash', { hash: '$fast$of-a-new-one' }],
    ['address', { remoteAddr: '192.0.2.2' }],
    ['address, as there is none', { remoteAddr: null }],
    // What a text ends with may not be what the next one begins with.
    ['border between two texts', { username: 'ada","192.0.2.1', remoteAddr: '' }],
  ])('another %s is another thing', (_, other) => {
    memory.remember(CLAIM)
    expect(memory.recalls({ ...CLAIM, ...other })).toBe(false)
  })

  test('addresses are those of the throttle: IPv6 by its /64, IPv4 within IPv6 as IPv4', () => {
    memory.remember({ ...CLAIM, remoteAddr: '2001:db8:1:2::1' })
    expect(memory.recalls({ ...CLAIM, remoteAddr: '2001:db8:1:2:ffff::9' })).toBe(true)
    expect(memory.recalls({ ...CLAIM, remoteAddr: '2001:db8:1:3::1' })).toBe(false)
    memory.remember(CLAIM)
    expect(memory.recalls({ ...CLAIM, remoteAddr: '::ffff:192.0.2.1' })).toBe(true)
  })

  test('it ends after its seconds, however often it was used', () => {
    memory.remember(CLAIM)
    clock.now += 59_999
    expect(memory.recalls(CLAIM)).toBe(true)
    clock.now += 2
    expect(memory.recalls(CLAIM)).toBe(false)
    memory.remember(CLAIM)
    expect(memory.recalls(CLAIM)).toBe(true)
  })

  test('there are so many at most, the ones used last', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const claims = names.map((username) => ({ ...CLAIM, username }))
    for (const claim of claims) {
      memory.remember(claim)
      memory.recalls(claims[0]!)
    }
    expect(claims.map((claim) => memory.recalls(claim))).toEqual([true, false, false, true, true])
  })

  test('the first wrong password closes it for the name and for the address, until the next verification', () => {
    const elsewhere = { ...CLAIM, remoteAddr: '198.51.100.1' }
    const others = { ...BOB, remoteAddr: '198.51.100.2' }
    memory = buildMemory({ seconds: 60, most: 4 }, () => clock.now)
    for (const claim of [CLAIM, BOB, elsewhere, others]) memory.remember(claim)
    expect(memory.recalls(WRONG)).toBe(false)
    expect([CLAIM, BOB, elsewhere, others].map((claim) => memory.recalls(claim))).toEqual([false, false, false, true])
    memory.remember(CLAIM)
    expect([CLAIM, BOB, elsewhere].map((claim) => memory.recalls(claim))).toEqual([true, false, false])
  })

  test('a wrong password is compared only where one is remembered: whoever else is there keeps his', () => {
    memory.remember(BOB)
    expect(memory.recalls(WRONG)).toBe(false)
    expect(memory.recalls(BOB)).toBe(true)
  })

  test('what has failed elsewhere closes it, whatever the spelling of the name', () => {
    for (const [username, remoteAddr] of [
      ['ADA', '203.0.113.1'],
      ['nobody', CLAIM.remoteAddr],
    ] as const) {
      memory.remember(CLAIM)
      memory.close('somebody', '203.0.113.1')
      expect(memory.recalls(CLAIM)).toBe(true)
      memory.close(username, remoteAddr)
      expect(memory.recalls(CLAIM)).toBe(false)
    }
  })

  test('whoever is in use stays, with all that keeps it open, whatever comes and goes', () => {
    memory.remember(CLAIM)
    for (let number = 0; number < 20; number++) {
      memory.remember({ ...BOB, username: `bob ${number}`, remoteAddr: `198.51.100.${number}` })
      expect(memory.recalls(CLAIM)).toBe(true)
    }
    memory.close('ada', '203.0.113.1')
    expect(memory.recalls(CLAIM)).toBe(false)
  })

  test('nothing of it can be read: digests, under a secret of its own', () => {
    const set = vi.spyOn(LRUCache.prototype, 'set')
    memory.remember(CLAIM)
    const kept = set.mock.calls.map(([key, value]) => [key, value])
    // The password, and a mark each for the name and the address.
    expect(kept).toHaveLength(3)
    buildMemory({ seconds: 60, most: 3 }).remember(CLAIM)
    const keys = set.mock.calls.map(([key]) => String(key))
    expect(keys.every((key) => /^[\w-]{43}$/.test(key))).toBe(true)
    expect(new Set(keys).size).toBe(6)
    const text = JSON.stringify(kept, (_, value) => (Buffer.isBuffer(value) ? value.toString('latin1') : value))
    const bytes = Buffer.concat(
      kept.flatMap(([, value]) => ('digest' in (value as object) ? [(value as any).digest] : [])),
    )
    expect(bytes).toHaveLength(32)
    for (const plain of [CLAIM.password, CLAIM.hash, CLAIM.username, CLAIM.remoteAddr]) {
      expect(text).not.toContain(plain)
    }
    expect(JSON.stringify(memory)).toBe('{}')
  })
})
