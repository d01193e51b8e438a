import type { Knex } from 'knex'
import { MOST_SEALED } from '../core/audit/chain.ts'
import type { EntryFilter } from '../core/audit/outbox.ts'
import type { AuditEntry, AuditRecord } from '../core/audit/record.ts'
import { type Codec, codecFor } from './codecs.ts'
import type { Layout } from './layout.ts'
import { Inserted, Listed } from './lists.ts'
import { type Parameters, prepare, type Result, type Runner, type Statement } from './statements.ts'

const COLUMNS = [
  'cid',
  'time',
  'operation',
  'outcome',
  'error',
  'actor_id',
  'actor_name',
  'actor_via',
  'target_id',
  'target_name',
  'app',
  'remote_addr',
  'user_agent',
  'dialect',
  'changes',
] as const satisfies readonly (keyof AuditRecord)[]

// Knex takes no parameter for a limit; whoever wants fewer leaves the rest.
const MOST_ROWS = 200
const MOST_STRAYS = 1000

/** Statements on the audit trail. Compiled once. */
export class AuditStatements {
  readonly #time: Codec
  readonly #prepared: ReturnType<typeof prepareAll>
  readonly #appended: Inserted
  readonly #ofCids: Listed

  constructor(db: Knex, layout: Layout) {
    const table = layout.table('audit')
    this.#appended = new Inserted(db, table, COLUMNS)
    this.#ofCids = new Listed((cids) =>
      db(table)
        .whereIn('cid', cids)
        .select('id', ...COLUMNS)
        .orderBy('id'),
    )
    this.#time = codecFor('datetime', layout.dialect, null)
    this.#prepared = prepareAll(db, layout)
  }

  append(runner: Runner, record: AuditRecord): Promise<void> {
    return this.appendAll(runner, [record])
  }

  /** Appends records in their order. */
  appendAll(runner: Runner, records: readonly AuditRecord[]): Promise<void> {
    const rows = records.map((record) => ({
      ...record,
      time: this.#time.encode(new Date(record.time)),
      changes: JSON.stringify(record.changes),
    }))
    return this.#appended.run(runner, rows)
  }

  /** The records of these correlation ids, by id. */
  async ofCids(runner: Runner, cids: readonly string[]): Promise<readonly AuditEntry[]> {
    const entries = this.#entriesIn(await this.#ofCids.run(runner, cids))
    // A long list is read in parts.
    return entries.toSorted((a, b) => a.id - b.id)
  }

  about(runner: Runner, targetId: string, before: number): Promise<readonly AuditEntry[]> {
    return this.#entries(runner, this.#prepared.about, { targetId, before })
  }

  /** The latest of some kind, or of all, the latest first. */
  latest(runner: Runner, { targetId, cid }: EntryFilter, before: number): Promise<readonly AuditEntry[]> {
    const { latest, about, within, aboutWithin } = this.#prepared
    const ofAll = cid === null ? latest : within
    const ofTarget = cid === null ? about : aboutWithin
    const given = Object.entries({ targetId, cid }).filter(([, value]) => value !== null)
    return this.#entries(runner, targetId === null ? ofAll : ofTarget, { ...Object.fromEntries(given), before })
  }

  async byId(runner: Runner, id: number): Promise<AuditEntry | null> {
    return (await this.#entries(runner, this.#prepared.byId, { id }))[0] ?? null
  }

  /** The oldest that no seal has, by id; `MOST_SEALED` at most. */
  unsealed(runner: Runner): Promise<readonly AuditEntry[]> {
    return this.#entries(runner, this.#prepared.unsealed, {})
  }

  /** Those that say that they are of a seal, by id. */
  sealedBy(runner: Runner, seal: number): Promise<readonly AuditEntry[]> {
    return this.#entries(runner, this.#prepared.sealedBy, { seal })
  }

  /** Those whose seal does not exist, by id. */
  strays(runner: Runner): Promise<readonly AuditEntry[]> {
    return this.#entries(runner, this.#prepared.strays, {})
  }

  /** A stored time as records have it. */
  timeOf(stored: unknown): string | null {
    return (this.#time.decode(stored) as Date | null)?.toISOString() ?? null
  }

  async #entries(runner: Runner, statement: Statement, parameters: Parameters): Promise<readonly AuditEntry[]> {
    return this.#entriesIn((await runner.run(statement, parameters)).rows)
  }

  #entriesIn(rows: Result['rows']): readonly AuditEntry[] {
    return rows.map(([id, ...row]) => {
      const record = Object.fromEntries(COLUMNS.map((column, index) => [column, row[index]]))
      return {
        ...(record as unknown as AuditRecord),
        id: Number(id),
        time: this.timeOf(record['time']) as string,
        changes: JSON.parse(String(record['changes'])),
      }
    })
  }
}

function prepareAll(db: Knex, { table: named }: Layout) {
  const [table, seals] = [named('audit'), named('audit_seal')]
  const latestOf = (columns: Readonly<Record<string, 'targetId' | 'cid'>>) =>
    prepare((bind) => {
      const query = db(table)
        .where('id', '<', bind('before'))
        .select('id', ...COLUMNS)
        .orderBy('id', 'desc')
        .limit(MOST_ROWS)
      for (const [column, name] of Object.entries(columns)) query.where(column, bind(name))
      return query
    })
  return {
    latest: latestOf({}),
    about: latestOf({ target_id: 'targetId' }),
    within: latestOf({ cid: 'cid' }),
    aboutWithin: latestOf({ cid: 'cid', target_id: 'targetId' }),
    unsealed: prepare(() =>
      db(table)
        .whereNull('seal')
        .select('id', ...COLUMNS)
        // As the index has them.
        .orderBy(['seal', 'id'])
        .limit(MOST_SEALED),
    ),
    sealedBy: prepare((bind) =>
      db(table)
        .where('seal', bind('seal'))
        .select('id', ...COLUMNS)
        .orderBy('id'),
    ),
    strays: prepare(() =>
      db(table)
        .whereNotNull('seal')
        .whereNotIn('seal', db(seals).select('number'))
        .select('id', ...COLUMNS)
        .orderBy('id')
        .limit(MOST_STRAYS),
    ),
    byId: prepare((bind) =>
      db(table)
        .where('id', bind('id'))
        .select('id', ...COLUMNS),
    ),
  }
}
