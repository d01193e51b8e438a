import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import { type AttributesSchema, buildCatalogue, type Catalogue } from '../../src/core/schema/catalogue.ts'
import { buildValidator } from '../../src/core/schema/validate.ts'
import type { Readiness, Store } from '../../src/core/store.ts'
import { buildStore, type StoreOptions } from '../../src/knex/store.ts'
import type { DatabaseName, TestDatabase } from './databases.ts'
import { type Arrangement, HOST_COLUMNS, type IdType } from './members.ts'

/** Attributes that a host declares beside ours: one of each kind. */
export const HOST_ATTRIBUTES: AttributesSchema = {
  properties: {
    nickname: { type: ['string', 'null'], maxLength: 50, 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    is_member: { type: ['boolean', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    points: { type: ['integer', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    ratio: { type: ['number', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    joined_at: { type: ['string', 'null'], format: 'date-time', 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    settings: { type: ['object', 'array', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    pin: { type: ['string', 'null'], maxLength: 40, 'x-sso': { editableBy: 'self', secret: true } },
  },
}

/** Where accounts live in a contract's run. `wide` has a column for every attribute, `narrow` leaves most to the side. */
export type Table = 'own' | 'narrow' | 'wide'

export interface StoreSettings {
  readonly table: Table
  readonly idType?: IdType
  readonly prepared?: boolean
  /** Whether a hook wants a Knex transaction. */
  readonly transactor?: boolean
  readonly tableName?: string
  readonly emailIsUnique?: boolean
}

export function arrangementOf(table: Table): Arrangement {
  return table === 'own' ? 'own table' : 'host table'
}

export const CATALOGUE: Catalogue = buildCatalogue(HOST_ATTRIBUTES)

/** The wide table's columns: each attribute's name backwards, so that none is named as its attribute. */
export const WIDE_COLUMNS: Readonly<Record<string, string>> = Object.fromEntries(
  [...CATALOGUE.keys()].map((name) => [name, [...name].reverse().join('')]),
)

export function columnsOf(table: Table): Readonly<Record<string, string>> {
  if (table === 'own') return {}
  return table === 'wide' ? WIDE_COLUMNS : HOST_COLUMNS
}

/** Name of the id's column in the accounts' table. */
export function idColumnOf(table: Table): string {
  return columnsOf(table)['user_id'] ?? 'user_id'
}

/** A store under the given settings, on connections of `db`. */
export function storeOn(db: Knex, settings: StoreSettings, columns: Readonly<Record<string, string>> = {}): Store {
  const { table, tableName = 'members' } = settings
  const options: StoreOptions = {
    db,
    catalogue: CATALOGUE,
    validator: buildValidator(CATALOGUE, { checkEmail: true }),
    prefix: 'sso_',
    users:
      table === 'own'
        ? null
        : {
            table: tableName,
            columns: { ...columnsOf(table), ...columns },
            timestamps: { created: null, updated: null },
          },
    emailIsUnique: settings.emailIsUnique ?? true,
    usesTransactor: settings.transactor ?? false,
    prepared: settings.prepared ?? true,
    sinks: [],
    defaults: {},
    now: () => new Date(),
    newUserId: () => `zusr${randomUUID().replaceAll('-', '')}`,
    newUuid: randomUUID,
    hostMakesIds: false,
    lookups: ['username', 'email'],
  }
  return buildStore(options)
}

/** What stands out in a table, beside names that are searched without an index: most tables of the tests have some. */
export function besidesSearch({ findings }: Readiness): Readiness {
  return { findings: findings.filter(({ severity }) => severity !== 'hint') }
}

/** A host's table: ids of any type, columns for some or for all attributes, and one that the package knows nothing of. */
export async function createHostTable(
  { db, name }: TestDatabase,
  table: Exclude<Table, 'own'>,
  idType: IdType,
  tableName = 'members',
): Promise<void> {
  const columns = columnsOf(table)
  await db.schema.createTable(tableName, (builder) => {
    addId(builder, name, columns['user_id'] as string, idType)
    for (const [attribute, column] of Object.entries(columns)) {
      if (attribute !== 'user_id') addColumn(builder, name, attribute, column)
    }
    builder.string('favourite_colour', 20).notNullable().defaultTo('green')
  })
}

function addId(builder: Knex.CreateTableBuilder, database: DatabaseName, column: string, idType: IdType): void {
  if (idType === 'integer') builder.increments(column)
  else if (idType === 'string') builder.string(column, 80).primary()
  // Knex makes CHAR(36) of it on MariaDB, which has a type of its own.
  else if (database === 'mariadb') builder.specificType(column, 'uuid').primary()
  else builder.uuid(column).primary()
}

function addColumn(builder: Knex.CreateTableBuilder, database: DatabaseName, attribute: string, column: string): void {
  const { kind, maxLength, secret } = CATALOGUE.get(attribute)!
  if (attribute === 'username') builder.string(column, 191).notNullable().unique()
  else if (attribute === 'email') builder.string(column, 254).unique()
  else if (kind === 'boolean') builder.boolean(column)
  else if (kind === 'integer') builder.bigInteger(column)
  else if (kind === 'number') builder.double(column)
  else if (kind === 'datetime') builder.datetime(column, { precision: 3 })
  else if (kind === 'json') builder.json(column)
  else if (secret || maxLength === null || maxLength > 255) builder.text(column)
  else builder.string(column, maxLength)
  void database
}
