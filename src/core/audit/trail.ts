import { SsoError } from '../../errors.ts'
import type { Context } from '../context.ts'
import type { HookRunner } from '../hooks.ts'
import type { Store } from '../store.ts'
import { type AuditRecord, type Occasion, refusalOf } from './record.ts'

/** Takes copies of audit records after the commit. What it throws goes to `onError`; it cannot fail an update. */
export type AuditSink = (record: AuditRecord) => void | Promise<void>

/** The trail's two ends: refusals go in on their own, committed records go out to the sinks. */
export interface AuditTrail {
  /** Hands a committed record to every sink. Does not wait for them. */
  readonly deliver: (record: AuditRecord, context: Context) => void
  /** Records that an attempt failed, outside the transaction that was rolled back (ASVS 16.3.1-16.3.3). */
  readonly refuse: (occasion: Occasion, error: unknown) => Promise<void>
  /** Resolves when the sinks have taken everything delivered so far. */
  readonly flush: () => Promise<void>
}

/** @param sinks each gets every committed record, in order */
export function buildTrail(
  store: Pick<Store, 'appendAudit'>,
  sinks: readonly AuditSink[],
  hooks: HookRunner,
): AuditTrail {
  // One chain a sink: records reach it in order, and a slow sink holds up no other.
  const tails = sinks.map(() => Promise.resolve())

  const deliver = (record: AuditRecord, context: Context) => {
    sinks.forEach((sink, index) => {
      const tail = tails[index] ?? Promise.resolve()
      tails[index] = tail.then(() => sink(record)).catch((error) => hooks.error(error, context))
    })
  }

  return {
    deliver,

    async refuse(occasion, error) {
      const record = refusalOf(occasion, error)
      await store.appendAudit(record)
      deliver(record, occasion.context)
      if (error instanceof SsoError && record.outcome === 'denied') await hooks.denied(occasion, error)
    },

    async flush() {
      await Promise.all(tails)
    },
  }
}
