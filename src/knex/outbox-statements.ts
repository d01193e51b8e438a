import type { Knex } from 'knex'
import { MOST_SEALED } from '../core/audit/chain.ts'
import type { Layout } from './layout.ts'
import { Listed } from './lists.ts'
import { type Build, prepare } from './statements.ts'

/** Columns of a seal, as `sealIn` reads them. */
const SEAL_COLUMNS = ['number', 'record_count', 'time', 'previous_hash', 'records_hash', 'hash', 'records'] as const

/** Columns of a sink's place, as `placeIn` reads them. */
const PLACE_COLUMNS = ['name', 'delivered', 'owner', 'beat', 'failures'] as const

/** Statements on the trail as an outbox: its seals, and the places of the sinks. Compiled once. */
export type OutboxStatements = ReturnType<typeof outboxStatements>

export function outboxStatements(db: Knex, { dialect, table }: Layout) {
  const [audit, seals, targets] = [table('audit'), table('audit_seal'), table('audit_target')]
  type Bind = Parameters<Build>[0]
  const ownPlace = (bind: Bind) => db(targets).where('name', bind('name')).where('owner', bind('owner'))
  // MySQL might read the whole of a small table instead, and wait for every transaction that has a record to commit.
  const byKey = dialect === 'mysql' ? db.raw('?? FORCE INDEX (PRIMARY)', [audit]) : audit

  return {
    // One process seals at a time; the others do not wait for it. Elsewhere the index on the seals lets one win.
    gate:
      dialect === 'mysql' || dialect === 'postgres'
        ? prepare(() =>
            db(table('migrations')).where({ name: 'audit_seal_001' }).select('name').forUpdate().skipLocked(),
          )
        : null,
    firstUnsealed: prepare(() => db(audit).whereNull('seal').select('id').limit(1)),
    unsealed: prepare(() => db(audit).whereNull('seal').count('* as count').min('time')),
    head: prepare(() => db(seals).select('number', 'hash').orderBy('number', 'desc').limit(1)),
    mark: new Listed(
      (ids, bind) =>
        db(byKey as string)
          .whereIn('id', ids)
          .update({ seal: bind('seal') }),
      MOST_SEALED,
    ),
    addSeal: prepare((bind) =>
      db(seals).insert(Object.fromEntries(SEAL_COLUMNS.map((column) => [column, bind(column)]))),
    ),
    sealAfter: prepare((bind) =>
      db(seals)
        .where('number', '>', bind('number'))
        .select(...SEAL_COLUMNS)
        .orderBy('number')
        .limit(1),
    ),
    pruneRecords: prepare((bind) => db(audit).where('seal', bind('number')).delete()),
    pruneSeal: prepare((bind) => db(seals).where('number', bind('number')).update({ records: null })),

    places: prepare(() =>
      db(targets)
        .select(...PLACE_COLUMNS)
        .orderBy('name'),
    ),
    place: prepare((bind) =>
      db(targets)
        .where('name', bind('name'))
        .select(...PLACE_COLUMNS),
    ),
    register: prepare((bind) =>
      db(targets)
        .insert({ name: bind('name'), delivered: bind('delivered'), owner: null, beat: 0, failures: 0 })
        .onConflict('name')
        .ignore(),
    ),
    claim: prepare((bind) =>
      db(targets)
        .where('name', bind('name'))
        .where('beat', bind('beat'))
        .update({ owner: bind('owner'), beat: db.raw('?? + 1', ['beat']) }),
    ),
    advance: prepare((bind) =>
      ownPlace(bind).update({ delivered: bind('delivered'), beat: db.raw('?? + 1', ['beat']) }),
    ),
    release: prepare((bind) =>
      ownPlace(bind).update({
        delivered: bind('delivered'),
        failures: bind('failures'),
        owner: null,
        beat: db.raw('?? + 1', ['beat']),
      }),
    ),
    forget: prepare((bind) => db(targets).where('name', bind('name')).delete()),
  }
}
