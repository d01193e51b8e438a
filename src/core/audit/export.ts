import type { FullSeal, Link } from './chain.ts'
import type { AuditEntry } from './record.ts'
import type { SealedRecord } from './sink.ts'
import { type AuditVerification, verifyChain } from './verify.ts'

/** A line of an export: a seal, then the records that it seals. */
export type AuditLine =
  | {
      /** A seal, with the ids and hashes of its records unless they have been pruned. */
      readonly seal: FullSeal
    }
  | {
      /** A record of the seal before it. */
      readonly record: SealedRecord
    }

/** A link of the chain as lines. */
export function* linesOf({ seal, entries }: Link): Generator<AuditLine> {
  const hashes = new Map(seal.records ?? [])
  yield { seal }
  for (const entry of entries) yield { record: { ...entry, hash: hashes.get(entry.id) ?? '' } }
}

/**
 * Verifies what `exportAudit` gave, without a database: the lines as they came, or parsed from a file.
 *
 * @param lines from the first one on, or from any seal on
 */
export function verifyExport(lines: AsyncIterable<AuditLine> | Iterable<AuditLine>): Promise<AuditVerification> {
  return verifyChain(linksOf(lines), null, [])
}

async function* linksOf(lines: AsyncIterable<AuditLine> | Iterable<AuditLine>): AsyncGenerator<Link> {
  let seal: FullSeal | null = null
  let entries: AuditEntry[] = []
  for await (const line of lines) {
    if ('record' in line) {
      entries.push(line.record)
      continue
    }
    if (seal) yield { seal, entries }
    seal = line.seal
    entries = []
  }
  if (seal) yield { seal, entries }
}
