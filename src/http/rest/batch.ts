import type { BatchEvent } from '../../core/batch/results.ts'
import { userTask } from '../../core/batch/user-lines.ts'
import { BATCH_QUERY } from '../batch/input.ts'
import type { BatchTraits } from '../batch/stream.ts'
import type { Route } from './endpoint.ts'

/** Many changes in one request. */
export const BATCH_ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/users/batch',
    operation: 'update_user_by_id',
    summary: 'Changes many accounts, one a line; results stream in order while the lines arrive.',
    body: 'BatchLine',
    query: BATCH_QUERY,
    reply: 'BatchEvent',
    read: userTask,
    word: wordedEvent,
  },
]

/** A result or the totals of a batch, as the wire and files of results have it. */
export function wordedEvent(event: BatchEvent, { cid, mode, isDryRun }: BatchTraits): object {
  if (event.kind === 'totals') {
    const { status, lines, ok, changed, errors, undone, error } = event
    return {
      totals: { lines, ok, changed, errors, undone },
      status,
      mode,
      dryRun: isDryRun,
      cid,
      ...(error ? { error: { code: error.code, message: error.message } } : {}),
    }
  }
  const { line, id, username, status, isCreated, isRepeated, changed, changes, error } = event
  return {
    line,
    id,
    username,
    status,
    changed,
    ...(isCreated ? { created: true } : {}),
    ...(isRepeated ? { repeated: true } : {}),
    ...(changes ? { changes } : {}),
    ...(error ? { errors: errorsOf(error) } : {}),
  }
}

/** What is wrong with a line: one JSON Pointer into it for each fault, or the line as a whole. */
function errorsOf({ code, message, issues }: NonNullable<Extract<BatchEvent, { kind: 'result' }>['error']>) {
  if (issues.length === 0) return [{ pointer: '', code, message }]
  return issues.map(({ pointer, code, message }) => ({ pointer, code, message }))
}
