import { SsoError } from '../../errors.ts'
import { apply, type Committed, type Writing } from '../accounts/commit.ts'
import { insertProposed, proposeAccount } from '../accounts/create.ts'
import { propose } from '../accounts/propose.ts'
import { takesSuperUser } from '../accounts/super-users.ts'
import type { Occasion } from '../audit/record.ts'
import { type Attempt, domainError } from '../operation.ts'
import type { Proof } from '../sessions/gate.ts'
import type { Account } from '../store.ts'
import type { Batch, Task } from './task.ts'

/** A line and the account that it is about; null for none. */
export interface Entry {
  readonly task: Task
  readonly found: Account | null
}

/** A line that can be written. */
export interface Draft {
  readonly task: Task
  readonly occasion: Occasion
  /** The account to be locked; null for one that is new. */
  readonly accountId: string | null
  /** Whether it may take a super-user away. */
  readonly takes: boolean
  /** Attributes that were asked for. */
  readonly asked: readonly string[]
  /** Writes it in a transaction. `account` is null for one that is new. */
  readonly write: (writing: Omit<Writing, 'account'> & { readonly account: Account | null }) => Promise<Committed>
}

/** A line that was refused. */
export interface Failure {
  readonly task: Task
  readonly occasion: Occasion
  readonly error: unknown
}

/** Everything about a line that can be known before its transaction. */
export async function draftOf(batch: Batch, { task, found }: Entry, proof: Proof): Promise<Draft | Failure> {
  const { core } = batch
  const { request, context, create } = task
  const attempt: Attempt = { actor: proof.actor, target: null }
  const creates = found === null && create !== null
  const operation = creates ? 'create_user' : request instanceof SsoError ? batch.operation : request.operation
  const occasion = () => ({ operation, context, ...attempt })
  try {
    if (request instanceof SsoError) throw request
    if (creates) {
      const proposal = await proposeAccount(core, await create(), proof.actor)
      return {
        task,
        occasion: occasion(),
        accountId: null,
        takes: false,
        asked: task.asked,
        write: async (writing) => ({ ...(await insertProposed(core, proposal, writing)), keepsCurrent: null }),
      }
    }
    const proved = { ...request, proof, found }
    const proposal = await propose(core, proved, attempt)
    return {
      task,
      occasion: occasion(),
      accountId: proposal.target.values.user_id,
      takes: takesSuperUser(proposal.target.values, proposal.columns),
      asked: [...proposal.asked, ...task.asked],
      async write({ account, ...writing }) {
        if (!account) throw new SsoError('user_unknown')
        const committed = await apply(core, proved, proposal, { ...writing, account })
        if (!committed) throw new SsoError('concurrent_change')
        return committed
      },
    }
  } catch (error) {
    return { task, occasion: occasion(), error: placed(domainError(error), task) }
  }
}

/** The error with its issues where they are in the line. */
function placed(error: unknown, { pointerTo, request }: Task): unknown {
  if (!(error instanceof SsoError) || error === request || !pointerTo || error.issues.length === 0) return error
  const { code, message, retryAfter, cause } = error
  const issues = error.issues.map((issue) => ({ ...issue, pointer: pointerTo(issue.pointer) }))
  return new SsoError(code, { message, issues, cause, ...(retryAfter === null ? {} : { retryAfter }) })
}
