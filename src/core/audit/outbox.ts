import type { AuditHead, FullSeal, Link } from './chain.ts'
import type { AuditEntry } from './record.ts'

/** How far a sink has come. */
export interface Place {
  /** Name of the sink. */
  readonly name: string
  /** Number of records that it has taken, as seals count them. */
  readonly delivered: number
  /** Process that delivers to it right now; null for none. */
  readonly owner: string | null
  /** Changes whenever the owner shows that it is alive, and with each owner. */
  readonly beat: number
  /** Deliveries in succession that have failed. */
  readonly failures: number
}

/** What is in the trail and not sealed yet. */
export interface Unsealed {
  readonly count: number
  /** Time of the oldest: ISO 8601; null for none. */
  readonly oldest: string | null
}

/** Which records are wanted; null for all. */
export interface EntryFilter {
  /** About this account. */
  readonly targetId: string | null
  /** Of this request. */
  readonly cid: string | null
}

/** The port through which the relay reaches the trail in the database. */
export interface Outbox {
  /** False once the host has closed its database for good. */
  readonly isOpen: () => boolean
  /**
   * Seals the oldest unsealed records, `MOST_SEALED` at most. `busy`: another process is at it. No lock is held for longer
   * than that takes, and a second seal upon the same one is refused by the database's index.
   */
  seal(): Promise<Link | 'nothing' | 'busy'>
  /** The end of the chain. */
  head(): Promise<AuditHead>
  unsealed(): Promise<Unsealed>
  /** The first seal with a greater number; null if there is none. */
  sealAfter(number: number): Promise<FullSeal | null>
  /** Records that say that they are of this seal, by id. */
  entriesOf(seal: number): Promise<readonly AuditEntry[]>
  /** The latest records, sealed or not, that come before one of this id, the latest first; 200 at most. */
  latest(filter: EntryFilter, before: number): Promise<readonly AuditEntry[]>
  /** Records of seals that there are not, by id; 1,000 at most. */
  strays(): Promise<readonly AuditEntry[]>
  /** Forgets the records of a seal, and keeps the seal. */
  prune(seal: number): Promise<void>
  /** Every sink that has ever been registered. */
  places(): Promise<readonly Place[]>
  /** Where a sink is; at the end of what is sealed if it is new. */
  place(name: string): Promise<Place>
  /** Makes `owner` the one that delivers. False if anything has happened to the place since `beat`. */
  claim(name: string, beat: number, owner: string): Promise<boolean>
  /** Notes how far `owner` has come, and that it is alive. False if it is not the one that delivers, any more. */
  advance(name: string, owner: string, delivered: number): Promise<boolean>
  /** As `advance`, and lets others deliver. */
  release(name: string, owner: string, delivered: number, failures: number): Promise<boolean>
  /** Forgets a sink. False if there was none of this name. */
  forget(name: string): Promise<boolean>
}
