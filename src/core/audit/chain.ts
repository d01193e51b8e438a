import { createHash } from 'node:crypto'
import type { AuditEntry } from './record.ts'

/** A link of the chain: some records of the trail, sealed together (ASVS 16.4.2). */
export interface Seal {
  /** How many records the trail had with the last one of this seal, pruned ones included. */
  readonly number: number
  /** How many records it seals. */
  readonly count: number
  /** Latest time of its records: ISO 8601, UTC, milliseconds. */
  readonly time: string
  /** `hash` of the seal before it; `FIRST` for the first one. */
  readonly previousHash: string
  /** SHA-256, base64url, over `records`; it stays when they are pruned. */
  readonly recordsHash: string
  /** SHA-256, base64url, over all of the above. */
  readonly hash: string
}

/** A seal with the ids and hashes of its records, in order; null once they have been pruned. */
export interface FullSeal extends Seal {
  /** By id. */
  readonly records: readonly SealedId[] | null
}

/** A seal, and the records that say that they are of it, by id. */
export interface Link {
  readonly seal: FullSeal
  readonly entries: readonly AuditEntry[]
}

/** Records that one seal has at most. */
export const MOST_SEALED = 512

/** Id of a record, and its hash. */
export type SealedId = readonly [id: number, hash: string]

/** The end of the chain, as it is kept elsewhere to be compared with later. */
export interface AuditHead {
  /** How many records have been sealed. */
  readonly number: number
  /** Hash of the last seal. */
  readonly hash: string
}

/** What comes before the first seal. */
export const FIRST: AuditHead = { number: 0, hash: '0' }

/** Hash of a record, over the JSON of its values in the order of the published schema. */
export function hashOf(entry: AuditEntry): string {
  return digest([
    entry.id,
    entry.cid,
    entry.time,
    entry.operation,
    entry.outcome,
    entry.error,
    entry.actor_id,
    entry.actor_name,
    entry.actor_via,
    entry.target_id,
    entry.target_name,
    entry.app,
    entry.remote_addr,
    entry.user_agent,
    entry.dialect,
    entry.changes,
  ])
}

/** The seal of some records, which are at least one, upon what has been sealed before them. */
export function sealOf(previous: AuditHead, entries: readonly AuditEntry[]): FullSeal {
  const records = entries.map((entry): SealedId => [entry.id, hashOf(entry)])
  const seal = {
    number: previous.number + entries.length,
    count: entries.length,
    // ISO 8601 sorts as time does.
    time:
      entries
        .map(({ time }) => time)
        .sort()
        .at(-1) ?? '',
    previousHash: previous.hash,
    recordsHash: digest(records),
    records,
  }
  return { ...seal, hash: hashOfSeal(seal) }
}

/** What the hash of a seal must be. */
export function hashOfSeal({ number, count, time, previousHash, recordsHash }: Omit<Seal, 'hash'>): string {
  return digest([number, count, time, previousHash, recordsHash])
}

/** SHA-256, base64url, of a value's JSON. */
export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url')
}
