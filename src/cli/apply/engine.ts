import type { Entry } from './records.ts'
import { type Counts, count, noCounts, type ResultLine, type TotalsLine } from './results.ts'
import type { BatchOptions, Target } from './target.ts'

/** What has come of one record, and how far into the input it is. */
export interface Applied {
  readonly result: ResultLine
  /** Bytes of the input up to its end. */
  readonly bytes: number
}

// Servers give a request minutes, and forget who asks after an hour.
const LINES_OF_A_BATCH = 20_000
// So that little is left to be done when the run is to stop; more than what shares a transaction.
const MOST_UNANSWERED = 1024

/** Runs records through a target: several batches, one after another, each result as it comes. */
export class Engine {
  /** Results so far. */
  readonly counts: Counts = noCounts()
  /** Why it ended before its end; null if it did not, or has not yet. */
  error: TotalsLine['error'] | null = null
  readonly #target: Target
  readonly #entries: AsyncIterator<Entry>
  readonly #options: BatchOptions
  /** Records that have been given and not been told of. */
  readonly #pending: Entry[] = []
  readonly #linesOfBatch: number
  #next: IteratorResult<Entry> | null = null
  #wake: () => void = () => {}

  /** @param linesOfBatch how many records a batch has at most, if it is not atomic */
  constructor(
    target: Target,
    entries: AsyncIterator<Entry>,
    options: BatchOptions,
    linesOfBatch: number = LINES_OF_A_BATCH,
  ) {
    this.#linesOfBatch = linesOfBatch
    this.#target = target
    this.#entries = entries
    this.#options = options
    options.signal.addEventListener('abort', () => this.#wake(), { once: true })
  }

  /** Whether every record has been told of. */
  get isAtEnd(): boolean {
    return this.#next?.done === true && this.#pending.length === 0
  }

  /** Reads the first record, so that what is wrong with the input as a whole shows before anything is done. */
  async prime(): Promise<void> {
    this.#next ??= await this.#entries.next()
  }

  /** Everything, to its end or to what ends it early. @throws Error where the target is not heard of any more */
  async *run(): AsyncGenerator<Applied> {
    const { signal, firstLine } = this.#options
    await this.prime()
    while (!this.#next?.done && !signal.aborted && !this.error) {
      const batch = { ...this.#options, firstLine: firstLine + this.counts.lines }
      let isTold = false
      for await (const told of this.#target.run(this.#batch(), batch)) {
        if ('totals' in told) {
          isTold = true
          if (told.error) this.error = told.error
        } else yield this.#applied(told)
      }
      if (!isTold) throw new Error('The connection ended before the batch did.')
    }
  }

  async *#batch(): AsyncGenerator<unknown> {
    const { mode, signal } = this.#options
    const isBounded = mode === 'independent'
    for (let given = 0; !isBounded || given < this.#linesOfBatch; given++) {
      await this.prime()
      while (isBounded && this.#pending.length >= MOST_UNANSWERED && !signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      const { value, done } = this.#next ?? { value: undefined, done: true as const }
      if (done || signal.aborted) return
      this.#next = null
      this.#pending.push(value)
      yield value.line
    }
    await this.prime()
  }

  #applied(result: ResultLine): Applied {
    const entry = this.#pending.shift()
    // What was given as no line failed as none; what is wrong with it is known here.
    const told =
      entry?.fault == null || result.status !== 'error'
        ? result
        : { ...result, errors: [{ pointer: '', code: 'input_malformed', message: entry.fault }] }
    count(this.counts, told)
    this.#wake()
    return { result: told, bytes: entry?.bytes ?? 0 }
  }
}
