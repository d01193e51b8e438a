import { describe, expect, test } from 'vitest'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost } from '../support/host.ts'
import { codeAt, TOTP_KEY as KEY } from '../support/one-time-codes.ts'

const actor = { via: 'code', name: 'test' } as const

describe.each(databases)('the key of one-time codes on %s', (database) => {
  test.each(ARRANGEMENTS)(
    'sent again, it changes nothing and frees no code that was used, with the %s',
    async (arrangement) => {
      const now = new Date('2026-01-01T00:00:05.000Z')
      const host = await startHost(database, {
        arrangement,
        options: { password: { hasher: fastHasher() }, now: () => now },
      })
      const userId = await idOf(host, 'ada')
      const data = { totp_key: KEY, is_totp_enabled: true }
      await host.sso.user.updateUserById({ actor, userId, data, totpCode: codeAt(KEY, now, -1) })
      const totpCode = codeAt(KEY, now)
      const login = () => host.sso.user.login({ username: 'ada', password: PASSWORD, currentApp: 'CRM', totpCode })
      await login()
      await expect(login()).rejects.toMatchObject({ code: 'totp_invalid' })

      const again = await host.sso.user.updateUserById({ actor, userId, data: { totp_key: KEY } })
      expect(again.changed).toEqual([])
      await expect(login()).rejects.toMatchObject({ code: 'totp_invalid' })

      const other = await host.sso.user.updateUserById({ actor, userId, data: { totp_key: `${KEY}22` } })
      expect(other.changed).toEqual(['totp_key'])
      await host.close()
    },
  )
})
