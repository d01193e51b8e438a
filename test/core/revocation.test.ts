import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Revocation } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'

const code = { via: 'code', name: 'test' } as const

describe.each(databases.flatMap((name) => ARRANGEMENTS.map((arrangement) => ({ name, arrangement }))))(
  'sessions that end with a change ($name, $arrangement)',
  ({ name, arrangement }) => {
    const revoked: Revocation[] = []
    let host: TestHost
    let userId: string
    beforeAll(async () => {
      host = await startHost(name, {
        arrangement,
        options: {
          password: { hasher: fastHasher() },
          hooks: { onRevoked: (revocation) => void revoked.push(revocation) },
          totp: { requireProof: false },
        },
      })
      userId = await idOf(host, 'ada')
    })
    afterAll(() => host.close())
    beforeEach(() => {
      revoked.length = 0
    })

    const alive = (ust: string) =>
      host.sso.user.getCurrentUser({ currentUst: ust, currentApp: 'CRM' }).then(
        () => true,
        () => false,
      )
    const session = async () => ({ currentUst: await host.login('ada'), currentApp: 'CRM' })
    const target = () => ({ user_id: userId, username: 'ada' })

    test.each([
      ['lock_user', 'lockUser', 'unlockUser'],
      ['reject_user', 'rejectUser', 'approveUser'],
    ] as const)('ASVS 7.4.2 %s ends them for good, and the host hears of it', async (operation, shut, open) => {
      const { currentUst } = await session()
      await host.sso.user[shut]({ actor: code, userId })
      expect(await host.database.db('sso_session').where({ user_id: userId })).toEqual([])
      expect(revoked).toMatchObject([{ operation, target: target(), keepsCurrent: false }])
      await host.sso.user[open]({ actor: code, userId })
      expect(await alive(currentUst)).toBe(false)
      expect(await alive((await session()).currentUst)).toBe(true)
    })

    test('ASVS 7.4.2 so does a deletion', async () => {
      const { user_id } = await host.sso.user.createUser({
        actor: code,
        autoApprove: true,
        data: { username: 'eve', password: PASSWORD },
      })
      const ust = await host.login('eve')
      await host.sso.user.deleteUserById({ actor: code, userId: user_id })
      expect(await alive(ust)).toBe(false)
      expect(revoked).toMatchObject([{ operation: 'delete_user', target: { user_id, username: 'eve' } }])
    })

    test('ASVS 7.4.3 a new TOTP key or password of one’s own ends the others and keeps the one that asks', async () => {
      const [own, other] = [await session(), await session()]
      await host.sso.user.setTotpKey(own)
      expect([await alive(own.currentUst), await alive(other.currentUst)]).toEqual([true, false])
      expect(revoked).toMatchObject([{ operation: 'set_totp_key', target: target(), keepsCurrent: true }])

      const third = await session()
      await host.sso.user.updateCurrentUser({ ...own, data: { is_totp_enabled: true } })
      expect([await alive(own.currentUst), await alive(third.currentUst)]).toEqual([true, false])
      await host.sso.user.updateCurrentUser({ ...own, data: { is_totp_enabled: false, totp_key: null } })

      const fourth = await session()
      await host.sso.user.changePassword({ ...own, oldPassword: PASSWORD, newPassword: `${PASSWORD}!` })
      expect([await alive(own.currentUst), await alive(fourth.currentUst)]).toEqual([true, false])
      expect(revoked.map(({ keepsCurrent }) => keepsCurrent)).toEqual([true, true, true, true])
      await host.sso.user.changePassword({ actor: code, userId, newPassword: PASSWORD })
      expect(await alive(own.currentUst)).toBe(false)
    })

    test('ending them all is heard of, too; what ends none is not', async () => {
      const own = await session()
      await host.sso.user.updateCurrentUser({ ...own, data: { display_name: 'Ada', email: 'ada@example.org' } })
      await host.sso.user.updateUserById({ actor: code, userId, data: { is_locked: true }, dryRun: true })
      await expect(host.sso.user.lockUser({ ...own, userId })).rejects.toThrow()
      expect(revoked).toEqual([])
      expect(await alive(own.currentUst)).toBe(true)
      await host.sso.session.endAll({ actor: code, userId })
      expect(revoked).toMatchObject([{ operation: 'end_sessions', keepsCurrent: false }])
      expect(await alive(own.currentUst)).toBe(false)
    })

    test('what the hook throws goes to onError, and the change stays', async () => {
      const errors: unknown[] = []
      const fails = await startHost(name, {
        users: ['ada'],
        options: {
          hooks: {
            onRevoked: () => Promise.reject(new Error('no store')),
            onError: (error) => void errors.push(error),
          },
        },
      })
      try {
        await fails.sso.user.lockUser({ actor: code, userId: await idOf(fails, 'ada') })
        expect(errors).toEqual([new Error('no store')])
        await expect(fails.login('ada')).rejects.toMatchObject({ code: 'account_locked' })
      } finally {
        await fails.close()
      }
    })
  },
)
