import { randomBytes } from 'node:crypto'

const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

/** `zusr` and 128 random bits in Crockford's base32, as Zato makes its ids (contract section 10.4). */
export function newUserId(): string {
  let number = BigInt(`0x${randomBytes(16).toString('hex')}`)
  let text = ''
  for (; number > 0n; number >>= 5n) text = CROCKFORD[Number(number & 31n)] + text
  return `zusr${text}`
}
