import type { TestDatabase } from './databases.ts'
import type { TestHost } from './host.ts'

const TABLES = [
  ['members', 'nr'],
  ['sso_user', 'user_id'],
  ['sso_account', 'user_id'],
  ['sso_session', 'ust_hash'],
  ['sso_attribute', 'name'],
  ['sso_session_attribute', 'name'],
  ['sso_password_reset', 'user_id'],
  ['sso_role_grant', 'role_id'],
  ['sso_acl_grant', 'acl_id'],
] as const

const tablesByHost = new WeakMap<TestHost, readonly (typeof TABLES)[number][]>()

async function tablesOf(host: TestHost): Promise<readonly (typeof TABLES)[number][]> {
  const known = tablesByHost.get(host)
  if (known) return known
  const tables: (typeof TABLES)[number][] = []
  for (const one of TABLES) if (await host.database.db.schema.hasTable(one[0])) tables.push(one)
  tablesByHost.set(host, tables)
  return tables
}

/** Every row of every table but the audit trail's, to be compared before and after something that must not write. */
export async function contentsOf(host: TestHost): Promise<Readonly<Record<string, unknown>>> {
  const contents: Record<string, unknown> = {}
  for (const [table, order] of await tablesOf(host)) contents[table] = await host.database.db(table).orderBy(order)
  return contents
}

/** Takes every row out of a database that a host has used; says whether one has. */
export async function emptied({ db }: TestDatabase): Promise<boolean> {
  if (!(await db.schema.hasTable('sso_audit'))) return false
  const names = [...TABLES.map(([table]) => table), 'sso_audit', 'sso_audit_seal', 'sso_audit_target', 'sso_throttle']
  for (const table of names) if (await db.schema.hasTable(table)) await db(table).delete()
  return true
}
