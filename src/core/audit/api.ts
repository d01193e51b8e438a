import { setTimeout as sleep } from 'node:timers/promises'
import { SsoError } from '../../errors.ts'
import { callsOf, type Origin, startedFirst, text } from '../callers.ts'
import type { Core } from '../core.ts'
import { codeActor } from '../sessions/gate.ts'
import { type AuditHead, FIRST, type Link } from './chain.ts'
import { type AuditLine, linesOf } from './export.ts'
import type { Outbox, Place } from './outbox.ts'
import { type AuditPage, MOST_AUDIT_RECORDS, pageOf } from './read.ts'
import { recordOf } from './record.ts'
import { sealAll } from './seal.ts'
import type { SealedRecord } from './sink.ts'
import { type AuditFault, type AuditVerification, verifyChain } from './verify.ts'

/** How far behind a sink is. */
export interface SinkLag {
  /** Name of the sink. */
  readonly sink: string
  /** How many records it has not taken yet. */
  readonly behind: number
  /** Time of the oldest of them: ISO 8601; null if there is none. */
  readonly oldest: string | null
  /** How many deliveries in succession have failed; 0 if the last one did not. */
  readonly failures: number
  /** Whether a process is delivering to it. */
  readonly isBusy: boolean
}

/** What was pruned. */
export interface PruneResult {
  /** How many records are gone. */
  readonly records: number
  /** Names of the sinks that have not taken everything that is old enough: those records are still there. */
  readonly heldBackBy: readonly string[]
}

/** The audit trail as a whole. In code only: no route reaches it. All reject with `SsoError` for wrong arguments. */
export interface AuditApi {
  /** The latest records of the whole trail, the latest first, whether they are sealed or not. */
  getRecords(input?: {
    /** Only those about this account; it may have been deleted since. Default: all. */
    readonly userId?: string | number
    /** Only those of the request with this correlation id. Default: all. */
    readonly cid?: string
    /** Only records before the one of this number. Default: from the latest on. */
    readonly before?: number
    /** Records at most. Default 100, which is also the most. */
    readonly limit?: number
  }): Promise<AuditPage>
  /** Records of the whole trail as they come, each once, in the order in which they are sealed; does not end by itself. */
  followAudit(input?: {
    /** Begins after this head: its `number`. Default: with what is recorded from now on. */
    readonly after?: number
    /** Ends it. Default: only whoever reads does. */
    readonly signal?: AbortSignal
    /** Seconds between two looks at the database. Default 1. */
    readonly everySeconds?: number
  }): AsyncIterable<SealedRecord>
  /** Finds every record that was changed, removed, inserted or moved since it was sealed, and says which (ASVS 16.4.2). */
  verifyAudit(input?: {
    /** What `getHead` said at earlier times: shows whether the chain has been cut or made anew. Default none. */
    readonly heads?: readonly AuditHead[]
  }): Promise<AuditVerification>
  /** The end of the chain, to be kept where nobody who can write to the database can. Seals what is not sealed yet. */
  getHead(): Promise<AuditHead>
  /** The trail from its beginning, or from a head on, as lines of seals and records that `verifyExport` verifies. */
  exportAudit(input?: {
    /** Only what was sealed after this head: its `number`. Default 0, for all. */
    readonly after?: number
  }): AsyncIterable<AuditLine>
  /** Deletes old records, by whole seals, which stay; itself recorded. What a sink has not taken yet is kept. */
  pruneAudit(
    input: Origin & {
      /** Seals whose records are all older than this are pruned. */
      readonly before: Date
      /** Who does it, for the audit trail. Default `pruneAudit`. */
      readonly by?: string
    },
  ): Promise<PruneResult>
  /** How far behind each sink is, those included that this process does not know. */
  getLag(): Promise<readonly SinkLag[]>
  /** Forgets a sink that is no longer used, so that it holds back no pruning. False if there is none of this name. */
  forgetSink(input: {
    /** Its name. */
    readonly name: string
  }): Promise<boolean>
}

/** @param now the clock */
export function buildAuditApi(core: Core, outbox: Outbox, now: () => Date): AuditApi {
  const { contextOf } = callsOf(now)

  const exportAudit: AuditApi['exportAudit'] = async function* ({ after = 0 } = {}) {
    await sealAll(outbox)
    for await (const link of links(outbox, after)) yield* linesOf(link)
  }

  const followAudit: AuditApi['followAudit'] = async function* ({ after, signal, everySeconds = 1 } = {}) {
    let number = after ?? (await api.getHead()).number
    while (!signal?.aborted) {
      for await (const line of exportAudit({ after: number })) {
        if (signal?.aborted) return
        if ('record' in line) yield line.record
        else number = line.seal.number
      }
      // Interrupted, it rejects: that is the end of the loop.
      await sleep(everySeconds * 1000, undefined, signal ? { signal } : {}).catch(() => {})
    }
  }

  const api: Omit<AuditApi, 'exportAudit' | 'followAudit'> = {
    async getRecords({ userId, cid, before = Number.MAX_SAFE_INTEGER, limit = MOST_AUDIT_RECORDS } = {}) {
      const filter = {
        targetId: userId === undefined ? null : String(userId),
        cid: cid === undefined ? null : text(cid, 'cid'),
      }
      return pageOf(await outbox.latest(filter, before), limit)
    },

    async verifyAudit({ heads = [] } = {}) {
      await sealAll(outbox)
      const verification = await verifyChain(links(outbox, 0), FIRST, heads)
      const strays = (await outbox.strays()).map(({ id }): AuditFault => ({ kind: 'record_inserted', id, seal: 0 }))
      return {
        ...verification,
        isIntact: verification.isIntact && strays.length === 0,
        faults: [...verification.faults, ...strays],
      }
    },

    async getHead() {
      await sealAll(outbox)
      return outbox.head()
    },

    async pruneAudit({ before, by = 'pruneAudit', ...origin }) {
      if (!(before instanceof Date) || Number.isNaN(before.getTime()))
        throw new SsoError('input_invalid', { message: 'before must be a date.' })
      await sealAll(outbox)
      const places = await outbox.places()
      const { seals, heldBackBy } = await prunable(outbox, before.toISOString(), places)
      const [first, last] = [seals[0], seals.at(-1)]
      if (!first || !last) return { records: 0, heldBackBy }

      // First of all: records that are gone without this one have been removed by somebody else.
      const actor = codeActor(by)
      const occasion = { operation: 'prune_audit', context: contextOf(origin), actor, target: null } as const
      const changes = [{ attribute: 'audit', from: first.number - first.count + 1, to: last.number }]
      await core.store.appendAudit(recordOf(occasion, changes))
      core.trail.committed()
      for (const { number } of seals) await outbox.prune(number)
      return { records: seals.reduce((sum, { count }) => sum + count, 0), heldBackBy }
    },

    async getLag() {
      const [head, unsealed, places] = [await outbox.head(), await outbox.unsealed(), await outbox.places()]
      return Promise.all(
        places.map(async ({ name, delivered, owner, failures }) => ({
          sink: name,
          behind: head.number - delivered + unsealed.count,
          oldest: (await timeAfter(outbox, delivered)) ?? unsealed.oldest,
          failures,
          isBusy: owner !== null,
        })),
      )
    },

    forgetSink: ({ name }) => outbox.forget(text(name, 'name')),
  }
  return { ...startedFirst(core, api), exportAudit, followAudit }
}

async function* links(outbox: Outbox, after: number): AsyncGenerator<Link> {
  let number = after
  for (;;) {
    const seal = await outbox.sealAfter(number)
    if (!seal) return
    const entries = await outbox.entriesOf(seal.number)
    // Pruned between the two reads.
    const isLess = entries.length < (seal.records?.length ?? 0)
    const latest = isLess ? await outbox.sealAfter(number) : seal
    yield { seal: latest?.number === seal.number ? latest : seal, entries }
    number = seal.number
  }
}

/** The seals from the beginning that are old enough, as far as every sink has come. */
async function prunable(outbox: Outbox, before: string, places: readonly Place[]) {
  const seals: { readonly number: number; readonly count: number }[] = []
  const slow = new Set<string>()
  let number = 0
  for (;;) {
    const seal = await outbox.sealAfter(number)
    if (!seal || seal.time >= before) break
    number = seal.number
    if (seal.records === null) continue
    for (const { name, delivered } of places) if (delivered < seal.number) slow.add(name)
    if (slow.size > 0) break
    seals.push(seal)
  }
  return { seals, heldBackBy: [...slow].sort() }
}

/** Time of the first record that was sealed after so many. */
async function timeAfter(outbox: Outbox, delivered: number): Promise<string | null> {
  const seal = await outbox.sealAfter(delivered)
  if (!seal?.records) return seal?.time ?? null
  const [id] = seal.records[delivered - (seal.number - seal.count)] ?? []
  return (await outbox.entriesOf(seal.number)).find((entry) => entry.id === id)?.time ?? seal.time
}
