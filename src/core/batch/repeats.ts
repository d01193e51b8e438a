import { changedOf } from '../accounts/update.ts'
import type { AuditEntry } from '../audit/record.ts'
import type { Reads } from '../store.ts'
import { type BatchResult, errorOf } from './results.ts'
import { type Batch, cidOf, type Task } from './task.ts'

/**
 * The records of lines that an earlier call with the same key has done for the same caller, by the number of the line. The
 * audit trail is what remembers them: what is in it was committed with the change.
 */
export async function recordsOf(
  { context, isNamed, proof: { actor } }: Batch,
  tasks: readonly Task[],
  reads: Reads,
): Promise<ReadonlyMap<number, AuditEntry>> {
  if (!isNamed || tasks.length === 0) return new Map()
  const lines = new Map(tasks.map(({ line }) => [cidOf(context.cid, line), line]))
  const entries = await reads.auditOfCids([...lines.keys()])
  const own = entries.filter(
    ({ actor_id: id, actor_name: name, actor_via: via }) =>
      // Somebody else's key is not known here; what has broken may go well now.
      id === actor.userId && (id !== null || (name === actor.name && via === actor.via)),
  )
  return new Map(
    own.flatMap((entry) => {
      const line = lines.get(entry.cid)
      return line === undefined || entry.outcome === 'failed' ? [] : [[line, entry]]
    }),
  )
}

/** What came of a line that is on record. */
export function repeated({ core }: Batch, { line, called, asked }: Task, entry: AuditEntry): BatchResult {
  const { operation, outcome, error, target_id: id, target_name: username, changes } = entry
  const isDone = outcome === 'ok' || outcome === 'unchanged'
  return {
    kind: 'result',
    line,
    id: id ?? called.id,
    username: username ?? called.username,
    uid: called.uid,
    status: isDone ? 'ok' : 'error',
    isCreated: isDone && operation === 'create_user',
    isRepeated: true,
    changed: changedOf(core, changes, asked),
    changes: null,
    error: isDone ? null : errorOf(error ?? 'internal'),
  }
}
