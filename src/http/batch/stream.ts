import { once } from 'node:events'
import type { Request, Response } from 'express'
import { unknownHashes } from '../../core/batch/api.ts'
import type { BatchEvent } from '../../core/batch/results.ts'
import { type BatchMode, type BatchOrder, openBatch } from '../../core/batch/run.ts'
import type { LineCall, RawLine, Task } from '../../core/batch/task.ts'
import type { Context, Credentials } from '../../core/context.ts'
import type { Edge } from '../edge.ts'
import type { Query } from '../query.ts'
import { linesOf, NDJSON_TYPE } from './input.ts'

/** A batch as a dialect has it. */
export interface Batch {
  readonly operation: BatchOrder['operation']
  readonly credentials: Credentials
  readonly context: Context
  /** Parameters as `BATCH_QUERY` has them. */
  readonly query: Query
  /** Reads a line. */
  readonly read: (raw: RawLine, call: LineCall, unknownHash: () => Promise<string>) => Task
  /** Words what came of a line, or of all of them. */
  readonly word: (event: BatchEvent, batch: BatchTraits) => object
}

/** What the totals say of the batch. */
export interface BatchTraits {
  readonly cid: string
  readonly mode: BatchMode
  readonly isDryRun: boolean
}

/** Header that names a batch, so that no line of it is done twice. */
export const KEY_HEADER = 'Idempotency-Key'

/**
 * Runs a batch whose results stream while its lines arrive. A client that does not read is waited for, and one that goes
 * away stops the work after the transaction that is under way.
 *
 * @throws SsoError before anything is sent
 */
export async function streamBatch(edge: Edge, req: Request, res: Response, batch: Batch): Promise<void> {
  const { core, config } = edge
  const { operation, credentials, context, query } = batch
  const mode = query['mode'] === 'atomic' ? 'atomic' : 'independent'
  const isDryRun = query['dryRun'] === true
  const key = req.get(KEY_HEADER) ?? null
  const gone = new AbortController()
  res.on('close', () => gone.abort())
  const unknownHash = unknownHashes(core)
  const lines = linesOf(req, { first: Number(query['firstLine'] ?? 1), limit: config.lineLimit })
  const events = await openBatch(core, {
    operation,
    credentials,
    context,
    mode,
    isDryRun,
    key,
    lines,
    read: (raw, call) => batch.read(raw, call, unknownHash),
    signal: gone.signal,
    now: config.now,
  })

  res
    .status(200)
    .set({ 'Content-Type': `${NDJSON_TYPE}; charset=utf-8`, 'X-Accel-Buffering': 'no' })
    .flushHeaders()
  const traits = { cid: isDryRun || key === null ? context.cid : key, mode, isDryRun } as const
  for await (const some of events) {
    const text = some.map((event) => `${JSON.stringify(batch.word(event, traits))}\n`).join('')
    if (!gone.signal.aborted && !res.write(text)) await drained(res, gone.signal)
  }
  if (gone.signal.aborted) return
  res.end()
  // What is still to come of a batch that has ended early is read, and dropped: else the client might never see its end.
  req.resume()
}

async function drained(res: Response, signal: AbortSignal): Promise<void> {
  try {
    await once(res, 'drain', { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
