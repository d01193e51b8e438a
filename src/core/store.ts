import type { AuditEntry, AuditRecord } from './audit/record.ts'
import type { StoredUser } from './schema/user.gen.ts'

/** An account as it is stored, secrets included. */
export interface Account {
  readonly values: StoredUser
  /** Raised by each update, where the table is ours; null on a host's table, which is locked instead. */
  readonly version: number | null
  /** Whether the side table has a row for it; always true where the table is ours. */
  readonly hasSideRow: boolean
  /** Stored values of attributes that have no column of their own. */
  readonly extra: Readonly<Record<string, unknown>>
}

/** One entry of a session's history. */
export interface StateChange {
  /** What happened: the session was opened, or its end was put off. */
  readonly source: 'login' | 'renew'
  /** ISO 8601, UTC. */
  readonly time: string
  /** Client's address. */
  readonly remoteAddr: string | null
  /** Client's `User-Agent`. */
  readonly userAgent: string | null
}

/** A session at rest: the hash stands for the token, which is not kept (ASVS 7.2.1). */
export interface Session {
  /** SHA-256 of the token, base64url. */
  readonly hash: string
  /** Names the session to people; opens nothing. */
  readonly id: string
  readonly userId: string
  readonly creationTime: Date
  readonly expirationTime: Date
  readonly remoteAddr: string | null
  readonly userAgent: string | null
  readonly app: string | null
  /** Last use, as far as it is kept: only where there is an inactivity limit. */
  readonly lastUseTime: Date
  /** The latest entries of its history, oldest first. */
  readonly stateChanges: readonly StateChange[]
}

/** A reset of a password that has been begun, at rest: hashes stand for the token and the key. */
export interface PasswordReset {
  /** SHA-256 of the token, base64url. */
  readonly hash: string
  readonly userId: string
  /** SHA-256 of the key that the token was taken for; null as long as it was not. */
  readonly keyHash: string | null
  readonly creationTime: Date
  readonly expirationTime: Date
}

/** Rights of one role: letters of `RWX` in that order. */
export interface RoleGrant {
  /** Id of the role. */
  readonly role: string
  /** One to three of the letters `RWX`, in that order. */
  readonly rights: string
}

/** Everything that is granted to an account. */
export interface Grants {
  /** Roles, each with its rights. */
  readonly roles: readonly RoleGrant[]
  /** Ids of single authorisations. */
  readonly acls: readonly string[]
  /** Ids of groups of authorisations. */
  readonly groups: readonly string[]
}

/** What an account holds beside its attributes. */
export interface Holdings {
  readonly grants: Grants
  /** Custom attributes that have not expired, by name. */
  readonly attributes: readonly CustomAttribute[]
}

/** Whose custom attributes are meant: those of an account, by its id, or of a session, by its hash. */
export interface AttributeOwner {
  readonly kind: 'account' | 'session'
  readonly id: string
}

/** What is written of a custom attribute; an encrypted value is ciphertext. */
export interface CustomAttributeValue {
  readonly name: string
  /** JSON text, or its ciphertext. */
  readonly value: string
  readonly isEncrypted: boolean
  /** When it ceases to exist; null for never. */
  readonly expirationTime: Date | null
}

/** A custom attribute at rest. */
export interface CustomAttribute extends CustomAttributeValue {
  readonly creationTime: Date
  readonly lastModified: Date
}

/** Which accounts a search is for. Null stands for accounts that do not have the attribute. */
export interface AccountFilter {
  /** Attributes that must be equal, as the database compares; names are not among them. */
  readonly equal: Readonly<Record<string, string | boolean | null>>
  /** Names, compared without regard to case or spaces around them. */
  readonly names: Readonly<Record<string, string | null>>
  /** Whether all names must match, or one of them. */
  readonly nameOp: 'and' | 'or'
  /** Whether a name must match as a whole, or contain what is searched for. */
  readonly isNameExact: boolean
}

/** A part of what a search finds. */
export interface Slice {
  readonly limit: number
  readonly offset: number
}

/** What can be read in a transaction and outside. */
export interface Reads {
  /** A session and its account, in one read; null unless both exist. Expired sessions are returned. */
  findSession(hash: string): Promise<{ readonly session: Session; readonly account: Account } | null>
  findAccount(userId: string): Promise<Account | null>
  /**
   * The accounts, two at most, with this value of an attribute. Usernames are found by their caseless key where the
   * table is ours, everything else as the database compares.
   */
  findAccountsBy(attribute: string, value: string): Promise<readonly Account[]>
  /** As `findAccountsBy`, of many values at once; user ids count as an attribute, too. */
  findAccountsByEach(attribute: string, values: readonly string[]): Promise<ReadonlyMap<string, readonly Account[]>>
  /** How many accounts a search finds. */
  countAccounts(filter: AccountFilter): Promise<number>
  /**
   * Accounts that a search finds, in a stable order: by display name without regard to case, accounts without one first;
   * then by username.
   */
  searchAccounts(filter: AccountFilter, slice: Slice): Promise<readonly Account[]>
  /** Whether an account other than `exceptId` has this value in `username` or `email`. */
  isTaken(attribute: 'username' | 'email', value: string, exceptId: string | null): Promise<boolean>
  /** Sessions that have not expired, oldest first. */
  sessionsOf(userId: string, now: Date): Promise<readonly Session[]>
  grantsOf(userId: string): Promise<Grants>
  /** A reset by the hash of its token. Expired ones are returned. */
  findReset(hash: string): Promise<PasswordReset | null>
  /** Those that have not expired, by name. */
  customAttributesOf(owner: AttributeOwner, now: Date): Promise<readonly CustomAttribute[]>
  /** The latest records about an account that come before one of this id, the latest first; 200 at most. */
  auditOf(userId: string, before: number): Promise<readonly AuditEntry[]>
  /** One record by its number. */
  auditRecord(id: number): Promise<AuditEntry | null>
  /** The records of these correlation ids, oldest first. */
  auditOfCids(cids: readonly string[]): Promise<readonly AuditEntry[]>
}

/** Column values by attribute name. */
export type Columns = Readonly<Record<string, unknown>>

/** Reads and writes that are committed together. */
export interface Transaction extends Reads {
  /** The account, read so that nobody else can change it until the end of the transaction. */
  lockAccount(userId: string): Promise<Account | null>
  /** As `lockAccount`, of many accounts at once, by their ids. Before any read of the transaction that locks nothing. */
  lockAccounts(userIds: readonly string[]): Promise<ReadonlyMap<string, Account>>
  /**
   * Runs `work` so that its failure undoes its own writes alone, and is handed back. What is thrown all the same ends the
   * transaction: a deadlock, or a connection that is gone.
   */
  savepoint<T>(work: () => Promise<T>): Promise<{ readonly result: T } | { readonly error: unknown }>
  /**
   * Waits for every other transaction that has asked for this, before anything else is read: what takes a super-user away
   * must count those that the one before it has left (ASVS 2.3.4).
   */
  lockSuperUsers(): Promise<void>
  /** Writes only `columns`. False if the account is no longer the one that was read (own table, `version`). */
  updateAccount(account: Account, columns: Columns): Promise<boolean>
  /** As `updateAccount`, of many accounts that are locked, each once, in few statements. */
  updateAccounts(updates: readonly { readonly account: Account; readonly columns: Columns }[]): Promise<void>
  /** Returns the new account's id. */
  insertAccount(values: Columns): Promise<string>
  deleteAccount(userId: string): Promise<void>
  insertSession(session: Session): Promise<void>
  /** Forgets an account's sessions that have expired. */
  deleteExpiredSessions(userId: string, now: Date): Promise<void>
  /** Keeps a session from being changed or ended until the end of the transaction. False if there is none. */
  lockSession(hash: string): Promise<boolean>
  /** Puts off the end of a session. False if there is none. */
  renewSession(hash: string, expirationTime: Date, stateChanges: readonly StateChange[]): Promise<boolean>
  /** Ends one session of an account by its id. False if there was none. */
  deleteSessionById(userId: string, id: string): Promise<boolean>
  /** False if there was none. */
  deleteSession(hash: string): Promise<boolean>
  deleteSessionsOf(userId: string, exceptHash: string | null): Promise<void>
  /** Begins a reset in place of the account's former one: there is one at most (ASVS 6.4.1). */
  putReset(reset: PasswordReset): Promise<void>
  /** Notes what a token was taken for, and when that ends. */
  exchangeReset(hash: string, keyHash: string, expirationTime: Date): Promise<void>
  /** Ends the account's reset, if there is one. */
  deleteReset(userId: string): Promise<void>
  /** Ends the sessions of all accounts but this one session; null for none to be left. */
  deleteAllSessions(exceptHash: string | null): Promise<void>
  /** Adds a role or replaces its rights. */
  putRole(userId: string, grant: RoleGrant): Promise<void>
  removeRole(userId: string, role: string): Promise<void>
  addAcl(userId: string, kind: AclKind, id: string): Promise<void>
  removeAcl(userId: string, kind: AclKind, id: string): Promise<void>
  /** Adds one or replaces it; what is written must differ from what is there. */
  putCustomAttribute(owner: AttributeOwner, attribute: CustomAttributeValue, now: Date): Promise<void>
  removeCustomAttribute(owner: AttributeOwner, name: string): Promise<void>
  /** Forgets an owner's attributes that have expired. */
  removeExpiredCustomAttributes(owner: AttributeOwner, now: Date): Promise<void>
  appendAudit(record: AuditRecord): Promise<void>
  /** Appends records in their order. */
  appendAudits(records: readonly AuditRecord[]): Promise<void>
  /** The Knex transaction that the writes run in, for `withinUpdate`. */
  readonly native: unknown
}

/** Single authorisations and groups of them. */
export type AclKind = 'acl' | 'group'

/** Something that stands out in the host's table, or in one of the package's. */
export interface Finding {
  /** `error` keeps the package from starting, `notice` does not; `hint` is about speed alone, and is not logged. */
  readonly severity: 'error' | 'notice' | 'hint'
  /** The table. */
  readonly table: string
  /** Its column; `*` for the table as a whole. */
  readonly column: string
  /** What is wrong, as a sentence. */
  readonly fault: string
  /** Statement or option that mends it. */
  readonly remedy: string
}

/** What `ready()` found. */
export interface Readiness {
  /** What stands out and does not keep the package from starting. */
  readonly findings: readonly Finding[]
}

/** What `doctor()` found. */
export interface Diagnosis {
  /** All that stands out, also what keeps the package from starting. */
  readonly findings: readonly Finding[]
  /** What `ready()` would make: the names of its steps, in order, as `sso_migrations` will have them. */
  readonly pending: readonly string[]
}

/** The port through which the core reaches a database. */
export interface Store extends Reads {
  /** Migrates the package's own tables and examines the host's. @throws SsoError `table_unfit` */
  ready(): Promise<Readiness>
  /** As `ready`, without making or refusing anything. */
  examine(): Promise<Diagnosis>
  /** True where a row carries its version, so that an update need not lock it first. */
  readonly isVersioned: boolean
  /** Runs `work`, again if the database asks for it (deadlock, serialisation failure). */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /** Accounts that a search finds, in the order of their usernames: the first ones after one, null for the first of all. */
  accountsAfter(filter: AccountFilter, username: string | null, limit: number): Promise<readonly Account[]>
  /** Ids of accounts that a search finds, in an order of the database's: the first ones after one, null for the first. */
  idsAfter(filter: AccountFilter, userId: string | null, limit: number): Promise<readonly string[]>
  /** What each of many accounts holds, by its id. */
  holdingsOf(userIds: readonly string[], now: Date): Promise<ReadonlyMap<string, Holdings>>
  /** Names of custom attributes that some account has in clear. */
  customNames(now: Date): Promise<readonly string[]>
  /** Notes that a session was used, outside any transaction: losing it costs its owner a login at worst. */
  touchSession(hash: string, now: Date): Promise<void>
  /** Appends records on their own, outside any transaction: for refusals. */
  appendAudit(record: AuditRecord): Promise<void>
  /** As `appendAudit`, of many records in few statements. */
  appendAudits(records: readonly AuditRecord[]): Promise<void>
}

/** A value that the database refused, in terms of the domain. */
export class StoreConflict extends Error {
  override readonly name = 'StoreConflict'
  /** `unique` is taken, `reference` is referred to, `value` does not fit the column. */
  readonly reason: 'unique' | 'reference' | 'value'
  /** Attribute it is about, if the database said which. */
  readonly attribute: string | null

  constructor(reason: StoreConflict['reason'], attribute: string | null, cause: unknown) {
    super(`the database refused a value (${reason})`, { cause })
    this.reason = reason
    this.attribute = attribute
  }
}
