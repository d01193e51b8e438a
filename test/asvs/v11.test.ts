import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { hashToken, newToken, randomPassword } from '../../src/core/sessions/tokens.ts'
import { newTotpKey } from '../../src/core/totp/codes.ts'

test('ASVS 11.5.1 nothing in the source draws lots but from the system’s random numbers', () => {
  const source = fileURLToPath(new URL('../../src', import.meta.url))
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  expect(files.length).toBeGreaterThan(50)
  const lines = files.flatMap((file) => readFileSync(join(source, file), 'utf8').split('\n'))
  const weak = lines.filter((line) => /Math\.random|pseudoRandomBytes/.test(line))
  // A pause before something is tried again need not be a secret.
  expect(weak.filter((line) => !/setTimeout\(|const wait = /.test(line))).toEqual([])
  const makers = files.filter((file) => /randomBytes|randomUUID/.test(readFileSync(join(source, file), 'utf8')))
  expect(makers).toEqual(expect.arrayContaining([join('core', 'sessions', 'tokens.ts'), join('core', 'secrets.ts')]))
})

test('ASVS 11.5.1, 7.2.3 what must not be guessed has 128 random bits or more, and is another each time', () => {
  const bits = {
    token: [newToken, 256],
    password: [randomPassword, 192],
    'TOTP key': [newTotpKey, 160],
  } as const
  for (const [what, [make, count]] of Object.entries(bits)) {
    const all = Array.from({ length: 200 }, () => make())
    expect([what, new Set(all).size]).toEqual([what, 200])
    const perCharacter = what === 'TOTP key' ? 5 : 6
    for (const one of all) expect(Math.floor((one.length * perCharacter) / 8)).toBeGreaterThanOrEqual(count / 8)
    // Every character has all of its values: a constant part would show.
    for (let at = 0; at < 20; at++) expect(new Set(all.map((one) => one[at])).size).toBeGreaterThan(15)
  }
  const ust = newToken()
  expect(hashToken(ust)).not.toContain(ust)
})
