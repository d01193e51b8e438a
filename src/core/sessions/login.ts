import { SsoError } from '../../errors.ts'
import { isApproved } from '../accounts/state.ts'
import { changesBetween, columnsOf, encodeSecrets } from '../accounts/values.ts'
import { recordOf } from '../audit/record.ts'
import type { Context } from '../context.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { passwordColumns } from '../passwords/columns.ts'
import { checkPassword } from '../passwords/policy.ts'
import { matches, verifyPassword } from '../passwords/verify.ts'
import { visible } from '../schema/access.ts'
import { daysAfter } from '../schema/times.ts'
import type { HostAttributes, User } from '../schema/user.ts'
import type { Account, Columns } from '../store.ts'
import { acceptCode, codeKeyOf, codeMissing } from '../totp/codes.ts'
import { actorOf, checkApp, checkOwner } from './gate.ts'
import { expirationOf } from './lifetime.ts'
import { hashToken, newSessionId, newToken } from './tokens.ts'

/** What a login needs (contract section 8.1). */
export interface LoginRequest {
  readonly context: Context
  readonly username: string
  readonly password: string
  /** Looked at if the account has one-time codes enabled. */
  readonly totpCode: string | null
  /** Looked at if the account must change its password, or the password has expired. */
  readonly newPassword: string | null
  /** Client's address and agent in the words of an application that is trusted with them. */
  readonly claimed: { readonly remoteAddr: string | null; readonly userAgent: string | null }
}

/** What a login gives. */
export interface LoginResult<Attrs extends object = HostAttributes> {
  /** The user session token. It is not stored, and cannot be had again. */
  readonly ust: string
  /** When the session ends, unless it is renewed. */
  readonly expirationTime: Date
  /** Whether the password will expire soon. */
  readonly isPasswordAboutToExpire: boolean
  /** The account, as its owner may see it. */
  readonly user: User<Attrs>
}

/** Opens a session. @throws SsoError in the order of contract section 8.1 */
export function login(core: Core, request: LoginRequest): Promise<LoginResult> {
  return attempted(core, 'login', request.context, async (attempt) => {
    const { context } = request
    const { inform } = core.config
    checkApp(core, context)

    const checkCode = (found: Account) => void secondFactor(core, found, request)
    const { account } = await verifyPassword(core, request, context, attempt, { checkCode, memory: null })
    if (!core.config.loginApps.includes(context.app ?? '')) {
      throw new SsoError(inform.appInvalid ? 'app_not_allowed' : 'not_allowed')
    }

    const expiry = account.values.password_expiry
    const isExpired = expiry !== null && context.now > expiry
    const mayRenew = request.newPassword !== null
    checkOwner(core, account, context, { changesOwnPassword: mayRenew, byPassword: true })
    const aboutToExpire =
      expiry !== null && !isExpired && context.now > daysAfter(expiry, -core.config.password.aboutToExpireDays)
    if (aboutToExpire && !inform.passwordAboutToExpire) throw new SsoError('not_allowed')
    if (account.values.password_must_change && !mayRenew) {
      throw new SsoError(inform.passwordMustChange ? 'password_must_change' : 'not_allowed')
    }

    const renews = mayRenew && (isExpired || account.values.password_must_change)
    const password = renews ? await renewed(core, account, request) : await rehashed(core, account, request.password)
    const ust = newToken()
    const expirationTime = await expirationOf(core, account, context)
    const actor = actorOf(account, 'password', null)
    const claims = core.config.loginMetadataApps.includes(context.app ?? '')

    const remoteAddr = (claims ? request.claimed.remoteAddr : null) ?? context.remoteAddr
    const userAgent = (claims ? request.claimed.userAgent : null) ?? context.userAgent

    const columns = await core.store.transaction(async (transaction) => {
      // A password that is being changed elsewhere must not open a session after the others were ended.
      const current = await transaction.lockAccount(account.values.user_id)
      if (!current || !isApproved(current) || !(await isStillRight(core, current, account, request, renews))) {
        throw new SsoError('credentials_invalid')
      }
      // A lock or a rejection that came meanwhile has ended the sessions that there were: none may be opened after it.
      checkOwner(core, current, context, { changesOwnPassword: mayRenew })
      const wanted = { ...password, ...secondFactor(core, current, request) }
      const columns = columnsOf(core, current.values, wanted, actor, context)
      if (Object.keys(columns).length > 0) {
        await transaction.updateAccount(current, encodeSecrets(core, columns))
        if (renews) await transaction.deleteReset(account.values.user_id)
        if (renews && core.config.session.revokeOnChange) {
          await transaction.deleteSessionsOf(account.values.user_id, null)
        }
      }
      // That a code was used or a hash replaced is no change of the account; that its key is proved now is one.
      const changes = changesBetween(core.catalogue, current.values, columns).filter(
        ({ attribute }) => renews || attribute === 'totp_is_proved',
      )
      await transaction.deleteExpiredSessions(account.values.user_id, context.now)
      await transaction.insertSession({
        hash: hashToken(ust),
        id: newSessionId(),
        userId: account.values.user_id,
        creationTime: context.now,
        expirationTime,
        lastUseTime: context.now,
        remoteAddr,
        userAgent,
        app: context.app,
        stateChanges: [{ source: 'login', time: context.now.toISOString(), remoteAddr, userAgent }],
      })
      await transaction.appendAudit(recordOf({ operation: 'login', context, actor, target: attempt.target }, changes))
      return columns
    })
    core.trail.committed()
    if (renews && core.config.session.revokeOnChange) {
      const { user_id, username } = account.values
      const target = { user_id, username }
      await core.hooks.revoked({ operation: 'login', actor, target, keepsCurrent: false, context })
    }

    const standing = { isSelf: true, isSuperUser: actor.isSuperUser }
    return {
      ust,
      expirationTime,
      isPasswordAboutToExpire: aboutToExpire && !renews,
      user: visible(core.catalogue, { ...account.values, ...columns }, standing),
    }
  })
}

/** Ends a session. Says nothing of whether there was one (contract section 8.2); a locked user's is ended, too. */
export function logout(core: Core, ust: string, context: Context): Promise<void> {
  return attempted(core, 'logout', context, async (attempt) => {
    checkApp(core, context)
    const hash = hashToken(ust)
    const found = await core.store.findSession(hash)
    if (!found) return
    attempt.actor = actorOf(found.account, 'ust', hash)
    attempt.target = { id: found.account.values.user_id, name: found.account.values.username }

    const record = recordOf({ operation: 'logout', context, ...attempt }, [])
    const ended = await core.store.transaction(async (transaction) => {
      const existed = await transaction.deleteSession(hash)
      if (existed) await transaction.appendAudit(record)
      return existed
    })
    if (ended) core.trail.committed()
  })
}

/** Asked twice: before anything is told of the account, and of the row that the columns are written to. */
function secondFactor(core: Core, { values }: Account, { totpCode, context }: LoginRequest): Columns {
  if (!values.is_totp_enabled) return {}
  if (!totpCode) throw codeMissing(core)
  return acceptCode(core, codeKeyOf(core, values), totpCode, context.now)
}

async function renewed(core: Core, account: Account, { newPassword, context }: LoginRequest): Promise<Columns> {
  try {
    await checkPassword(core.config.password, newPassword ?? '', account.values)
  } catch (error) {
    // The error must never be dropped, or the login would succeed with the old password (contract section 12.1).
    throw core.config.inform.passwordInvalid || !(error instanceof SsoError) ? error : new SsoError('not_allowed')
  }
  return {
    ...passwordColumns(core, await core.hasher.hash(newPassword ?? ''), context.now),
    password_must_change: false,
  }
}

/** Whether the password that was verified is the account's to this moment; another login may have re-hashed it. */
async function isStillRight(
  core: Core,
  current: Account,
  verified: Account,
  { password }: LoginRequest,
  renews: boolean,
): Promise<boolean> {
  if (current.values.password === verified.values.password) return true
  return !renews && (await matches(core, current, password))
}

async function rehashed(core: Core, account: Account, password: string): Promise<Columns> {
  const isOutdated = core.hasher.isOutdated(account.values.password ?? '')
  return isOutdated ? { password: await core.hasher.hash(password) } : {}
}
