import { SsoError } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import { canEnter } from '../accounts/state.ts'
import { findTarget, onlyOf } from '../accounts/target.ts'
import { checkAddress } from '../addresses/lists.ts'
import { recordOf } from '../audit/record.ts'
import type { Actor, Context } from '../context.ts'
import type { Core } from '../core.ts'
import type { PasswordReset } from '../hooks.ts'
import { attempted } from '../operation.ts'
import { wholeUser } from '../schema/access.ts'
import { identityFault } from '../schema/text.ts'
import { authenticate, checkApp, confirm, requireSuperUser } from '../sessions/gate.ts'
import { hashToken, newToken } from '../sessions/tokens.ts'
import type { Account, Transaction } from '../store.ts'
import { counted } from '../throttle/throttle.ts'

const MINUTE = 60_000

/** Somebody who cannot get in, and what he says that his account is called. */
export interface ResetRequest {
  readonly context: Context
  /** Which attributes the name may be of, in the order in which they are tried. */
  readonly by: readonly ('username' | 'email')[]
  readonly name: string
}

/**
 * Has a token sent to whoever the account belongs to, if there is one and he may use it. That is found out when the caller
 * has been answered: nothing that he sees or measures tells which it was (ASVS 6.3.8).
 *
 * @throws SsoError `operation_invalid` where nothing can be sent, `app_invalid`, `throttled`
 */
export async function requestPasswordReset(core: Core, { context, by, name }: ResetRequest): Promise<void> {
  checkCanSend(core)
  const operation = 'request_password_reset'
  await attempted(core, operation, context, async () => {
    checkApp(core, context)
    await counted(core, { username: name, context, purpose: 'reset request' })
  })

  const send = async () => {
    const reset = await attempted(core, operation, context, async (attempt) => {
      const account = await accountCalled(core, by, name)
      if (!account) throw new SsoError('user_unknown')
      attempt.target = nameOf(account)
      checkAddress(core.config.addresses, account.values, context)
      return begin(core, { operation, context, actor: null, account, shut: new SsoError('not_allowed') })
    })
    core.background.start(() => core.hooks.passwordReset(reset))
  }
  core.background.queue(async () => {
    try {
      await send()
    } catch (error) {
      // Refusals are on record, and nobody is left to hear of them.
      if (!(error instanceof SsoError)) await core.hooks.error(error, context)
    }
  })
}

/** A reset that a super-user has begun for somebody. */
export interface StartedReset {
  /** When the token expires. */
  readonly expires: Date
}

/**
 * A super-user has a token sent to the account's owner, who chooses the password himself (ASVS 6.4.6).
 *
 * @throws SsoError `super_user_required`, `user_unknown`, `operation_invalid` for an account that cannot be used, or where
 *   nothing can be sent
 */
export async function startPasswordReset(
  core: Core,
  { credentials, context, userId }: Call & { userId: string },
): Promise<StartedReset> {
  checkCanSend(core)
  const operation = 'start_password_reset'
  return attempted(core, operation, context, async (attempt) => {
    const proof = await authenticate(core, credentials, context, attempt)
    const account = await findTarget(core, { target: { by: 'id', userId } }, proof, attempt)
    requireSuperUser(proof.actor)
    const before = wholeUser(core.catalogue, account.values)
    await core.hooks.authorize({ operation, actor: proof.actor, before, patch: {}, context, isDryRun: false })
    const reset = await begin(core, {
      operation,
      context,
      actor: proof.actor,
      account,
      shut: new SsoError('operation_invalid', {
        message: 'The account is locked, or not approved: nobody can use it.',
      }),
      check: async (transaction) => requireSuperUser(await confirm(core, credentials, proof, context, transaction)),
    })
    await core.hooks.passwordReset(reset)
    return { expires: reset.expires }
  })
}

interface Beginning {
  readonly operation: PasswordReset['operation']
  readonly context: Context
  readonly actor: Actor | null
  readonly account: Account
  /** Thrown for an account that its owner is kept out of. */
  readonly shut: SsoError
  /** Must hold in the transaction. */
  readonly check?: (transaction: Transaction) => Promise<void>
}

/** Puts a new token in the place of the account's former one. */
async function begin(
  core: Core,
  { operation, context, actor, account, shut, check }: Beginning,
): Promise<PasswordReset> {
  const token = newToken()
  const expires = new Date(context.now.getTime() + core.config.passwordReset.validMinutes * MINUTE)
  const user = await core.store.transaction(async (transaction) => {
    const current = await transaction.lockAccount(account.values.user_id)
    if (!current) throw new SsoError('user_unknown')
    await check?.(transaction)
    if (!canEnter(current.values)) throw shut
    await transaction.putReset({
      hash: hashToken(token),
      userId: current.values.user_id,
      keyHash: null,
      creationTime: context.now,
      expirationTime: expires,
    })
    await transaction.appendAudit(recordOf({ operation, context, actor, target: nameOf(current) }, []))
    return wholeUser(core.catalogue, current.values)
  })
  core.trail.committed()
  return { user, token, expires, operation, context }
}

function checkCanSend({ hooks }: Core): void {
  if (hooks.sendsResets) return
  throw new SsoError('operation_invalid', {
    message: 'Nobody can be sent a token: the hook onPasswordReset is missing.',
  })
}

/** The one account of that name; an address that two accounts share names neither. */
async function accountCalled(core: Core, by: ResetRequest['by'], name: string): Promise<Account | null> {
  if (name === '' || identityFault(name) !== null) return null
  for (const attribute of by) {
    const account = onlyOf(await core.store.findAccountsBy(attribute, name))
    if (account) return account
  }
  return null
}

function nameOf({ values }: Account) {
  return { id: values.user_id, name: values.username }
}
