import express from 'express'
import passportModule from 'passport'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createSso, type Options, type SsoError } from '../../../src/index.ts'
import { Random } from '../../model/random.ts'
import type { DatabaseName } from '../../support/databases.ts'
import { countingHasher } from '../../support/fast-hasher.ts'
import { databases, idOf, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { codeAt, TOTP_KEY } from '../../support/one-time-codes.ts'
import { LIMITS, startThrottled, type Throttled, WRONG } from '../../support/throttling.ts'
import { ADMIN, basic, done, FORMS, refusal, send } from './wire.ts'

const actor = { via: 'code', name: 'test' } as const
const json = { 'Content-Type': 'application/json' }

/** A host that counts what it hashes. */
async function start(
  database: DatabaseName,
  settings: Partial<Options> = {},
  users: readonly string[] = ['ada', 'bob'],
) {
  const { hasher, count } = countingHasher()
  const host = await startHost(database, {
    users,
    options: { ...settings, password: { hasher, ...settings.password } },
    before: (app, sso) => {
      const passport = new passportModule.Passport()
      passport.use(sso.passport.password())
      const login = passport.authenticate('sso-password', { session: false })
      app.post('/passport', express.json(), login, (_req, res) => void res.json({}))
    },
  })
  return {
    host,
    hasher,
    /** How many passwords were compared with hashes meanwhile. */
    verified: async (work: () => Promise<unknown>) => {
      const before = count.verify
      await work()
      return count.verify - before
    },
    /** A call that changes nothing. */
    as: (user: string, pass = PASSWORD) => send(host, 'POST form', { user, pass, uid: user }),
  }
}

/** What ends it, and what its owner hears then. */
interface End {
  readonly by: (host: TestHost, userId: string) => Promise<unknown>
  readonly status: number
  readonly code: string
}

const ENDS: Readonly<Record<string, End>> = {
  'a new password': {
    by: ({ sso }, userId) => sso.user.changePassword({ actor, userId, newPassword: 'a new phrase' }),
    status: 401,
    code: 'credentials_invalid',
  },
  'a lock': { by: ({ sso }, userId) => sso.user.lockUser({ actor, userId }), status: 403, code: 'account_locked' },
  'a rejection': {
    by: ({ sso }, userId) => sso.user.rejectUser({ actor, userId }),
    status: 401,
    code: 'credentials_invalid',
  },
  'a deletion': {
    by: ({ sso }, userId) => sso.user.deleteUserById({ actor, userId }),
    status: 401,
    code: 'credentials_invalid',
  },
  'one-time codes': {
    by: ({ sso }, userId) => {
      const data = { totp_key: TOTP_KEY, is_totp_enabled: true }
      return sso.user.updateUserById({ actor, userId, data, totpCode: codeAt(TOTP_KEY, new Date()) })
    },
    status: 401,
    code: 'totp_missing',
  },
  'a password that must change': {
    by: ({ sso }, userId) => sso.user.updateUserById({ actor, userId, data: { password_must_change: true } }),
    status: 403,
    code: 'password_must_change',
  },
}
const USERS = Object.keys(ENDS).map((_, index) => `user${index}`)

describe.each(databases)('passwords of requests that are remembered on %s', (database) => {
  let stage: Awaited<ReturnType<typeof start>>
  beforeAll(async () => {
    stage = await start(database, {}, ['ada', 'bob', 'basic', ...USERS])
  })
  afterAll(() => stage.host.close())

  test('the second call hashes nothing', async () => {
    const { host, verified } = stage
    for (const [parameters, headers] of [
      [ADMIN, {}],
      [{}, { Authorization: basic('basic', PASSWORD) }],
    ] as const) {
      const hashed: number[] = []
      for (const form of [...FORMS, ...FORMS]) {
        const call = { ...parameters, uid: 'basic', displayName: `Name ${hashed.length}` }
        const work = async () => {
          const reply = await send(host, form, call, headers)
          expect([reply.status, reply.body]).toEqual([200, done('basic', 'display_name')])
        }
        hashed.push(await verified(work))
      }
      expect(hashed).toEqual([1, 0, 0, 0, 0, 0])
    }
  })

  test.each(Object.entries(ENDS).map(([name, end], index) => [name, end, USERS[index]!] as const))(
    '%s ends it at the next call',
    async (_, { by, status, code }, user) => {
      const { host, verified, as } = stage
      await as(user)
      expect(await verified(() => as(user))).toBe(0)
      await by(host, await idOf(host, user))
      const refused = async () => {
        const reply = await as(user)
        expect([reply.status, reply.body]).toEqual([status, refusal(user, { parameter: null, pointer: '', code })])
      }
      expect([await verified(refused), await verified(refused)]).toEqual([1, 1])
    },
  )

  test('another hash in the table ends it, too', async () => {
    const { host, hasher, verified, as } = stage
    await as('ada')
    expect(await verified(() => as('ada'))).toBe(0)
    const password = await hasher.hash('a phrase from elsewhere')
    await host.database.db('sso_user').where({ username: 'ada' }).update({ password })
    expect((await as('ada')).status).toBe(401)
    expect((await as('ada', 'a phrase from elsewhere')).status).toBe(200)
  })

  test('the rights are those of the account as it is now', async () => {
    const { host, verified } = stage
    const { user_id } = await host.sso.user.createSuperUser({ data: { username: 'root', password: PASSWORD } })
    const statuses: number[] = []
    const call = async () => {
      const change = { user: 'root', pass: PASSWORD, uid: 'bob', displayName: 'Bob' }
      statuses.push((await send(host, 'POST form', change)).status)
    }
    await call()
    await host.database.db('sso_user').where({ user_id }).update({ is_super_user: false })
    expect(await verified(call)).toBe(0)
    expect(statuses).toEqual([200, 403])
  })
})

describe('passwords of requests that are remembered', () => {
  let stage: Awaited<ReturnType<typeof start>>
  afterEach(async () => {
    vi.restoreAllMocks()
    await stage.host.close()
  })
  /** What each of some calls hashes. */
  const each = async (...calls: readonly (() => Promise<unknown>)[]) => {
    const hashed: number[] = []
    for (const call of calls) hashed.push(await stage.verified(call))
    return hashed
  }
  const asAda = () => stage.as('ada')

  test('functions and batches remember and recall them, too', async () => {
    stage = await start('sqlite')
    const { sso } = stage.host
    const call = () => sso.user.updateuser({ user: 'admin', pass: PASSWORD, uid: 'ada' })
    const batch = async () => {
      const lines = [{ uid: 'ada', displayName: 'Ada' }]
      const events = []
      for await (const event of sso.batch.updateuser({ user: 'admin', pass: PASSWORD, lines })) events.push(event)
      expect(events.map(({ status }) => status)).toEqual(['ok', 'ok'])
    }
    expect(await each(batch, call, batch)).toEqual([1, 0, 0])
  })

  test('logins hash each time, ours and those of Passport; so does a password that is sent once more', async () => {
    stage = await start('sqlite')
    const { host } = stage
    expect(await each(asAda, asAda)).toEqual([1, 0])
    const own = { username: 'ada', password: PASSWORD }
    for (const [path, body] of [
      ['/zato/sso/user/login', { ...own, current_app: 'CRM' }],
      ['/account/login', own],
      ['/passport', own],
    ] as const) {
      const login = async () => {
        const reply = await host.http.post(path).set(json).send(body)
        expect(reply.status).toBe(200)
      }
      expect([path, ...(await each(login, login))]).toEqual([path, 1, 1])
    }
    const Authorization = `Bearer ${await host.login('ada')}`
    const change = async () => {
      const body = { currentPassword: PASSWORD, newPassword: 'a phrase of her own' }
      const reply = await host.http
        .put('/account/me/password')
        .set({ ...json, Authorization })
        .send(body)
      expect(reply.status).toBe(200)
    }
    expect(await each(change)).toEqual([1])
  })

  test.each([
    ['60 seconds by default', {}, 60],
    ['as password.rememberSeconds says', { rememberSeconds: 600 }, 600],
  ])('they are for %s, however often they are used', async (_, password, seconds) => {
    let later = 0
    const { now } = performance
    vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + later)
    stage = await start('sqlite', { password })
    await asAda()
    later += (seconds - 30) * 1000
    expect(await each(asAda)).toEqual([0])
    later += 30_000
    expect(await each(asAda, asAda)).toEqual([1, 0])
  })

  test('password.rememberMost says how many there are', async () => {
    stage = await start('sqlite', { password: { rememberMost: 1 } })
    const asBob = () => stage.as('bob')
    expect(await each(asAda, asAda, asBob, asBob, asAda)).toEqual([1, 0, 1, 0, 1])
  })

  test('with password.rememberSeconds of 0 there are none', async () => {
    stage = await start('sqlite', { password: { rememberSeconds: 0 } })
    expect(await each(asAda, asAda)).toEqual([1, 1])
  })

  test('another address and another instance know nothing of them', async () => {
    stage = await start('sqlite')
    const { host, hasher } = stage
    const other = createSso({ db: host.database.db, password: { hasher }, throttle: { enabled: false } })
    const from = (remoteAddr: string, { user } = host.sso) => {
      return () => user.updateuser({ user: 'ada', pass: PASSWORD, uid: 'ada', remoteAddr })
    }
    const calls = [from('192.0.2.1'), from('192.0.2.2'), from('192.0.2.1', other), from('192.0.2.1')]
    expect(await each(...calls)).toEqual([1, 1, 1, 0])
    await other.close()
  })

  test('who is meant is found after the password was hashed, not before', async () => {
    const { hasher } = countingHasher()
    const during = { work: async () => {} }
    stage = await start('sqlite', {
      password: {
        hasher: {
          ...hasher,
          async verify(hash, password) {
            await during.work()
            return hasher.verify(hash, password)
          },
        },
      },
    })
    const { host } = stage
    const userId = await idOf(host, 'bob')
    during.work = async () => {
      await host.sso.user.updateUserById({ actor, userId, data: { username: 'robert' } })
    }
    const rename = () => send(host, 'POST form', { ...ADMIN, uid: 'bob', displayName: 'Bob' })
    const unknown = refusal('bob', { parameter: 'uid', pointer: '/uid', code: 'user_unknown' })
    for (const reply of [await rename(), await rename()]) expect([reply.status, reply.body]).toEqual([404, unknown])
    const renamed = await send(host, 'POST form', { ...ADMIN, uid: 'robert', displayName: 'Bob' })
    expect([renamed.status, renamed.body]).toEqual([200, done('robert', 'display_name')])
  })

  test('ASVS 6.3.8 whoever is refused costs one computation, whatever is remembered', async () => {
    stage = await start('sqlite', { inform: { locked: false } })
    const { host, as, verified } = stage
    expect(await each(asAda, () => as('bob'))).toEqual([1, 1])
    await host.sso.user.lockUser({ actor, userId: await idOf(host, 'bob') })
    const replies = new Set<string>()
    for (const [user, pass] of [
      ['ada', WRONG],
      ['ada', WRONG],
      ['bob', PASSWORD],
      ['bob', WRONG],
      ['nobody', PASSWORD],
    ] as const) {
      const call = async () => {
        const reply = await send(host, 'POST form', { user, pass, uid: 'ada' })
        replies.add(JSON.stringify([reply.status, { ...reply.body, cid: '' }]))
      }
      expect([user, pass, await verified(call)]).toEqual([user, pass, 1])
    }
    expect(replies.size).toBe(1)
  })
})

describe('ASVS 6.3.1: passwords that are remembered are no way around the throttle', () => {
  const hosts: Throttled[] = []
  afterEach(() => Promise.all(hosts.splice(0).map(({ close }) => close())))

  /** One of two hosts that differ in nothing but what they remember. */
  const startSide = async (rememberSeconds: number, limits: Options['throttle']) => {
    const { hasher, count } = countingHasher()
    const on = await startThrottled('sqlite', limits, { options: { password: { hasher, rememberSeconds } } })
    hosts.push(on)
    const { host, pass } = on
    return {
      count,
      pass,
      call: async (user: string, remoteAddr: string, pass = PASSWORD) => {
        try {
          await host.sso.user.updateuser({ user, pass, uid: user, remoteAddr, cid: 'a script' })
          return 'ok'
        } catch (error) {
          const { code, retryAfter } = error as SsoError
          return retryAfter === null ? code : `${code} ${retryAfter}`
        }
      },
      trail: async () => {
        const rows = await host.audit({ operation: 'updateuser' })
        return rows.map(({ id, seal, actor_id, target_id, ...row }) => {
          return { ...row, hasActor: actor_id !== null, hasTarget: target_id !== null }
        })
      },
    }
  }

  test('of many guesses at once, behind a right password, as many are let pass as without it', async () => {
    const letPass: unknown[] = []
    for (const rememberSeconds of [3600, 0]) {
      const { call, count } = await startSide(rememberSeconds, { ...LIMITS, perAddress: 1000 })
      // The first that fails at an address has an allowance of its own.
      await call('nobody', '192.0.2.1')
      const before = count.verify
      for (let number = 0; number < 3; number++) expect(await call('ada', '192.0.2.1')).toBe('ok')
      const right = count.verify - before
      const codes = await Promise.all(Array.from({ length: 30 }, () => call('ada', '192.0.2.1', WRONG)))
      const wrong = count.verify - before - right
      letPass.push({ right, wrong, told: codes.filter((code) => code === 'credentials_invalid').length })
      expect(await call('ada', '192.0.2.1')).toBe(`throttled ${LIMITS.firstWaitSeconds}`)
    }
    const { perAccount } = LIMITS
    expect(letPass).toEqual([
      { right: 1, wrong: perAccount, told: perAccount },
      { right: 3, wrong: perAccount, told: perAccount },
    ])
  })

  test('who has to wait waits: where his address has failed since, or his name elsewhere', async () => {
    const waits = `throttled ${LIMITS.firstWaitSeconds}`
    for (const rememberSeconds of [3600, 0]) {
      const { call } = await startSide(rememberSeconds, LIMITS)
      expect(await call('ada', '192.0.2.1')).toBe('ok')
      for (let number = 0; number < LIMITS.perAddress; number++) await call(`nobody ${number}`, '192.0.2.1')
      expect(await call('ada', '192.0.2.1')).toBe(waits)

      await call('nobody', '192.0.2.2')
      expect(await call('bob', '192.0.2.2')).toBe('ok')
      for (let number = 0; number < LIMITS.perAccount; number++) await call('BOB', '192.0.2.3', WRONG)
      expect(await call('bob', '192.0.2.2')).toBe(waits)
    }
  })

  test('in whatever order right and wrong ones come, and from wherever: replies, waits and records are the same', async () => {
    const [remembers, forgets] = [await startSide(3600, LIMITS), await startSide(0, LIMITS)]
    const random = new Random(20_240_607)
    const told: string[] = []
    for (let step = 0; step < 100; step++) {
      const name = random.pick(['ada', 'ADA', 'bob', 'bob', `nobody ${step}`])
      const address = random.pick(['192.0.2.1', '192.0.2.2', '2001:db8::1'])
      const password = random.next() < 0.7 ? PASSWORD : WRONG
      const code = await remembers.call(name, address, password)
      expect([step, code]).toEqual([step, await forgets.call(name, address, password)])
      told.push(code.replace(/ .*/, ''))
      if (step % 20 < 19) continue
      for (const { pass } of [remembers, forgets]) await pass(LIMITS.maxWaitSeconds)
    }
    expect(await remembers.trail()).toEqual(await forgets.trail())
    // There was something to be the same.
    expect([...new Set(told)].sort()).toEqual(['credentials_invalid', 'ok', 'throttled'])
    expect(remembers.count.verify).toBeLessThan(forgets.count.verify)
  })
})
