import { ERRORS, type ErrorCode, SsoError } from '../../errors.ts'
import type { AttributeChange } from '../audit/record.ts'

/** What came of one line of a batch. */
export interface BatchResult {
  /** Tells it from the totals. */
  readonly kind: 'result'
  /** Number of the line. */
  readonly line: number
  /** Id of the account; null if there was none, or none was found. */
  readonly id: string | null
  /** Username of the account after the change, or what the line calls it; null if it does not say. */
  readonly username: string | null
  /** What a line of the `updateuser` operation calls the account; null in other batches. */
  readonly uid: string | null
  /** `ok` it was done, `error` it was not, `undone` it would have been, had not another line of an atomic batch failed. */
  readonly status: 'ok' | 'error' | 'undone'
  /** Whether the account is new. */
  readonly isCreated: boolean
  /** Whether it was done by an earlier call with the same `key`, and is not done again. */
  readonly isRepeated: boolean
  /** Names of what differs now; empty if there was nothing to do. */
  readonly changed: readonly string[]
  /** What differs, as far as the caller may read it; secrets are `[redacted]`. Null unless it is a dry run. */
  readonly changes: readonly AttributeChange[] | null
  /** Why it was not done; null if it was, or would have been. */
  readonly error: SsoError | null
}

/** The end of a batch. */
export interface BatchTotals {
  /** Tells it from the results. */
  readonly kind: 'totals'
  /** `error` if a line was not done, or if the batch ended before its lines did. */
  readonly status: 'ok' | 'error'
  /** Lines with a result. */
  readonly lines: number
  /** Lines that were done. */
  readonly ok: number
  /** Lines of those that changed something. */
  readonly changed: number
  /** Lines that were not done. */
  readonly errors: number
  /** Lines that an atomic batch took back. */
  readonly undone: number
  /** Why it ended early; null if it did not. */
  readonly error: SsoError | null
}

/** What a batch says: a result for each line, in their order, and the totals. */
export type BatchEvent = BatchResult | BatchTotals

/** Counts results. */
export class Tally {
  #lines = 0
  #ok = 0
  #changed = 0
  #errors = 0
  #undone = 0

  /** Counts them. */
  add(results: readonly BatchResult[]): void {
    for (const { status, changed, isCreated } of results) {
      this.#lines++
      if (status === 'ok') this.#ok++
      if (status === 'ok' && (isCreated || changed.length > 0)) this.#changed++
      if (status === 'error') this.#errors++
      if (status === 'undone') this.#undone++
    }
  }

  /** @param error why the batch ended early; null if it did not */
  totals(error: SsoError | null): BatchTotals {
    const isDone = error === null && this.#errors === 0
    return {
      kind: 'totals',
      status: isDone ? 'ok' : 'error',
      lines: this.#lines,
      ok: this.#ok,
      changed: this.#changed,
      errors: this.#errors,
      undone: this.#undone,
      error,
    }
  }
}

/** An error that is on record, by its code. */
export function errorOf(code: ErrorCode): SsoError {
  return new SsoError(Object.hasOwn(ERRORS, code) ? code : 'internal')
}
