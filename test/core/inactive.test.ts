import { describe, expect, test } from 'vitest'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, PASSWORD, startHost } from '../support/host.ts'

describe.each(databases)('an account that the host’s own program has switched off, on %s', (name) => {
  test('neither logs in nor uses its sessions, and is the last super-user for nobody', async () => {
    const host = await startHost(name, { options: { password: { hasher: fastHasher() } } })
    try {
      const { user } = host.sso
      const eve = await user.createSuperUser({ data: { username: 'eve', password: PASSWORD } })
      const own = { currentUst: await host.login('eve'), currentApp: 'CRM' }
      const switched = (is_active: boolean) =>
        host.database.db('sso_user').where({ username: 'eve' }).update({ is_active })

      await switched(false)
      await expect(host.login('eve')).rejects.toMatchObject({ code: 'not_allowed' })
      await expect(user.getCurrentUser(own)).rejects.toMatchObject({ code: 'not_allowed' })
      const admin = { currentUst: await host.login('admin'), currentApp: 'CRM' }
      const seen = await user.getUserById({ ...admin, userId: eve.user_id })
      expect(seen.is_active).toBe(false)
      const { user_id } = await user.getCurrentUser(admin)
      const lockAdmin = () => user.lockUser({ actor: { via: 'code', name: 'test' }, userId: user_id })
      await expect(lockAdmin()).rejects.toMatchObject({ code: 'last_super_user' })

      await switched(true)
      expect((await user.getCurrentUser(own)).username).toBe('eve')
      await lockAdmin()
    } finally {
      await host.close()
    }
  })
})
