import type { Knex } from 'knex'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSso, type Options, type Sso, SsoError, type UserPatch } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { databases, ENCRYPTION_KEY, PASSWORD } from '../support/host.ts'
import { besidesSearch } from '../support/stores.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const

type Users = NonNullable<Options['users']>

describe.each(databases)('the doctor on %s', (name) => {
  let database: TestDatabase
  let db: Knex
  let warnings: string[]
  beforeEach(async () => {
    database = await createDatabase(name)
    db = database.db
    warnings = []
  })
  afterEach(() => database.drop())

  const ssoFor = (users: Users, options: Partial<Options> = {}): Sso => {
    const sso = createSso({
      db,
      users,
      encryptionKeys: [ENCRYPTION_KEY],
      logger: { warn: (message) => warnings.push(message), error: () => {} },
      ...options,
    })
    return { ...sso, ready: async () => besidesSearch(await sso.ready()) }
  }
  const findingsOf = async (users: Users) => (await ssoFor(users).ready()).findings
  /** The lines of what keeps the package from starting. */
  const faultsOf = async (users: Users): Promise<readonly string[]> => {
    const error = await ssoFor(users)
      .ready()
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SsoError)
    expect(error).toMatchObject({ code: 'table_unfit' })
    return (error as SsoError).message.split('\n')
  }
  const quoted = (identifier: string) => (name === 'postgres' ? `"${identifier}"` : `\`${identifier}\``)
  /** Runs the statements that a finding ends with. */
  const obey = async (line: string): Promise<void> => {
    const statements = /ALTER TABLE.*$/s.exec(line)?.[0].replace(/ to accept \d+\.$/, '') ?? ''
    expect(statements, line).not.toBe('')
    for (const statement of statements.split('; ')) await db.raw(statement)
  }
  const createTable = (more: (table: Knex.CreateTableBuilder) => void = () => {}, tableName = 'members') =>
    db.schema.createTable(tableName, (table) => {
      table.increments('user_id')
      table.string('username', 191).notNullable().unique()
      table.string('password', 255)
      more(table)
    })

  test('a fit table has nothing to be said of it', async () => {
    await createTable()
    expect(await findingsOf({ table: 'members' })).toEqual([])
    expect(warnings).toEqual([])
  })

  test('a table that is not there', async () => {
    expect(await faultsOf({ table: 'nowhere' })).toEqual([
      'nowhere.*: there is no such table, or it has no columns. Create it, or correct the option users.table.',
    ])
  })

  test('a mapped column that is not there: the statement adds it, whatever its name and kind', async () => {
    await createTable()
    const attributes = {
      properties: {
        points: { type: ['integer', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
        ratio: { type: ['number', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
        settings: { type: ['object', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
      },
    } as const
    const columns = {
      email: 'order',
      display_name: 'fullName',
      is_locked: 'Is Locked',
      password_expiry: 'key',
      creation_ctx: 'ctx',
      points: 'group',
      ratio: 'Ratio',
      settings: 'select',
    }
    const users = { table: 'members', columns }
    const sso = ssoFor(users, { attributes })
    const error: SsoError = await sso.ready().catch((thrown) => thrown)
    const lines = error.message.split('\n')
    expect(lines.map((line) => line.split(' ALTER')[0]).sort()).toEqual(
      Object.entries(columns)
        .map(([attribute, column]) => `members.${column}: the column is missing; it is mapped to ${attribute}.`)
        .sort(),
    )
    for (const line of lines) await obey(line)

    expect(await sso.ready()).toEqual({ findings: [] })
    const data = {
      email: 'ada@example.org',
      display_name: 'Ada',
      is_locked: true,
      password_expiry: '2030-01-01T00:00:00.123Z',
      points: 7,
      ratio: 0.5,
      settings: { a: [1] },
    }
    const { user_id } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
    const { user } = await sso.user.updateUserById({ ...CODE, userId: user_id, data })
    expect(user).toMatchObject({ ...data, password_expiry: new Date(data.password_expiry) })
    expect(await db('members').first()).toMatchObject({ order: 'ada@example.org', fullName: 'Ada' })
  })

  test('a column that is not there where nothing else would hold the username', async () => {
    await db.schema.createTable('members', (table) => {
      table.increments('user_id')
      table.string('login', 100).unique()
    })
    expect(await faultsOf({ table: 'members' })).toEqual([
      'members.username: no column holds the username. Set users.columns.username to the column that users log in with.',
    ])
    expect(await findingsOf({ table: 'members', columns: { username: 'login' } })).toMatchObject([{ column: 'login' }])
  })

  describe('the id', () => {
    const withId = (id: (table: Knex.CreateTableBuilder) => void) =>
      db.schema.createTable('members', (table) => {
        id(table)
        table.string('username', 191).notNullable().unique()
      })

    test.each(['id', 'member_id', 'memberId'])(
      'that is in the column %s instead: the option says so',
      async (column) => {
        await withId((table) => table.increments(column))
        expect(await faultsOf({ table: 'members' })).toEqual([
          `members.user_id: the column is missing; it holds the id. Set users.columns.user_id to '${column}'.`,
        ])
        expect(await findingsOf({ table: 'members', columns: { user_id: column } })).toEqual([])
      },
    )

    test('that is nowhere: the statement adds it, also to a table with rows', async () => {
      await withId(() => {})
      await db('members').insert({ username: 'before' })
      const [line = '', ...more] = await faultsOf({ table: 'members' })
      expect(more).toEqual([])
      expect(line).toMatch(/^members\.user_id: the column is missing; it holds the id\. /)
      if (name === 'sqlite') {
        expect(line).toContain('Set users.columns.user_id to the integer, UUID or text column that holds the id.')
        return
      }
      await obey(line)
      const sso = ssoFor({ table: 'members' })
      expect(await sso.ready()).toEqual({ findings: [] })
      expect(await sso.user.createUser({ ...CODE, data: { username: 'after' } })).toMatchObject({ user_id: '2' })
      expect(await sso.user.getUserById({ ...CODE, userId: 1 })).toMatchObject({ username: 'before' })
    })

    test.each([
      ['date', 'date'],
      ['boolean', name === 'mariadb' ? null : 'boolean'],
      ['double precision', name === 'mariadb' ? 'double' : 'double precision'],
      ['point', 'point'],
    ])('of type %s is not supported; another column is', async (type, shown) => {
      if (shown === null) return
      await withId((table) => {
        table.specificType('user_id', type)
        table.uuid('real_id').unique()
      })
      expect(await faultsOf({ table: 'members' })).toEqual([
        `members.user_id: ids of type ${shown} are not supported. Set users.columns.user_id to 'real_id'.`,
      ])
      expect(await findingsOf({ table: 'members', columns: { user_id: 'real_id' } })).toEqual([])
    })

    test('that is text too short for new ids: the option makes others', async () => {
      await withId((table) => table.string('user_id', 10).primary())
      const users = { table: 'members' }
      expect(await findingsOf(users)).toEqual([
        {
          severity: 'notice',
          table: 'members',
          column: 'user_id',
          fault: 'the column holds 10 characters; ids of new accounts have up to 30.',
          remedy: 'Set users.newId.',
        },
      ])
      let last = 0
      const sso = ssoFor({ ...users, newId: () => `m${++last}` })
      expect(await sso.ready()).toEqual({ findings: [] })
      expect(await sso.user.createUser({ ...CODE, data: { username: 'ada' } })).toMatchObject({ user_id: 'm1' })
    })

    test('that is text of 36 characters gets UUIDs', async () => {
      await withId((table) => table.specificType('user_id', 'char(36)').primary())
      const sso = ssoFor({ table: 'members' })
      expect(await sso.ready()).toEqual({ findings: [] })
      const { user_id } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
      expect(user_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    })

    test('that is a number beyond 32 bits is found where the column holds it', async () => {
      await withId((table) => (name === 'postgres' ? table.bigIncrements('user_id') : table.increments('user_id')))
      const id = name === 'mariadb' ? '4294967294' : '9007199254740991'
      await db('members').insert({ user_id: id, username: 'far' })
      const sso = ssoFor({ table: 'members' })
      expect(await sso.user.getUserById({ ...CODE, userId: id })).toMatchObject({ user_id: id, username: 'far' })
      const { user } = await sso.user.updateUserById({ ...CODE, userId: id, data: { totp_label: 'far' } })
      expect(user.totp_label).toBe('far')
    })
  })

  describe('a column that is too short', () => {
    test('to hold what it must: the statement widens it, and nothing else about it changes', async () => {
      await db.schema.createTable('members', (table) => {
        table.increments('user_id')
        table.string('username', 191).notNullable().unique()
        table.string('password', 60)
        table.string('totp_key', 40)
        table.string('approval_status', 8).notNullable().defaultTo("it's")
        table.string('favourite_colour', 20).defaultTo('green')
      })
      await db('members').insert({ username: 'ada', password: '$2b$10$x', totp_key: 'k', approval_status: 'approved' })
      const before = await db('members').first()
      const lines = await faultsOf({ table: 'members' })
      expect(lines.map((line) => line.split(' ALTER')[0])).toEqual([
        'members.password: the column holds 60 characters; password needs 97.',
        'members.approval_status: the column holds 8 characters; approval_status needs 15.',
        expect.stringMatching(/^members\.totp_key: the column holds 40 characters; totp_key needs \d+\.$/),
      ])
      for (const line of lines) await obey(line)

      const sso = ssoFor({ table: 'members' })
      expect(await sso.ready()).toEqual({ findings: [] })
      expect(await db('members').first()).toEqual(before)
      await db('members').insert({ username: 'bob' })
      expect(await db('members').where('username', 'bob').first()).toMatchObject({
        approval_status: "it's",
        password: null,
        favourite_colour: 'green',
      })
      await expect(db('members').insert({ username: 'eve', approval_status: null })).rejects.toThrow()
      const data = { totp_key: 'A'.repeat(64), approval_status: 'before_decision' } as const
      await sso.user.updateUserById({ ...CODE, userId: 1, data })
      expect(await db('members').where('user_id', 1).first()).toMatchObject({ approval_status: 'before_decision' })
    })

    test('and has an index: SQLite could not drop it, so no statement is named that would stop half-way', async () => {
      await db.schema.createTable('members', (table) => {
        table.increments('user_id')
        table.string('username', 80).notNullable().unique()
        table.string('password', 255)
        table.string('first_name', 50).index()
      })
      const findings = await findingsOf({ table: 'members' })
      expect(findings.map(({ column }) => column)).toEqual(['username', 'first_name'])
      const anew = 'SQLite drops no column of an index: make the table anew, with'
      if (name === 'sqlite') {
        expect(findings.map(({ remedy }) => remedy)).toEqual([
          `${anew} \`username\` VARCHAR(191) NOT NULL to accept 191.`,
          `${anew} \`first_name\` VARCHAR(191) to accept 191.`,
        ])
        return
      }
      for (const { remedy } of findings) await obey(remedy)
      expect(await findingsOf({ table: 'members' })).toEqual([])
    })

    test('to hold every value: longer ones are refused by name, and none is cut', async () => {
      await createTable((table) => {
        table.string('display_name', 50)
        table.string('favourite_colour', 20).notNullable().defaultTo('green')
      })
      const users = { table: 'members' }
      const remedies = {
        sqlite:
          'ALTER TABLE `members` RENAME COLUMN `display_name` TO `display_name_before`; ALTER TABLE `members` ADD COLUMN `display_name` VARCHAR(191); UPDATE `members` SET `display_name` = `display_name_before`; ALTER TABLE `members` DROP COLUMN `display_name_before`',
        mariadb: 'ALTER TABLE `members` MODIFY `display_name` VARCHAR(191) COLLATE utf8mb4_general_ci',
        postgres: 'ALTER TABLE "members" ALTER COLUMN "display_name" TYPE VARCHAR(191)',
      }
      const [finding, ...more] = await findingsOf(users)
      expect(more).toEqual([])
      expect(finding).toEqual({
        severity: 'notice',
        table: 'members',
        column: 'display_name',
        fault: 'the column holds 50 characters; longer values of display_name are refused.',
        remedy: `${remedies[name]} to accept 191.`,
      })
      expect(warnings).toEqual([`express-sso-users: members.display_name: ${finding?.fault} ${finding?.remedy}`])

      const sso = ssoFor(users)
      const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada', display_name: 'Ada' } })
      const stored = async () => (await db('members').first()).display_name
      for (const tooLong of ['x'.repeat(51), '😀'.repeat(51)]) {
        const update = sso.user.updateUserById({ ...CODE, userId, data: { display_name: tooLong } })
        await expect(update).rejects.toMatchObject({
          code: 'input_invalid',
          issues: [
            {
              attribute: 'display_name',
              pointer: '/display_name',
              code: 'input_invalid',
              message: 'The value must NOT have more than 50 characters.',
            },
          ],
        })
        expect(await stored()).toBe('Ada')
      }
      for (const longest of ['x'.repeat(50), '😀'.repeat(50)]) {
        await sso.user.updateUserById({ ...CODE, userId, data: { display_name: longest } })
        expect(await stored()).toBe(longest)
      }

      await obey(finding?.remedy ?? '')
      expect(await findingsOf(users)).toEqual([])
      const wide = ssoFor(users)
      await wide.user.updateUserById({ ...CODE, userId, data: { display_name: 'x'.repeat(191) } })
      expect(await stored()).toBe('x'.repeat(191))
    })

    test('for a secret of the host’s own', async () => {
      await createTable((table) => table.string('pin', 20))
      const pin = { type: ['string', 'null'], maxLength: 8, 'x-sso': { editableBy: 'self', secret: true } } as const
      const sso = ssoFor({ table: 'members' }, { attributes: { properties: { pin } } })
      const error: SsoError = await sso.ready().catch((thrown) => thrown)
      expect(error.message).toMatch(/^members\.pin: the column holds 20 characters; pin needs \d+\. ALTER TABLE/)
      await obey(error.message)
      await sso.ready()
      const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
      await sso.user.updateUserById({ ...CODE, userId, data: { pin: '😀'.repeat(8) } as UserPatch })
      expect((await db('members').first()).pin).toMatch(/^v1\./)
    })
  })

  describe('a column that must have a value', () => {
    test('and that the package knows nothing of: the option gives it one', async () => {
      await createTable((table) => table.string('tenant', 20).notNullable())
      const users = { table: 'members' }
      expect(await findingsOf(users)).toEqual([
        {
          severity: 'notice',
          table: 'members',
          column: 'tenant',
          fault: 'the column must have a value; accounts cannot be created through this package without one.',
          remedy: 'Set users.defaults.tenant.',
        },
      ])
      const refused = ssoFor(users).user.createUser({ ...CODE, data: { username: 'ada' } })
      await expect(refused).rejects.toMatchObject({
        code: 'input_invalid',
        message: 'A value does not fit its column.',
      })
      expect(await db('members')).toEqual([])

      for (const defaults of [{ tenant: 'north' }, () => ({ tenant: 'south' })]) {
        const sso = ssoFor({ ...users, defaults })
        expect(await sso.ready()).toEqual({ findings: [] })
        await sso.user.createUser({ ...CODE, data: { username: typeof defaults } })
      }
      expect(await db('members').select('username', 'tenant').orderBy('username')).toEqual([
        { username: 'function', tenant: 'south' },
        { username: 'object', tenant: 'north' },
      ])
    })

    test('and that holds one of our attributes: null is refused by name', async () => {
      await createTable((table) => {
        table.string('email', 254).notNullable()
        table.string('display_name', 191).notNullable().defaultTo('somebody')
      })
      const sso = ssoFor({ table: 'members' })
      expect(await sso.ready()).toEqual({ findings: [] })
      const without = sso.user.createUser({ ...CODE, data: { username: 'eve' } })
      await expect(without).rejects.toMatchObject({
        code: 'input_invalid',
        issues: [
          {
            attribute: 'email',
            pointer: '/email',
            code: 'input_invalid',
            message: 'The value does not fit its column.',
          },
        ],
      })
      const data = { username: 'ada', password: PASSWORD, email: 'ada@example.org' }
      const { user_id: userId } = await sso.user.createUser({ ...CODE, data })
      for (const attribute of ['email', 'display_name']) {
        await expect(sso.user.updateUserById({ ...CODE, userId, data: { [attribute]: null } })).rejects.toMatchObject({
          code: 'input_invalid',
          issues: [
            {
              attribute,
              pointer: `/${attribute}`,
              code: 'input_invalid',
              message: 'The value must be of type string.',
            },
          ],
        })
      }
      expect(await db('members').select('username', 'email')).toEqual([{ username: 'ada', email: 'ada@example.org' }])
    })
  })

  test('all that is wrong is said at once', async () => {
    await db.schema.createTable('members', (table) => {
      table.string('nr', 60)
      table.string('password', 40)
      table.string('tenant', 20).notNullable()
    })
    const lines = await faultsOf({ table: 'members', columns: { email: 'mail' } })
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      'members.user_id',
      'members.username',
      'members.password',
      'members.mail',
    ])
    expect(lines[3]).toContain(`ADD COLUMN ${quoted('mail')}`)
  })
})
