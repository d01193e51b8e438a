import { type Link, MOST_SEALED } from './chain.ts'
import type { Outbox } from './outbox.ts'

const REFUSED_MS = 50

/**
 * Seals everything that has been committed before the call.
 *
 * @param mostRefusals how often another process may be found at it
 * @param take gets each seal that is made
 */
export async function sealAll(
  outbox: Outbox,
  mostRefusals = Number.POSITIVE_INFINITY,
  take: (link: Link) => void = () => {},
): Promise<void> {
  for (let refusals = 0; refusals < mostRefusals; ) {
    const outcome = await outbox.seal()
    if (outcome === 'nothing') return
    if (outcome === 'busy') {
      // It may have begun too early to see what was committed here.
      refusals += 1
      await new Promise((resolve) => setTimeout(resolve, REFUSED_MS))
      continue
    }
    take(outcome)
    // The rest is younger than the call.
    if (outcome.entries.length < MOST_SEALED) return
  }
}
