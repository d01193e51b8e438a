import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMembers, databases, HOST_COLUMNS } from '../support/host.ts'
import { cli, type Stage, setStage } from './stage.ts'

const columns = { ...HOST_COLUMNS, email: 'e_mail' }
const members = (mapping: object) => `users: { table: 'members', columns: ${JSON.stringify(mapping)} }`

describe.each(databases)('commands about the tables on %s', (name) => {
  let stage: Stage
  const begin = async (options = '') => {
    stage = await setStage(name, options)
    await createMembers(stage.database)
  }
  afterEach(() => stage.close())

  test('doctor says what there is to make, and makes nothing; migrate makes it', async () => {
    await begin()
    const steps = ['user', 'session', 'attribute', 'session_attribute', 'role_grant', 'acl_grant', 'throttle', 'audit']
    const made = [...steps, 'audit_seal', 'password_reset', 'audit_target'].map((step) => `${step}_001`)
    expect(await stage.json(['doctor'])).toEqual({ isFit: true, findings: [], pending: made })
    expect(await stage.database.db.schema.hasTable('sso_migrations')).toBe(false)
    expect(await stage.json(['migrate'])).toEqual({ made, findings: [] })
    expect(await stage.cli(['migrate'])).toEqual({ code: 0, stdout: 'There was nothing to make.\n', stderr: '' })
    expect(await stage.cli(['doctor'])).toEqual({
      code: 0,
      stdout: "Your table can be used as it is.\nThe package's tables are up to date.\n",
      stderr: '',
    })
  })

  test('doctor ends with 4 where the table is unfit, and names what mends it', async () => {
    await begin(members(columns))
    const { code, stdout, stderr } = await stage.cli(['doctor'])
    expect([code, stderr]).toEqual([4, ''])
    const [fault, remedy] = stdout.split('\n')
    expect(fault).toBe('error: members.e_mail: the column is missing; it is mapped to email.')
    expect(stdout).toContain('\nThe package would not start.\n')
    const migrated = await stage.cli(['migrate'])
    expect(migrated).toMatchObject({ code: 2, stdout: '' })
    expect(migrated.stderr).toContain('members.e_mail: the column is missing')

    await stage.database.db.raw(remedy!.trim())
    const told = await stage.json(['doctor'])
    expect([told.isFit, told.findings.map(({ severity }: any) => severity)]).toEqual([true, ['hint']])
    const after = await stage.cli(['migrate'])
    expect(after.code).toBe(0)
    expect(after.stdout).toMatch(/^Made account_001\.\n(Made \w+\.\n)+hint: members: searching by .+\n {2}.+\n$/)
  })
})

describe('a file of SQLite', () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await setStage('sqlite')
  })
  afterEach(() => stage.close())

  test('is made by migrate alone: elsewhere the name is taken for a mistake', async () => {
    const on = (...argv: string[]) => cli([...argv, '--database-url', 'sqlite:new.sqlite'], { cwd: stage.directory })
    const path = join(stage.directory, 'new.sqlite')
    for (const command of [['doctor'], ['lock', 'ada'], ['audit', 'tail']]) {
      expect(await on(...command)).toEqual({
        code: 2,
        stdout: '',
        stderr: `There is no file ${path}; \`express-sso-users migrate\` would make it.\n`,
      })
    }
    expect(existsSync(path)).toBe(false)
    expect((await on('migrate')).code).toBe(0)
    expect((await on('doctor')).code).toBe(0)
    expect(readFileSync(path).subarray(0, 15).toString()).toBe('SQLite format 3')
  })
})

test('openapi writes the document of the routers that the options name', async () => {
  const stage = await setStage('sqlite', `openapi: { paths: { rest: '/account' }, title: 'Members' }`)
  try {
    await stage.cli(['migrate'])
    const { code, stdout } = await stage.cli(['openapi'])
    expect([code, JSON.parse(stdout).info.title]).toEqual([0, 'Members'])
    expect(Object.keys(JSON.parse(stdout).paths)).toContain('/account/me')
    const file = join(stage.directory, 'openapi.json')
    expect(await stage.cli(['openapi', '--out', 'openapi.json'])).toEqual({
      code: 0,
      stdout: `Wrote ${file}.\n`,
      stderr: '',
    })
    expect(readFileSync(file, 'utf8')).toBe(stdout)
    const nowhere = await stage.cli(['openapi', '--out', 'no/such/folder/openapi.json'])
    expect(nowhere).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('cannot be written: ENOENT') })
  } finally {
    await stage.close()
  }
})

test('openapi has nothing to write where no router is named', async () => {
  const stage = await setStage('sqlite')
  try {
    await stage.cli(['migrate'])
    expect(await stage.cli(['openapi'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'The option openapi.paths names no router: there is nothing to describe.\n',
    })
  } finally {
    await stage.close()
  }
})
