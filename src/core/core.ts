import type { AddressLists } from './addresses/lists.ts'
import type { AuditTrail } from './audit/trail.ts'
import type { Background } from './background.ts'
import type { HookRunner } from './hooks.ts'
import type { Hasher } from './passwords/hasher.ts'
import type { Memory } from './passwords/memory.ts'
import type { PasswordPolicy } from './passwords/policy.ts'
import type { Catalogue } from './schema/catalogue.ts'
import type { Validator } from './schema/validate.ts'
import type { Secrets } from './secrets.ts'
import type { ExpiryQuestion } from './sessions/lifetime.ts'
import type { Store } from './store.ts'
import type { Throttle } from './throttle/throttle.ts'

/** Settings that the domain works by. Made by `resolveOptions`, frozen. */
export interface CoreConfig {
  /** Names of all applications that a call may be made from. */
  readonly apps: readonly string[]
  /** Applications that one may log in from. */
  readonly loginApps: readonly string[]
  /** Applications whose word is taken for the client's address and user agent at login. */
  readonly loginMetadataApps: readonly string[]
  readonly session: {
    /** Minutes from login to the end of a session. */
    readonly lifetimeMinutes: number
    /** Minutes after which even a renewed session ends; null for never. */
    readonly absoluteMinutes: number | null
    /** Minutes without use after which a session ends; null for no limit. */
    readonly inactivityMinutes: number | null
    /** Decides how many minutes a session lasts; null for `lifetimeMinutes`. */
    readonly expiry: ((question: ExpiryQuestion) => number | undefined | Promise<number | undefined>) | null
    /** Whether changes of attributes that say so (`x-sso.revokes`) end sessions of the account (ASVS 7.4.2, 7.4.3). */
    readonly revokeOnChange: boolean
  }
  readonly password: PasswordPolicy & {
    /** Days until a new password expires; null for never (ASVS 6.2.10). */
    readonly expiryDays: number | null
    /** Days before expiry in which a login warns. */
    readonly aboutToExpireDays: number
    /** Whether who may set another's password may choose it (ASVS 6.4.6). */
    readonly superUsersMayChoose: boolean
  }
  readonly passwordReset: {
    /** Minutes for which a token works. */
    readonly validMinutes: number
    /** Minutes for which a key works that a token was taken for, within those of the token. */
    readonly keyMinutes: number
    /** Whether accounts that have one-time codes enabled need one (ASVS 6.4.3). */
    readonly requireTotp: boolean
    /** What `credential` of the Zato dialect names: attributes in the order in which they are tried. */
    readonly credential: readonly ('username' | 'email')[]
  }
  /** Which reasons a caller is told, beyond "not allowed" (contract section 9). */
  readonly inform: {
    /** The application is not known. */
    readonly appInvalid: boolean
    /** The account is locked. */
    readonly locked: boolean
    /** The sign-up is not confirmed. */
    readonly notConfirmed: boolean
    /** A one-time code is needed. */
    readonly totpMissing: boolean
    /** The password has expired. */
    readonly passwordExpired: boolean
    /** The password will expire soon; where this is not told, such a login is refused. */
    readonly passwordAboutToExpire: boolean
    /** A new password is needed. */
    readonly passwordMustChange: boolean
    /** What is wrong with the new password of a login. */
    readonly passwordInvalid: boolean
  }
  readonly reauth: {
    /** Seconds for which a login counts as a fresh proof of who somebody is (ASVS 7.5.1); null if none is asked for. */
    readonly maxAgeSeconds: number | null
  }
  readonly signUp: {
    /** New accounts wait for approval. */
    readonly approvalNeeded: boolean
  }
  readonly email: {
    /** No two accounts may share an address. */
    readonly unique: boolean
  }
  readonly search: {
    /** Accounts on a page, where a search does not say. */
    readonly defaultPageSize: number
    /** Accounts on a page at most. */
    readonly maxPageSize: number
  }
  readonly totp: {
    /** Steps of 30 seconds that a code may be off, either way. */
    readonly window: number
    /** A code may be used again within its step. */
    readonly allowReplay: boolean
    /** Codes are switched on only for a key that one of them has proved. */
    readonly requireProof: boolean
    /** Name of the service in authenticator apps. */
    readonly issuer: string
  }
  /** Which addresses accounts may be used from. */
  readonly addresses: AddressLists
  readonly customAttributes: {
    /** Names that may be set; null for any. */
    readonly allowed: readonly string[] | null
    /** Names whose values are encrypted, and read by the host's own code only. */
    readonly secret: readonly string[]
  }
  readonly updateuser: {
    /** Attribute that `uid` is compared with. */
    readonly uidAttribute: string
    /** The operation's names of our attributes. */
    readonly attributeMap: Readonly<Record<string, string>>
    /** Custom attributes that a user may not set on himself. */
    readonly protectedAttributes: readonly string[]
    /** ACLs that let their holders change others. */
    readonly permissions: Readonly<Partial<Record<Permission, string>>>
  }
  readonly batch: {
    /** Lines of a batch at most. */
    readonly maxLines: number
    /** Lines of an atomic batch at most. */
    readonly maxAtomicLines: number
    /** Seconds that a batch may take. */
    readonly maxSeconds: number
  }
  readonly catalogues: {
    /** Ids that may be granted; null for any. */
    readonly roles: IdCatalogue
    readonly acls: IdCatalogue
    readonly groups: IdCatalogue
  }
}

/** What an ACL can allow its holder to change on others, in the `updateuser` operation. */
export type Permission = 'password' | 'attributes' | 'protectedAttributes' | 'authorizations'

/** Ids that exist: a list, a function that knows, or null for any. */
export type IdCatalogue = readonly string[] | ((id: string) => boolean | Promise<boolean>) | null

/** What every operation of the domain works with. One per `createSso`; there is no other state. */
export interface Core {
  readonly config: CoreConfig
  readonly catalogue: Catalogue
  readonly validator: Validator
  readonly store: Store
  readonly secrets: Secrets
  readonly hasher: Hasher
  /** Slows down guesses at passwords and codes; null where nothing does. */
  readonly throttle: Throttle | null
  /** Passwords of requests that have just been verified; null where none are remembered. */
  readonly memory: Memory | null
  /** A hash that no password has, checked where there is no account, so that both take the same work. */
  readonly decoyHash: () => Promise<string>
  readonly hooks: HookRunner
  readonly trail: AuditTrail
  /** What is done when the caller has been answered. */
  readonly background: Background
  /** Id for a new account, where the database does not make one. */
  readonly newUserId: () => string
}
