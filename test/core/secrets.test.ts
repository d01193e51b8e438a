import { describe, expect, test } from 'vitest'
import { buildSecrets, sealedLength } from '../../src/core/secrets.ts'
import { databases, idOf, startHost } from '../support/host.ts'

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64')

describe('secrets', () => {
  const secrets = buildSecrets([key(1)])

  test.each(['', 'a', '😀'.repeat(200), '{"a":1}', 'a\u0000b'])('%j comes back as it went in', (clear) => {
    const sealed = secrets.encrypt('purpose', clear)
    expect(sealed).toMatch(/^v1\.[A-Za-z0-9_-]{8}\.[A-Za-z0-9_-]+$/)
    expect(secrets.decrypt('purpose', sealed)).toBe(clear)
  })

  test('cannot be read in what is stored', () => {
    const sealed = secrets.encrypt('purpose', 'a secret that is long enough')
    const bytes = Buffer.from(sealed.split('.')[2] as string, 'base64url')
    expect([sealed, bytes.toString('latin1')].some((text) => text.includes('secret'))).toBe(false)
  })

  test('are another text each time', () => {
    const sealed = new Set(Array.from({ length: 100 }, () => secrets.encrypt('purpose', 'same')))
    expect(sealed.size).toBe(100)
  })

  test('cannot be moved to another purpose', () => {
    const sealed = secrets.encrypt('totp_key', 'JBSWY3DPEHPK3PXP')
    expect(() => secrets.decrypt('attribute digdashMailPassword', sealed)).toThrow()
    expect(secrets.opened('attribute digdashMailPassword', sealed)).toBeNull()
  })

  test('cannot be changed in any bit', () => {
    const [form, id, body] = secrets.encrypt('purpose', 'clear').split('.') as [string, string, string]
    const bytes = Buffer.from(body, 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(secrets.opened('purpose', [form, id, changed.toString('base64url')].join('.'))).toBeNull()
    }
    for (const length of [0, 1, 12, 27]) {
      expect(
        secrets.opened('purpose', [form, id, bytes.subarray(0, length).toString('base64url')].join('.')),
      ).toBeNull()
    }
  })

  test.each(['', 'clear', 'v1', 'v1.x', 'v2.a.b', 'v1..', '...'])('are not what %j is', (text) => {
    expect(() => secrets.decrypt('purpose', text)).toThrow()
    expect(secrets.opened('purpose', text)).toBeNull()
  })

  test('are under the first key, and every key opens them', () => {
    const before = buildSecrets([key(1)]).encrypt('purpose', 'old')
    const rotated = buildSecrets([key(2), key(1)])
    const after = rotated.encrypt('purpose', 'new')
    expect([before, after].map((text) => rotated.decrypt('purpose', text))).toEqual(['old', 'new'])
    expect(buildSecrets([key(2)]).decrypt('purpose', after)).toBe('new')
    expect(buildSecrets([key(1)]).opened('purpose', after)).toBeNull()
    expect(buildSecrets([key(2)]).opened('purpose', before)).toBeNull()
  })

  test('are refused where there is no key', () => {
    const none = buildSecrets([])
    expect(none.canEncrypt).toBe(false)
    expect(secrets.canEncrypt).toBe(true)
    expect(() => none.encrypt('purpose', 'x')).toThrow(expect.objectContaining({ code: 'encryption_key_missing' }))
    expect(() => none.decrypt('purpose', secrets.encrypt('purpose', 'x'))).toThrow('not under any configured key')
  })

  test.each([
    [['short']],
    [[key(1), '']],
    [[Buffer.alloc(31).toString('base64')]],
    [[Buffer.alloc(33).toString('base64')]],
  ])('are not kept under %j', (keys) => {
    const index = keys.length - 1
    expect(() => buildSecrets(keys)).toThrow(
      expect.objectContaining({
        code: 'option_invalid',
        message: `encryptionKeys[${index}]: must be 32 bytes in base64, as \`openssl rand -base64 32\` prints them.`,
      }),
    )
  })

  test('are never longer than a column is asked to be', () => {
    for (const length of [0, 1, 2, 3, 8, 64, 191]) {
      expect(secrets.encrypt('purpose', '😀'.repeat(length)).length).toBe(sealedLength(length))
    }
  })
})

describe('keys of a host', () => {
  const CODE = { actor: { via: 'code', name: 'test' } } as const
  const TOTP_KEY = 'JBSWY3DPEHPK3PXP'

  test('are rotated without loss, and a lost one does not bar a new secret', async () => {
    const [name] = databases
    const host = await startHost(name!, { options: { encryptionKeys: [key(1)] } })
    try {
      const userId = await idOf(host, 'ada')
      const data = { totp_key: TOTP_KEY }
      const attributes = { digdashMailPassword: 's3cret', langChoice: '1' }
      await host.sso.user.updateUserById({ ...CODE, userId, data })
      await host.sso.user.updateuser({ ...CODE, uid: 'ada', attributes })

      const { createSso } = await import('../../src/index.ts')
      const under = (...encryptionKeys: string[]) => createSso({ db: host.database.db, encryptionKeys }).user
      const same = [
        await under(key(2), key(1)).updateUserById({ ...CODE, userId, data }),
        await under(key(2), key(1)).updateuser({ ...CODE, uid: 'ada', attributes }),
      ]
      expect(same.map(({ changed }) => changed)).toEqual([[], []])

      const lost = [
        await under(key(3)).updateUserById({ ...CODE, userId, data }),
        await under(key(3)).updateuser({ ...CODE, uid: 'ada', attributes: { ...attributes, langChoice: '2' } }),
      ]
      expect(lost.map(({ changed }) => changed)).toEqual([
        ['totp_key'],
        ['attributes.digdashMailPassword', 'attributes.langChoice'],
      ])
      const again = await under(key(3)).updateuser({ ...CODE, uid: 'ada', attributes })
      expect(again.changed).toEqual(['attributes.langChoice'])
      const rows = await host.audit({ outcome: 'ok' })
      const changes = rows.flatMap((row) => row.changes).filter(({ attribute }) => /totp_key|Password$/.test(attribute))
      expect(changes.map(({ from, to }) => [from, to])).toEqual([
        [null, '[redacted]'],
        [null, '[redacted]'],
        ['[redacted]', '[redacted]'],
        ['[redacted]', '[redacted]'],
      ])
    } finally {
      await host.close()
    }
  })
})
