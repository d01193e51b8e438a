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
  /** As `refuse`, of many attempts in few statements. */
  readonly refuseAll: (refusals: readonly Refusal[]) => Promise<void>
}

/** An attempt that failed. */
export interface Refusal {
  readonly occasion: Occasion
  readonly error: unknown
}

/** The trail in the database, with the relay at its other end. */
export function buildTrail(
  store: Pick<Store, 'appendAudits'>,
  relay: Pick<Relay, 'wake'>,
  hooks: HookRunner,
): AuditTrail {
  const refuseAll = async (refusals: readonly Refusal[]) => {
    const records = refusals.map(({ occasion, error }) => refusalOf(occasion, error))
    await store.appendAudits(records)
    relay.wake()
    for (const [index, { occasion, error }] of refusals.entries()) {
      if (error instanceof SsoError && records[index]?.outcome === 'denied') await hooks.denied(occasion, error)
    }
  }
  return {
    committed: relay.wake,
    refuse: (occasion, error) => refuseAll([{ occasion, error }]),
    refuseAll,
  }
}
