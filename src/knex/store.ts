import type { Knex } from 'knex'
import type { Outbox } from '../core/audit/outbox.ts'
import type { Catalogue } from '../core/schema/catalogue.ts'
import type { Validator } from '../core/schema/validate.ts'
import type { Diagnosis, Finding, Readiness, Store } from '../core/store.ts'
import type { Counters } from '../core/throttle/counters.ts'
import { SsoError } from '../errors.ts'
import { AccountStatements } from './accounts.ts'
import { AuditStatements } from './audit-statements.ts'
import { dialectOf } from './codecs.ts'
import { integerRange, needsSample } from './column-types.ts'
import { examine } from './doctor.ts'
import { isTransient, translate } from './failures.ts'
import { AccountFinder } from './finder.ts'
import { readHostTable, readIdCollation } from './host-table.ts'
import type { HostTable } from './information.ts'
import { hostColumn, hostLayout, type Layout, ownLayout, type UsersMapping } from './layout.ts'
import { type IdCollation, migrate } from './migrations.ts'
import { buildOutbox, placeOf } from './outbox.ts'
import { outboxStatements } from './outbox-statements.ts'
import { OwnStatements } from './own-statements.ts'
import { remediesFor } from './remedies.ts'
import { ResetStatements } from './reset-statements.ts'
import { Seam } from './seam.ts'
import { SearchStatements } from './search.ts'
import { shadowFindings } from './shadows.ts'
import { SharedWrites } from './shared-writes.ts'
import type { Runner } from './statements.ts'
import { survey } from './survey.ts'
import { ThrottleStatements } from './throttle-statements.ts'
import { type InsertOptions, type Open, TransactionOn } from './transaction.ts'

/** What the store is made from. */
export interface StoreOptions extends InsertOptions {
  /** The host's; never opened, closed or reconfigured. */
  readonly db: Knex
  readonly catalogue: Catalogue
  /** Tightened to what the host's columns hold. */
  readonly validator: Validator
  readonly prefix: string
  /** Null for our own table. */
  readonly users: UsersMapping | null
  readonly emailIsUnique: boolean
  /** Attributes that accounts are looked up by. */
  readonly lookups: readonly string[]
  /** Whether a hook wants a Knex transaction. */
  readonly usesTransactor: boolean
  /** Whether statements are prepared on the driver's connection. */
  readonly prepared: boolean
  /** Names of the audit trail's sinks. */
  readonly sinks: readonly string[]
}

const MOST_TRIES = 8
const PAUSE_MS = 10

/** The store on any SQL database that Knex speaks to. */
export function buildStore(options: StoreOptions): Store & { readonly counters: Counters; readonly outbox: Outbox } {
  const { db, usesTransactor, prepared } = options
  const seam = new Seam(db, { usesTransactor, prepared })
  let opening: Promise<{ open: Open; readiness: Readiness }> | null = null

  /** One examination at a time; a failed one may be tried again. */
  const start = () => {
    opening ??= openStore(options, seam).catch((error) => {
      opening = null
      throw error
    })
    return opening
  }
  const opened = async () => (await start()).open

  const alone: Runner = seam
  const guarded = async <T>(work: (open: Open) => Promise<T>): Promise<T> => {
    const open = await opened()
    try {
      return await work(open)
    } catch (error) {
      throw translate(error, open.layout)
    }
  }
  const reads = <T>(work: (reads: TransactionOn) => Promise<T>) =>
    guarded((open) => work(new TransactionOn(alone, open, options, null)))

  return {
    isVersioned: options.users === null,
    ready: async () => (await start()).readiness,
    examine: () => examineStore(options),
    findSession: (hash) => reads((on) => on.findSession(hash)),
    findAccount: (userId) => reads((on) => on.findAccount(userId)),
    findAccountsBy: (attribute, value) => reads((on) => on.findAccountsBy(attribute, value)),
    findAccountsByEach: (attribute, values) => reads((on) => on.findAccountsByEach(attribute, values)),
    countAccounts: (filter) => reads((on) => on.countAccounts(filter)),
    searchAccounts: (filter, slice) => reads((on) => on.searchAccounts(filter, slice)),
    isTaken: (attribute, value, exceptId) => reads((on) => on.isTaken(attribute, value, exceptId)),
    sessionsOf: (userId, now) => reads((on) => on.sessionsOf(userId, now)),
    touchSession: (hash, now) => reads((on) => on.touchSession(hash, now)),
    findReset: (hash) => reads((on) => on.findReset(hash)),
    grantsOf: (userId) => reads((on) => on.grantsOf(userId)),
    customAttributesOf: (owner, now) => reads((on) => on.customAttributesOf(owner, now)),
    auditRecord: (id) => reads((on) => on.auditRecord(id)),
    auditOf: (userId, before) => reads((on) => on.auditOf(userId, before)),
    auditOfCids: (cids) => reads((on) => on.auditOfCids(cids)),
    appendAudits: (records) => reads((on) => on.appendAudits(records)),
    appendAudit: (record) => reads((on) => on.appendAudit(record)),

    transaction: (work) =>
      guarded((open) =>
        retried(() => seam.transaction((runner, native) => work(new TransactionOn(runner, open, options, native)))),
      ),

    accountsAfter: (filter, username, limit) =>
      guarded(async ({ search, accounts }) => {
        const { statement, parameters } = search.after(filter, username, limit)
        return (await seam.run(statement, parameters)).rows.map((row) => accounts.decode(row))
      }),
    idsAfter: (filter, userId, limit) =>
      guarded(async ({ search }) => {
        const { statement, parameters } = search.idsAfter(filter, userId, limit)
        return (await seam.run(statement, parameters)).rows.map(([id]) => String(id))
      }),
    holdingsOf: (userIds, now) => guarded(({ own }) => own.holdings.of(seam, userIds, now)),
    customNames: (now) => guarded(({ own }) => own.holdings.customNames(seam, now)),

    counters: buildCounters(seam, async () => (await opened()).throttle),
    outbox: buildOutbox(seam, opened),
  }
}

/** Runs a transaction again that lost against another. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries >= MOST_TRIES || !isTransient(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS * 2 ** tries))
    }
  }
}

const ADDITIONS_PER_CLEANING = 1000

/** Counters of attempts in the database. */
function buildCounters(seam: Seam, opened: () => Promise<ThrottleStatements>): Counters {
  let additions = 0
  const alone = async (work: (statements: ThrottleStatements) => Promise<void>) => {
    const statements = await opened()
    await retried(() => work(statements))
  }
  return {
    async add(key, seconds, now, longest = seconds) {
      const statements = await opened()
      if (++additions % ADDITIONS_PER_CLEANING === 0) await alone((on) => on.removeEnded(seam, now))
      const work = (runner: Runner) => statements.add(runner, key, seconds, now, longest)
      return retried(() => (statements.isReturning ? work(seam) : seam.transaction(work)))
    },
    extend: (key, seconds, now) => alone((on) => on.extend(seam, key, seconds, now)),
    giveBack: (key) => alone((on) => on.giveBack(seam, key)),
    remove: (key) => alone((on) => on.remove(seam, key)),
  }
}

/** What there is to be said before anything is made. */
async function examineStore(options: StoreOptions): Promise<Diagnosis> {
  const { findings, layout, idCollation } = await examineHost(options)
  const own = await survey(options.db, layout, options.catalogue, idCollation)
  return { findings: [...findings, ...own.findings], pending: own.pending }
}

async function openStore(options: StoreOptions, seam: Seam): Promise<{ open: Open; readiness: Readiness }> {
  const { db, catalogue } = options
  const { findings, layout, idCollation } = await examineHost(options)
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new SsoError('table_unfit', { message: errors.map(described).join('\n') })
  await migrate(db, layout, catalogue, idCollation)
  const accounts = new AccountStatements(db, catalogue, layout, options.emailIsUnique)
  const finder = new AccountFinder(db, accounts, options.emailIsUnique)
  const shared = new SharedWrites(db, accounts)
  const search = new SearchStatements(db, layout, accounts, finder)
  const own = new OwnStatements(db, layout)
  const resets = new ResetStatements(db, layout)
  const audit = new AuditStatements(db, layout)
  const outbox = outboxStatements(db, layout)
  const throttle = new ThrottleStatements(db, layout)
  // Before anything can be committed: what is then comes after the place of each.
  for (const name of options.sinks) await placeOf(seam, outbox, name)
  return {
    open: { accounts, finder, shared, search, own, resets, audit, outbox, throttle, layout },
    readiness: { findings },
  }
}

/** How the package would lie on the database, as far as the host's table is fit; changes nothing. */
async function examineHost(
  options: StoreOptions,
): Promise<{ findings: readonly Finding[]; layout: Layout; idCollation: IdCollation | null }> {
  const { db, catalogue, users, prefix, hostMakesIds, emailIsUnique } = options
  const dialect = dialectOf(db.client)
  if (!users) {
    const layout = ownLayout(catalogue, dialect, prefix)
    return { findings: homeless(options, layout), layout, idCollation: null }
  }
  const table = await withSamples(options, users, await readHostTable(db, users.table))
  const defaults = typeof options.defaults === 'function' ? null : Object.keys(options.defaults)
  const remedies = remediesFor(db, users.table)
  const found = examine({ catalogue, dialect, mapping: users, table, defaults, hostMakesIds, emailIsUnique, remedies })
  const isUnfit = found.some(({ severity }) => severity === 'error')
  // Of a table that is unfit nothing but the names of ours can be said.
  const layout = hostLayout(catalogue, dialect, prefix, users, isUnfit ? new Map() : table.columns)
  if (isUnfit) return { findings: found, layout, idCollation: null }

  const findings = [...found, ...(await shadowFindings(db, layout, users, remedies)), ...homeless(options, layout)]
  tighten(options, layout, table.columns)
  return { findings, layout, idCollation: await readIdCollation(db, dialect, users.table, layout.idColumn) }
}

/** Attributes that accounts are looked up by and that have no column. */
function homeless({ lookups }: StoreOptions, layout: Layout): readonly Finding[] {
  const names = lookups.filter((name) => name !== 'user_id' && !layout.places.has(name))
  return names.map((name) => ({
    severity: 'error',
    table: layout.users,
    column: name,
    fault: 'accounts are looked up by it, and it has no column of its own.',
    remedy: 'Set updateuser.uidAttribute to one that has.',
  }))
}

/** The table with a value of each column in which only values say how the host writes them. */
async function withSamples(
  { db, catalogue }: StoreOptions,
  mapping: UsersMapping,
  table: HostTable,
): Promise<HostTable> {
  const columns = new Map(table.columns)
  const dialect = dialectOf(db.client)
  const uses = [...catalogue.values()].map(
    (attribute) => [hostColumn(attribute, mapping, columns), attribute.kind] as const,
  )
  const stamps = Object.values(mapping.timestamps).map((column) => [column, 'datetime'] as const)
  const needy = [...uses, ...stamps].flatMap(([column, kind]) => {
    const info = column === null ? undefined : columns.get(column)
    return column !== null && info && needsSample(kind, dialect, info) ? [{ column, kind, info }] : []
  })
  for (const { column, kind, info } of needy) {
    // Where nothing is in the column yet, the host writes it as it writes its other times.
    const others = kind === 'datetime' ? [...columns].filter(([, other]) => needsSample(kind, dialect, other)) : []
    for (const name of [column, ...others.map(([other]) => other)]) {
      const row = await db(mapping.table).whereNotNull(name).first(name)
      if (!row) continue
      columns.set(column, { ...info, sample: String(row[name]) })
      break
    }
  }
  return { ...table, columns }
}

/** What a column cannot hold is refused before the database sees it: SQLite would keep it, MySQL might cut it. */
function tighten({ validator, catalogue }: StoreOptions, layout: Layout, columns: HostTable['columns']): void {
  for (const { attribute, table, column } of layout.places.values()) {
    const { name, kind, secret, nullable } = attribute
    const info = table === 'users' ? columns.get(column) : undefined
    if (!info || !catalogue.has(name) || name === 'password') continue
    const limits = {
      ...(kind === 'text' && info.maxLength !== null && !secret ? { maxLength: info.maxLength } : {}),
      ...(kind === 'text' && info.values ? { values: info.values } : {}),
      ...(kind === 'integer' ? integerRange(info, layout.dialect) : {}),
      ...(nullable && !info.nullable ? { nullable: false } : {}),
    }
    if (Object.keys(limits).length > 0) validator.tighten(name, limits)
  }
}

function described({ table, column, fault, remedy }: Finding): string {
  return `${table}.${column}: ${fault} ${remedy}`
}
