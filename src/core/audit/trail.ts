import { SsoError } from '../../errors.ts'
import type { HookRunner } from '../hooks.ts'
import type { Store } from '../store.ts'
import { type Occasion, refusalOf } from './record.ts'
import type { Relay } from './relay.ts'

/** The trail as operations see it: refusals go in on their own, what is committed is on its way out. */
export interface AuditTrail {
  /** Tells that a record has been committed. Waits for nobody. */
  readonly committed: () => void
  /** Records that an attempt failed, outside the transaction that was rolled back (ASVS 16.3.1-16.3.3). */
  readonly refuse: (occasion: Occasion, error: unknown) => Promise<void>
}

/** The trail in the database, with the relay at its other end. */
export function buildTrail(
  store: Pick<Store, 'appendAudit'>,
  relay: Pick<Relay, 'wake'>,
  hooks: HookRunner,
): AuditTrail {
  return {
    committed: relay.wake,

    async refuse(occasion, error) {
      const record = refusalOf(occasion, error)
      await store.appendAudit(record)
      relay.wake()
      if (error instanceof SsoError && record.outcome === 'denied') await hooks.denied(occasion, error)
    },
  }
}
