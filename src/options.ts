import type { Request } from 'express'
import type { Knex } from 'knex'
import type { AuditFunction, AuditSink } from './core/audit/sink.ts'
import type { CoreConfig, IdCatalogue, Permission } from './core/core.ts'
import type { Hooks } from './core/hooks.ts'
import type { Hasher } from './core/passwords/hasher.ts'
import type { PasswordSubject } from './core/passwords/policy.ts'
import type { AttributesSchema } from './core/schema/catalogue.ts'
import type { HostAttributes } from './core/schema/user.ts'
import type { ExpiryQuestion } from './core/sessions/lifetime.ts'
import type { HostIdentity, Logger } from './http/edge.ts'
import type { RedisStore } from './limiter/counters.ts'

/**
 * What `createSso` takes. Omitted and undefined are the same; an unknown name is an error.
 *
 * @typeParam Attrs as of `User`
 */
export interface Options<Attrs extends object = HostAttributes> {
  /** The host's Knex instance. Never opened, closed or reconfigured. */
  readonly db: Knex
  /** Names of the applications that calls may come from (`current_app`). Default `['CRM']`. */
  readonly apps?: readonly string[]
  /** Applications that one may log in from. Default: all of `apps`. */
  readonly loginApps?: readonly string[]
  /** Applications whose word is taken for the client's address and user agent at login. Default none. */
  readonly loginMetadataApps?: readonly string[]
  /** Application of requests that name none, where the dialect does not ask for it. Default: the first of `apps`. */
  readonly defaultApp?: string
  /** The host's users table. Without it, accounts live in our own `sso_user`. */
  readonly users?: {
    /** Its name, `schema.table` if need be. */
    readonly table: string
    /**
     * Column of each attribute that is not named as the attribute; `false` keeps it out of the host's table.
     * `display_name_upper` and its like: a column that the database generates from the name, to search in.
     */
    readonly columns?: Readonly<Record<string, string | false>>
    /** Values of other columns in new rows: an object, or a function of the new account's attributes. */
    readonly defaults?:
      | Readonly<Record<string, unknown>>
      | ((user: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>)
    /** Columns that the host's rows have for the time of their making and of their last change. Default none. */
    readonly timestamps?: {
      /** Gets the time in new rows, `created_at` say. */
      readonly created?: string
      /** Gets the time in new rows and whenever a row changes, `updated_at` say. */
      readonly updated?: string
    }
    /** Makes the id of a new account. Default: the database counts, or a random UUID, or `zusr` and a random id. */
    readonly newId?: () => string
  }
  /** Prefix of our own tables. Default `sso_`. */
  readonly tablePrefix?: string
  /** JSON Schema of the host's own attributes, with `x-sso`; added to `schemas/user.json`, or narrowing it. */
  readonly attributes?: AttributesSchema
  /** The host's own authentication: who sent this request? May be async; nothing for nobody. */
  readonly authenticate?: (
    req: Request,
  ) => HostIdentity | null | undefined | false | Promise<HostIdentity | null | undefined | false>
  /** Origins, beside the host's own, that may change something with what browsers add by themselves: the host's cookies, Basic. Default none. */
  readonly trustedOrigins?: readonly string[]
  /** Functions that take part in a change; each one function or a list. */
  readonly hooks?: Hooks<Knex.Transaction, Attrs>
  /** The audit trail, beside the `sso_audit` table. */
  readonly audit?: {
    /** Where the records are delivered to: sinks, or functions of a record. Default none. */
    readonly sinks?: readonly (AuditSink | AuditFunction)[]
    /** Whether this process seals and delivers records; false leaves both to other processes on the database. Default true. */
    readonly relay?: boolean
    /** Seconds that a sink has for one delivery. Default 10. */
    readonly deliverySeconds?: number
    /** Seconds without a sign of life after which another process delivers in the place of one. Default 10. */
    readonly leaseSeconds?: number
    /** Seconds until a sink that has failed is tried again; each further failure doubles them. Default 1. */
    readonly firstWaitSeconds?: number
    /** Seconds of the longest wait. Default 300, or `firstWaitSeconds` if that is more. */
    readonly maxWaitSeconds?: number
  }
  /** Sessions. */
  readonly session?: {
    /** Minutes from login to the end of a session. Default 60. */
    readonly lifetimeMinutes?: number
    /** Minutes after which even a renewed session ends (ASVS 7.3.2); null for never. Default 43200, thirty days. */
    readonly absoluteMinutes?: number | null
    /** Minutes without use after which a session ends (ASVS 7.3.1); null for no limit. Default null. */
    readonly inactivityMinutes?: number | null
    /** Decides how many minutes a session lasts. Default: `lifetimeMinutes`, also where it throws. */
    readonly expiry?: (question: ExpiryQuestion) => number | undefined | Promise<number | undefined>
    /** Whether a new password or TOTP key, a lock and a rejection end sessions (`x-sso.revokes`; ASVS 7.4.2, 7.4.3). Default true. */
    readonly revokeOnChange?: boolean
  }
  /** Passwords. */
  readonly password?: {
    /** In characters (ASVS 6.2.1). Default 8. */
    readonly minLength?: number
    /** In characters (ASVS 6.2.9). Default 256. */
    readonly maxLength?: number
    /** What no password may contain, whatever the case. Default: Zato's list of common ones. */
    readonly rejectList?: readonly string[]
    /** How many of the most common passwords that are long enough are refused (ASVS 6.2.4); 0 for none. Default 3000. */
    readonly rejectMostCommon?: number
    /** Least score of zxcvbn, 0 to 4, which takes 100 ms of computation. Default 0: not estimated. */
    readonly minComplexity?: 0 | 1 | 2 | 3 | 4
    /**
     * Words that no password may contain, whatever the case: names of the organisation, the product, the place (ASVS
     * 6.1.2, 6.2.11). The account's username, local part of the email address and names are such words, too, and their
     * parts, from 4 characters on. Null: none of them, nor the account's. Default none but the account's.
     */
    readonly contextWords?: readonly string[] | null
    /** Throws to refuse a new password; sees it in clear, on every path that sets one. */
    readonly validate?: (password: string, about: PasswordSubject) => unknown
    /** Days until a new password expires; null for never (ASVS 6.2.10). Default null. */
    readonly expiryDays?: number | null
    /** Days before expiry in which a login warns. Default 30. */
    readonly aboutToExpireDays?: number
    /**
     * Whether super-users, and who has the ACL, may choose the password of another (ASVS 6.4.6). False refuses it in every
     * dialect, for new accounts, too, and leaves `startPasswordReset`; the host's own code may still. Default true.
     */
    readonly superUsersMayChoose?: boolean
    /**
     * Seconds for which a right `user` and `pass`, or Basic, is not hashed again from the same address; 3600 at most, 0
     * for none. A new hash, a lock, a rejection and a wrong guess end it at once. Logins are always hashed. Default 60.
     */
    readonly rememberSeconds?: number
    /** How many such passwords at most; as digests, in this process. Default 1000. */
    readonly rememberMost?: number
    /** The host's own password hashing. Default: argon2id; older forms are verified and re-hashed. */
    readonly hasher?: Hasher
  }
  /** Resets of passwords that were forgotten; the hook `onPasswordReset` sends the tokens. */
  readonly passwordReset?: {
    /** Minutes for which a token works (ASVS 6.4.1). Default 30. */
    readonly validMinutes?: number
    /** Minutes for which the key works that the Zato dialect gives for a token, within those of the token. Default 30. */
    readonly keyMinutes?: number
    /** Whether accounts that have one-time codes enabled need one for it (ASVS 6.4.3). Default true. */
    readonly requireTotp?: boolean
    /** What `credential` of the Zato dialect names. Default `username`. */
    readonly credential?: 'username' | 'email' | 'username_or_email'
  }
  /** New accounts. */
  readonly signUp?: {
    /** Whether new accounts wait for approval. Default true. */
    readonly approvalNeeded?: boolean
  }
  /** Email addresses. */
  readonly email?: {
    /** Whether email addresses must look like addresses. Default true. */
    readonly checkSyntax?: boolean
    /** Whether no two accounts may share one. Default false. */
    readonly unique?: boolean
  }
  /** One-time codes. */
  readonly totp?: {
    /** Steps of 30 seconds that a code may be off, either way. Default 1. */
    readonly window?: number
    /** Whether a code works more than once (ASVS 6.5.1). Default false. */
    readonly allowReplay?: boolean
    /**
     * Whether `is_totp_enabled` is switched on only for a key that has been proved by one of its codes: before, or in
     * the same call. A key that changes without a code of it switches them off. Default true.
     */
    readonly requireProof?: boolean
    /** Name of the service in authenticator apps; no colon. Default `defaultApp`. */
    readonly issuer?: string
  }
  /**
   * Slows down guesses at passwords and one-time codes, whatever the dialect. Some attempts are free; each further one
   * waits, and each that fails doubles the wait. Where the attempts cannot be counted, they are refused.
   */
  readonly throttle?: {
    /** Whether there is any. Default true. */
    readonly enabled?: boolean
    /** Where attempts are counted: in the database, in Redis, or in this process alone. Default `database`. */
    readonly store?: 'database' | 'memory' | RedisStore
    /** Free attempts on one account, from addresses that have failed before. Default 5. */
    readonly perAccount?: number
    /** Free attempts on one account, from whatever address. Default 100, or `perAccount` if that is more. */
    readonly perAccountTotal?: number
    /** Free attempts from one address, IPv6 by its /64. What is no address is one address. Default 20. */
    readonly perAddress?: number
    /** Seconds after which the free attempts begin anew. Default 3600. */
    readonly windowSeconds?: number
    /** Seconds of the first wait. Default 10. */
    readonly firstWaitSeconds?: number
    /** Seconds of the longest wait. Default 900, or `firstWaitSeconds` if that is more. */
    readonly maxWaitSeconds?: number
  }
  /** Which addresses accounts may be used from: logins and requests from others are refused. */
  readonly addresses?: {
    /** Networks in CIDR notation by username; `*` for every address, an empty list for none. Default none. */
    readonly users?: Readonly<Record<string, readonly string[] | '*'>>
    /** Whether accounts that are not in `users` may not be used at all. Default false. */
    readonly rejectIfNotListed?: boolean
  }
  /** Searches for accounts. */
  readonly search?: {
    /** Accounts on a page, where a search does not say. Default 50, or `maxPageSize` if that is less. */
    readonly defaultPageSize?: number
    /** Accounts on a page at most, and of a search that is not paginated. Default 100. */
    readonly maxPageSize?: number
  }
  /** Which reasons a caller is told beyond "not allowed". Default all true but `passwordExpired`. */
  readonly inform?: Partial<CoreConfig['inform']>
  /** Keys for TOTP keys and secret attributes: base64 of 32 bytes each. The first encrypts, all decrypt. Default none. */
  readonly encryptionKeys?: readonly string[]
  /** Attributes that are in no schema: name and value, as the `updateuser` operation sets them. */
  readonly customAttributes?: {
    /** Names of custom attributes that may be set; null for any. Default null. */
    readonly allowed?: readonly string[] | null
    /** Names whose values are encrypted, and read by the host's own code only. Default `['digdashMailPassword']`. */
    readonly secret?: readonly string[]
  }
  /** Ids that may be granted: lists, or functions of an id. Default any. */
  readonly grants?: {
    /** Roles. */
    readonly roles?: IdCatalogue
    /** Single authorisations. */
    readonly acls?: IdCatalogue
    /** Groups of authorisations. */
    readonly groups?: IdCatalogue
  }
  /** The `updateuser` dialect. */
  readonly updateuser?: {
    /** Methods of the route. Default both. */
    readonly methods?: readonly ('GET' | 'POST')[]
    /** Attribute that `uid` names. Default `username`. */
    readonly uidAttribute?: string
    /** More names for our attributes, beside `digdashMail` and `mustChangePassword`. */
    readonly attributes?: Readonly<Record<string, string>>
    /** Custom attributes that a user may not set on himself. Default none. */
    readonly protectedAttributes?: readonly string[]
    /** ACLs whose holders may change others. Default none. */
    readonly permissions?: Readonly<Partial<Record<Permission, string>>>
  }
  /** The `rest` dialect. */
  readonly rest?: {
    /** Whether a change of an account must say, by `If-Match`, which state of it was read. Default false. */
    readonly requireIfMatch?: boolean
    /**
     * Seconds for which a login is proof enough to change what an account could be taken over by (`x-sso.reauth`; ASVS
     * 7.5.1); after that, the present password must be sent along. Null: never asked for. Default 300.
     */
    readonly reauthMaxAge?: number | null
  }
  /** Batches: `POST /updateuser/batch`, `POST /users/batch` of `rest`, and `sso.batch`. */
  readonly batch?: {
    /** Lines of a batch at most. Default 1000000. */
    readonly maxLines?: number
    /** Lines of an atomic batch at most: all of them are kept until the last one has come. Default 10000. */
    readonly maxAtomicLines?: number
    /** Bytes of a line at most; a longer one is a line with an error. Default 102400. */
    readonly maxLineBytes?: number
    /** Seconds that a batch may take; what is done by then stays done. Default 3600. */
    readonly maxSeconds?: number
  }
  /** The OpenAPI document. */
  readonly openapi?: {
    /** Where the routers are mounted, for instance `/account`; the document has those that are named. Default none. */
    readonly paths?: {
      /** Path of `sso.rest`; its own `GET /openapi.json` knows it by itself. */
      readonly rest?: string
      /** Path of `sso.zato`. */
      readonly zato?: string
      /** Path of `sso.updateuser`. */
      readonly updateuser?: string
    }
    /** What the document calls the API. Default `Accounts`. */
    readonly title?: string
    /** Version that the document gives the API. Default `1.0.0`. */
    readonly version?: string
  }
  /** Bytes of a request body. Default 102400. */
  readonly bodyLimit?: number
  /** The host's own correlation id of a request. Default: a new one each request. */
  readonly correlationId?: (req: Request) => string | undefined
  /** Where warnings and faults go. Default `console`. */
  readonly logger?: Logger
  /** Whether statements are prepared on the driver's connection; false for poolers that cannot keep them. Default true. */
  readonly preparedStatements?: boolean
  /** The clock. Default the system's. */
  readonly now?: () => Date
}

/**
 * What makes the Zato dialect behave as Zato 3.2 did where the package's defaults are stricter (contract section 13).
 * Spread it into the options.
 */
export function zatoCompat(): Pick<Options, 'email' | 'totp' | 'session' | 'password' | 'passwordReset' | 'throttle'> {
  return {
    email: { checkSyntax: false },
    totp: { window: 0, allowReplay: true, requireProof: false },
    session: { revokeOnChange: false },
    password: { expiryDays: 730, rejectMostCommon: 0, contextWords: null },
    passwordReset: { validMinutes: 1440, requireTotp: false },
    throttle: { enabled: false },
  }
}
