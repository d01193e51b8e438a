import { pbkdf2, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { verify as verifyBcrypt } from '@node-rs/bcrypt'

const derivePbkdf2 = promisify(pbkdf2)
const deriveScrypt = promisify<string, Buffer, number, object, Buffer>(scrypt)

// A hash with a greater cost than these would let whoever can write one stop the server.
const MOST_PBKDF2_ROUNDS = 2_000_000
const MOST_BCRYPT_COST = 15
const MOST_BCRYPT_BYTES = 72
const MOST_SCRYPT_LOG_COST = 20
const MOST_SCRYPT_BYTES = 256 * 1024 * 1024
// What is shorter is a hash that was cut off: an empty one would match every password.
const SHORTEST_DIGEST = 16
const LONGEST_DIGEST = 128

const PBKDF2 = /^\$pbkdf2-sha512\$(\d{1,9})\$([A-Za-z0-9./]*)\$([A-Za-z0-9./]+)$/
const BCRYPT = /^\$2[aby]\$(\d\d)\$[A-Za-z0-9./]{53}$/
const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9./+]*)\$([A-Za-z0-9./+]+)$/

/**
 * Verifies a password against a hash that another program made: passlib's `$pbkdf2-sha512$` (contract section 10.4),
 * bcrypt `$2a$ $2b$ $2y$`, passlib's `$scrypt$`. Null if the hash is of none of these forms; false if it would cost
 * too much, or if bcrypt would not see all of the password.
 */
export async function verifyForeign(hash: string, password: string): Promise<boolean | null> {
  const pbkdf2Form = PBKDF2.exec(hash)
  if (pbkdf2Form) {
    const rounds = Number(pbkdf2Form[1])
    const digest = decode(pbkdf2Form[3])
    if (rounds < 1 || rounds > MOST_PBKDF2_ROUNDS || !isWhole(digest)) return false
    return same(digest, await derivePbkdf2(password, decode(pbkdf2Form[2]), rounds, digest.length, 'sha512'))
  }

  const bcryptForm = BCRYPT.exec(hash)
  if (bcryptForm) {
    if (Number(bcryptForm[1]) > MOST_BCRYPT_COST) return false
    const isRight = await verifyBcrypt(password, hash)
    return isRight && isWholeForBcrypt(password)
  }

  const scryptForm = SCRYPT.exec(hash)
  if (scryptForm) {
    const [logCost, r, p] = [Number(scryptForm[1]), Number(scryptForm[2]), Number(scryptForm[3])]
    const digest = decode(scryptForm[5])
    const bytes = 128 * 2 ** logCost * r
    if (logCost < 1 || logCost > MOST_SCRYPT_LOG_COST || r < 1 || p < 1 || p > 16) return false
    // By definition the cost is below 2 to the power of 16 r.
    if (bytes > MOST_SCRYPT_BYTES || logCost >= 16 * r || !isWhole(digest)) return false
    const options = { N: 2 ** logCost, r, p, maxmem: bytes * 2 + 1024 * 1024 }
    return same(digest, await deriveScrypt(password, decode(scryptForm[4]), digest.length, options))
  }
  return null
}

/**
 * Whether bcrypt sees all of the password. What is behind its 72 bytes, or repeats the password after a NUL, would be
 * let in unread (ASVS 6.2.8), and the next hash would be made of it.
 */
function isWholeForBcrypt(password: string): boolean {
  return Buffer.byteLength(password) <= MOST_BCRYPT_BYTES && !password.includes('\u0000')
}

/** passlib writes base64 without padding and with `.` for `+`. */
function decode(text = ''): Buffer {
  return Buffer.from(text.replaceAll('.', '+'), 'base64')
}

function isWhole({ length }: Buffer): boolean {
  return length >= SHORTEST_DIGEST && length <= LONGEST_DIGEST
}

function same(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
