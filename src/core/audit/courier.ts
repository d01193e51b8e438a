import type { Link } from './chain.ts'
import type { Links } from './links.ts'
import type { Outbox, Place } from './outbox.ts'
import type { AuditSink, SealedRecord } from './sink.ts'

/** How records are delivered. */
export interface DeliverySettings {
  /** Seconds without a sign of life after which another process takes over. */
  readonly leaseSeconds: number
  /** Seconds that a sink has for one delivery. */
  readonly timeoutSeconds: number
  /** Seconds of the wait after a first failure; each further one doubles it. */
  readonly firstWaitSeconds: number
  /** Seconds of the longest wait. */
  readonly maxWaitSeconds: number
}

/** What is delivered where, from what, by whom. */
interface Route {
  readonly sink: AuditSink
  readonly outbox: Outbox
  readonly links: Links
  /** Names this process to the others. */
  readonly owner: string
  readonly settings: DeliverySettings
}

const PERSIST_MS = 1000

/**
 * Brings the trail to one sink, in order. Of several processes one at a time does: it owns the sink's place for as long as
 * there is something to deliver, and shows that it is alive. Who has shown nothing for the lease, by the watching
 * process' own clock of elapsed time, is taken for dead; no two clocks are ever compared.
 */
export class Courier {
  readonly #route: Route
  readonly #report: (error: unknown) => void
  #running: Promise<void> | null = null
  #isWanted = false
  #isForced = false
  #failures = 0
  #retryAt = 0
  #watched: { readonly beat: number; readonly since: number } | null = null
  #timer: NodeJS.Timeout | null = null
  #isStopped = false

  constructor(route: Route, report: (error: unknown) => void) {
    this.#route = route
    this.#report = report
  }

  /**
   * Delivers what is sealed. Resolves when the sink has taken all of it or failed, or when another process is at it.
   *
   * @param isForced tries at once, however often the sink has failed
   */
  run(isForced = false): Promise<void> {
    this.#isWanted = true
    this.#isForced ||= isForced
    this.#running ??= this.#loop()
    return this.#running
  }

  /** Resolves when what is under way has come to its end; nothing is begun after that. */
  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#timer) clearTimeout(this.#timer)
    await this.#running
  }

  async #loop(): Promise<void> {
    while (this.#isWanted && !this.#isStopped) {
      const isForced = this.#isForced
      this.#isWanted = false
      this.#isForced = false
      try {
        await this.#round(isForced)
      } catch (error) {
        this.#fail(error)
      }
    }
    this.#running = null
  }

  async #round(isForced: boolean): Promise<void> {
    if (!isForced && performance.now() < this.#retryAt) return
    const { sink, outbox, links, owner } = this.#route
    const place = await outbox.place(sink.name)
    const link = await links.after(place.delivered)
    if (!link || !this.#isFree(place)) return
    if (!(await outbox.claim(place.name, place.beat, owner))) return

    const delivery = new Delivery(this.#route, place.delivered)
    const error = await delivery.run(link).then(
      () => null,
      (thrown: unknown) => ({ thrown }),
    )
    const failures = error ? this.#failures + 1 : 0
    const isStillOurs = await outbox.release(place.name, owner, delivery.delivered, failures)
    if (error) {
      this.#fail(error.thrown)
      return
    }
    this.#failures = 0
    this.#retryAt = 0
    // What another process has sealed just before the release has been left to us.
    this.#isWanted ||= isStillOurs
  }

  /** Whether nobody delivers, as far as can be seen. */
  #isFree({ owner, beat }: Place): boolean {
    if (owner === null || owner === this.#route.owner) return true
    const now = performance.now()
    const leaseMs = this.#route.settings.leaseSeconds * 1000
    if (this.#watched?.beat !== beat) this.#watched = { beat, since: now }
    const remaining = this.#watched.since + leaseMs - now
    if (remaining <= 0) return true
    this.#later(remaining)
    return false
  }

  #fail(error: unknown): void {
    this.#failures += 1
    const { firstWaitSeconds, maxWaitSeconds } = this.#route.settings
    const seconds = Math.min(maxWaitSeconds, firstWaitSeconds * 2 ** Math.min(this.#failures - 1, 30))
    // Processes that have failed together do not come back together.
    const wait = seconds * 1000 * (0.75 + Math.random() / 4)
    this.#retryAt = performance.now() + wait
    this.#later(wait)
    if (this.#route.outbox.isOpen()) this.#report(error)
  }

  #later(ms: number): void {
    if (this.#timer) clearTimeout(this.#timer)
    if (this.#isStopped || !this.#route.outbox.isOpen()) return
    this.#timer = setTimeout(() => void this.run(), Math.ceil(ms) + 1).unref()
  }
}

/** One run of deliveries, while the sink's place is owned. */
class Delivery {
  /** How far the sink has come. */
  delivered: number
  readonly #route: Route
  #isOurs = true
  #persisted = performance.now()

  constructor(route: Route, delivered: number) {
    this.#route = route
    this.delivered = delivered
  }

  /** @throws whatever the sink does */
  async run(first: Link): Promise<void> {
    const beating = setInterval(() => this.#persist().catch(() => {}), (this.#route.settings.leaseSeconds * 1000) / 3)
    beating.unref()
    try {
      let link: Link | null = first
      while (link && this.#isOurs) {
        await this.#deliver(link)
        link = await this.#route.links.after(this.delivered)
      }
    } finally {
      clearInterval(beating)
    }
  }

  async #deliver(link: Link): Promise<void> {
    const { seal } = link
    const size = this.#route.sink.batchSize ?? 1
    const start = seal.number - seal.count
    const records = recordsOf(link)
    while (this.delivered < seal.number) {
      const batch = records.slice(this.delivered - start, this.delivered - start + size)
      // What has been removed from the trail cannot be given; `verifyAudit` tells of it.
      const present = batch.filter((record) => record !== null)
      if (present.length > 0) await this.#give(present)
      this.delivered = batch.length > 0 ? this.delivered + batch.length : seal.number
      if (performance.now() - this.#persisted > PERSIST_MS) await this.#persist()
      if (!this.#isOurs) return
    }
  }

  async #give(batch: readonly SealedRecord[]): Promise<void> {
    const { timeoutSeconds } = this.#route.settings
    const aborter = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const error = new Error(`the audit sink ${this.#route.sink.name} has taken more than ${timeoutSeconds} seconds`)
        reject(error)
        aborter.abort(error)
      }, timeoutSeconds * 1000).unref()
    })
    const taken = (async () => this.#route.sink.deliver(batch, aborter.signal))()
    try {
      await Promise.race([taken, late])
    } finally {
      clearTimeout(timer)
    }
  }

  async #persist(): Promise<void> {
    this.#persisted = performance.now()
    const { sink, outbox, owner } = this.#route
    this.#isOurs = (await outbox.advance(sink.name, owner, this.delivered)) && this.#isOurs
  }
}

/** Records as they are now, with the hashes of when they were sealed; null for those that are not there any more. */
function recordsOf({ seal, entries }: Link): readonly (SealedRecord | null)[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  return (seal.records ?? []).map(([id, hash]) => {
    const entry = byId.get(id)
    return entry ? { ...entry, hash } : null
  })
}
