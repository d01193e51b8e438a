import { createHash, randomBytes } from 'node:crypto'
import type { Hasher } from '../../src/index.ts'

/** Salted like a real one, so that the same password set anew is another hash; and fast. */
export function passwordHasher(): Hasher {
  const formOf = (salt: string, password: string) =>
    `$fast$${salt}$${createHash('sha256').update(`${salt}${password}`).digest('base64url')}`
  return {
    hash: async (password) => formOf(randomBytes(9).toString('base64url'), password),
    verify: async (hash, password) => hash === formOf(hash.split('$')[2] ?? '', password),
    isOutdated: () => false,
  }
}
