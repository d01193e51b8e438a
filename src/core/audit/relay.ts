import { randomUUID } from 'node:crypto'
import { Courier, type DeliverySettings } from './courier.ts'
import { Links } from './links.ts'
import type { Outbox } from './outbox.ts'
import { sealAll } from './seal.ts'
import type { AuditSink } from './sink.ts'

/** How the relay works. */
export interface RelaySettings extends DeliverySettings {
  /** Whether this process seals and delivers; otherwise it leaves both to others. */
  readonly isActive: boolean
}

/** Seals what has been committed and brings it to the sinks, behind the requests' backs. */
export interface Relay {
  /** There may be something to do. Returns at once. */
  readonly wake: () => void
  /** Resolves when each sink has taken everything that has been committed so far, or has failed to. */
  readonly flush: () => Promise<void>
  /** Flushes, lets go of the sinks, and stops for good. */
  readonly close: () => Promise<void>
}

// Long enough for a batch to gather under load, short enough for people.
const PAUSE_MS = 500
const MOST_REFUSALS = 100
// For what other processes have left behind.
const POLL_MS = 5000

/** @param report takes what keeps the relay from its work; it goes on trying */
export function buildRelay(
  outbox: Outbox,
  sinks: readonly AuditSink[],
  settings: RelaySettings,
  report: (error: unknown) => void,
): Relay {
  const owner = randomUUID()
  const links = new Links(outbox)
  const couriers = sinks.map((sink) => new Courier({ sink, outbox, links, owner, settings }, report))
  let isClosed = !settings.isActive
  let pause: NodeJS.Timeout | null = null
  let poll: NodeJS.Timeout | null = null
  let sealing: Promise<void> = Promise.resolve()
  let isFailing = false

  /** One after the other: two at once would refuse each other's seals. */
  const sealInTurn = () => {
    const done = sealing.then(() => sealAll(outbox, MOST_REFUSALS, (link) => links.add(link)))
    sealing = done.catch(() => {})
    return done
  }

  const round = async () => {
    try {
      await sealInTurn()
      isFailing = false
    } catch (error) {
      // Once an outage; the poll tries again.
      if (!isFailing && outbox.isOpen()) report(error)
      isFailing = true
    }
  }

  const wake = () => {
    if (isClosed || pause) return
    poll ??= setInterval(wake, POLL_MS).unref()
    pause = setTimeout(async () => {
      pause = null
      if (!outbox.isOpen()) return rest()
      await round()
      for (const courier of couriers) void courier.run()
    }, PAUSE_MS).unref()
  }

  const rest = () => {
    if (pause) clearTimeout(pause)
    if (poll) clearInterval(poll)
    pause = null
    poll = null
  }

  const flush = async () => {
    if (isClosed || !outbox.isOpen()) return
    await round()
    await Promise.all(couriers.map((courier) => courier.run(true)))
  }

  return {
    wake,
    flush,
    async close() {
      await flush()
      isClosed = true
      rest()
      await Promise.all(couriers.map((courier) => courier.stop()))
      await sealing
      await Promise.all(sinks.map((sink) => sink.close?.()))
    },
  }
}
