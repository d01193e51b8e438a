import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSso, type Sso } from '../../src/index.ts'
import { createMembers, databases, ENCRYPTION_KEY, HOST_COLUMNS, PASSWORD } from '../support/host.ts'
import { cli, type Ran, type Stage, setStage } from './stage.ts'

const typed = { stdin: `${PASSWORD}\n` }
const actor = { via: 'code', name: 'test' } as const
const done = (line: string): Ran => ({ code: 0, stdout: `${line}\n`, stderr: '' })
const refused = (line: string): Ran => ({ code: 3, stdout: '', stderr: `${line}\n` })

describe.each(databases)('commands about accounts on %s', (name) => {
  let stage: Stage
  let sso: Sso
  let ada: string
  beforeAll(async () => {
    stage = await setStage(name)
    // As the app has it, beside the command line.
    sso = createSso({ db: stage.database.db, encryptionKeys: [ENCRYPTION_KEY], throttle: { enabled: false } })
    await sso.ready()
  })
  afterAll(async () => {
    await sso.close()
    await stage.close()
  })

  const login = (username: string, password = PASSWORD) => sso.user.login({ username, password, currentApp: 'CRM' })
  const outcome = (attempt: Promise<unknown>) =>
    attempt.then(
      () => 'ok',
      ({ code }) => code,
    )
  const account = (userId: string) => sso.user.getUserById({ actor, userId })

  test('create-super-user makes an approved account with every right, by whoever runs it', async () => {
    const ran = await stage.cli(
      ['create-super-user', 'admin', '--password-stdin', '--set', 'email=a@example.com'],
      typed,
    )
    const { user } = await login('admin')
    expect(ran).toEqual(done(`admin is a super-user now; the id is ${user.user_id}.`))
    expect(user).toMatchObject({ is_super_user: true, approval_status: 'approved', email: 'a@example.com' })
    const record = {
      actor_name: 'cli:tester',
      actor_via: 'code',
      actor_id: null,
      target_name: 'admin',
      dialect: 'code',
    }
    expect(await stage.audit({ operation: 'create_super_user' })).toMatchObject([{ ...record, outcome: 'ok' }])
  })

  test('create-user makes a regular account with its attributes', async () => {
    const set = ['--set', 'display_name=Ada = "L."', '--set', 'email:=null', '--set', 'first_name:="1"']
    const told = await stage.json(['create-user', 'ada', '--approve', ...set], { env: { SSO_NEW_PASSWORD: PASSWORD } })
    ada = told.user_id
    expect(told).toEqual({ user_id: ada, username: 'ada', approval_status: 'approved' })
    const found = { display_name: 'Ada = "L."', email: null, first_name: '1', is_super_user: false, is_active: true }
    expect(await account(ada)).toMatchObject(found)
    expect(await outcome(login('ada'))).toBe('ok')
  })

  test('without --approve it waits; without a password its owner begins with a reset', async () => {
    const { stdout } = await stage.cli(['create-user', 'bob', '--no-password'])
    expect(stdout).toMatch(/^bob has an account now; the id is \S+\. It waits for approval\.\n$/)
    const told = await stage.json(['create-user', 'eve', '--no-password'])
    expect(told).toEqual({ user_id: told.user_id, username: 'eve', approval_status: 'before_decision' })
  })

  test('a username that is taken, a password or an attribute that is not accepted: nothing is made', async () => {
    const before = await sso.user.search({ actor })
    expect(await stage.cli(['create-user', 'ada', '--password-stdin'], typed)).toEqual(
      refused('The username is taken.'),
    )
    expect(await stage.cli(['create-user', 'cyd', '--password-stdin'], { stdin: 'short\n' })).toEqual(
      refused('The password has fewer than 8 characters.'),
    )
    const unknown = ['create-user', 'cyd', '--no-password', '--set', 'shoe_size=39', '--set', 'email=nowhere', '--json']
    const { code, stdout, stderr } = await stage.cli(unknown)
    expect([code, stdout]).toEqual([3, ''])
    expect(JSON.parse(stderr).error).toMatchObject({
      code: 'attribute_unknown',
      issues: [{ attribute: 'shoe_size', pointer: '/shoe_size', code: 'attribute_unknown' }],
    })
    expect((await sso.user.search({ actor })).total).toBe(before.total)
  })

  test('lock keeps an account out and ends its sessions; unlock lets it in', async () => {
    const { ust } = await login('ada')
    expect(await stage.cli(['lock', 'ada'])).toEqual(done('ada is locked.'))
    expect(await outcome(login('ada'))).toBe('account_locked')
    expect(await outcome(sso.user.getCurrentUser({ currentUst: ust, currentApp: 'CRM' }))).toBe('session_unknown')
    expect(await stage.json(['lock', ada, '--id'])).toEqual({ user_id: ada, username: 'ada', changed: [] })
    expect(await stage.cli(['lock', 'ada'])).toEqual(done('ada was locked before.'))
    expect(await stage.cli(['unlock', 'ada'])).toEqual(done('ada is unlocked.'))
    expect(await stage.cli(['unlock', 'ada'])).toEqual(done('ada was not locked.'))
    expect(await outcome(login('ada'))).toBe('ok')
    const records = await stage.audit({ operation: 'lock_user' })
    expect(records.map(({ outcome, actor_name }) => [outcome, actor_name])).toEqual([
      ['ok', 'cli:tester'],
      ['unchanged', 'cli:tester'],
      ['unchanged', 'cli:tester'],
    ])
  })

  test('an account that there is not', async () => {
    const commands = ['delete-user', 'lock', 'unlock', 'change-password', 'reset-totp-key', 'end-sessions']
    for (const command of commands) {
      const confirmed = command === 'delete-user' ? ['--yes'] : []
      expect(await stage.cli([command, 'nobody', ...confirmed])).toEqual(
        refused('There is no account with this username.'),
      )
    }
    expect(await stage.cli(['lock', 'nobody', '--id', '--json'])).toEqual(
      refused('{"error":{"code":"user_unknown","message":"There is no account with this id.","issues":[]}}'),
    )
  })

  test('change-password: the new one works, once if it must change, and not for longer than it may', async () => {
    const { ust } = await login('ada')
    const argv = ['change-password', 'ada', '--password-stdin', '--must-change', '--expires-in-days', '3']
    expect(await stage.cli(argv, { stdin: 'difference engine\r\nignored\n' })).toEqual(done('ada has a new password.'))
    expect(await outcome(sso.user.getCurrentUser({ currentUst: ust, currentApp: 'CRM' }))).toBe('session_unknown')
    expect(await outcome(login('ada'))).toBe('credentials_invalid')
    expect(await outcome(login('ada', 'difference engine'))).toBe('password_must_change')
    const { password_expiry } = await account(ada)
    const days = (Date.parse(String(password_expiry)) - Date.now()) / 86_400_000
    expect(Math.round(days)).toBe(3)

    const told = await stage.json(['change-password', ada, '--id'], {
      env: { SSO_NEW_PASSWORD: 'punched card reader' },
    })
    expect(told).toMatchObject({ user_id: ada, username: 'ada', changed: expect.arrayContaining(['password']) })
    expect(await outcome(login('ada', 'punched card reader'))).toBe('password_must_change')
  })

  test('a password is typed twice on a terminal, and must be the same', async () => {
    const ran = await stage.cli(['change-password', 'ada'], { typed: ['analytical engine', 'analytical engin'] })
    expect([ran.code, ran.stdout]).toEqual([2, ''])
    expect(stripVTControlCharacters(ran.stderr)).toBe(
      'New password: \nThe same again: \nThe two passwords are not the same.\n',
    )
    expect(await outcome(login('ada', 'analytical engine'))).toBe('credentials_invalid')
    const same = await stage.cli(['change-password', 'ada'], { typed: ['analytical engine', 'analytical engine'] })
    expect([same.code, same.stdout]).toEqual([0, 'ada has a new password.\n'])
    expect(`${same.stderr}${ran.stderr}`).not.toContain('engin')
    expect(await outcome(login('ada', 'analytical engine'))).toBe('password_must_change')
  })

  test('a new password that is refused is told by its reason alone', async () => {
    expect(await stage.cli(['change-password', 'ada', '--password-stdin'], { stdin: 'password1\n' })).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(/^The password .+\n$/),
    })
  })

  test('reset-totp-key prints a key once, and nothing else has it', async () => {
    const told = await stage.json(['reset-totp-key', 'ada'])
    expect(told).toEqual({
      user_id: ada,
      username: 'ada',
      totp_key: expect.stringMatching(/^[A-Z2-7]{32}$/),
      uri: `otpauth://totp/CRM:ada?issuer=CRM&secret=${told.totp_key}&algorithm=SHA1&digits=6&period=30`,
      is_totp_enabled: false,
    })
    const { code, stdout, stderr } = await stage.cli(['reset-totp-key', 'ada'])
    const [key, uri] = stdout.trim().split('\n')
    expect([code, key === told.totp_key]).toEqual([0, false])
    expect(uri).toContain(`secret=${key}&`)
    expect(stderr).toBe('One-time codes of ada are off, until they are switched on with a code of this key.\n')
    expect(JSON.stringify(await stage.audit())).not.toMatch(new RegExp(`${key}|${told.totp_key}`))
  })

  test('end-sessions ends those of an account, or of everybody', async () => {
    await stage.json(['change-password', 'ada'], { env: { SSO_NEW_PASSWORD: PASSWORD } })
    await sso.user.updateUserById({ actor, userId: ada, data: { password_must_change: false } })
    const count = async () => (await stage.database.db('sso_session')).length
    const [first, second] = [await login('admin'), await login('ada')]
    expect(await stage.cli(['end-sessions', 'ada'])).toEqual(done('The sessions of ada have ended.'))
    const is = (ust: string) => outcome(sso.user.getCurrentUser({ currentUst: ust, currentApp: 'CRM' }))
    expect([await is(first.ust), await is(second.ust)]).toEqual(['ok', 'session_unknown'])
    expect(await stage.cli(['end-sessions', '--everybody'])).toEqual(done('The sessions of all accounts have ended.'))
    expect(await count()).toBe(0)
    for (const argv of [['end-sessions'], ['end-sessions', 'ada', '--everybody']]) {
      expect(await stage.cli(argv)).toMatchObject({ code: 2, stderr: 'Give the name of an account, or --everybody.\n' })
    }
  })

  test('delete-user wants to be sure, and leaves the trail', async () => {
    expect(await stage.cli(['delete-user', 'ada'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'Nobody can be asked here whether this is meant: give --yes.\n',
    })
    for (const answer of ['', 'n', 'yess']) {
      const { code, stderr } = await stage.cli(['delete-user', 'ada'], { typed: [answer] })
      expect([code, stripVTControlCharacters(stderr)]).toEqual([
        3,
        expect.stringMatching(/^Delete ada, id \S+\? \[y\/N\] \w*\s+Nothing was done\.\n$/),
      ])
    }
    expect(await stage.cli(['delete-user', 'ada', '--yes'])).toEqual(done('ada is deleted.'))
    expect(await outcome(account(ada))).toBe('user_unknown')
    expect(await stage.audit({ operation: 'delete_user', target_id: ada })).toMatchObject([{ outcome: 'ok' }])
    expect(await stage.cli(['delete-user', 'admin', '--yes'])).toEqual(
      refused('The last super-user cannot be taken away.'),
    )
  })
})

describe.each(databases)("commands about accounts of a host's table on %s", (name) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await setStage(name, `users: { table: 'members', columns: ${JSON.stringify(HOST_COLUMNS)} }`)
    await createMembers(stage.database)
  })
  afterAll(() => stage.close())

  test('names and ids are those of the table', async () => {
    const told = await stage.json(['create-user', 'ada', '--password-stdin', '--set', 'email=ada@example.com'], typed)
    expect(told).toEqual({ user_id: '1', username: 'ada', approval_status: 'before_decision' })
    expect(await stage.cli(['lock', '1', '--id'])).toEqual(done('ada is locked.'))
    const [row] = await stage.database.db('members')
    expect(row).toMatchObject({ nr: 1, login: 'ada', mail: 'ada@example.com', favourite_colour: 'green' })
    expect(Boolean(row.blocked)).toBe(true)
  })

  test('with the default options, accounts in another table are not looked for, and none is made', async () => {
    const argv = ['create-super-user', 'admin', '--password-stdin', '--database-url', stage.database.url]
    expect(await cli(argv, typed)).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'The tables of this database were made with other options, for accounts in a table of yours: name the module that exports them with --config.\n',
    })
    expect(await stage.database.db.schema.hasTable('sso_user')).toBe(false)
  })
})
