import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'

const currentApp = 'CRM'

describe.each(databases)('sessions as functions on %s', (name) => {
  let host: TestHost
  beforeAll(async () => {
    host = await startHost(name, { users: ['ada', 'bob', 'eve'] })
  })
  afterAll(() => host.close())

  const isOpen = async (currentUst: string) =>
    host.sso.user.getCurrentUser({ currentUst, currentApp }).then(
      () => true,
      ({ code }) => code !== 'session_unknown',
    )

  test('ASVS 7.5.2 a user ends one of his own sessions by its id', async () => {
    const [currentUst, other] = [await host.login('ada'), await host.login('ada')]
    const sessions = await host.sso.session.list({ currentUst, currentApp })
    const found = sessions.find(({ isCurrent }) => !isCurrent)
    expect(sessions.map(({ username, isCurrent }) => ({ username, isCurrent }))).toEqual([
      { username: 'ada', isCurrent: expect.any(Boolean) },
      { username: 'ada', isCurrent: expect.any(Boolean) },
    ])
    await host.sso.session.end({ currentUst, currentApp, id: found?.id ?? '' })
    expect([await isOpen(currentUst), await isOpen(other)]).toEqual([true, false])
  })

  test("nobody ends another's, and an unknown id is said to be one", async () => {
    const [ada, bob] = [await host.login('ada'), await host.login('bob')]
    const [session] = await host.sso.session.list({ currentUst: bob, currentApp })
    const end = (input: object) =>
      host.sso.session.end({ currentUst: ada, currentApp, id: session?.id ?? '', ...input }).catch(({ code }) => code)
    expect(await end({})).toBe('session_missing')
    expect(await end({ userId: await idOf(host, 'bob') })).toBe('super_user_required')
    expect(await isOpen(bob)).toBe(true)
    expect((await host.audit({ operation: 'end_session', outcome: 'denied' })).length).toBeGreaterThan(0)
  })

  test('ASVS 7.5.2 ending all of one’s own keeps the one that asks', async () => {
    const [currentUst, other] = [await host.login('bob'), await host.login('bob')]
    await host.sso.session.endAll({ currentUst, currentApp })
    expect([await isOpen(currentUst), await isOpen(other)]).toEqual([true, false])
  })

  test('ASVS 7.4.5 a super-user ends all of another’s', async () => {
    const [currentUst, ada] = [await host.login('admin'), await host.login('ada')]
    await host.sso.session.endAll({ currentUst, currentApp, userId: await idOf(host, 'ada') })
    expect([await isOpen(currentUst), await isOpen(ada)]).toEqual([true, false])
  })

  test('a session does not outlive a password change that overtakes its login', async () => {
    const userId = await idOf(host, 'eve')
    const actor = { via: 'code', name: 'test' } as const
    const logins = await Promise.allSettled([
      ...Array.from({ length: 4 }, () => host.login('eve')),
      host.sso.user.changePassword({ actor, userId, newPassword: `${PASSWORD} 2` }),
      ...Array.from({ length: 4 }, () => host.login('eve')),
    ])
    expect(logins[4]?.status).toBe('fulfilled')
    const tokens = logins.flatMap((login) =>
      login.status === 'fulfilled' && typeof login.value === 'string' ? [login.value] : [],
    )
    expect(await Promise.all(tokens.map(isOpen))).toEqual(tokens.map(() => false))
  })

  test('what has expired is forgotten when its owner logs in again', async () => {
    let now = new Date('2030-01-01T00:00:00.000Z')
    const other = await startHost(name, { options: { now: () => now } })
    await other.login('bob')
    await other.login('ada')
    now = new Date('2030-01-01T01:00:00.000Z')
    await other.login('ada')
    const owners = await other.database.db('sso_session').select('user_id')
    const [ada, bob] = [await idOf(other, 'ada'), await idOf(other, 'bob')]
    expect(owners.map(({ user_id }) => user_id).sort()).toEqual([ada, bob].sort())
    await other.close()
  })

  test('the host decides how long sessions last; its errors count as no answer', async () => {
    const answers: (() => number)[] = [
      () => 5,
      () => {
        throw new Error('no answer')
      },
    ]
    const now = new Date('2030-01-01T00:00:00.000Z')
    const other = await startHost(name, {
      options: { now: () => now, hooks: { onError: () => {} }, session: { expiry: () => answers.shift()?.() } },
    })
    const minutes = async () => {
      const { expirationTime } = await other.sso.user.login({ username: 'ada', password: PASSWORD, currentApp })
      return (expirationTime.getTime() - now.getTime()) / 60_000
    }
    expect([await minutes(), await minutes(), await minutes()]).toEqual([5, 60, 60])
    await other.close()
  })
})
