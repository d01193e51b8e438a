import { createHash } from 'node:crypto'
import type { Hasher } from '../../src/index.ts'

/** A hasher that counts what it is asked. */
export interface CountingHasher {
  readonly hasher: Hasher
  /** Computations of either kind so far. */
  readonly count: { hash: number; verify: number }
}

/** For tests that ask how often a password is hashed. */
export function countingHasher(): CountingHasher {
  const count = { hash: 0, verify: 0 }
  const formOf = (password: string) => `$fast$${createHash('sha256').update(password).digest('base64url')}`
  return {
    count,
    hasher: {
      hash: async (password) => {
        count.hash++
        return formOf(password)
      },
      verify: async (hash, password) => {
        // A real one is done at once with what is not a hash.
        if (!hash.startsWith('$fast$')) return false
        count.verify++
        return hash === formOf(password)
      },
      isOutdated: (hash) => !hash.startsWith('$fast$'),
    },
  }
}

/** For tests that are not about hashing: it costs nothing. */
export function fastHasher(): Hasher {
  return countingHasher().hasher
}
