import { type AuditHead, digest, FIRST, type FullSeal, hashOf, hashOfSeal, type Link } from './chain.ts'
import type { AuditEntry } from './record.ts'

/** Something that is not as it was sealed. */
export interface AuditFault {
  /**
   * What it is: `record_changed`, `record_removed` or `record_inserted` since it was sealed; a seal that is not as it was
   * made, `seal_changed`, or not there, `seal_removed`; records that are gone without an account of who removed them,
   * `prune_unrecorded`; a chain that is not the one of the `head` that was given, `head_missing`.
   */
  readonly kind:
    | 'record_changed'
    | 'record_removed'
    | 'record_inserted'
    | 'seal_changed'
    | 'seal_removed'
    | 'prune_unrecorded'
    | 'head_missing'
  /** Number of the record; null where it is about a seal. */
  readonly id: number | null
  /** Number of the seal; 0 where the record says that it is of one that does not exist. */
  readonly seal: number
}

/** What came of a verification (ASVS 16.4.2). */
export interface AuditVerification {
  /** Whether there is no fault. */
  readonly isIntact: boolean
  /** The faults in the order of the trail, 1,000 at most. */
  readonly faults: readonly AuditFault[]
  /** How many records there are that are as they were sealed. */
  readonly records: number
  /** How many records have been pruned; their seals are verified all the same. */
  readonly pruned: number
  /** The end of the chain: kept elsewhere, it shows later whether the chain has been made anew. */
  readonly head: AuditHead
}

const MOST_FAULTS = 1000

/**
 * Follows the chain from seal to seal.
 *
 * @param start what the first seal must be upon; null to take its word for it, as for a part of a chain
 * @param heads what the chain had as its end at some time
 */
export async function verifyChain(
  links: AsyncIterable<Link>,
  start: AuditHead | null,
  heads: readonly AuditHead[],
): Promise<AuditVerification> {
  const faults: AuditFault[] = []
  const missing = new Map(heads.filter(({ number }) => number > 0).map((head) => [head.number, head.hash]))
  let previous = start
  let records = 0
  let pruned = 0
  let prunedTo = 0
  let accountedTo = 0

  for await (const { seal, entries } of links) {
    const before = previous ?? { number: seal.number - seal.count, hash: seal.previousHash }
    faults.push(...faultsOfSeal(before, seal))
    if (missing.get(seal.number) === seal.hash) missing.delete(seal.number)
    previous = { number: seal.number, hash: seal.hash }

    if (seal.records === null) {
      pruned += seal.count
      prunedTo = seal.number
    }
    const found = faultsOfRecords(seal, entries)
    if (faults.length < MOST_FAULTS) faults.push(...found)
    records += entries.length - found.filter(({ kind }) => kind !== 'record_removed').length
    for (const { operation, outcome, changes } of entries) {
      if (operation === 'prune_audit' && outcome === 'ok') accountedTo = Math.max(accountedTo, Number(changes[0]?.to))
    }
  }

  // A part of a chain need not have the record of what was pruned in it.
  if (start && prunedTo > accountedTo) faults.push({ kind: 'prune_unrecorded', id: null, seal: prunedTo })
  for (const number of missing.keys()) faults.push({ kind: 'head_missing', id: null, seal: number })
  return {
    isIntact: faults.length === 0,
    faults: faults.slice(0, MOST_FAULTS),
    records,
    pruned,
    head: previous ?? FIRST,
  }
}

function faultsOfSeal(previous: AuditHead, seal: FullSeal): readonly AuditFault[] {
  const { number, count, records, recordsHash } = seal
  const isWhole = records === null || (records.length === count && digest(records) === recordsHash)
  if (!isWhole || hashOfSeal(seal) !== seal.hash) return [{ kind: 'seal_changed', id: null, seal: number }]
  const follows = seal.previousHash === previous.hash && number - count === previous.number
  return follows ? [] : [{ kind: 'seal_removed', id: null, seal: number - count }]
}

function faultsOfRecords({ number, records }: FullSeal, entries: readonly AuditEntry[]): readonly AuditFault[] {
  const sealed = new Map(records ?? [])
  const present = new Map(entries.map((entry) => [entry.id, entry]))
  const faults: AuditFault[] = []
  for (const [id, hash] of sealed) {
    const entry = present.get(id)
    if (!entry) faults.push({ kind: 'record_removed', id, seal: number })
    else if (hashOf(entry) !== hash) faults.push({ kind: 'record_changed', id, seal: number })
  }
  for (const { id } of entries) {
    if (!sealed.has(id)) faults.push({ kind: 'record_inserted', id, seal: number })
  }
  return faults.sort((a, b) => Number(a.id) - Number(b.id))
}
