import { Secret, TOTP } from 'otpauth'
import { describe, expect, test } from 'vitest'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost } from '../support/host.ts'

const KEY = 'JBSWY3DPEHPK3PXP'
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
      await host.sso.user.updateUserById({ actor, userId, data: { totp_key: KEY, is_totp_enabled: true } })
      const totpCode = new TOTP({ secret: Secret.fromBase32(KEY) }).generate({ timestamp: now.getTime() })
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
