import { pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto'
import { hash as argon2Hash } from '@node-rs/argon2'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { describe, expect, test } from 'vitest'
import { verifyForeign } from '../../src/core/passwords/foreign-hashes.ts'
import { argon2Hasher } from '../../src/core/passwords/hasher.ts'
import { checkPassword, type PasswordPolicy, REJECT_LIST } from '../../src/core/passwords/policy.ts'
import { ARRANGEMENTS, databases, HOST_COLUMNS, startHost } from '../support/host.ts'

/** passlib's own base64: no padding, and a dot for the plus. */
const ab64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '').replaceAll('+', '.')

/** What passlib.hash.pbkdf2_sha512 writes, computed here and not by the code under test. */
function passlibPbkdf2(password: string, { rounds = 1000, salt = randomBytes(16), size = 64 } = {}): string {
  return `$pbkdf2-sha512$${rounds}$${ab64(salt)}$${ab64(pbkdf2Sync(password, salt, rounds, size, 'sha512'))}`
}

/** What passlib.hash.scrypt writes: its digest, too, has neither padding nor a plus replaced. */
function passlibScrypt(password: string, { ln = 10, r = 8, p = 1, salt = randomBytes(16), size = 32 } = {}): string {
  const plain = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
  const digest = scryptSync(password, salt, size, { N: 2 ** ln, r, p, maxmem: 2 ** 30 })
  return `$scrypt$ln=${ln},r=${r},p=${p}$${plain(salt)}$${plain(digest)}`
}

const fromHex = (hex: string) => ab64(Buffer.from(hex, 'hex'))

// The widely published vectors of PBKDF2 with SHA-512 (password, salt), those of RFC 7914 for scrypt, and OpenBSD's for
// bcrypt, each in the form that passlib gives it.
const PUBLISHED = [
  [
    'password',
    `$pbkdf2-sha512$1$${ab64(Buffer.from('salt'))}$${fromHex('867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce')}`,
  ],
  [
    'password',
    `$pbkdf2-sha512$4096$${ab64(Buffer.from('salt'))}$${fromHex('d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5')}`,
  ],
  [
    'password',
    `$scrypt$ln=10,r=8,p=16$${ab64(Buffer.from('NaCl'))}$${fromHex('fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640')}`,
  ],
  [
    '',
    `$scrypt$ln=4,r=1,p=1$$${fromHex('77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906')}`,
  ],
  ['a', '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe'],
  ['abc', '$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i'],
] as const
const BCRYPT = PUBLISHED[4][1]

describe('hashes of other programs', () => {
  test.each(['', 'a', 'correct horse', 'pässwörd 😀', 'a\u0000b', 'x'.repeat(500)])(
    'PBKDF2 of passlib: %j',
    async (password) => {
      for (const size of [64, 20, 128]) {
        const hash = passlibPbkdf2(password, { size })
        expect(await verifyForeign(hash, password)).toBe(true)
        expect(await verifyForeign(hash, `${password}x`)).toBe(false)
      }
    },
  )

  test('PBKDF2 of passlib whose salt and digest have the characters that differ from base64', async () => {
    const salt = Buffer.from('fbefbefbefbefbff', 'hex')
    const hashes = Array.from({ length: 40 }, (_, index) => passlibPbkdf2(`p${index}`, { rounds: 1 + index, salt }))
    expect(hashes.some((hash) => hash.includes('.')) && hashes.some((hash) => hash.includes('/'))).toBe(true)
    const verified = await Promise.all(hashes.map((hash, index) => verifyForeign(hash, `p${index}`)))
    expect(verified).toEqual(hashes.map(() => true))
  })

  test.each(PUBLISHED)('the published vectors: %j, %s', async (password, hash) => {
    expect(await verifyForeign(hash, password)).toBe(true)
    expect(await verifyForeign(hash, `${password}x`)).toBe(false)
  })

  test.each(['', 'a', 'pässwörd 😀', 'x'.repeat(72)])('bcrypt: %j', async (password) => {
    const hash = await bcryptHash(password, { cost: 4 })
    for (const version of ['2a', '2b', '2y']) {
      expect(await verifyForeign(hash.replace('$2b$', `$${version}$`), password)).toBe(true)
      expect(await verifyForeign(hash.replace('$2b$', `$${version}$`), `y${password.slice(1)}`)).toBe(false)
    }
  })

  test('ASVS 6.2.8 bcrypt sees 72 bytes: what it would not see the end of is not verified', async () => {
    const whole = 'é'.repeat(36)
    const hash = await bcryptHash(whole, { cost: 4 })
    expect(await verifyForeign(hash, whole)).toBe(true)
    for (const other of [`${whole}x`, `${whole}\u0000`, `${'é'.repeat(35)}e`]) {
      expect([other, await verifyForeign(hash, other)]).toEqual([other, false])
    }
    const cut = await bcryptHash(`${whole} and more`, { cost: 4 })
    expect(await verifyForeign(cut, `${whole} and more`)).toBe(false)
    expect(await verifyForeign(cut, `${whole} and less`)).toBe(false)
    // To bcrypt, a password goes on after its NUL from the start.
    const short = await bcryptHash('abc', { cost: 4 })
    expect(await verifyForeign(short, 'abc\u0000abc')).toBe(false)
    expect(await verifyForeign(short, 'abc')).toBe(true)
  })

  test('ASVS 6.2.8 argon2id, PBKDF2 and scrypt see the whole of long passwords', async () => {
    const long = 'é'.repeat(256)
    for (const hash of [await argon2Hasher.hash(long), passlibPbkdf2(long), passlibScrypt(long)]) {
      expect(await argon2Hasher.verify(hash, long)).toBe(true)
      expect(await argon2Hasher.verify(hash, `${long.slice(0, -1)}e`)).toBe(false)
    }
  })

  test.each([
    [{}],
    [{ ln: 14, r: 8, p: 1 }],
    [{ ln: 4, r: 1, p: 16 }],
    [{ size: 64, salt: Buffer.from('fbefbefbefbefbff', 'hex') }],
  ])('scrypt of passlib: %j', async (cost) => {
    const hash = passlibScrypt('pässwörd 😀', cost)
    expect(await verifyForeign(hash, 'pässwörd 😀')).toBe(true)
    expect(await verifyForeign(hash, 'passwort')).toBe(false)
  })

  // Right hashes of "password", made beforehand: they would verify if anybody took the trouble.
  test.each([
    ['PBKDF2 of too many rounds', '$pbkdf2-sha512$2000001$c2FsdA$wnbzpYLTDC4uhkDWKiPxQQ'],
    [
      'PBKDF2 of a long digest',
      '$pbkdf2-sha512$1$c2FsdA$hn9wzxreAs/zdSWZo6U9xK80x6ZpgVrl1RNVThyM8lLALUcKKFoFAbrZmb/pQ8CPBQI119aLHaVeY/c7YKV/zntTLiBsKWfUx9L/pGBTn8TU5e7HASXXTGx8.G0lKE8peQf86hrSFO/9vqI.ExIITquxgKty7brEXqKlP19bn.Hs',
    ],
    ['bcrypt of too great a cost', '$2b$16$wD2GV.n0lY7gocvE7TLQGerjaT3RmZgIfrFY0OGrdfXbMq7iN9oze'],
    ['scrypt of too much memory', '$scrypt$ln=19,r=8,p=1$c2FsdA$xXoqCeyYF2DPAe87rZMHig'],
    ['scrypt of too many lanes', '$scrypt$ln=4,r=1,p=17$c2FsdA$UN5OERuBekOotpbZnIuIsg'],
  ])('that would cost too much verify nothing: %s', async (_, hash) => {
    expect(await verifyForeign(hash, 'password')).toBe(false)
    expect(await argon2Hasher.verify(hash, 'password')).toBe(false)
  })

  test.each([1, 2, 8, 15])('that were cut off to %i bytes verify nothing', async (size) => {
    const cut = [passlibPbkdf2('password', { size }), passlibScrypt('password', { ln: 4, size })]
    // One character of base64 is no byte at all, and no bytes are the start of every digest.
    cut.push('$pbkdf2-sha512$1000$c2FsdA$A', '$scrypt$ln=4,r=8,p=1$c2FsdA$A')
    for (const hash of cut) expect(await argon2Hasher.verify(hash, 'password')).toBe(false)
  })

  test.each([
    ['PBKDF2 of no rounds', '$pbkdf2-sha512$0$AAAA$AAAA'],
    ['scrypt of no cost', '$scrypt$ln=0,r=1,p=1$AAAA$AAAA'],
    ['scrypt of no blocks', '$scrypt$ln=4,r=0,p=1$AAAA$AAAA'],
    ['scrypt of a cost that its blocks do not bear', '$scrypt$ln=17,r=1,p=1$AAAA$AAAA'],
    ['scrypt of no lanes', '$scrypt$ln=4,r=1,p=0$AAAA$AAAA'],
    ['bcrypt of no cost', `$2b$00$${'a'.repeat(53)}`],
    ['bcrypt of the greatest cost', `$2b$31$${'a'.repeat(53)}`],
  ])('that make no sense verify nothing, and fail nothing: %s', async (_, hash) => {
    expect(await argon2Hasher.verify(hash, 'password')).toBe(false)
  })

  test.each([
    '',
    'plain text',
    '$pbkdf2-sha256$1000$AAAA$AAAA',
    '$pbkdf2-sha512$1000$AAAA',
    '$pbkdf2-sha512$-1$AAAA$AAAA',
    '$pbkdf2-sha512$1e3$AAAA$AAAA',
    '$2x$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe',
    '$2b$6$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe',
    '$2b$06$short',
    '$scrypt$ln=4,r=1$AAAA$AAAA',
    '$1$salt$md5crypt',
    '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=',
    `${BCRYPT}x`,
    ` ${BCRYPT}`,
    `${BCRYPT}\n`,
  ])('of a form that is not known are no password’s: %j', async (hash) => {
    expect(await verifyForeign(hash, 'a')).toBeNull()
    expect(await argon2Hasher.verify(hash, 'a')).toBe(false)
  })
})

describe('our own hashes', () => {
  test('ASVS 11.4.2 are argon2id of OWASP’s cost, another each time', async () => {
    const [one, two] = [await argon2Hasher.hash('pässwörd 😀'), await argon2Hasher.hash('pässwörd 😀')]
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(two)
    expect(await argon2Hasher.verify(one, 'pässwörd 😀')).toBe(true)
    expect(await argon2Hasher.verify(one, 'pässwörd 😁')).toBe(false)
    expect(argon2Hasher.isOutdated(one)).toBe(false)
  })

  test.each([
    ['a damaged one', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$x'],
    ['one of too much memory', `$argon2id$v=19$m=${256 * 1024 + 1},t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA`],
    ['one of too many passes', '$argon2id$v=19$m=64,t=17,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA'],
  ])('verify nothing where they cannot: %s', async (_, hash) => {
    expect(await argon2Hasher.verify(hash, 'password')).toBe(false)
  })

  test.each([
    BCRYPT,
    PUBLISHED[0][1],
    '$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA',
    '$argon2id$v=19$m=4096,t=3,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA',
  ])('replace what is of an older form: %s', (hash) => {
    expect(argon2Hasher.isOutdated(hash)).toBe(true)
  })
})

describe('the policy for new passwords', () => {
  const policy: PasswordPolicy = {
    minComplexity: 0,
    minLength: 8,
    maxLength: 12,
    rejectList: ['password', 'straße'],
    rejectMostCommon: 0,
    contextWords: null,
    validate: null,
  }
  const about = { username: 'ada', email: null }
  const codeOf = (password: string) =>
    checkPassword(policy, password, about).then(
      () => null,
      (error) => error.code,
    )

  test.each([
    ['12345678', null],
    ['😀'.repeat(8), null],
    ['😀'.repeat(12), null],
    ['1234567', 'password_too_short'],
    ['😀'.repeat(7), 'password_too_short'],
    ['', 'password_too_short'],
    ['x'.repeat(13), 'password_too_long'],
    ['😀'.repeat(13), 'password_too_long'],
    ['myPassWord1', 'password_rejected'],
    ['die Straße', 'password_rejected'],
    ['abcd\u0000efgh', 'password_rejected'],
    ['abcdefg\ud800h', 'password_rejected'],
  ])('%j: %s', async (password, code) => {
    expect(await codeOf(password)).toBe(code)
  })

  test('ends with the host’s own word, who sees it in clear', async () => {
    const seen: unknown[] = []
    const refusal = Object.assign(new Error('has been leaked'), { status: 422 })
    const validate = (password: string, subject: unknown) => {
      seen.push([password, subject])
      if (password === 'leaked password') throw refusal
    }
    const hosts = { ...policy, maxLength: 100, rejectList: [], validate }
    await checkPassword(hosts, 'fine so far', about)
    await expect(checkPassword(hosts, 'leaked password', about)).rejects.toBe(refusal)
    await expect(checkPassword(hosts, 'short', about)).rejects.toMatchObject({ code: 'password_too_short' })
    expect(seen).toEqual([
      ['fine so far', { ...about, names: [] }],
      ['leaked password', { ...about, names: [] }],
    ])
  })

  test('rejects by default what Zato does', () => {
    expect(REJECT_LIST).toHaveLength(24)
    expect(REJECT_LIST).toContain('qwerty')
  })
})

const cases = databases.flatMap((name) => ARRANGEMENTS.map((arrangement) => [name, arrangement] as const))

describe.each(cases)('on %s, %s', (name, arrangement) => {
  test('a foreign hash logs in, and is ours from then on', async () => {
    const host = await startHost(name, { arrangement, users: ['pbkdf2', 'bcrypt', 'scrypt', 'weak'] })
    try {
      const { db } = host.database
      const password = 'imported secret 😀'
      const hashes = {
        pbkdf2: passlibPbkdf2(password),
        bcrypt: await bcryptHash(password, { cost: 4 }),
        scrypt: passlibScrypt(password),
        weak: await argon2Hash(password, { memoryCost: 64, timeCost: 1, parallelism: 1 }),
      }
      const [table, username, column] =
        arrangement === 'own table'
          ? ['sso_user', 'username', 'password']
          : ['members', HOST_COLUMNS.username, HOST_COLUMNS.password]
      for (const [user, value] of Object.entries(hashes))
        await db(table)
          .where(username, user)
          .update({ [column]: value })
      const stored = async (user: string): Promise<string> => (await db(table).where(username, user).first())[column]
      const login = (user: string, secret: string) =>
        host.http.post('/zato/sso/user/login').send({ username: user, password: secret, current_app: 'CRM' })

      for (const [user, value] of Object.entries(hashes)) {
        const wrong = await login(user, 'wrong')
        expect([wrong.status, wrong.body.sub_status]).toEqual([403, ['E005001']])
        expect(await stored(user)).toBe(value)

        const right = await login(user, password)
        expect([right.status, right.body]).toEqual([
          200,
          { status: 'ok', cid: expect.any(String), sub_status: [], ust: expect.any(String) },
        ])
        const renewed = await stored(user)
        expect(renewed).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)

        expect((await login(user, password)).status).toBe(200)
        expect(await stored(user)).toBe(renewed)
        expect((await login(user, 'wrong')).status).toBe(403)
        // It is the same password: nothing has changed that an audit would have to tell.
        const records = await host.audit({ operation: 'login', target_name: user, outcome: 'ok' })
        expect(records.map(({ changes }) => changes)).toEqual([[], []])
      }
    } finally {
      await host.close()
    }
  })
})
