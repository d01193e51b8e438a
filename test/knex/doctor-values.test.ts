import type { Knex } from 'knex'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  type AttributesSchema,
  createSso,
  type Finding,
  type Options,
  type Sso,
  type SsoError,
} from '../../src/index.ts'
import { createDatabase, type DatabaseName, type TestDatabase } from '../support/databases.ts'
import { databases, ENCRYPTION_KEY } from '../support/host.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const
const OPEN = { editableBy: 'self', readableBy: 'self' } as const

type Users = NonNullable<Options['users']>
type PerDatabase = Partial<Readonly<Record<DatabaseName, string>>>

/** An attribute of the host's of each kind, all in the column `it`. */
const KINDS: Readonly<Record<string, AttributesSchema['properties'][string]>> = {
  text: { type: ['string', 'null'], 'x-sso': OPEN },
  boolean: { type: ['boolean', 'null'], 'x-sso': OPEN },
  integer: { type: ['integer', 'null'], 'x-sso': OPEN },
  number: { type: ['number', 'null'], 'x-sso': OPEN },
  time: { type: ['string', 'null'], format: 'date-time', 'x-sso': OPEN },
  json: { type: ['object', 'null'], 'x-sso': OPEN },
  uuid: { type: ['string', 'null'], format: 'uuid', 'x-sso': OPEN },
}

const TIME = '2031-05-06T07:08:09.000Z'
const SAMPLES: Readonly<Record<string, unknown>> = {
  text: 'Ada',
  boolean: true,
  integer: 7,
  number: 0.5,
  time: TIME,
  json: { a: [1] },
  uuid: '6f1e5f86-9f0e-4d5c-8d8e-0c1d2e3f4a5b',
}

describe.each(databases)('what columns can hold on %s', (name) => {
  let database: TestDatabase
  let db: Knex
  beforeAll(async () => {
    database = await createDatabase(name)
    db = database.db
  })
  // The package's own tables stay: making them takes longer than all the rest.
  afterEach(async () => {
    for (const view of ['everybody', 'counted']) await db.raw(`drop view if exists ${view}`)
    await db.schema.dropTableIfExists('members')
    if (await db.schema.hasTable('sso_account')) await db('sso_account').delete()
    if (name !== 'postgres') return
    for (const type of ['yes_no', '"memberState"']) await db.raw(`drop type if exists ${type}`)
    // Its connections keep plans of statements on the table that was.
    await db.destroy()
    db.initialize()
  })
  afterAll(() => database.drop())

  const ssoFor = (users: Partial<Users> = {}, options: Partial<Options> = {}): Sso =>
    createSso({
      db,
      users: { table: 'members', ...users },
      encryptionKeys: [ENCRYPTION_KEY],
      logger: { warn: () => {}, error: () => {} },
      ...options,
    })
  const withIt = (kind: string): Partial<Options> => ({ attributes: { properties: { it: KINDS[kind]! } } })
  const errorOf = async (sso: Sso): Promise<string> => {
    const error = await sso.ready().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'table_unfit' })
    return (error as SsoError).message
  }
  const obey = async (text: string): Promise<void> => {
    const statements = /(ALTER|CREATE) (TABLE|TYPE|UNIQUE).*$/s.exec(text)?.[0] ?? ''
    expect(statements, text).not.toBe('')
    for (const statement of statements.split('; ')) await db.raw(statement)
  }
  const createTable = (type: string | null, more: (table: Knex.CreateTableBuilder) => void = () => {}) =>
    db.schema.createTable('members', (table) => {
      table.increments('user_id')
      table.string('username', 191).notNullable().unique()
      if (type !== null) table.specificType('it', type)
      more(table)
    })
  /** Writes and reads a value of the attribute `it`, and null; what the host sees of the value. */
  const round = async (sso: Sso, value: unknown): Promise<unknown> => {
    const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
    const update = (data: object) => sso.user.updateUserById({ ...CODE, userId, data })
    await update({ it: value })
    const expected = value === TIME ? new Date(TIME) : value
    expect(await sso.user.getUserById({ ...CODE, userId })).toMatchObject({ it: expected })
    const { it } = await db('members').where('username', 'ada').first('it')
    await update({ it: null })
    expect(await db('members').where('username', 'ada').first('it')).toEqual({ it: null })
    return it
  }

  describe('types that hold an attribute', () => {
    const FIT: readonly (readonly [kind: string, types: PerDatabase])[] = [
      ['text', { sqlite: 'text', mariadb: 'longtext', postgres: 'text' }],
      ['text', { mariadb: 'char(30)', postgres: 'character varying' }],
      ['boolean', { sqlite: 'boolean', mariadb: 'tinyint(1)', postgres: 'boolean' }],
      ['boolean', { sqlite: 'integer', mariadb: 'bit(1)', postgres: 'bit(1)' }],
      ['boolean', { mariadb: 'int unsigned', postgres: 'smallint' }],
      ['integer', { sqlite: 'integer', mariadb: 'int unsigned', postgres: 'bigint' }],
      ['integer', { mariadb: 'decimal(20,0)', postgres: 'numeric' }],
      ['number', { sqlite: 'real', mariadb: 'decimal(10,3)', postgres: 'numeric(10,3)' }],
      ['number', { mariadb: 'double', postgres: 'double precision' }],
      ['time', { sqlite: 'datetime', mariadb: 'timestamp(6) null', postgres: 'timestamp without time zone' }],
      ['time', { sqlite: 'text', mariadb: 'bigint', postgres: 'timestamp with time zone' }],
      ['json', { sqlite: 'json', mariadb: 'json', postgres: 'jsonb' }],
      ['json', { sqlite: 'text', mariadb: 'longtext', postgres: 'json' }],
      ['uuid', { sqlite: 'char(36)', mariadb: 'uuid', postgres: 'uuid' }],
    ]
    test.each(FIT.flatMap(([kind, types]) => (types[name] === undefined ? [] : [{ kind, type: types[name] }])))(
      '$kind in $type',
      async ({ kind, type }) => {
        await createTable(type)
        const sso = ssoFor({}, withIt(kind))
        expect(await sso.ready()).toEqual({ findings: [] })
        await round(sso, SAMPLES[kind])
      },
    )

    if (name === 'postgres')
      test('a username in citext is found whatever its case', async () => {
        await db.raw('create extension citext')
        await db.schema.createTable('members', (table) => {
          table.increments('user_id')
          table.specificType('username', 'citext').notNullable().unique()
        })
        const sso = ssoFor()
        expect(await sso.ready()).toEqual({ findings: [] })
        await sso.user.createUser({ ...CODE, data: { username: 'Ada' } })
        await expect(sso.user.createUser({ ...CODE, data: { username: 'ADA' } })).rejects.toMatchObject({
          code: 'username_taken',
        })
      })
  })

  describe('types that do not', () => {
    const UNFIT: readonly (readonly [kind: string, types: PerDatabase, fault: RegExp])[] = [
      ['text', { sqlite: 'integer', mariadb: 'int', postgres: 'integer' }, /cannot hold it, which is text/],
      ['text', { mariadb: 'uuid', postgres: 'uuid' }, /type uuid cannot hold it/],
      ['text', { postgres: 'text[]' }, /type text\[\] cannot hold it/],
      ['boolean', { sqlite: 'date' }, /type date cannot hold it, which is true or false/],
      ['integer', { sqlite: 'varchar(20)', mariadb: 'varchar(20)', postgres: 'varchar(20)' }, /a whole number/],
      ['number', { sqlite: 'integer', mariadb: 'int', postgres: 'bigint' }, /which is a number/],
      ['time', { sqlite: 'date', mariadb: 'date', postgres: 'date' }, /loses the time of it/],
      ['time', { sqlite: 'varchar(10)', mariadb: 'varchar(10)', postgres: 'varchar(10)' }, /too small/],
      ['time', { mariadb: 'int', postgres: 'integer' }, /too small for the time of it/],
      ['json', { sqlite: 'integer', mariadb: 'int' }, /which is JSON/],
    ]
    test.each(
      UNFIT.flatMap(([kind, types, fault]) => (types[name] === undefined ? [] : [{ kind, type: types[name], fault }])),
    )('$kind in $type: the statement gives it one that does', async ({ kind, type, fault }) => {
      await createTable(type)
      const sso = ssoFor({}, withIt(kind))
      const message = await errorOf(sso)
      expect(message).toMatch(/^members\.it: /)
      expect(message).toMatch(fault)
      await obey(message)
      expect((await sso.ready()).findings).toEqual([])
      await round(sso, SAMPLES[kind])
    })

    if (name !== 'sqlite')
      test('numbers beyond those of the column are refused by name', async () => {
        const [type, least, most] = name === 'mariadb' ? ['tinyint unsigned', 0, 255] : ['smallint', -32768, 32767]
        await createTable(type)
        const sso = ssoFor({}, withIt('integer'))
        await sso.ready()
        const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
        for (const it of [least, most]) await sso.user.updateUserById({ ...CODE, userId, data: { it } as object })
        for (const it of [least - 1, most + 1]) {
          const refused = sso.user.updateUserById({ ...CODE, userId, data: { it } as object })
          await expect(refused).rejects.toMatchObject({ code: 'input_invalid', issues: [{ attribute: 'it' }] })
        }
      })
  })

  describe('true and false as text', () => {
    test.each([
      ["char(1) default 'N'", 'Y'],
      ["char(1) default 'f'", 't'],
      ["varchar(5) default 'false'", 'true'],
    ])('in %s are written as the default is', async (type, yes) => {
      await createTable(type)
      const sso = ssoFor({}, withIt('boolean'))
      expect(await sso.ready()).toEqual({ findings: [] })
      expect(await round(sso, true)).toBe(yes)
    })

    test('are written as in the rows that there are', async () => {
      await createTable('char(1)')
      await db('members').insert({ username: 'before', it: 'n' })
      const sso = ssoFor({}, withIt('boolean'))
      expect(await sso.ready()).toEqual({ findings: [] })
      expect(await round(sso, true)).toBe('y')
      expect(await round2(sso)).toBe(false)
    })
    const round2 = async (sso: Sso) => {
      const { user } = await sso.user.updateuser({ ...CODE, uid: 'before' })
      return (user as unknown as { it: boolean }).it
    }

    test('that nothing tells apart are an error, and the statement tells them apart', async () => {
      await createTable('char(1)')
      const sso = ssoFor({}, withIt('boolean'))
      const message = await errorOf(sso)
      expect(message).toContain('does not say in which words it is true or false')
      await obey(message)
      expect(await sso.ready()).toEqual({ findings: [] })
      await round(sso, true)
    })

    if (name !== 'sqlite')
      test('as values of an enumerated type', async () => {
        if (name === 'postgres') await db.raw(`create type yes_no as enum ('NO', 'YES')`)
        await createTable(name === 'postgres' ? 'yes_no' : "enum('NO','YES')")
        const sso = ssoFor({}, withIt('boolean'))
        expect(await sso.ready()).toEqual({ findings: [] })
        expect(await round(sso, true)).toBe('YES')
      })
  })

  if (name !== 'sqlite')
    describe('an enumerated type', () => {
      const enumerated = async (values: string) => {
        if (name === 'postgres') await db.raw(`create type "memberState" as enum (${values})`)
        return name === 'postgres' ? '"memberState"' : `enum(${values})`
      }

      test('that lacks values of ours: the statement adds them', async () => {
        const type = await enumerated("'approved', 'it''s'")
        await createTable(null, (table) => table.specificType('approval_status', type))
        const sso = ssoFor()
        const message = await errorOf(sso)
        expect(message).toContain('does not have all values of approval_status: before_decision, rejected.')
        await obey(message)
        expect(await sso.ready()).toEqual({ findings: [] })
        const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
        await sso.user.rejectUser({ ...CODE, userId })
        expect(await db('members').first('approval_status')).toEqual({ approval_status: 'rejected' })
        await db('members').update({ approval_status: "it's" })
      })

      test('decides which values of the host’s own attribute are accepted', async () => {
        await createTable(await enumerated("'sales', 'support'"))
        const sso = ssoFor({}, withIt('text'))
        expect(await sso.ready()).toEqual({ findings: [] })
        await round(sso, 'sales')
        const refused = sso.user.updateUserById({ ...CODE, userId: 1, data: { it: 'finance' } as object })
        await expect(refused).rejects.toMatchObject({
          issues: [{ attribute: 'it', message: expect.stringContaining('one of sales, support') }],
        })
      })
    })

  describe('a column that the database computes', () => {
    const computed = name === 'sqlite' ? "('Dr ' || username)" : "(concat('Dr ', username))"
    const immutable = name === 'postgres' ? "('Dr ' || username)" : computed
    const type = (of: string, expression: string) => `${of} generated always as ${expression} stored`

    test('is an error where the attribute could be edited, and is read where it cannot', async () => {
      await createTable(null, (table) => table.specificType('display_name', type('varchar(200)', immutable)))
      expect(await errorOf(ssoFor())).toBe(
        "members.display_name: the database computes the column; display_name cannot be written to it. Set attributes.properties.display_name.x-sso.editableBy to 'nobody'.",
      )
      const attributes = { properties: { display_name: { 'x-sso': { editableBy: 'nobody' } } } } as const
      const sso = ssoFor({}, { attributes })
      // A hint on searches by it is all that is left.
      expect((await sso.ready()).findings.map(({ severity }) => severity)).toEqual(['hint'])
      const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada', first_name: 'Ada' } })
      const { user } = await sso.user.updateUserById({ ...CODE, userId, data: { username: 'eve' } })
      expect(user.username).toBe('eve')
      expect(await sso.user.getUserById({ ...CODE, userId })).toMatchObject({ display_name: 'Dr eve' })
    })

    test('cannot hold what the package itself keeps', async () => {
      const no = '(length(username) = 0)'
      await createTable(null, (table) => table.specificType('is_locked', type('boolean', no)))
      const message = await errorOf(ssoFor())
      expect(message).toContain('is_locked cannot be written to it. Set users.columns.is_locked to false.')
      const sso = ssoFor({ columns: { is_locked: false } })
      expect(await sso.ready()).toEqual({ findings: [] })
      const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
      await sso.user.lockUser({ ...CODE, userId })
      expect(await sso.user.getUserById({ ...CODE, userId })).toMatchObject({ is_locked: true })
    })
  })

  describe('what must be unique', () => {
    const createLoose = (more: (table: Knex.CreateTableBuilder) => void = () => {}) =>
      db.schema.createTable('members', (table) => {
        table.increments('user_id')
        table.string('username', 191).notNullable()
        table.string('email', 254)
        more(table)
      })
    const faultOf = ({ column, severity, fault }: Finding) => `${severity} ${column} ${fault}`

    test('the username: an error, and the statement makes it so', async () => {
      await createLoose()
      const message = await errorOf(ssoFor())
      expect(message).toMatch(
        /^members\.username: the column is not unique; two accounts could have one username\. CREATE/,
      )
      await obey(message)
      expect(await ssoFor().ready()).toEqual({ findings: [] })
    })

    test('the username together with something else is not enough', async () => {
      await createLoose((table) => {
        table.string('tenant', 20).defaultTo('a')
        table.unique(['tenant', 'username'])
      })
      expect(await errorOf(ssoFor())).toMatch(/^members\.username: the column is not unique/)
    })

    test('the username, a notice where users cannot rename themselves', async () => {
      await createLoose()
      const attributes = { properties: { username: { 'x-sso': { editableBy: 'super_user' } } } } as const
      const { findings } = await ssoFor({}, { attributes }).ready()
      expect(findings.map(faultOf)).toEqual([
        'notice username the column is not unique; two accounts could have one username.',
      ])
    })

    test('the email address, where the option says so', async () => {
      await createTable(null, (table) => table.string('email', 254))
      expect(await ssoFor().ready()).toEqual({ findings: [] })
      const sso = () => ssoFor({}, { email: { unique: true } })
      const { findings } = await sso().ready()
      expect(findings.map(faultOf)).toEqual([
        'notice email the column is not unique; two accounts could have one email.',
      ])
      await obey(findings[0]!.remedy)
      expect(await sso().ready()).toEqual({ findings: [] })
    })

    if (name !== 'mariadb')
      test('an index on the lower case counts, one on some of the rows is told', async () => {
        await createLoose((table) => table.datetime('deleted_at'))
        await db.raw('create unique index whole on members (lower(username))')
        expect(await ssoFor().ready()).toEqual({ findings: [] })
        await db.raw('drop index whole')
        await db.raw('create unique index partly on members (username) where deleted_at is null')
        const { findings } = await ssoFor().ready()
        expect(findings.map(faultOf)).toEqual([
          'notice username the unique index leaves out rows; an account that it leaves out could share its username.',
        ])
        await obey(findings[0]!.remedy)
        expect(await ssoFor().ready()).toEqual({ findings: [] })
      })

    if (name === 'mariadb')
      test('a collation that tells capitals from small letters is told', async () => {
        await db.raw(
          "create table members (user_id int auto_increment primary key, username varchar(191) collate utf8mb4_bin not null default 'x' unique)",
        )
        const { findings } = await ssoFor().ready()
        expect(findings.map(faultOf)).toEqual([
          'notice username its collation tells capitals from small letters: Ada and ada are two accounts.',
        ])
        await obey(findings[0]!.remedy)
        expect(await ssoFor().ready()).toEqual({ findings: [] })
      })

    test('the id: an error, and the statement makes it so', async () => {
      await db.schema.createTable('members', (table) => {
        table.string('user_id', 40).notNullable()
        table.string('username', 191).notNullable().unique()
      })
      const message = await errorOf(ssoFor())
      expect(message).toMatch(/^members\.user_id: the column is neither the primary key nor unique/)
      await obey(message)
      expect(await ssoFor({}, { tablePrefix: 'text_' }).ready()).toEqual({ findings: [] })
    })
  })

  test('who logs in by email has the username there; the address itself is elsewhere', async () => {
    await db.schema.createTable('members', (table) => {
      table.increments('user_id')
      table.string('email', 254).notNullable().unique()
    })
    const { findings } = await ssoFor({ columns: { username: 'email' } }).ready()
    expect(findings).toMatchObject([{ severity: 'notice', column: 'email' }])
    expect(findings[0]!.remedy).toBe('Set users.columns.email to false, or to its column.')
    const sso = ssoFor({ columns: { username: 'email', email: false } })
    expect(await sso.ready()).toEqual({ findings: [] })
    const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada@example.org' } })
    await sso.user.updateUserById({ ...CODE, userId, data: { email: 'other@example.org' } })
    expect(await db('members').first('email')).toEqual({ email: 'ada@example.org' })
  })

  test('a view is used where it can be written to, and is an error where it cannot', async () => {
    await createTable(null)
    await db.raw('create view everybody as select user_id, username from members')
    await db.raw('create view counted as select max(user_id) as user_id, username from members group by username')
    expect(await errorOf(ssoFor({ table: 'counted' }))).toBe(
      'counted.*: it is a view that cannot be written to. Set users.table to the table that the view shows.',
    )
    if (name === 'sqlite') {
      expect(await errorOf(ssoFor({ table: 'everybody' }))).toContain('it is a view that cannot be written to.')
      return
    }
    const sso = ssoFor({ table: 'everybody' })
    expect(await sso.ready()).toEqual({ findings: [] })
    const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
    await sso.user.updateUserById({ ...CODE, userId, data: { username: 'eve', display_name: 'Eve' } })
    expect(await db('members').select('username')).toEqual([{ username: 'eve' }])
  })

  test('columns for the time of a change that are missing or too small: the statement mends them', async () => {
    await createTable(null, (table) => table.date('made'))
    const sso = ssoFor({ timestamps: { created: 'made', updated: 'touched' } })
    const lines = (await errorOf(sso)).split('\n')
    expect(lines[0]).toMatch(/^members\.made: a column of type date loses the time of a change\./)
    expect(lines[1]).toMatch(/^members\.touched: the column is missing; users\.timestamps\.updated names it\./)
    for (const line of lines) await obey(line)
    expect(await sso.ready()).toEqual({ findings: [] })
    const { user_id: userId } = await sso.user.createUser({ ...CODE, data: { username: 'ada' } })
    const first = await db('members').first()
    expect(first.made).not.toBeNull()
    await db('members').update({ touched: null })
    // What is kept beside the table does not touch its row.
    await sso.user.updateUserById({ ...CODE, userId, data: { totp_label: 'phone' } })
    expect((await db('members').first()).touched).toBeNull()
    await sso.user.updateUserById({ ...CODE, userId, data: { username: 'eve' } })
    const after = await db('members').first()
    expect(after.touched).not.toBeNull()
    expect(after.made).toEqual(first.made)
  })
})
