import type { Core } from '../core.ts'
import { type Demands, userMatches } from './demands.ts'

/** On which terms an update is made. */
export interface UpdateTerms {
  /**
   * Entity tag that the account must still have, or several: what `etag` of an earlier result said, or `*`. Otherwise
   * `precondition_failed`, and nothing is written. Default: any.
   */
  readonly ifMatch?: string | readonly string[]
  /** Whether to undo it all in the end: hooks run, everything is checked, nothing is kept. Default false. */
  readonly dryRun?: boolean
}

/** The terms as the update core has them. */
export function demandsOf(core: Core, ifMatch: UpdateTerms['ifMatch'], dryRun = false): Demands {
  const tags = ifMatch === undefined ? null : [ifMatch].flat()
  return { isDryRun: dryRun, precondition: tags ? userMatches(core, tags) : undefined, readsBack: true }
}
