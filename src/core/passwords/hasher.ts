import { hash as hashArgon2, verify as verifyArgon2 } from '@node-rs/argon2'
import { verifyForeign } from './foreign-hashes.ts'

/** Makes and checks the stored form of passwords. A host may bring its own. */
export interface Hasher {
  /** The form to store. */
  readonly hash: (password: string) => Promise<string>
  /** Whether the password is the one that `hash` was made from. */
  readonly verify: (hash: string, password: string) => Promise<boolean>
  /** Whether a verified password should be hashed anew, because its hash is of an older form. */
  readonly isOutdated: (hash: string) => boolean
}

// OWASP's parameters for argon2id: 19 MiB, two passes, one lane (ASVS 11.4.2).
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const CURRENT = `$argon2id$v=19$m=${COST.memoryCost},t=${COST.timeCost},p=${COST.parallelism}$`

const ARGON2 = /^\$argon2(?:id|i|d)\$v=19\$m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,2})\$/
const MOST_ARGON2_MEMORY = 256 * 1024
const MOST_ARGON2_PASSES = 16

/** argon2id for new passwords; foreign hashes are verified, and outdated. */
export const argon2Hasher: Hasher = {
  hash: (password) => hashArgon2(password, COST),

  async verify(hash, password) {
    const argon2 = ARGON2.exec(hash)
    if (!argon2) return (await verifyForeign(hash, password)) ?? false
    if (Number(argon2[1]) > MOST_ARGON2_MEMORY || Number(argon2[2]) > MOST_ARGON2_PASSES) return false
    try {
      return await verifyArgon2(hash, password)
    } catch {
      // A damaged hash verifies nothing; it must not tell itself apart from a wrong password.
      return false
    }
  },

  isOutdated: (hash) => !hash.startsWith(CURRENT),
}
