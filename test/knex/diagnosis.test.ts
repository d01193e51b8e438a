import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSso, type Options, type Sso } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { createMembers, databases, ENCRYPTION_KEY, HOST_COLUMNS } from '../support/host.ts'
import { besidesSearch } from '../support/stores.ts'

const STEPS = ['session', 'attribute', 'session_attribute', 'role_grant', 'acl_grant', 'throttle', 'audit']
const MORE_STEPS = ['audit_seal', 'password_reset', 'audit_target']
const stepsWith = (accounts: string) => [accounts, ...STEPS, ...MORE_STEPS].map((name) => `${name}_001`)

describe.each(databases)('what doctor() says on %s', (name) => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await createDatabase(name)
  })
  afterEach(() => database.drop())

  const ssoOn = (options: Partial<Options> = {}): Sso =>
    createSso({
      db: database.db,
      encryptionKeys: [ENCRYPTION_KEY],
      logger: { warn: () => {}, error: () => {} },
      ...options,
    })
  const members = { users: { table: 'members', columns: HOST_COLUMNS } }
  const tables = async (): Promise<readonly string[]> => {
    const { db } = database
    if (name === 'sqlite') return (await db('sqlite_master').where({ type: 'table' })).map(({ name }) => name).sort()
    const schema = name === 'postgres' ? 'current_schema()' : 'database()'
    const rows = await db('information_schema.tables')
      .select({ name: 'table_name' })
      .where('table_schema', db.raw(schema))
    return rows.map((row) => row.name).sort()
  }

  test('on an empty database: everything is pending, and nothing is made', async () => {
    expect(await ssoOn().doctor()).toEqual({ findings: [], pending: stepsWith('user') })
    expect(await tables()).toEqual([])
  })

  test('what ready() has made is not pending any more', async () => {
    const sso = ssoOn()
    await sso.ready()
    expect(await sso.doctor()).toEqual({ findings: [], pending: [] })
    expect(await ssoOn().doctor()).toEqual({ findings: [], pending: [] })
  })

  test('of a fit host table, before and after: nothing is made beside it', async () => {
    await createMembers(database)
    const before = await tables()
    const { findings, pending } = await ssoOn(members).doctor()
    expect([besidesSearch({ findings }).findings, pending]).toEqual([[], stepsWith('account')])
    expect(await tables()).toEqual(before)

    await ssoOn(members).ready()
    expect((await ssoOn(members).doctor()).pending).toEqual([])
  })

  test('of an unfit host table: every error with its remedy, where ready() would fail with them', async () => {
    await createMembers(database)
    const before = await tables()
    const columns = { ...HOST_COLUMNS, email: 'e_mail', display_name: 'shown_as' }
    const sso = ssoOn({ users: { table: 'members', columns } })
    const { findings, pending } = await sso.doctor()
    const errors = findings.filter(({ severity }) => severity === 'error')
    expect(errors.map(({ table, column, fault }) => [table, column, fault])).toEqual([
      ['members', 'e_mail', 'the column is missing; it is mapped to email.'],
      ['members', 'shown_as', 'the column is missing; it is mapped to display_name.'],
    ])
    const said = errors.map(({ table, column, fault, remedy }) => `${table}.${column}: ${fault} ${remedy}`)
    await expect(sso.ready()).rejects.toMatchObject({ code: 'table_unfit', message: said.join('\n') })
    expect(pending).toEqual(stepsWith('account'))
    expect(await tables()).toEqual(before)
  })

  test('an attribute that accounts are looked up by and that has no column', async () => {
    const attributes = { properties: { badge: { type: ['string', 'null'] } } } as const
    const sso = ssoOn({ attributes, updateuser: { uidAttribute: 'badge' } })
    const finding = {
      severity: 'error',
      table: 'sso_user',
      column: 'badge',
      fault: 'accounts are looked up by it, and it has no column of its own.',
      remedy: 'Set updateuser.uidAttribute to one that has.',
    }
    expect((await sso.doctor()).findings).toEqual([finding])
    await expect(sso.ready()).rejects.toMatchObject({ code: 'table_unfit' })
  })

  test('a table of ours that is gone: the statement has ready() make it again', async () => {
    await ssoOn().ready()
    await database.db.schema.dropTable('sso_throttle')
    const { findings, pending } = await ssoOn().doctor()
    expect(findings).toEqual([
      {
        severity: 'error',
        table: 'sso_throttle',
        column: '*',
        fault: 'the table is gone; sso_migrations has it that it was made.',
        remedy: expect.stringMatching(
          /^Restore it from a backup; or, for an empty one: delete from .+, and start again\.$/,
        ),
      },
    ])
    expect(pending).toEqual([])

    await database.db.raw(/delete from .+(?=, and start again)/.exec(findings[0]!.remedy)![0])
    expect((await ssoOn().doctor()).pending).toEqual(['throttle_001'])
    await ssoOn().ready()
    expect(await ssoOn().doctor()).toEqual({ findings: [], pending: [] })
  })

  test('steps of a later version, and those of accounts in another table', async () => {
    await createMembers(database)
    await ssoOn(members).ready()
    await database.db('sso_migrations').insert({ name: 'session_002', migration_time: '2030-01-01T00:00:00.000Z' })
    const unknown = (step: string) => ({
      severity: 'notice',
      table: 'sso_migrations',
      column: '*',
      fault: `the step ${step} is none of this version's, or of these options.`,
      remedy: 'Use the version, and the option users, that the tables were made with.',
    })
    expect(await ssoOn().doctor()).toEqual({
      findings: [unknown('account_001'), unknown('session_002')],
      pending: ['user_001'],
    })
  })
})
