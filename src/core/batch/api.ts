import { SsoError } from '../../errors.ts'
import type { UpdateuserParameters } from '../accounts/updateuser.ts'
import { type Caller, type Calls, callsOf, credentialsOf, type PasswordCaller, text } from '../callers.ts'
import type { Core } from '../core.ts'
import { randomPassword } from '../sessions/tokens.ts'
import type { BatchEvent } from './results.ts'
import { type BatchMode, type BatchOrder, openBatch } from './run.ts'
import type { RawLine } from './task.ts'
import { updateuserTask } from './updateuser-lines.ts'
import { type UserLine, userTask } from './user-lines.ts'

/** How a batch is run. */
export interface BatchTerms {
  /**
   * `independent`: each line stands alone, and many share a transaction. `atomic`: all of them are done or none, in one
   * transaction, authorised by the accounts as they were before it. Default `independent`.
   */
  readonly mode?: BatchMode
  /** Whether to undo it all in the end: results say what would change, nothing is kept. Default false. */
  readonly dryRun?: boolean
  /**
   * Name of the batch: 8 to 100 letters, digits, `.`, `_` and `-`. A line that an earlier call of the same caller with the
   * same key has done, by its number, is not done again; its result says what came of it. Default: none.
   */
  readonly key?: string
  /** Number of the first line. Default 1. */
  readonly firstLine?: number
  /** Ends the batch after the transaction that is under way. Default: nothing does. */
  readonly signal?: AbortSignal
}

/** Many changes in one call. The audit trail has a record for each line; its correlation id ends with the line's number. */
export interface BatchApi {
  /**
   * Changes accounts, and creates those that say so. A line that is wrong is a result with an error, not the end. Lines
   * about one account are done in their order.
   *
   * @throws SsoError as `updateUserById` where the caller may not be here at all, before the first result
   */
  updateUsers(
    input: Caller &
      BatchTerms & {
        /** Taken as fast as they are done. */
        readonly lines: Iterable<UserLine> | AsyncIterable<UserLine>
      },
  ): AsyncIterable<BatchEvent>
  /** The DigDash operation, line by line, each as `sso.user.updateuser` takes it. @throws SsoError as `updateUsers` */
  updateuser(
    input: (Caller | PasswordCaller) &
      BatchTerms & {
        /** Taken as fast as they are done. */
        readonly lines: Iterable<UpdateuserParameters> | AsyncIterable<UpdateuserParameters>
      },
  ): AsyncIterable<BatchEvent>
}

type Input = (Caller | PasswordCaller) & BatchTerms & { readonly lines: Iterable<unknown> | AsyncIterable<unknown> }

/** @param now the clock */
export function buildBatchApi(core: Core, now: () => Date): BatchApi {
  const calls = callsOf(now)
  return {
    updateUsers: (input) => {
      const unknownHash = unknownHashes(core)
      const read: BatchOrder['read'] = (raw, call) => userTask(core, raw, call, unknownHash)
      return flat(core, () => orderOf(calls, input, 'update_user_by_id', read, now))
    },
    updateuser: (input) => {
      const whole = (parameters: Readonly<Record<string, unknown>>) => ({ parameters, faults: [] })
      const read: BatchOrder['read'] = (raw, call) => updateuserTask(core, raw, call, whole)
      return flat(core, () => orderOf(calls, input, 'updateuser', read, now))
    },
  }
}

/** Hash of a password that nobody knows, made once: for all accounts of a batch that come without one. */
export function unknownHashes({ hasher }: Core): () => Promise<string> {
  let hash: Promise<string> | null = null
  return () => {
    hash ??= hasher.hash(randomPassword())
    return hash
  }
}

async function* flat(core: Core, orderFor: () => BatchOrder): AsyncGenerator<BatchEvent, void> {
  await core.store.ready()
  for await (const events of await openBatch(core, orderFor())) yield* events
}

function orderOf(
  { contextOf }: Calls,
  input: Input,
  operation: BatchOrder['operation'],
  read: BatchOrder['read'],
  now: () => Date,
): BatchOrder {
  const { mode = 'independent', dryRun = false, key = null, firstLine = 1, signal = null, lines } = input
  if (mode !== 'independent' && mode !== 'atomic') {
    throw new SsoError('input_invalid', { message: 'mode must be independent or atomic.' })
  }
  checkFirstLine(firstLine)
  return {
    operation,
    credentials:
      'user' in input
        ? { via: 'password', username: text(input.user, 'user'), password: text(input.pass, 'pass') }
        : credentialsOf(input),
    context: contextOf(input),
    mode,
    isDryRun: dryRun,
    key,
    lines: numbered(lines, firstLine),
    read,
    signal,
    now,
  }
}

/** @throws SsoError `input_invalid` */
export function checkFirstLine(firstLine: number): void {
  if (Number.isSafeInteger(firstLine) && firstLine >= 1 && firstLine <= LAST_LINE) return
  throw new SsoError('input_invalid', { message: `firstLine must be a number from 1 to ${LAST_LINE}.` })
}

/** Number of the last line that there can be. */
export const LAST_LINE = 1_000_000_000

async function* numbered(lines: Input['lines'], first: number): AsyncGenerator<RawLine, void> {
  let line = first
  for await (const value of lines) yield { line: line++, value }
}
