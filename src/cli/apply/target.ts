import { wordedEvent } from '../../http/rest/batch.ts'
import type { Connected } from '../connect.ts'
import type { Kinds } from './columns.ts'
import type { Told } from './results.ts'

/** How one batch is run. */
export interface BatchOptions {
  readonly mode: 'independent' | 'atomic'
  readonly dryRun: boolean
  /** Names the run. */
  readonly key: string
  /** Number of the first line. */
  readonly firstLine: number
  /** Ends it after what is under way. */
  readonly signal: AbortSignal
}

/** What records are applied to. */
export interface Target {
  /** Attributes that can be set. */
  readonly kinds: Kinds
  /** Runs a batch. @throws Error where it cannot begin, or where nothing is heard of it any more */
  readonly run: (lines: AsyncIterable<unknown>, options: BatchOptions) => AsyncIterable<Told>
  /** Lets go of it. */
  readonly close: () => Promise<void>
}

/** The database of a host. */
export function databaseTarget({ sso, actor }: Connected): Target {
  return {
    kinds: settable(sso),
    async *run(lines, options) {
      // What is no line is a line with an error.
      const { key: cid, mode, dryRun: isDryRun } = options
      for await (const event of sso.batch.updateUsers({ actor, ...options, lines: lines as AsyncIterable<object> })) {
        yield wordedEvent(event, { cid, mode, isDryRun }) as Told
      }
    },
    close: async () => {},
  }
}

/** Attributes that a super-user can set. */
export function settable({ accessMatrix }: Connected['sso']): Kinds {
  const rows = accessMatrix.filter(({ editableBy }) => editableBy !== 'nobody')
  return new Map(rows.map(({ attribute, kind }) => [attribute, kind]))
}
