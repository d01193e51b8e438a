import { SsoError } from '../../errors.ts'
import { lookUpEach, type Target } from '../accounts/target.ts'
import type { Operation } from '../audit/record.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { identityKey } from '../schema/text.ts'
import { authenticate } from '../sessions/gate.ts'
import type { Account } from '../store.ts'
import { Gatherer } from './gather.ts'
import { type Prepared, prepare, runEach, runTogether } from './group.ts'
import type { Entry } from './propose.ts'
import { type BatchEvent, type BatchResult, Tally } from './results.ts'
import { type Batch, cidOf, type LineCall, type RawLine, type Task } from './task.ts'

/** Whether each line stands alone, or all of them are done or none. */
export type BatchMode = 'independent' | 'atomic'

/** A batch that is asked for. */
export interface BatchOrder {
  readonly operation: Operation
  readonly credentials: Credentials
  readonly context: Context
  readonly mode: BatchMode
  readonly isDryRun: boolean
  /** Name of the batch: what was done under it is not done again. Null for none. */
  readonly key: string | null
  readonly lines: AsyncIterable<RawLine>
  readonly read: (raw: RawLine, call: LineCall) => Task
  /** Ends the batch after the transaction that is under way; null for nothing. */
  readonly signal: AbortSignal | null
  readonly now: () => Date
}

// What one transaction shares its cost among. A power of two, as lists are filled up to those.
const GROUP = 128
// The line's number comes behind it, and the column has room for both.
const LONGEST_CID = 110
const KEY = /^[A-Za-z0-9._-]{8,100}$/

/**
 * Checks who asks, and gives what runs the batch: results in the order of the lines, some at a time, and the totals.
 *
 * @throws SsoError as whatever is done without having proved oneself; `input_invalid` for a key of another form
 */
export async function openBatch(core: Core, order: BatchOrder): Promise<AsyncGenerator<readonly BatchEvent[], void>> {
  const { operation, credentials, key, isDryRun } = order
  // What is not kept need not be remembered.
  const isNamed = key !== null && !isDryRun
  const context = { ...order.context, cid: isNamed ? key : order.context.cid.slice(0, LONGEST_CID) }
  return attempted(core, operation, context, async (attempt) => {
    if (key !== null && !KEY.test(key)) {
      throw new SsoError('input_invalid', {
        message: 'A key has 8 to 100 characters: letters, digits, ".", "_" and "-".',
      })
    }
    const proof = await authenticate(core, credentials, context, attempt)
    return run({ core, operation, credentials, context, proof, isDryRun, isNamed }, order)
  })
}

async function* run(batch: Batch, order: BatchOrder): AsyncGenerator<readonly BatchEvent[], void> {
  const { core, context } = batch
  const { maxSeconds } = core.config.batch
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new SsoError('batch_timed_out')), maxSeconds * 1000)
  const signal = AbortSignal.any([late.signal, ...(order.signal ? [order.signal] : [])])
  const gatherer = new Gatherer(tasksOf(batch, order), signal)
  const tally = new Tally()
  let end: SsoError | null = null
  try {
    const results =
      order.mode === 'atomic' ? together(batch, order, gatherer, signal) : alone(batch, order, gatherer, signal)
    for await (const some of results) {
      tally.add(some)
      yield some
    }
  } catch (error) {
    if (error instanceof SsoError && error.kind !== 'fault' && error.kind !== 'wiring') end = error
    else {
      await core.hooks.error(error, context)
      end = new SsoError('internal')
    }
  } finally {
    clearTimeout(timer)
    gatherer.close()
  }
  yield [tally.totals(end)]
}

/** Each line for itself, many in one transaction. */
async function* alone(
  batch: Batch,
  order: BatchOrder,
  gatherer: Gatherer<Task>,
  signal: AbortSignal,
): AsyncGenerator<readonly BatchResult[], void> {
  for (;;) {
    const tasks = await next(gatherer, signal)
    if (tasks.length === 0) return
    const now = { ...batch, context: { ...batch.context, now: order.now() } }
    const { entries, rest } = await resolved(now, tasks)
    gatherer.unread(rest)
    const results: BatchResult[] = []
    for (const round of rounds(entries)) {
      // What an earlier round has changed is read again.
      const fresh = results.length === 0 ? round : await again(now, round)
      results.push(...(await runEach(now, fresh)))
    }
    yield results.sort((a, b) => a.line - b.line)
  }
}

/** All lines in one transaction, once all of them are there and none is wrong. */
async function* together(
  batch: Batch,
  order: BatchOrder,
  gatherer: Gatherer<Task>,
  signal: AbortSignal,
): AsyncGenerator<readonly BatchResult[], void> {
  const { maxAtomicLines } = batch.core.config.batch
  const parts: Prepared[] = []
  let count = 0
  for (;;) {
    const tasks = await next(gatherer, signal)
    if (tasks.length === 0) break
    count += tasks.length
    if (count > maxAtomicLines) {
      throw new SsoError('batch_too_long', { message: `An atomic batch has ${maxAtomicLines} lines at most.` })
    }
    const found = await lookUpEach(batch.core, tasks.map(targetOf), batch.proof)
    const entries = tasks.map((task, index) => ({ task, found: found[index] ?? null }))
    parts.push(await prepare({ ...batch, context: { ...batch.context, now: order.now() } }, entries))
  }
  const prepared = {
    known: parts.flatMap(({ known }) => known),
    drafts: parts.flatMap(({ drafts }) => drafts),
    failures: parts.flatMap(({ failures }) => failures),
  }
  yield await runTogether({ ...batch, context: { ...batch.context, now: order.now() } }, prepared)
}

/** Some lines; none at their end. @throws what has ended the batch */
async function next(gatherer: Gatherer<Task>, signal: AbortSignal): Promise<readonly Task[]> {
  const tasks = signal.aborted ? [] : await gatherer.next(GROUP)
  if (!signal.aborted) return tasks
  throw signal.reason instanceof SsoError ? signal.reason : new SsoError('batch_stopped')
}

async function* tasksOf(batch: Batch, { lines, read, now }: BatchOrder): AsyncGenerator<Task, void> {
  const { core, credentials, context, isDryRun } = batch
  const { maxLines } = core.config.batch
  let count = 0
  for await (const raw of lines) {
    if (++count > maxLines) {
      throw new SsoError('batch_too_long', { message: `A batch has ${maxLines} lines at most.` })
    }
    const own = { ...context, cid: cidOf(context.cid, raw.line), now: now() }
    yield read(raw, { credentials, context: own, isDryRun, began: context.now })
  }
}

/** The accounts of some lines, up to one after which others may go by other names, or the caller is another. */
async function resolved(
  { core, proof }: Batch,
  tasks: readonly Task[],
): Promise<{ readonly entries: readonly Entry[]; readonly rest: readonly Task[] }> {
  const renaming = tasks.findIndex(({ renames }) => renames)
  const some = renaming < 0 ? tasks : tasks.slice(0, renaming + 1)
  const found = await lookUpEach(core, some.map(targetOf), proof)
  const own = found.findIndex((account) => account !== null && account.values.user_id === proof.actor.userId)
  const count = own < 0 ? some.length : own + 1
  return {
    entries: some.slice(0, count).map((task, index) => ({ task, found: found[index] ?? null })),
    rest: tasks.slice(count),
  }
}

async function again({ core, proof }: Batch, entries: readonly Entry[]): Promise<readonly Entry[]> {
  const targets = entries.map(({ task, found }): Target => {
    return found ? { by: 'id', userId: found.values.user_id } : targetOf(task)
  })
  const accounts = await lookUpEach(core, targets, proof)
  return entries.map(({ task }, index) => ({ task, found: accounts[index] ?? null }))
}

// Nobody is called nothing.
const NOBODY: Target = { by: 'id', userId: '' }

function targetOf({ request }: Task): Target {
  return request instanceof SsoError ? NOBODY : request.target
}

/**
 * Lines in rounds in which each is about another account, in their order: a line is authorised by what the one before it
 * has made of the account.
 */
function rounds(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const counts = new Map<string, number>()
  const all: Entry[][] = []
  for (const entry of entries) {
    const key = keyOf(entry)
    const round = key === null ? 0 : (counts.get(key) ?? 0)
    if (key !== null) counts.set(key, round + 1)
    all[round] = [...(all[round] ?? []), entry]
  }
  return all
}

/** What lines about the same account have in common; null for a line about none. */
function keyOf({ task, found }: { task: Task; found: Account | null }): string | null {
  if (found) return `account ${found.values.user_id}`
  return task.create && task.called.username !== null ? `name ${identityKey(task.called.username)}` : null
}
