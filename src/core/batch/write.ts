import { type Committed, writingIn } from '../accounts/commit.ts'
import { inTransaction } from '../accounts/demands.ts'
import type { AuditEntry, AuditRecord } from '../audit/record.ts'
import type { Actor } from '../context.ts'
import { domainError } from '../operation.ts'
import { confirm } from '../sessions/gate.ts'
import type { Account, Columns, Transaction } from '../store.ts'
import type { Draft } from './propose.ts'
import { recordsOf } from './repeats.ts'
import type { Batch } from './task.ts'

/** What came of a draft in its transaction. */
export type Written = { readonly draft: Draft } & (
  | { readonly committed: Committed }
  | { readonly error: unknown }
  /** The record of an earlier call that has done it. */
  | { readonly repeats: AuditEntry }
)

/** How one line is written beside others. */
interface Manner {
  readonly apart: (
    transaction: Transaction,
    write: () => Promise<Committed>,
  ) => Promise<{ readonly result: Committed } | { readonly error: unknown }>
  /** Whether what lines write may be gathered and written by few statements. */
  readonly gathers: boolean
}

const trusting: Manner = { apart: async (_transaction, write) => ({ result: await write() }), gathers: true }
const oneByOne: Manner = { ...trusting, gathers: false }
const careful: Manner = { apart: (transaction, write) => transaction.savepoint(write), gathers: false }

/** Which draft is being written; null between them. */
interface Progress {
  draft: Draft | null
}

/**
 * Writes drafts in one transaction in which each stands alone: what one of them fails at undoes nothing of the others.
 * Where all is well, which is nearly always, that needs no savepoints; otherwise all are written again, with one for each.
 */
export function writeEach(batch: Batch, drafts: readonly Draft[]): Promise<readonly Written[]> {
  return trustingFirst(batch, drafts, (progress) => writeAll(batch, drafts, careful, progress))
}

/** Writes all drafts in one transaction, or none of them; says which one has failed, and why. */
export function writeTogether(batch: Batch, drafts: readonly Draft[]): Promise<readonly Written[]> {
  return trustingFirst(batch, drafts, async (progress) => {
    try {
      return await writeAll(batch, drafts, oneByOne, progress)
    } catch (error) {
      if (!progress.draft) throw error
      return [{ draft: progress.draft, error: domainError(error) }]
    }
  })
}

/** @param otherwise what is done where a draft has failed */
async function trustingFirst(
  batch: Batch,
  drafts: readonly Draft[],
  otherwise: (progress: Progress) => Promise<readonly Written[]>,
): Promise<readonly Written[]> {
  if (drafts.length === 0) return []
  const progress: Progress = { draft: null }
  try {
    return await writeAll(batch, drafts, trusting, progress)
  } catch (error) {
    if (!progress.draft) throw error
    return otherwise(progress)
  }
}

async function writeAll(
  batch: Batch,
  drafts: readonly Draft[],
  { apart, gathers }: Manner,
  progress: Progress,
): Promise<readonly Written[]> {
  return inTransaction(batch.core, { isDryRun: batch.isDryRun }, async (transaction) => {
    progress.draft = null
    if (drafts.some(({ takes }) => takes)) await transaction.lockSuperUsers()
    const accounts = await transaction.lockAccounts(drafts.flatMap(({ accountId }) => accountId ?? []))
    // Behind the locks: what another call has done of the same lines meanwhile is there.
    const tasks = drafts.map(({ task }) => task)
    const earlier = await recordsOf(batch, tasks, transaction)
    let actor = await confirmed(batch, transaction)

    // A hook in the transaction, and who counts super-users, finds everything written.
    const isGathered = gathers && transaction.native === null && !drafts.some(({ takes }) => takes)
    const { flush, ...writing } = isGathered
      ? gathering(transaction)
      : { ...writingIn(transaction), flush: async () => {} }
    const written: Written[] = []
    const touched = new Set<string>()
    for (const draft of drafts) {
      const repeats = earlier.get(draft.task.line)
      if (repeats) {
        written.push({ draft, repeats })
        continue
      }
      const { accountId: id } = draft
      let account: Account | null = id === null ? null : (accounts.get(id) ?? null)
      if (id !== null && touched.has(id)) {
        // What an earlier line has made of it.
        await flush()
        account = await transaction.lockAccount(id)
        if (id === actor.userId) actor = await confirmed(batch, transaction)
      }
      progress.draft = draft
      const outcome = await apart(transaction, () => draft.write({ ...writing, account, actor }))
      progress.draft = null
      if (id !== null) touched.add(id)
      written.push(
        'result' in outcome ? { draft, committed: outcome.result } : { draft, error: domainError(outcome.error) },
      )
    }
    // Which of them it is that the database refuses, the next try finds out.
    progress.draft = drafts.at(-1) ?? null
    await flush()
    progress.draft = null
    return written
  })
}

/** Keeps what is written until `flush`, which writes it by few statements. */
function gathering(transaction: Transaction) {
  let updates: { readonly account: Account; readonly columns: Columns }[] = []
  let records: AuditRecord[] = []
  return {
    transaction,
    update(account: Account, columns: Columns) {
      updates.push({ account, columns })
      return true
    },
    append: (record: AuditRecord) => void records.push(record),
    async flush() {
      await transaction.updateAccounts(updates)
      await transaction.appendAudits(records)
      updates = []
      records = []
    },
  }
}

/** Who asks, by the rows as they are beside what is written (ASVS 8.3.2). */
function confirmed({ core, credentials, proof, context }: Batch, transaction: Transaction): Promise<Actor> {
  return confirm(core, credentials, proof, context, transaction)
}
