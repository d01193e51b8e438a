import { issue, SsoError, throwIssues } from '../../errors.ts'
import { inTransaction } from '../accounts/demands.ts'
import type { Call } from '../accounts/operations.ts'
import { checkReach, directRights, maySetCustom, type Rights } from '../accounts/rights.ts'
import { updateAccount } from '../accounts/update.ts'
import { recordOf } from '../audit/record.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { authenticate, confirm } from '../sessions/gate.ts'
import { applyCustom, type CustomEdits, customIssues, markEncrypted } from './edits.ts'
import { type AttributesOf, findTargetSession } from './owner.ts'

/** Custom attributes to be written, all of them or none. */
export interface AttributesWriting extends Call {
  readonly of: AttributesOf
  /** Reads what was sent, once the caller is known. @throws SsoError `input_invalid` */
  readonly edits: () => CustomEdits
}

/** What came of writing custom attributes. */
export interface AttributesResult {
  /** Names of those that differ now; empty if there was nothing to do. */
  readonly changed: readonly string[]
}

/**
 * Writes custom attributes of an account or a session.
 *
 * @throws SsoError `attribute_exists`, `attribute_missing`, `attribute_forbidden`, `super_user_required`, or naming
 *   every attribute that is not accepted
 */
export async function writeAttributes(core: Core, { of, ...writing }: AttributesWriting): Promise<AttributesResult> {
  const changed =
    of.kind === 'session' ? await writeToSession(core, of.ust, writing) : await writeToAccount(core, of.target, writing)
  const names = changed.map((attribute) => attribute.replace(/^(attributes|expirations)\./, ''))
  return { changed: [...new Set(names)] }
}

type Writing = Omit<AttributesWriting, 'of'>

/** Attributes of an account change like everything else of it. */
async function writeToAccount(
  core: Core,
  target: Extract<AttributesOf, { kind: 'account' }>['target'],
  { edits, ...call }: Writing,
): Promise<readonly string[]> {
  const { changed } = await updateAccount(core, {
    ...call,
    operation: 'set_attributes',
    target,
    data: {},
    async prepare({ actor }, account) {
      const { user_id: id } = account.values
      const rights = directRights(actor, id)
      checkReach(rights, account)
      const checked = checkedEdits(core, rights, edits())
      return { rights, extras: { custom: await markEncrypted(core, id, checked, call.context.now) } }
    },
  })
  return changed
}

/** Attributes of a session are no part of an account: a flow of their own, with the audit record in the transaction. */
function writeToSession(core: Core, ust: string | null, { edits, ...call }: Writing): Promise<readonly string[]> {
  const { credentials, context, demands = {} } = call
  const operation = 'set_session_attributes'
  return attempted(core, operation, context, async (attempt) => {
    const proof = await authenticate(core, credentials, context, attempt)
    const { session, rights } = await findTargetSession(core, ust, proof, call, attempt)
    const checked = checkedEdits(core, rights, edits())

    const changes = await inTransaction(core, demands, async (transaction) => {
      if (!(await transaction.lockSession(session.hash))) throw new SsoError('session_unknown')
      const actor = await confirm(core, credentials, proof, context, transaction)
      // Rights that were lost meanwhile (ASVS 8.3.2).
      if (proof.actor.isSuperUser && !actor.isSuperUser) throw new SsoError('super_user_required')
      const owner = { kind: 'session', id: session.hash } as const
      const changes = await applyCustom(core, transaction, owner, checked, context.now)
      const named = changes.map((change) => ({ ...change, attribute: `sessions.${session.id}.${change.attribute}` }))
      const occasion = { operation, context, actor, target: attempt.target } as const
      await transaction.appendAudit(recordOf(occasion, named, changes.length > 0 ? 'ok' : 'unchanged'))
      return changes
    })
    if (!demands.isDryRun) core.trail.committed()
    return changes.map(({ attribute }) => attribute)
  })
}

function checkedEdits(core: Core, rights: Rights, edits: CustomEdits): CustomEdits {
  const forbidden = [...edits].filter(([name]) => !maySetCustom(core, rights, name))
  throwIssues(forbidden.map(([name, { pointer }]) => issue(name, 'attribute_forbidden', undefined, pointer)))
  throwIssues(customIssues(core, edits))
  return edits
}
