import type { AttributeChange } from '../../core/audit/record.ts'
import type { BatchResult, BatchTotals } from '../../core/batch/results.ts'

/** What came of one record, as `POST /users/batch` words it, too. */
export interface ResultLine {
  readonly line: number
  readonly id: string | null
  readonly username: string | null
  readonly status: BatchResult['status']
  readonly changed: readonly string[]
  readonly created?: true
  readonly repeated?: true
  /** In dry runs. */
  readonly changes?: readonly AttributeChange[]
  /** Where it was not done. */
  readonly errors?: readonly Fault[]
}

/** What is wrong with a record, or with a part of it. */
export interface Fault {
  readonly pointer: string
  readonly code: string
  readonly message: string
}

/** How many records came out how. */
export interface Counts {
  lines: number
  ok: number
  changed: number
  errors: number
  undone: number
}

/** The end of a batch, as `POST /users/batch` words it, too. */
export interface TotalsLine {
  readonly totals: Readonly<Counts>
  readonly status: BatchTotals['status']
  /** Why it ended before its end. */
  readonly error?: { readonly code: string; readonly message: string }
}

/** What a batch tells. */
export type Told = ResultLine | TotalsLine

/** No records at all. */
export function noCounts(): Counts {
  return { lines: 0, ok: 0, changed: 0, errors: 0, undone: 0 }
}

/** Counts a result. */
export function count(counts: Counts, { status, changed, created }: ResultLine): void {
  counts.lines++
  if (status === 'ok') counts.ok++
  else counts[status === 'error' ? 'errors' : 'undone']++
  if (status === 'ok' && (created || changed.length > 0)) counts.changed++
}

/** A failed record for people. */
export function failureLine({ line, username, id, errors = [] }: ResultLine): string {
  const who = username ?? (id === null ? null : `id ${id}`)
  const faults = errors.map(({ pointer, code, message }) => {
    return `${pointer === '' ? '' : `${pointer.replace(/^\/(patch\/)?/, '')}: `}${message} (${code})`
  })
  return `record ${line}${who === null ? '' : ` (${who})`}: ${faults.join(' ')}`
}
