import type { AttributeChange } from '../audit/record.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { visible } from '../schema/access.ts'
import type { HostAttributes, User } from '../schema/user.ts'
import { throttled } from '../throttle/throttle.ts'
import { type Committed, commit } from './commit.ts'
import { tagOfUser } from './demands.ts'
import { type Proposal, propose, type UpdateRequest } from './propose.ts'
import { standingOf } from './rights.ts'

/** What came of an update. */
export interface UpdateResult<Attrs extends object = HostAttributes> {
  /** The account after the update, as the actor may see it. */
  readonly user: User<Attrs>
  /** Names of what differs now; empty if there was nothing to do. */
  readonly changed: readonly string[]
  /** Entity tag of the account after the update, for `ifMatch`. */
  readonly etag: string
}

/** Changes an account: the one flow for every operation and every dialect. */
export function updateAccount(core: Core, request: UpdateRequest): Promise<UpdateResult> {
  return attempted(core, request.operation, request.context, async (attempt) => {
    const proposal = await propose(core, request, attempt)
    const work = () => commit(core, request, proposal)
    const guess = { username: proposal.target.values.username, context: request.context }
    const committed = guessesCode(proposal) ? await throttled(core, guess, work) : await work()

    if (!request.demands?.isDryRun) {
      core.trail.committed()
      await settle(core, committed)
    }
    return resultOf(core, proposal, committed)
  })
}

/** Tells the host of what has been committed. */
export async function settle(core: Core, { change, keepsCurrent }: Committed): Promise<void> {
  await core.hooks.after(change)
  const { operation, actor, target, context } = change
  if (keepsCurrent !== null) await core.hooks.revoked({ operation, actor, target, context, keepsCurrent })
}

/** Whether a code is compared with a key that the actor may not know. The host's own code need not guess. */
function guessesCode({ proof, extras, columns }: Proposal): boolean {
  return Boolean(extras.totpCode) && !Object.hasOwn(columns, 'totp_key') && proof.actor.via !== 'code'
}

function resultOf(core: Core, { proof, asked }: Proposal, { change, after }: Committed): UpdateResult {
  const standing = standingOf(proof.actor, after.user_id)
  return {
    user: visible(core.catalogue, after, standing),
    // Most callers do not ask for it.
    get etag() {
      return tagOfUser(core, after)
    },
    changed: changedOf(core, change.changes, [...asked, 'password']),
  }
}

/**
 * Names of what has changed. What follows from a change is in the audit record; the caller hears of what he asked for.
 *
 * @param asked names of attributes; grants and custom attributes change by being asked for alone
 */
export function changedOf(
  core: Core,
  changes: readonly AttributeChange[],
  asked: readonly string[],
): readonly string[] {
  const isAsked = (name: string) => asked.includes(name) || (name !== 'password' && !core.catalogue.has(name))
  return changes.map(({ attribute }) => attribute).filter(isAsked)
}
