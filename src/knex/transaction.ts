import type { AuditRecord } from '../core/audit/record.ts'
import type {
  Account,
  AccountFilter,
  AclKind,
  AttributeOwner,
  Columns,
  CustomAttributeValue,
  PasswordReset,
  RoleGrant,
  Session,
  Slice,
  StateChange,
  Transaction,
} from '../core/store.ts'
import type { AccountStatements, Write } from './accounts.ts'
import type { AuditStatements } from './audit-statements.ts'
import { translate } from './failures.ts'
import type { AccountFinder } from './finder.ts'
import { type Layout, stamped } from './layout.ts'
import type { OutboxStatements } from './outbox-statements.ts'
import type { OwnStatements } from './own-statements.ts'
import type { ResetStatements } from './reset-statements.ts'
import type { SearchStatements } from './search.ts'
import type { AccountUpdate, SharedWrites } from './shared-writes.ts'
import type { Runner, Statement } from './statements.ts'
import type { ThrottleStatements } from './throttle-statements.ts'

/** Everything that was prepared when the store was opened. */
export interface Open {
  readonly accounts: AccountStatements
  readonly finder: AccountFinder
  readonly shared: SharedWrites
  readonly search: SearchStatements
  readonly own: OwnStatements
  readonly resets: ResetStatements
  readonly audit: AuditStatements
  readonly outbox: OutboxStatements
  readonly throttle: ThrottleStatements
  readonly layout: Layout
}

/** How new accounts come by their ids and by what the package does not know. */
export interface InsertOptions {
  /** Values for columns of the host's table that the package knows nothing of, in new rows. */
  readonly defaults: Columns | ((user: Columns) => Columns)
  readonly newUserId: () => string
  readonly newUuid: () => string
  /** The clock, for columns of the host's that get the time of a change. */
  readonly now: () => Date
  /** Whether the host gave `newId`; it then makes ids of every kind. */
  readonly hostMakesIds: boolean
}

/** The store's verbs on one connection, or each on one of its own. */
export class TransactionOn implements Transaction {
  readonly native: unknown
  readonly #runner: Runner
  readonly #open: Open
  readonly #options: InsertOptions

  constructor(runner: Runner, open: Open, options: InsertOptions, native: unknown) {
    this.#runner = runner
    this.#open = open
    this.#options = options
    this.native = native
  }

  async findSession(hash: string) {
    const { accounts, own } = this.#open
    const { rows } = await this.#runner.run(accounts.bySession, { hash })
    const [row] = rows
    if (!row) return null
    const account = accounts.decode(row)
    return { account, session: own.decodeSession(hash, account.values.user_id, row.slice(accounts.width)) }
  }

  findAccount(userId: string) {
    return this.#byId(this.#open.accounts.byId, userId)
  }

  async lockAccount(userId: string) {
    const { lock, byIdLocked } = this.#open.accounts
    const id = this.#open.accounts.id(userId)
    if (lock && id !== null) await this.#runner.run(lock, { id })
    return this.#byId(byIdLocked, userId)
  }

  lockAccounts(userIds: readonly string[]) {
    return this.#open.finder.lock(this.#runner, userIds)
  }

  async savepoint<T>(work: () => Promise<T>) {
    if (!this.#runner.savepoint) throw new Error('there is no transaction to have a savepoint in')
    const outcome = await this.#runner.savepoint(work)
    return 'error' in outcome ? { error: translate(outcome.error, this.#open.layout) } : outcome
  }

  findAccountsBy(attribute: string, value: string) {
    return this.#open.finder.findBy(this.#runner, attribute, value)
  }

  findAccountsByEach(attribute: string, values: readonly string[]) {
    return this.#open.finder.findByEach(this.#runner, attribute, values)
  }

  async countAccounts(filter: AccountFilter) {
    const { statement, parameters } = this.#open.search.count(filter)
    const { rows } = await this.#runner.run(statement, parameters)
    return Number(rows[0]?.[0] ?? 0)
  }

  async searchAccounts(filter: AccountFilter, slice: Slice) {
    const { statement, parameters } = this.#open.search.page(filter, slice)
    const { rows } = await this.#runner.run(statement, parameters)
    return rows.map((row) => this.#open.accounts.decode(row))
  }

  async isTaken(attribute: 'username' | 'email', value: string, exceptId: string | null) {
    const found = await this.findAccountsBy(attribute, value)
    return found.some(({ values }) => values.user_id !== exceptId)
  }

  async lockSuperUsers() {
    const { lockSuperUsers } = this.#open.own
    if (lockSuperUsers) await this.#runner.run(lockSuperUsers, {})
  }

  async updateAccount(account: Account, columns: Columns) {
    const { users, side } = this.#open.accounts.writes(account, columns, this.#options.now())
    if (users) {
      const { affected } = await this.#runner.run(users.statement, users.parameters)
      // On a host's table the row is locked: how many rows count as touched differs between drivers and settings.
      if (affected === 0 && account.version !== null) return false
    }
    await this.#write(side)
    return true
  }

  updateAccounts(updates: readonly AccountUpdate[]) {
    return this.#open.shared.run(this.#runner, updates, this.#options.now())
  }

  async insertAccount(values: Columns) {
    const { accounts, layout } = this.#open
    const { defaults, now } = this.#options
    const given = layout.side === null ? {} : typeof defaults === 'function' ? defaults(values) : defaults
    const raw = { ...stamped(layout.stamps.created, now()), ...given }
    const id = this.#newId()
    const { users, side } = accounts.inserts(values, raw, id)
    await this.#runner.run(users.statement, users.parameters)
    if (id !== null && layout.side === null) return id
    const [account] = await this.findAccountsBy('username', values['username'] as string)
    if (!account) throw new Error('the account that was inserted is not there')
    await this.#write(side(account.values.user_id))
    return account.values.user_id
  }

  async deleteAccount(userId: string) {
    const { own, accounts } = this.#open
    for (const statement of own.removeAll) await this.#runner.run(statement, { id: userId })
    if (accounts.removeSide) await this.#runner.run(accounts.removeSide, { id: userId })
    await this.#runner.run(accounts.remove, { id: userId })
  }

  insertSession(session: Session) {
    return this.#open.own.insertSession(this.#runner, session)
  }

  deleteExpiredSessions(userId: string, now: Date) {
    return this.#open.own.deleteExpiredSessions(this.#runner, userId, now)
  }

  renewSession(hash: string, expirationTime: Date, stateChanges: readonly StateChange[]) {
    return this.#open.own.renewSession(this.#runner, hash, expirationTime, stateChanges)
  }

  touchSession(hash: string, now: Date) {
    return this.#open.own.touchSession(this.#runner, hash, now)
  }

  sessionsOf(userId: string, now: Date) {
    return this.#open.own.sessionsOf(this.#runner, userId, now)
  }

  lockSession(hash: string) {
    return this.#open.own.lockSession(this.#runner, hash)
  }

  deleteSessionById(userId: string, id: string) {
    return this.#open.own.deleteSessionById(this.#runner, userId, id)
  }

  deleteSession(hash: string) {
    return this.#open.own.deleteSession(this.#runner, hash)
  }

  deleteSessionsOf(userId: string, exceptHash: string | null) {
    return this.#open.own.deleteSessionsOf(this.#runner, userId, exceptHash)
  }

  deleteAllSessions(exceptHash: string | null) {
    return this.#open.own.deleteAllSessions(this.#runner, exceptHash)
  }

  findReset(hash: string) {
    return this.#open.resets.find(this.#runner, hash)
  }

  putReset(reset: PasswordReset) {
    return this.#open.resets.put(this.#runner, reset)
  }

  exchangeReset(hash: string, keyHash: string, expirationTime: Date) {
    return this.#open.resets.exchange(this.#runner, hash, keyHash, expirationTime)
  }

  deleteReset(userId: string) {
    return this.#open.resets.remove(this.#runner, userId)
  }

  grantsOf(userId: string) {
    return this.#open.own.grantsOf(this.#runner, userId)
  }

  putRole(userId: string, grant: RoleGrant) {
    return this.#open.own.putRole(this.#runner, userId, grant)
  }

  removeRole(userId: string, role: string) {
    return this.#open.own.removeRole(this.#runner, userId, role)
  }

  addAcl(userId: string, kind: AclKind, id: string) {
    return this.#open.own.addAcl(this.#runner, userId, kind, id)
  }

  removeAcl(userId: string, kind: AclKind, id: string) {
    return this.#open.own.removeAcl(this.#runner, userId, kind, id)
  }

  customAttributesOf({ kind, id }: AttributeOwner, now: Date) {
    return this.#open.own.attributes[kind].of(this.#runner, id, now)
  }

  putCustomAttribute({ kind, id }: AttributeOwner, attribute: CustomAttributeValue, now: Date) {
    return this.#open.own.attributes[kind].put(this.#runner, id, attribute, now)
  }

  removeCustomAttribute({ kind, id }: AttributeOwner, name: string) {
    return this.#open.own.attributes[kind].remove(this.#runner, id, name)
  }

  removeExpiredCustomAttributes({ kind, id }: AttributeOwner, now: Date) {
    return this.#open.own.attributes[kind].removeExpired(this.#runner, id, now)
  }

  appendAudit(record: AuditRecord) {
    return this.#open.audit.append(this.#runner, record)
  }

  appendAudits(records: readonly AuditRecord[]) {
    return this.#open.audit.appendAll(this.#runner, records)
  }

  auditOfCids(cids: readonly string[]) {
    return this.#open.audit.ofCids(this.#runner, cids)
  }

  auditRecord(id: number) {
    return this.#open.audit.byId(this.#runner, id)
  }

  auditOf(userId: string, before: number) {
    return this.#open.audit.about(this.#runner, userId, before)
  }

  async #byId(statement: Statement, userId: string): Promise<Account | null> {
    const { accounts } = this.#open
    const id = accounts.id(userId)
    if (id === null) return null
    const { rows } = await this.#runner.run(statement, { id })
    // A database may compare ids without regard to case; an id names one account all the same.
    const account = rows[0] ? accounts.decode(rows[0]) : null
    return account?.values.user_id === id ? account : null
  }

  async #write(write: Write | null): Promise<void> {
    if (write) await this.#runner.run(write.statement, write.parameters)
  }

  /** Null where the database counts. */
  #newId(): string | null {
    const { newUserId, newUuid, hostMakesIds } = this.#options
    const { idKind, usesUuids } = this.#open.layout
    if (hostMakesIds) return newUserId()
    if (usesUuids) return newUuid()
    return idKind === 'string' ? newUserId() : null
  }
}
