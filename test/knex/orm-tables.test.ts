import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSso, type Options, type Sso } from '../../src/index.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { databases, ENCRYPTION_KEY, PASSWORD } from '../support/host.ts'
import { ORM_TABLES } from '../support/orm-tables.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const
const NOW = new Date('2031-05-06T07:08:09.123Z')
const NOW_AS_TEXT = '2031-05-06 07:08:09'

// Of `analytical engine`, as bcrypt of Ruby and of Node.js write it.
const BCRYPT = '$2a$10$24Fo78V1HF3Bwc.4XiCmD.csg1jj93rGxT2c1K9KjxDOg2wqTKSWS'
const OLD_PASSWORD = 'analytical engine'

describe.each(Object.entries(ORM_TABLES))('the users table of %s', (_, table) => {
  describe.each(databases)('on %s', (name) => {
    const { users, remedy, attributes } = table
    const columns = { ...users.columns, ...remedy.columns }
    const columnOf = (attribute: string) => columns[attribute] || attribute
    let database: TestDatabase
    let sso: Sso

    const ssoFor = (mapped: NonNullable<Options['users']>): Sso =>
      createSso({
        db: database.db,
        users: mapped,
        apps: ['CRM'],
        encryptionKeys: [ENCRYPTION_KEY],
        logger: { warn: () => {}, error: () => {} },
        now: () => NOW,
      })
    /** All but what an unaltered table of the program has: shorter columns than ours, and none for searches. */
    const openFindings = async (on: Sso) =>
      (await on.ready()).findings.filter(
        ({ severity, fault }) => severity !== 'hint' && !fault.includes('longer values'),
      )
    /** A row as text, as the host's own SQL reads it. */
    const read = async (username: string, column: string): Promise<unknown> => {
      const type = name === 'mariadb' ? 'char' : 'text'
      const row = await database
        .db(users.table)
        .where(columnOf('username'), username)
        .first(database.db.raw(`cast(?? as ${type}) as shown`, [column]))
      return row.shown
    }

    beforeAll(async () => {
      database = await createDatabase(name)
      for (const statement of table.statements[name]) await database.db.raw(statement)
      const offset = name === 'mariadb' ? / \+00:00$/ : /^$/
      const row = Object.entries({ ...table.row, [columnOf('password')]: BCRYPT }).map(([column, value]) => [
        column,
        typeof value === 'string' ? value.replace(offset, '') : value,
      ])
      const id = table.id?.[name]
      await database.db(users.table).insert({ ...Object.fromEntries(row), ...(id ? { id } : {}) })
    })
    afterAll(() => database.drop())

    test('has findings that options clear away', async () => {
      const open = await openFindings(ssoFor(users))
      expect(open.filter(({ severity }) => severity === 'error')).toEqual([])
      expect(open.map(({ column }) => column)).toEqual(table.found)

      sso = ssoFor({ ...users, ...remedy, columns })
      expect(await openFindings(sso)).toEqual([])
    })

    test('an account that the program made logs in with its bcrypt hash', async () => {
      const username = String(table.row[columnOf('username')])
      const wrong = sso.user.login({ username, password: 'difference engine', currentApp: 'CRM' })
      await expect(wrong).rejects.toMatchObject({ code: 'credentials_invalid' })
      expect(await read(username, columnOf('password'))).toBe(BCRYPT)
      const { user } = await sso.user.login({ username, password: OLD_PASSWORD, currentApp: 'CRM' })
      expect(user.username).toBe(username)
      expect(await read(username, columnOf('password'))).toMatch(/^\$argon2id\$/)
    })

    test('a new account, each mapped attribute and the time of the change are where the program looks', async () => {
      const required = Object.fromEntries(
        Object.entries(attributes).flatMap(([attribute, nullable]) =>
          nullable ? [] : [[attribute, 'first@example.org']],
        ),
      )
      const username = 'ada@example.org'
      const created = await sso.user.createUser({
        ...CODE,
        autoApprove: true,
        data: { ...required, username, password: PASSWORD },
      })
      const { created: createdColumn = null } = remedy.timestamps ?? {}
      if (createdColumn !== null) expect(await read(username, createdColumn)).toContain(NOW_AS_TEXT)
      const { ust } = await sso.user.login({ username, password: PASSWORD, currentApp: 'CRM' })
      const caller = { currentUst: ust, currentApp: 'CRM' }

      for (const [attribute, nullable] of Object.entries(attributes)) {
        if (table.touched !== null) {
          const earlier = name === 'sqlite' ? '2020-01-02 03:04:05.678' : '2020-01-02 03:04:05'
          await database
            .db(users.table)
            .where(columnOf('username'), username)
            .update({ [table.touched]: earlier })
        }
        await sso.user.updateCurrentUser({ ...caller, data: { [attribute]: 'second@example.org' } })
        expect(await read(username, columnOf(attribute))).toBe('second@example.org')
        if (table.touched !== null) expect(await read(username, table.touched)).toContain(NOW_AS_TEXT)

        const emptied = sso.user.updateCurrentUser({ ...caller, data: { [attribute]: null } })
        if (nullable) {
          expect((await emptied).user).toMatchObject({ [attribute]: null })
          expect(await read(username, columnOf(attribute))).toBeNull()
        } else {
          await expect(emptied).rejects.toMatchObject({ code: 'input_invalid', issues: [{ attribute }] })
          expect(await read(username, columnOf(attribute))).toBe('second@example.org')
        }
      }

      const userId = created.user_id
      await sso.user.lockUser({ ...CODE, userId })
      const flags = await database.db(users.table).where(columnOf('username'), username).first()
      if (columns['is_locked']) expect(Boolean(flags[columnOf('is_locked')])).toBe(true)
      if (columns['is_super_user']) expect(Boolean(flags[columnOf('is_super_user')])).toBe(false)
      if (columns['locked_time']) expect(await read(username, columnOf('locked_time'))).toContain('2031')
      const renamed = await sso.user.updateUserById({ ...CODE, userId, data: { username: 'king@example.org' } })
      expect(renamed.changed).toEqual(['username'])
      expect(await read('king@example.org', columnOf('username'))).toBe('king@example.org')

      await sso.user.deleteUserById({ ...CODE, userId })
      expect(await database.db(users.table)).toHaveLength(1)
    })
  })
})
