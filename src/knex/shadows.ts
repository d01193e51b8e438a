import type { Knex } from 'knex'
import type { Finding } from '../core/store.ts'
import { type Layout, shadowName, type UsersMapping } from './layout.ts'
import type { Remedies } from './remedies.ts'

/** Shadow columns of a host's table that are mapped and not there, and names that are searched without one. */
export async function shadowFindings(
  db: Knex,
  { shadows, places }: Layout,
  { table }: UsersMapping,
  remedies: Remedies,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [attribute, { table: holder, column }] of shadows) {
    const named = places.get(attribute)?.column
    if (holder === 'side' || named === undefined || (await hasColumn(db, table, column))) continue
    const fault = `the column is missing; it is mapped to ${shadowName(attribute)}.`
    findings.push({ severity: 'error', table, column, fault, remedy: `${remedies.addShadow(named).statements}.` })
  }

  const bare = [...places.values()].filter(({ attribute: { name, search } }) => search && !shadows.has(name))
  if (bare.length > 0) {
    const made = bare.map(({ attribute, column }) => ({ attribute, ...remedies.addShadow(column) }))
    const mapped = made.map(({ attribute, column }) => `${shadowName(attribute.name)}: '${column}'`)
    findings.push({
      severity: 'hint',
      table,
      column: '*',
      fault: `searching by ${bare.map(({ column }) => column).join(', ')} reads the whole table.`,
      remedy: `${made.map(({ statements }) => statements).join('; ')}. Then add to users.columns: ${mapped.join(', ')}.`,
    })
  }
  return findings
}

/** Whether a column can be read. SQLite does not list generated ones. */
async function hasColumn(db: Knex, table: string, column: string): Promise<boolean> {
  try {
    await db(table).select(column).limit(1)
    return true
  } catch {
    return false
  }
}
