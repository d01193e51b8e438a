import type { Link } from './chain.ts'
import type { Outbox } from './outbox.ts'

const MOST_KEPT = 4

/** The chain as it is delivered. What this process has sealed last need not be read again; what verifies reads it all. */
export class Links {
  readonly #outbox: Outbox
  readonly #latest: Link[] = []

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  /** Keeps what has just been sealed. */
  add(link: Link): void {
    this.#latest.push(link)
    if (this.#latest.length > MOST_KEPT) this.#latest.shift()
  }

  /** The link with the record that comes after so many; null if nothing more is sealed. */
  async after(delivered: number): Promise<Link | null> {
    const kept = this.#latest.find(({ seal }) => seal.number > delivered && seal.number - seal.count <= delivered)
    if (kept) return kept
    const seal = await this.#outbox.sealAfter(delivered)
    return seal && { seal, entries: await this.#outbox.entriesOf(seal.number) }
  }
}
