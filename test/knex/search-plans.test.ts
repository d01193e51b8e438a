import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { identityKey } from '../../src/core/schema/text.ts'
import type { AccountFilter } from '../../src/core/store.ts'
import { AccountStatements, type Write } from '../../src/knex/accounts.ts'
import { dialectOf } from '../../src/knex/codecs.ts'
import { AccountFinder } from '../../src/knex/finder.ts'
import { ownLayout } from '../../src/knex/layout.ts'
import { SearchStatements } from '../../src/knex/search.ts'
import { bound } from '../../src/knex/statements.ts'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases.ts'
import { databases } from '../support/host.ts'
import { CATALOGUE, storeOn } from '../support/stores.ts'

const ACCOUNTS = 200_000
const NAMES = ['display_name', 'first_name', 'middle_name', 'last_name'] as const
const EVERYBODY: AccountFilter = { equal: {}, names: {}, nameOp: 'and', isNameExact: true }
const PAGE = { limit: 50, offset: 0 }

/** One access to the accounts' table. */
interface Read {
  readonly index: string | null
  /** Whether all of the table or index may be read. */
  readonly isWhole: boolean
}

interface Plan {
  readonly reads: readonly Read[]
  /** Most rows that are sorted, as the database estimates. */
  readonly sorted: number
}

const opened: Partial<Record<DatabaseName, TestDatabase>> = {}

beforeAll(async () => {
  const fill = async (name: DatabaseName) => {
    const database = await createDatabase(name)
    opened[name] = database
    const store = storeOn(database.db, { table: 'own' })
    await store.ready()
    await store.transaction((on) => on.insertAccount({ username: 'first', approval_status: 'approved' }))
    await multiply(database)
  }
  // SQLite keeps this process busy; the servers have processes of their own.
  if (databases.includes('sqlite')) await fill('sqlite')
  await Promise.all(databases.filter((name) => name !== 'sqlite').map(fill))
}, 120_000)

afterAll(async () => {
  await Promise.all(Object.values(opened).map((database) => database.drop()))
})

describe.each(databases)('200,000 accounts: %s', (name) => {
  const statements = () => {
    const { db } = opened[name] as TestDatabase
    const layout = ownLayout(CATALOGUE, dialectOf(db.client), 'sso_')
    const accounts = new AccountStatements(db, CATALOGUE, layout, true)
    const finder = new AccountFinder(db, accounts, true)
    return { finder, search: new SearchStatements(db, layout, accounts, finder) }
  }
  const store = () => storeOn((opened[name] as TestDatabase).db, { table: 'own' })
  const plan = (write: Write) => planOf(opened[name] as TestDatabase, write)

  test.each(NAMES)('an exact search by %s is answered from its index', async (attribute) => {
    const filter = { ...EVERYBODY, names: { [attribute]: `${attribute} 60` } }
    expect(await store().countAccounts(filter)).toBeGreaterThan(0)
    for (const write of [statements().search.count(filter), statements().search.page(filter, PAGE)]) {
      const { reads, sorted } = await plan(write)
      expect(reads).toContainEqual({ index: `sso_user_${attribute}_index`, isWhole: false })
      expect(reads.filter(({ isWhole }) => isWhole)).toEqual([])
      expect(sorted).toBeLessThan(ACCOUNTS / 100)
    }
  })

  test('so is one by any of several names, and one by address', async () => {
    const names = Object.fromEntries(NAMES.map((attribute) => [attribute, `${attribute} 60`]))
    const equal = { email: 'user60@example.com' }
    for (const filter of [
      { ...EVERYBODY, nameOp: 'or' as const, names },
      { ...EVERYBODY, names },
      { ...EVERYBODY, equal },
    ]) {
      for (const write of [statements().search.count(filter), statements().search.page(filter, PAGE)]) {
        const { reads } = await plan(write)
        expect(reads.length).toBeGreaterThan(0)
        expect(reads.filter(({ isWhole }) => isWhole)).toEqual([])
      }
    }
  })

  test('a search by username is answered from the index of its key', async () => {
    const { one: statement, encode } = statements().finder.wayBy('username')
    const { reads, sorted } = await plan({ statement, parameters: { value: encode('User60') } })
    expect(encode('User60')).toBe(identityKey('user60'))
    expect(reads).toEqual([{ index: 'sso_user_username_key_unique', isWhole: false }])
    expect(sorted).toBe(0)
  })

  test('the first page of everybody is read off an index, and nothing but the page is sorted', async () => {
    const { reads, sorted } = await plan(statements().search.page(EVERYBODY, PAGE))
    expect(reads.filter(({ isWhole }) => isWhole)).toEqual([{ index: 'sso_user_display_name_index', isWhole: true }])
    expect(sorted).toBeLessThanOrEqual(PAGE.limit)
    expect(await store().countAccounts(EVERYBODY)).toBe(ACCOUNTS + 1)
    expect(await store().searchAccounts(EVERYBODY, PAGE)).toHaveLength(50)
  })

  test('a search for a part of a name sorts what it finds and nothing else', async () => {
    for (const attribute of NAMES) {
      const filter = { ...EVERYBODY, isNameExact: false, names: { [attribute]: 'E 60' } }
      const total = await store().countAccounts(filter)
      expect(total).toBeGreaterThan(0)
      const found = await store().searchAccounts(filter, PAGE)
      expect(found).toHaveLength(Math.min(50, total))
      const { reads } = await plan(statements().search.count(filter))
      // PostgreSQL reads the table where its rows are hardly longer than the index's.
      if (name !== 'postgres') expect(reads).toEqual([{ index: `sso_user_${attribute}_index`, isWhole: true }])
    }
  })
})

/** Fills `sso_user` with copies of its one account, each with names of its own, and has the database take statistics. */
async function multiply({ db, name }: TestDatabase): Promise<void> {
  const digits = Array.from({ length: 10 }, (_, digit) => `select ${digit} as d`).join(' union all ')
  const powers = [1, 10, 100, 1000, 10_000, 100_000]
  const number = powers.map((power, index) => `n${index}.d * ${power}`).join(' + ')
  const numbers = powers.map((_, index) => `(${digits}) n${index}`).join(' cross join ')
  // Primes scatter the names: not in the order in which rows lie.
  const variety = { display_name: ACCOUNTS, first_name: 997, middle_name: 499, last_name: 6997 }
  const shadows = Object.entries(variety).flatMap(([attribute, count]) => {
    const named = (text: string) => `case when i % 50 = 0 then null else concat('${text} ', i * 7919 % ${count}) end`
    return [
      [attribute, named(attribute)],
      [`${attribute}_upper`, named(attribute.toUpperCase())],
    ]
  })
  const own: Readonly<Record<string, string>> = {
    user_id: "concat('zusr', i)",
    username: "concat('user', i)",
    username_key: "concat('user', i)",
    email: "concat('user', i, '@example.com')",
    ...Object.fromEntries(shadows),
  }
  const columns = Object.keys(await db('sso_user').columnInfo())
  await db.raw(
    `insert into sso_user (${columns.join(', ')})
     select ${columns.map((column) => own[column] ?? `t.${column}`).join(', ')}
     from (select ${number} as i from ${numbers}) numbers cross join sso_user t where i < ${ACCOUNTS}`,
  )
  if (name === 'postgres') await db.raw('vacuum analyze sso_user')
  else await db.raw(name === 'mariadb' ? 'analyze table sso_user' : 'analyze')
}

/** How a database would answer the statement that the store sends. */
async function planOf({ db, name }: TestDatabase, { statement, parameters }: Write): Promise<Plan> {
  const { sql } = statement.compiled
  const values = bound(statement.compiled, parameters)
  const connection = await db.client.acquireConnection()
  try {
    if (name === 'sqlite') return sqlitePlan(connection.prepare(`explain query plan ${sql}`).all(values))
    if (name === 'mariadb') return mariadbPlan((await connection.promise().execute(`explain ${sql}`, values))[0])
    const { rows } = await connection.query({ text: `explain (format json) ${sql}`, values })
    return postgresPlan(rows[0]['QUERY PLAN'][0].Plan)
  } finally {
    await db.client.releaseConnection(connection)
  }
}

function sqlitePlan(rows: readonly { id: number; parent: number; detail: string }[]): Plan {
  const reads = rows.flatMap(({ detail }) => {
    const [, verb, index] = /^(SCAN|SEARCH) (?:u|sso_user)\b(?: USING (?:COVERING )?INDEX (\S+))?/.exec(detail) ?? []
    return verb === undefined ? [] : [{ index: index ?? null, isWhole: verb === 'SCAN' }]
  })
  const sort = rows.find(({ detail }) => detail === 'USE TEMP B-TREE FOR ORDER BY')
  // It does not estimate: what is sorted within the page is all that was read for it.
  const isOfPage = sort !== undefined && sort.parent !== 0
  return { reads, sorted: isOfPage && reads.some(({ isWhole }) => isWhole) ? ACCOUNTS : 0 }
}

interface MariadbRow {
  readonly table: string
  readonly type: string
  readonly key: string | null
  readonly rows: number
  readonly Extra: string
}

function mariadbPlan(rows: readonly MariadbRow[]): Plan {
  const sorting = rows.filter(({ Extra }) => Extra.includes('filesort'))
  return {
    reads: rows
      .filter(({ table }) => table === 'u')
      .map(({ type, key }) => ({ index: key, isWhole: type === 'ALL' || type === 'index' })),
    sorted: Math.max(0, ...sorting.map(({ rows }) => Number(rows))),
  }
}

interface PostgresNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Plan Rows': number
  readonly Plans?: readonly PostgresNode[]
}

function postgresPlan(node: PostgresNode): Plan {
  const below = (node.Plans ?? []).map(postgresPlan)
  const isTable = node['Node Type'] === 'Seq Scan'
  const isIndex = node['Index Name'] !== undefined
  const read = { index: node['Index Name'] ?? null, isWhole: isTable || node['Index Cond'] === undefined }
  const sorted = node['Node Type'].includes('Sort') ? node['Plan Rows'] : 0
  return {
    reads: [...(isTable || isIndex ? [read] : []), ...below.flatMap(({ reads }) => reads)],
    sorted: Math.max(sorted, ...below.map((plan) => plan.sorted)),
  }
}
