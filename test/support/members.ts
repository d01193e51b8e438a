import type { TestDatabase } from './databases.ts'

/** Where accounts live: in our table, or in a host's whose every column has another name. */
export const ARRANGEMENTS = ['own table', 'host table'] as const
export type Arrangement = (typeof ARRANGEMENTS)[number]

export const ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64')

/** The password of every test user. */
export const PASSWORD = 'correct horse battery'

/** Columns of the host's table: none is named as its attribute. */
export const HOST_COLUMNS = {
  user_id: 'nr',
  username: 'login',
  password: 'pw_hash',
  email: 'mail',
  display_name: 'full_name',
  first_name: 'given_name',
  middle_name: 'second_name',
  last_name: 'family_name',
  is_super_user: 'admin',
  is_locked: 'blocked',
  password_expiry: 'pw_until',
} as const

export type IdType = 'integer' | 'uuid' | 'string'

/** A host's table, with a column that the package knows nothing of. */
export async function createMembers({ db, name }: TestDatabase, idType: IdType = 'integer'): Promise<void> {
  await db.schema.createTable('members', (table) => {
    if (idType === 'integer') table.increments('nr')
    else if (idType === 'uuid') table.uuid('nr').primary()
    else table.string('nr', 80).primary()
    table.string('login', 191).notNullable().unique()
    table.string('pw_hash', 255)
    table.string('mail', 254)
    for (const column of ['full_name', 'given_name', 'second_name', 'family_name']) table.string(column, 191)
    table.boolean('admin').notNullable().defaultTo(false)
    table.boolean('blocked').notNullable().defaultTo(false)
    if (name === 'sqlite') table.string('pw_until', 30)
    else table.datetime('pw_until', { precision: 3 })
    table.string('favourite_colour', 20).notNullable().defaultTo('green')
  })
}
