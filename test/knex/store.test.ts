import knexFactory from 'knex'
import { createDatabase, type DatabaseName } from '../support/databases.ts'
import { databases, type IdType } from '../support/host.ts'
import { createHostTable, storeOn, type Table } from '../support/stores.ts'
import { type Subject, storeContract } from './store-contract.ts'

interface Combination {
  readonly table: Table
  readonly idType: IdType
  readonly prepared: boolean
  readonly transactor: boolean
}

const WAYS = [true, false].flatMap((prepared) => [true, false].map((transactor) => ({ prepared, transactor })))
const [FASTEST, , , SLOWEST] = WAYS as [(typeof WAYS)[0], unknown, unknown, (typeof WAYS)[0]]

// Every way of running statements in both arrangements; further ids and columns in the two that have nothing in common.
const COMBINATIONS: readonly Combination[] = [
  ...WAYS.flatMap((way) => [
    { table: 'own', idType: 'string', ...way } as const,
    { table: 'narrow', idType: 'integer', ...way } as const,
  ]),
  ...[FASTEST, SLOWEST].flatMap((way) => [
    { table: 'narrow', idType: 'uuid', ...way } as const,
    { table: 'narrow', idType: 'string', ...way } as const,
    { table: 'wide', idType: 'integer', ...way } as const,
  ]),
]

for (const database of databases) {
  for (const combination of COMBINATIONS) {
    const { table, idType, prepared, transactor } = combination
    const ids = table === 'own' ? '' : `, ${idType} ids`
    storeContract(
      `${database}, ${table} table${ids}, ${prepared ? 'prepared' : 'built'} statements, ${transactor ? 'Knex’s' : 'own'} transactions`,
      () => openSubject(database, combination),
    )
  }
}

async function openSubject(name: DatabaseName, combination: Combination): Promise<Subject> {
  const { table, idType, transactor } = combination
  const database = await createDatabase(name)
  if (table !== 'own') await createHostTable(database, table, idType)
  const db = knexFactory(database.config)
  const store = storeOn(database.db, combination)
  const other = { db, store: storeOn(db, combination) }
  await store.ready()
  await other.store.ready()
  return {
    database,
    store,
    table,
    idType,
    transactor,
    other,
    close: async () => {
      await db.destroy()
      await database.drop()
    },
  }
}
