import { type CreatedUser, createAccount } from './accounts/create.ts'
import * as operations from './accounts/operations.ts'
import { type AccountDetails, readAccount, readDetails, readForm } from './accounts/read.ts'
import { deleteAccount } from './accounts/remove.ts'
import { demandsOf, type UpdateTerms } from './accounts/terms.ts'
import type { UpdateResult } from './accounts/update.ts'
import { type UpdateuserParameters, updateuser } from './accounts/updateuser.ts'
import { type AuditPage, MOST_AUDIT_RECORDS, readAudit } from './audit/read.ts'
import {
  type Caller,
  type CallerOn,
  callsOf,
  credentialsOf,
  type Origin,
  type PasswordCaller,
  requireApp,
  startedFirst,
  text,
} from './callers.ts'
import type { Credentials } from './context.ts'
import type { Core } from './core.ts'
import { type GrantPatch, updateGrants } from './grants/patch.ts'
import { buildResetApi, type ResetApi } from './resets/api.ts'
import { buildRevertApi, type RevertApi } from './revert/api.ts'
import type { FormSchema } from './schema/form.ts'
import type { HostAttributes, User, UserPatch } from './schema/user.ts'
import { customNames, type ExportedUser, type ExportInput, exportUsers } from './search/export.ts'
import { type SearchInput, type SearchResult, searchUsers } from './search/search.ts'
import { type LoginResult, login, logout } from './sessions/login.ts'
import { buildTotpApi, codeIn, type TotpApi } from './totp/api.ts'

/** Attributes of a new account. */
export type NewUser<Attrs extends object = HostAttributes> = UserPatch<Attrs> & {
  /** Name to log in with. */
  readonly username: string
  /** In clear; the password policy applies. Default: one that nobody knows. */
  readonly password?: string
}

/** Everything that HTTP can do, as functions with one object argument each. All reject with `SsoError`. */
export interface UserApi<Attrs extends object = HostAttributes> extends TotpApi<Attrs>, ResetApi, RevertApi<Attrs> {
  /** Opens a session for a username and password. @throws SsoError in the order of contract section 8.1 */
  login(
    input: Origin & {
      /** Name to log in with. */
      readonly username: string
      /** Present password. */
      readonly password: string
      /** Code of the account's authenticator, where it has one. */
      readonly totpCode?: string
      /** New password, where the old one has expired or must change. */
      readonly newPassword?: string
    },
  ): Promise<LoginResult<Attrs>>
  /** Ends a session; does not tell whether there was one. */
  logout(
    input: Origin & {
      /** Token of the session. */
      readonly currentUst: string
    },
  ): Promise<void>
  /** The caller's own account. @throws SsoError `session_unknown` */
  getCurrentUser(input: Caller): Promise<User<Attrs>>
  /** Another's account, for super-users. @throws SsoError `super_user_required`, `user_unknown` */
  getUserById(input: CallerOn): Promise<User<Attrs>>
  /** An account with its roles, authorisations and custom attributes. @throws SsoError as `getUserById` */
  getUserDetails(
    input: Caller & {
      /** Default: the caller's own account. */
      readonly userId?: string | number
    },
  ): Promise<AccountDetails<Attrs>>
  /** What the caller may change on an account, as JSON Schema 2020-12. @throws SsoError as `getUserById` */
  getSchema(
    input: Caller & {
      /** Default: the caller's own account. */
      readonly userId?: string | number
    },
  ): Promise<FormSchema>
  /** The audit trail of an account, the latest records first; super-users only. @throws SsoError as `getUserById` */
  getAudit(
    input: CallerOn & {
      /** Only records before the one of this number. Default: from the latest on. */
      readonly before?: number
      /** Records at most. Default 100, which is also the most. */
      readonly limit?: number
    },
  ): Promise<AuditPage>
  /** Grants and takes roles, ACLs and groups; super-users only. @throws SsoError with an issue for each wrong id */
  updateGrants(
    input: CallerOn & {
      /** What is to be given by id, and null for what is to be taken. */
      readonly patch: GrantPatch
    },
  ): Promise<UpdateResult<Attrs>>
  /**
   * Accounts by what they are called, or all of them, a page at a time; super-users only.
   *
   * @throws SsoError `super_user_required`, `input_invalid`, or `attribute_unknown` for a criterion that is none
   */
  search(input: Caller & SearchInput): Promise<SearchResult<Attrs>>
  /**
   * Accounts with their grants and custom attributes in the order of their usernames, each once, whatever is written
   * meanwhile; read in pages while they are taken. Super-users only.
   *
   * @throws SsoError as `search`
   */
  exportUsers(input: Caller & ExportInput): AsyncIterable<ExportedUser<Attrs>>
  /** Names of the custom attributes that `exportUsers` has of some account; super-users only. @throws SsoError */
  getCustomNames(input: Caller): Promise<readonly string[]>
  /** Creates a regular account; super-users only. @throws SsoError `super_user_required`, `username_taken` */
  createUser(
    input: Caller & {
      /** Attributes; without a password, one that nobody knows. */
      readonly data: NewUser<Attrs>
      /** Whether it is approved at once. Default: only if `signUp.approvalNeeded` is false. */
      readonly autoApprove?: boolean
      /** Whether to undo it all in the end: everything is checked, nothing kept. Default false. */
      readonly dryRun?: boolean
      /** Code of the `totp_key` in `data`, which it proves. */
      readonly totpCode?: string
    },
  ): Promise<CreatedUser<Attrs>>
  /** Creates an approved super-user. In code only: no route reaches it. @throws SsoError `username_taken` */
  createSuperUser(
    input: Origin & {
      /** Attributes; without a password, one that nobody knows. */
      readonly data: NewUser<Attrs>
      /** Who does it, for the audit trail. Default `createSuperUser`. */
      readonly by?: string
      /** Code of the `totp_key` in `data`, which it proves. */
      readonly totpCode?: string
    },
  ): Promise<CreatedUser<Attrs>>
  /**
   * Changes the caller's own account; an absent key is not touched, null is stored as NULL.
   *
   * @throws SsoError naming every attribute that is not accepted, or `attribute_forbidden`, `username_taken`,
   *   `totp_proof_missing`, `totp_invalid`
   */
  updateCurrentUser(
    input: Caller &
      UpdateTerms & {
        /** Attributes to be changed. */
        readonly data: UserPatch<Attrs>
        /** Code of the account's TOTP key, as it will be: proves it, so that `is_totp_enabled` can be switched on. */
        readonly totpCode?: string
      },
  ): Promise<UpdateResult<Attrs>>
  /**
   * Changes an account by its id: super-users everybody's, others their own.
   *
   * @throws SsoError as `updateCurrentUser`, or `super_user_required`, `user_unknown`
   */
  updateUserById(
    input: CallerOn &
      UpdateTerms & {
        /** Attributes to be changed. */
        readonly data: UserPatch<Attrs>
        /** Code of that account's TOTP key, as it will be: proves it. */
        readonly totpCode?: string
      },
  ): Promise<UpdateResult<Attrs>>
  /**
   * Sets a password: one's own with the old one, a super-user everybody's. Other sessions of the account end
   * (ASVS 6.2.3, 7.4.3).
   *
   * @throws SsoError `credentials_invalid` for a wrong old password, `password_too_short` and its like
   */
  changePassword(
    input: Caller & {
      /** Default: the caller's own account. */
      readonly userId?: string | number
      /** Needed for one's own. */
      readonly oldPassword?: string
      /** In clear; the password policy applies. */
      readonly newPassword: string
      /** Days until it expires; super-users only. Default `password.expiryDays`. */
      readonly passwordExpiry?: number
      /** Whether the next login must send a new one; super-users only. Default: as it was. */
      readonly mustChange?: boolean
    },
  ): Promise<UpdateResult<Attrs>>
  /** Deletes an account, never the caller's own; super-users only. @throws SsoError `operation_invalid` for one's own */
  deleteUserById(input: CallerOn): Promise<void>
  /** Super-users only: the account can neither log in nor use its sessions. @throws SsoError as `getUserById` */
  lockUser(input: CallerOn): Promise<UpdateResult<Attrs>>
  /** Super-users only: undoes `lockUser`. @throws SsoError as `getUserById` */
  unlockUser(input: CallerOn): Promise<UpdateResult<Attrs>>
  /** Super-users only: lets an account in. @throws SsoError as `getUserById` */
  approveUser(input: CallerOn): Promise<UpdateResult<Attrs>>
  /** Super-users only: keeps an account out. @throws SsoError as `getUserById` */
  rejectUser(input: CallerOn): Promise<UpdateResult<Attrs>>
  /**
   * The DigDash operation, by UST or by `user` and `pass`; lists and `attributes` are real arrays and objects.
   *
   * @throws SsoError with an issue for each parameter that is wrong or not allowed
   */
  updateuser(input: UpdateuserParameters & (Caller | PasswordCaller)): Promise<UpdateResult<Attrs>>
}

function optionalId(userId: string | number | undefined): string | null {
  return userId === undefined ? null : String(userId)
}

/** @param now the clock */
export function buildUserApi(core: Core, now: () => Date): UserApi {
  const calls = callsOf(now)
  const { contextOf, call, about } = calls
  const exported: UserApi['exportUsers'] = async function* ({ criteria, nameOp, isNameExact, ...caller }) {
    await core.store.ready()
    yield* exportUsers(core, { ...call(caller as Caller), search: { criteria, nameOp, isNameExact } })
  }
  const api: Omit<UserApi, 'exportUsers'> = {
    login: (input) =>
      login(core, {
        context: contextOf(requireApp(input)),
        username: text(input.username, 'username'),
        password: text(input.password, 'password'),
        totpCode: input.totpCode ?? null,
        newPassword: input.newPassword ?? null,
        claimed: { remoteAddr: null, userAgent: null },
      }),
    logout: (input) => logout(core, text(input.currentUst, 'currentUst'), contextOf(requireApp(input))),
    getCurrentUser: async (input) => (await readAccount(core, { ...call(input), userId: null })).user,
    getUserById: async (input) => (await readAccount(core, about(input))).user,
    getUserDetails: (input) => readDetails(core, { ...call(input), userId: optionalId(input.userId) }),
    getSchema: (input) => readForm(core, { ...call(input), userId: optionalId(input.userId) }),
    getAudit: ({ before = null, limit = MOST_AUDIT_RECORDS, ...input }) =>
      readAudit(core, { ...about(input as CallerOn), before, limit }),
    updateGrants: ({ patch, ...input }) => updateGrants(core, { ...about(input as CallerOn), patch: { ...patch } }),
    search: ({ criteria, nameOp, isNameExact, paginate, curPage, pageSize, ...caller }) =>
      searchUsers(core, {
        ...call(caller as Caller),
        search: { criteria, nameOp, isNameExact, paginate, curPage, pageSize },
      }),
    getCustomNames: (input) => customNames(core, call(input)),
    createUser: async ({ data, autoApprove = false, dryRun = false, totpCode, ...caller }) => {
      const request = { ...call(caller as Caller), operation: 'create_user', data, autoApprove } as const
      const demands = { isDryRun: dryRun }
      return (await createAccount(core, { ...request, totpCode: codeIn(totpCode), demands })).user
    },
    createSuperUser: async ({ data, by = 'createSuperUser', totpCode, ...origin }) => {
      const request = {
        operation: 'create_super_user',
        credentials: { via: 'code', name: by },
        context: contextOf(origin),
        data,
        autoApprove: true,
        totpCode: codeIn(totpCode),
      } as const
      return (await createAccount(core, request)).user
    },
    updateCurrentUser: ({ data, totpCode, ifMatch, dryRun, ...caller }) =>
      operations.updateCurrentUser(core, {
        ...call(caller as Caller),
        data,
        totpCode: codeIn(totpCode),
        demands: demandsOf(core, ifMatch, dryRun),
      }),
    updateUserById: ({ data, totpCode, ifMatch, dryRun, ...input }) =>
      operations.updateUserById(core, {
        ...about(input as CallerOn),
        data,
        totpCode: codeIn(totpCode),
        demands: demandsOf(core, ifMatch, dryRun),
      }),
    changePassword: ({ userId, oldPassword, newPassword, passwordExpiry, mustChange, ...caller }) =>
      operations.changePassword(core, {
        ...call(caller as Caller),
        userId: optionalId(userId),
        oldPassword: oldPassword ?? null,
        newPassword: text(newPassword, 'newPassword'),
        expiryDays: passwordExpiry ?? null,
        mustChange: mustChange ?? null,
      }),
    ...buildTotpApi(core, calls),
    ...buildResetApi(core, calls),
    ...buildRevertApi(core, calls),
    deleteUserById: (input) => deleteAccount(core, about(input)),
    lockUser: (input) => operations.lockUser(core, about(input)),
    unlockUser: (input) => operations.unlockUser(core, about(input)),
    approveUser: (input) => operations.approveUser(core, about(input)),
    rejectUser: (input) => operations.rejectUser(core, about(input)),
    updateuser: (input) => {
      const credentials: Credentials =
        'user' in input
          ? { via: 'password', username: text(input.user, 'user'), password: text(input.pass, 'pass') }
          : credentialsOf(input)
      return updateuser(core, { credentials, context: contextOf(input), parameters: input })
    },
  }
  return { ...startedFirst(core, api), exportUsers: exported }
}
