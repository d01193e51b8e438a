import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AccountFilter, Store } from '../../src/core/store.ts'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases.ts'
import { databases, HOST_COLUMNS, startHost, type TestHost } from '../support/host.ts'
import { createHostTable, type StoreSettings, storeOn } from '../support/stores.ts'

const EVERYBODY: AccountFilter = { equal: {}, names: {}, nameOp: 'and', isNameExact: true }
const CODE = { actor: { via: 'code', name: 'test' } } as const

/** Names that collations do not agree on: case, accents, punctuation, scripts, beyond the basic plane, spaces. */
const NAMES = [
  ...[
    'b',
    'B',
    'a',
    'A',
    'á',
    'ä',
    'z',
    'Z',
    'aa',
    'a b',
    'ab',
    'a-b',
    'a_b',
    'ａ',
    '𝔞',
    '山',
    'я',
    'Ж',
    '1',
    '10',
    '2',
  ],
  ...['', ' ', '!', '~', 'ß', 'ss', 'İ', 'i', 'ı', 'I', 'É', 'é', 'e\u0301', 'a ', ' a', 'ﬃ', '😀', '\uffee'],
]
const PEOPLE = [null, null, ...NAMES, ...NAMES.slice(0, 5)].map((name, index) => ({
  // Against the order of the names.
  username: `user${String(90 - index)}`,
  display_name: name,
}))

/** Usernames in the order in which pages of `limit` have them. */
async function listed(store: Store, limit: number): Promise<string[]> {
  const names: string[] = []
  for (let offset = 0; offset < PEOPLE.length; offset += limit) {
    const page = await store.searchAccounts(EVERYBODY, { limit, offset })
    names.push(...page.map(({ values }) => values.username))
  }
  return names
}

describe('accounts are listed in one order', () => {
  const orders: Partial<Record<DatabaseName, string[]>> = {}
  const key = (name: string) => name.normalize('NFC').trim().toUpperCase().normalize('NFC')
  const expected = [...PEOPLE]
    .sort((a, b) => {
      if (a.display_name === null || b.display_name === null)
        return Number(b.display_name === null) - Number(a.display_name === null) || compare(a.username, b.username)
      return compare(key(a.display_name), key(b.display_name)) || compare(a.username, b.username)
    })
    .map(({ username }) => username)

  test.each(databases)('own table: %s', async (name) => {
    const database = await createDatabase(name)
    try {
      const store = storeOn(database.db, { table: 'own' })
      await store.ready()
      await insertAll(store)
      orders[name] = await listed(store, 100)
      expect(orders[name]).toEqual(expected)
      for (const limit of [1, 3, 7, PEOPLE.length]) expect(await listed(store, limit)).toEqual(expected)
    } finally {
      await database.drop()
    }
  })

  const HOSTS = [
    { table: 'narrow', idType: 'integer' },
    { table: 'wide', idType: 'string' },
    { table: 'wide', idType: 'uuid' },
  ] as const satisfies readonly StoreSettings[]
  test.each(databases.flatMap((name) => HOSTS.map((settings) => ({ name, ...settings }))))(
    'host table, each account once: $name, $table, $idType',
    async ({ name, ...settings }) => {
      const database = await createDatabase(name)
      try {
        await createHostTable(database, settings.table, settings.idType)
        const store = storeOn(database.db, settings)
        await store.ready()
        await insertAll(store)
        const order = await listed(store, 100)
        expect([...order].sort()).toEqual([...expected].sort())
        expect(order.slice(0, 2)).toEqual(['user89', 'user90'])
        for (const limit of [1, 4]) expect(await listed(store, limit)).toEqual(order)
        expect(await store.countAccounts({ ...EVERYBODY, equal: { sign_up_status: 'final' } })).toBe(PEOPLE.length)
        expect(await store.countAccounts({ ...EVERYBODY, equal: { sign_up_status: 'before_confirmation' } })).toBe(0)
      } finally {
        await database.drop()
      }
    },
  )
})

async function insertAll(store: Store): Promise<void> {
  for (const person of PEOPLE) await store.transaction((on) => on.insertAccount(person))
}

/** By code points, which is the order of UTF-8's bytes. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

describe.each(databases)('names of a host table: %s', (name) => {
  const opened: { database?: TestDatabase } = {}
  let host: TestHost

  beforeAll(async () => {
    host = await startHost(name, {
      arrangement: 'host table',
      users: [],
      options: {
        // Two names are the side table's; one is searched in a column that the database generates.
        users: {
          table: 'members',
          columns: { ...HOST_COLUMNS, first_name: false, middle_name: false, last_name_upper: 'family_name_upper' },
        },
      },
      prepare: async (database) => {
        opened.database = database
        const made = await statementsFor(database)
        for (const statement of made.get('family_name')!) await database.db.raw(statement)
      },
    })
    for (const [username, first_name, last_name] of [
      ['ann', 'Élodie', 'ward'],
      ['ben', 'élodie', 'WARD'],
      ['cid', 'Straße', 'Straße'],
    ]) {
      await host.sso.user.createUser({ ...CODE, data: { username, first_name, last_name }, autoApprove: true } as never)
    }
  })
  afterAll(() => host.close())

  const found = async (criteria: object, isNameExact = true) =>
    (await host.sso.user.search({ ...CODE, criteria, isNameExact })).users.map(({ username }) => username)

  test('names of the side table are compared as in our own', async () => {
    expect(await found({ first_name: 'ÉLODIE' })).toEqual(['ann', 'ben'])
    expect(await found({ first_name: 'strasse' })).toEqual(['cid'])
    expect(await found({ first_name: 'LOD' }, false)).toEqual(['ann', 'ben'])
    expect(await found({ middle_name: null })).toEqual(['admin', 'cid', 'ann', 'ben'])
    const rows = await host.database.db('sso_account').select('first_name_upper').orderBy('user_id')
    expect(rows.map((row) => row.first_name_upper)).toEqual([null, 'ÉLODIE', 'ÉLODIE', 'STRASSE'])
  })

  test('a generated column is searched, and what the host writes by itself is found', async () => {
    expect(await found({ last_name: 'Ward' })).toEqual(['ann', 'ben'])
    expect(await found({ last_name: 'Straße' })).toEqual(['cid'])
    await host.database.db('members').where({ login: 'ben' }).update({ family_name: 'Miller' })
    expect(await found({ last_name: 'mILLER' })).toEqual(['ben'])
    expect(await found({ last_name: 'ill' }, false)).toEqual(['ben'])
    await host.database.db('members').where({ login: 'ben' }).update({ family_name: 'WARD' })
  })

  test('ready() names the statements that make searches fast, for names that have no such column', async () => {
    const { findings } = await host.sso.ready()
    const notice = findings.filter(({ fault }) => fault.startsWith('searching'))
    expect(notice).toMatchObject([
      { severity: 'hint', table: 'members', column: '*', fault: 'searching by full_name reads the whole table.' },
    ])
    expect(notice[0]?.remedy).toMatch(/GENERATED ALWAYS AS .* CREATE INDEX .*display_name_upper: 'full_name_upper'\.$/)
  })

  test('a mapped column that is not there keeps the package from starting', async () => {
    const database = opened.database as TestDatabase
    const store = storeOn(database.db, { table: 'narrow' }, { display_name_upper: 'nosuch' })
    await expect(store.ready()).rejects.toMatchObject({
      code: 'table_unfit',
      message: expect.stringContaining('members.nosuch: the column is missing; it is mapped to display_name_upper.'),
    })
  })
})

/** The statements that the package itself names, by column. */
async function statementsFor({ db }: TestDatabase): Promise<Map<string, string[]>> {
  const store = storeOn(db, { table: 'narrow' })
  const { findings } = await store.ready()
  const remedy = findings.find(({ column }) => column === '*')?.remedy ?? ''
  const statements = remedy.split('. Then')[0]?.split('; ') ?? []
  const columns = ['full_name', 'given_name', 'second_name', 'family_name']
  return new Map(columns.map((column) => [column, statements.filter((statement) => statement.includes(column))]))
}
