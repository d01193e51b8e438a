import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'

describe.each(databases.flatMap((name) => ARRANGEMENTS.map((arrangement) => ({ name, arrangement }))))(
  'ASVS 2.3.4 the last super-user ($name, $arrangement)',
  ({ name, arrangement }) => {
    let host: TestHost
    let database: TestDatabase
    beforeAll(async () => {
      database = await createDatabase(name)
    })
    afterEach(() => host.close())
    afterAll(() => database.drop())
    const code = { via: 'code', name: 'test' } as const

    /** A host with these super-users and `ada`, who is none. */
    async function start(...others: readonly string[]): Promise<Readonly<Record<string, string>>> {
      host = await startHost(name, {
        arrangement,
        database,
        users: ['ada'],
        options: { password: { hasher: fastHasher() } },
      })
      for (const username of others) await host.sso.user.createSuperUser({ data: { username, password: PASSWORD } })
      const names = ['admin', 'ada', ...others]
      return Object.fromEntries(await Promise.all(names.map(async (one) => [one, await idOf(host, one)])))
    }
    const ways = () => {
      const { user } = host.sso
      return [
        (userId: string) => user.lockUser({ actor: code, userId }),
        (userId: string) => user.rejectUser({ actor: code, userId }),
        (userId: string) => user.deleteUserById({ actor: code, userId }),
        (userId: string) => user.updateUserById({ actor: code, userId, data: { is_locked: true } }),
        (userId: string) => user.updateUserById({ actor: code, userId, data: { approval_status: 'before_decision' } }),
        (userId: string) =>
          user.updateUserById({ actor: code, userId, data: { sign_up_status: 'before_confirmation' } }),
      ]
    }

    test('is not locked, rejected, deleted or otherwise shut out, by nobody', async () => {
      const { admin, ada } = await start()
      for (const take of ways()) {
        await expect(take(admin as string)).rejects.toMatchObject({ code: 'last_super_user', status: 409 })
      }
      expect(await host.login('admin')).toBeTypeOf('string')
      const tries = (await host.audit({ target_name: 'admin' })).slice(-ways().length - 1, -1)
      expect(tries.map(({ outcome, error }) => [outcome, error])).toEqual(
        ways().map(() => ['invalid', 'last_super_user']),
      )
      // Who is none can go.
      for (const take of ways().slice(0, 2)) await take(ada as string)
    })

    test('is whoever is left of those that can log in', async () => {
      const { admin, eve, ivan } = await start('eve', 'ivan')
      const [lock, reject, remove] = ways()
      await lock?.(ivan as string)
      await reject?.(eve as string)
      for (const take of ways()) await expect(take(admin as string)).rejects.toMatchObject({ code: 'last_super_user' })
      // Those that are shut out already can be deleted; one who comes back makes the other dispensable.
      await remove?.(ivan as string)
      await host.sso.user.approveUser({ actor: code, userId: eve as string })
      await lock?.(admin as string)
      await expect(lock?.(eve as string)).rejects.toMatchObject({ code: 'last_super_user' })
    })

    test('ASVS 2.3.4 of two that go at once, one stays', async () => {
      const all = await start('eve', 'ivan', 'mallory')
      const supers = ['admin', 'eve', 'ivan', 'mallory'].map((one) => all[one] as string)
      for (let round = 0; round < 4; round++) {
        const takes = ways()
        const results = await Promise.allSettled(
          supers.map((id, index) => (takes[(index + round) % 2] ?? takes[0])?.(id)),
        )
        const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []))
        expect(refused).toEqual(['last_super_user'])
        for (const userId of supers) {
          await host.sso.user.unlockUser({ actor: code, userId })
          await host.sso.user.approveUser({ actor: code, userId })
        }
      }
    })

    test('nobody shuts himself out, however many there are', async () => {
      const { admin } = await start('eve')
      const own = { currentUst: await host.login('admin'), currentApp: 'CRM', userId: admin as string }
      const { user } = host.sso
      const shutOuts = [
        () => user.lockUser(own),
        () => user.rejectUser(own),
        () => user.deleteUserById(own),
        () => user.updateUserById({ ...own, data: { is_locked: true } }),
      ]
      for (const shutOut of shutOuts) await expect(shutOut()).rejects.toMatchObject({ code: 'operation_invalid' })
      expect((await user.getCurrentUser(own)).user_id).toBe(admin)
      const locked = await host.http
        .post('/zato/sso/user/lock')
        .send({ current_app: 'CRM', ust: own.currentUst, user_id: admin })
      expect(locked).toMatchObject({ status: 403, body: { sub_status: ['E008001'] } })
    })
  },
)
