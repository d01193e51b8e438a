import type { Knex } from 'knex'
import type { AuditEntry, AuditRecord } from '../core/audit/record.ts'
import { type Codec, codecFor } from './codecs.ts'
import type { Layout } from './layout.ts'
import { prepare, type Runner } from './statements.ts'

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

/** Statements on the audit trail. Compiled once. */
export class AuditStatements {
  readonly #time: Codec
  readonly #prepared: ReturnType<typeof prepareAll>

  constructor(db: Knex, layout: Layout) {
    this.#time = codecFor('datetime', layout.dialect, null)
    this.#prepared = prepareAll(db, layout.table('audit'))
  }

  async append(runner: Runner, record: AuditRecord): Promise<void> {
    await runner.run(this.#prepared.append, {
      ...record,
      time: this.#time.encode(new Date(record.time)),
      changes: JSON.stringify(record.changes),
    })
  }

  async about(runner: Runner, targetId: string, before: number): Promise<readonly AuditEntry[]> {
    const { rows } = await runner.run(this.#prepared.about, { targetId, before })
    return rows.map(([id, ...row]) => {
      const record = Object.fromEntries(COLUMNS.map((column, index) => [column, row[index]]))
      return {
        ...(record as unknown as AuditRecord),
        id: Number(id),
        time: (this.#time.decode(record['time']) as Date).toISOString(),
        changes: JSON.parse(String(record['changes'])),
      }
    })
  }
}

function prepareAll(db: Knex, table: string) {
  return {
    append: prepare((bind) => db(table).insert(Object.fromEntries(COLUMNS.map((column) => [column, bind(column)])))),
    about: prepare((bind) =>
      db(table)
        .where('target_id', bind('targetId'))
        .where('id', '<', bind('before'))
        .select('id', ...COLUMNS)
        .orderBy('id', 'desc')
        .limit(MOST_ROWS),
    ),
  }
}
