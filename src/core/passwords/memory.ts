import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { customerOf } from '../addresses/address.ts'
import { identityKey } from '../schema/text.ts'

/** A password that proves a request. */
export interface Claim {
  /** Username as it is stored; as it was sent, where there is no account. */
  readonly username: string
  /** The password as it was sent. */
  readonly password: string
  /** Stored hash of the account; empty where there is none. */
  readonly hash: string
  /** Client's address. */
  readonly remoteAddr: string | null
}

/**
 * Passwords that have just been verified, so that the next request need not hash the same one again.
 *
 * It is no way around the throttle. A password is compared with what is remembered only as long as nothing has failed for
 * its name nor from its address since the verification that it was remembered by; and whom the throttle has let pass has
 * not to wait until something fails. The first one that differs closes both before anything else runs, so that it, and all
 * that come with it, are counted and hashed. What fails in another process, or is under way, is not known here: that is
 * worth one guess for each verification that was let pass, and never two.
 */
export interface Memory {
  /** Whether the password is the one that was verified last. A wrong one closes the memory for its name and its address. */
  readonly recalls: (claim: Claim) => boolean
  /** Remembers a password whose hash was computed just now, and counted. */
  readonly remember: (claim: Claim) => void
  /** Forgets what is remembered of a name, and what is from an address: something has failed there. */
  readonly close: (username: string, remoteAddr: string | null) => void
}

/** Stands for a name or an address where nothing has failed, as long as it is kept under its key. */
interface Mark {
  readonly key: string
}

interface Entry {
  readonly digest: Buffer
  readonly marks: readonly Mark[]
}

/**
 * A memory of its own secret. It keeps digests under that, and neither passwords nor hashes nor names.
 *
 * @param settings seconds that an entry lives, however often it is used; how many there are at most
 * @param now milliseconds of a clock that never steps back
 */
export function buildMemory(
  { seconds, most }: { readonly seconds: number; readonly most: number },
  now: () => number = () => performance.now(),
): Memory {
  const secret = randomBytes(32)
  /** JSON, as nothing else says where one text ends and the next one begins. */
  const digestOf = (...texts: readonly string[]) => createHmac('sha256', secret).update(JSON.stringify(texts)).digest()
  const keyOf = (...texts: readonly string[]) => digestOf(...texts).toString('base64url')

  const entries = new LRUCache<string, Entry>({ max: most, ttl: seconds * 1000, ttlResolution: 0, perf: { now } })
  const marks = new LRUCache<string, Mark>({ max: most * 2 })
  // One that had to make room could not be taken away any more: it counts as that.
  const isOpen = ({ marks: own }: Entry) => own.every((mark) => marks.get(mark.key) === mark)

  /** Another hash is another place: an old one is never compared with anything. */
  const placeOf = ({ username, remoteAddr, hash }: Claim) => keyOf('place', username, customerOf(remoteAddr), hash)
  const digestIn = (place: string, { password }: Claim) => digestOf('password', place, password)
  const marksOf = (username: string, remoteAddr: string | null) => [
    // As the throttle counts them.
    keyOf('name', identityKey(username)),
    keyOf('address', customerOf(remoteAddr)),
  ]
  const opened = (key: string): Mark => {
    const mark = marks.get(key) ?? { key }
    marks.set(key, mark)
    return mark
  }
  const close: Memory['close'] = (username, remoteAddr) => {
    for (const key of marksOf(username, remoteAddr)) marks.delete(key)
  }

  return {
    close,

    recalls(claim) {
      const place = placeOf(claim)
      const digest = digestIn(place, claim)
      const entry = entries.get(place)
      if (!entry || !isOpen(entry)) return false
      if (timingSafeEqual(entry.digest, digest)) return true
      close(claim.username, claim.remoteAddr)
      return false
    },

    remember(claim) {
      const place = placeOf(claim)
      const own = marksOf(claim.username, claim.remoteAddr).map(opened)
      entries.set(place, { digest: digestIn(place, claim), marks: own })
    },
  }
}
