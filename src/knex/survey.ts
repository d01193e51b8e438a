import type { Knex } from 'knex'
import type { Catalogue } from '../core/schema/catalogue.ts'
import type { Diagnosis, Finding } from '../core/store.ts'
import type { Layout, OwnTable } from './layout.ts'
import { type IdCollation, migrations } from './migrations.ts'

/** Looks at the package's own tables: what has been made, and what has not. Reads only. */
export async function survey(
  db: Knex,
  layout: Layout,
  catalogue: Catalogue,
  idCollation: IdCollation | null,
): Promise<Diagnosis> {
  const record = layout.table('migrations')
  const known = migrations(db, layout, catalogue, idCollation).map(({ name }) => name)
  const rows: readonly object[] = (await db.schema.hasTable(record)) ? await db(record).select('name') : []
  const done = new Set(rows.map((row) => String(Object.values(row)[0])))
  const findings: Finding[] = []

  for (const name of known) {
    // A step is called after the table that it is about.
    const table = layout.table(name.replace(/_\d+$/, '') as OwnTable)
    if (!done.has(name) || (await db.schema.hasTable(table))) continue
    const statement = db(record).where({ name }).delete().toString()
    const remedy = `Restore it from a backup; or, for an empty one: ${statement}, and start again.`
    const fault = `the table is gone; ${record} has it that it was made.`
    findings.push({ severity: 'error', table, column: '*', fault, remedy })
  }
  // Of a later version; or accounts were in another table when it was made.
  for (const name of [...done].filter((name) => !known.includes(name)).sort()) {
    const fault = `the step ${name} is none of this version's, or of these options.`
    const remedy = 'Use the version, and the option users, that the tables were made with.'
    findings.push({ severity: 'notice', table: record, column: '*', fault, remedy })
  }
  return { findings, pending: known.filter((name) => !done.has(name)) }
}
