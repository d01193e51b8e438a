import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../support/host.ts'
import {
  ADMIN_ID,
  type AppProcess,
  createExample,
  type Example,
  logIn,
  MYUSER_ID,
  send,
  THENAME_ID,
} from './example.ts'

const ANY_CID = expect.stringMatching(/^[0-9a-f]{24}$/)
const OK = { status: 200, body: { status: 'ok', cid: ANY_CID, sub_status: [] } }

describe.each(databases)('the example app on %s, as a new user would', (name) => {
  let example: Example
  let app: AppProcess

  beforeAll(async () => {
    example = await createExample(name)
    app = await example.start()
  })
  afterAll(() => example.drop())

  const zato = async (method: string, path: string, body: object) => {
    const { status, body: reply } = await send(app.base, method, `/zato/sso${path}`, { current_app: 'CRM', ...body })
    return { status, body: reply }
  }
  const updateuser = async (query: string) => {
    const { status, body } = await send(app.base, 'GET', `/ddenterpriseapi/updateuser?user=admin&pass=admin&${query}`)
    return { status, body }
  }
  const details = async (userId: string) => {
    const headers = { Authorization: `Bearer ${await logIn(app.base, 'admin')}` }
    return (await send(app.base, 'GET', `/members/${userId}`, undefined, headers)).body
  }
  const auditOf = async (cid: string) => {
    const [row, ...others] = await example.audit({ cid })
    expect(others).toEqual([])
    return row
  }
  const done = (operation: string, changes: unknown, more: object = {}) =>
    expect.objectContaining({ operation, outcome: 'ok', error: null, changes, ...more })

  test('a user changes his display name and email and gets them back', async () => {
    const before = await example.member('myuser')
    const ust = await logIn(app.base, 'myuser')

    const reply = await zato('PATCH', '/user', {
      ust,
      display_name: 'New Display Name',
      email: 'myuser@example.com',
    })

    expect(reply).toEqual(OK)
    const read = await send(app.base, 'GET', '/zato/sso/user?current_app=CRM', undefined, {
      Authorization: `Bearer ${ust}`,
    })
    expect(read.body).toEqual({
      ...OK.body,
      username: 'myuser',
      email: 'myuser@example.com',
      display_name: 'New Display Name',
      first_name: 'My',
      middle_name: 'Middle',
      last_name: 'User',
      is_totp_enabled: false,
      totp_label: '',
    })
    expect(await example.member('myuser')).toEqual({
      ...before,
      full_name: 'New Display Name',
      mail: 'myuser@example.com',
    })
    expect(await auditOf(reply.body.cid)).toEqual(
      done(
        'update_current_user',
        [
          { attribute: 'display_name', from: 'My User', to: 'New Display Name' },
          { attribute: 'email', from: null, to: 'myuser@example.com' },
        ],
        { actor_id: MYUSER_ID, actor_via: 'ust', target_id: MYUSER_ID, app: 'CRM', remote_addr: '127.0.0.1' },
      ),
    )
  })

  test('null is stored as NULL, and the column of a key that is not sent keeps its value', async () => {
    const before = await example.member('myuser')
    const ust = await logIn(app.base, 'myuser')

    const reply = await zato('PATCH', '/user', { ust, middle_name: null })

    expect(reply).toEqual(OK)
    expect(before).toEqual(expect.objectContaining({ middle_name: 'Middle', first_name: 'My', department: 'Support' }))
    expect(await example.member('myuser')).toEqual({ ...before, middle_name: null })
    expect(await example.db('members').whereNull('middle_name').where({ login: 'myuser' })).toHaveLength(1)
    expect(await auditOf(reply.body.cid)).toEqual(
      done('update_current_user', [{ attribute: 'middle_name', from: 'Middle', to: null }]),
    )
  })

  test('a super-user sets is_locked and a password_expiry on another account by its id', async () => {
    const before = await example.member('myuser')
    const ust = await logIn(app.base, 'admin')
    const expiry = new Date(Date.now() + 90 * 86_400_000).toISOString()

    const locking = await zato('PATCH', '/user', { ust, user_id: MYUSER_ID, is_locked: true, password_expiry: expiry })

    expect(locking).toEqual(OK)
    expect(await example.member('myuser')).toEqual({ ...before, blocked: true, password_expires: expiry })
    expect(await zato('POST', '/user/login', { username: 'myuser', password: 'myuser' })).toEqual({
      status: 403,
      body: { status: 'error', cid: ANY_CID, sub_status: ['E005002'] },
    })
    expect(await auditOf(locking.body.cid)).toEqual(
      done(
        'update_user_by_id',
        [
          { attribute: 'is_locked', from: false, to: true },
          { attribute: 'password_expiry', from: null, to: expiry },
          { attribute: 'locked_time', from: null, to: expect.stringMatching(/Z$/) },
          { attribute: 'locked_by', from: null, to: ADMIN_ID },
        ],
        { actor_id: ADMIN_ID, target_id: MYUSER_ID },
      ),
    )

    const seed = { display_name: 'My Display Name', is_locked: false, password_expiry: expiry }
    expect(await zato('PATCH', '/user', { ust, user_id: MYUSER_ID, ...seed })).toEqual(OK)
    expect(await example.member('myuser')).toEqual({
      ...before,
      full_name: 'My Display Name',
      password_expires: expiry,
    })
    expect(await logIn(app.base, 'myuser')).toEqual(expect.any(String))
  })

  test('a regular user who tries the same is refused, and the refusal is in the audit', async () => {
    const before = await example.member('thename')
    const ust = await logIn(app.base, 'myuser')
    const expiry = new Date(Date.now() + 90 * 86_400_000).toISOString()

    const reply = await zato('PATCH', '/user', {
      ust,
      user_id: THENAME_ID,
      is_locked: true,
      password_expiry: expiry,
    })

    expect(reply).toEqual({ status: 403, body: { status: 'error', cid: ANY_CID, sub_status: ['E008002'] } })
    expect(await example.member('thename')).toEqual(before)
    expect(await auditOf(reply.body.cid)).toEqual(
      expect.objectContaining({
        operation: 'update_user_by_id',
        outcome: 'denied',
        error: 'super_user_required',
        actor_id: MYUSER_ID,
        target_id: THENAME_ID,
        changes: [],
      }),
    )
  })

  test('updateuser sets a password, and its owner logs in with it and no longer with the old one', async () => {
    const before = await example.member('thename')

    const reply = await updateuser('uid=thename&password=mdp&')

    expect(reply).toEqual({
      status: 200,
      body: { status: 'ok', cid: ANY_CID, uid: 'thename', changed: ['password'] },
    })
    expect(await logIn(app.base, 'thename', 'mdp')).toEqual(expect.any(String))
    await expect(logIn(app.base, 'thename', 'thename')).rejects.toThrow('E005001')
    const after = await example.member('thename')
    expect(after).toEqual({ ...before, password_hash: expect.stringMatching(/^\$argon2id\$/) })
    expect(after.password_hash).not.toBe(before.password_hash)
    expect(await auditOf(reply.body.cid)).toEqual(
      done('updateuser', [
        { attribute: 'password', from: '[redacted]', to: '[redacted]' },
        { attribute: 'password_last_set', from: expect.any(String), to: expect.any(String) },
      ]),
    )
  })

  test('roles are added and removed', async () => {
    const rolesOf = () =>
      example.db('sso_role_grant').where({ user_id: THENAME_ID }).orderBy('role_id').select('role_id', 'rights')
    expect(await rolesOf()).toEqual([{ role_id: 'roleidtoremove', rights: 'R' }])
    const all = ['roleid1|RWX', 'roleid2|R', 'roleidtoremove|R']

    const added = await updateuser('uid=thename&roles=["roleid1|RWX","roleid2|R"]')
    expect(added).toEqual({ status: 200, body: { status: 'ok', cid: ANY_CID, uid: 'thename', changed: ['roles'] } })
    expect(await auditOf(added.body.cid)).toEqual(
      done('updateuser', [{ attribute: 'roles', from: ['roleidtoremove|R'], to: all }]),
    )

    const removed = await updateuser('uid=thename&rolesnoselected=["roleidtoremove"]')
    expect(removed).toEqual({ status: 200, body: { status: 'ok', cid: ANY_CID, uid: 'thename', changed: ['roles'] } })
    expect(await auditOf(removed.body.cid)).toEqual(
      done('updateuser', [{ attribute: 'roles', from: all, to: ['roleid1|RWX', 'roleid2|R'] }]),
    )

    expect(await rolesOf()).toEqual([
      { role_id: 'roleid1', rights: 'RWX' },
      { role_id: 'roleid2', rights: 'R' },
    ])
    expect((await details(THENAME_ID)).grants.roles).toEqual([
      { role: 'roleid1', rights: 'RWX' },
      { role: 'roleid2', rights: 'R' },
    ])
  })

  test('a role opens a route of the app, and only where it has the right', async () => {
    const [thename, myuser, admin] = await Promise.all([
      logIn(app.base, 'thename', 'mdp'),
      logIn(app.base, 'myuser'),
      logIn(app.base, 'admin'),
    ])
    const reports = (ust: string) =>
      send(app.base, 'GET', '/reports', undefined, ust === '' ? {} : { Authorization: `Bearer ${ust}` })
    await updateuser('uid=myuser&roles=["roleid1|X"]')

    expect((await reports(thename)).body).toEqual({ reader: 'thename', reports: ['turnover', 'forecast'] })
    expect((await reports(myuser)).status).toBe(403)
    expect((await reports(admin)).status).toBe(403)
    expect((await reports('')).status).toBe(401)
  })

  test('authorisations and groups are given and taken', async () => {
    const given = await updateuser('uid=thename&acls=["acl1","acl2"]&groupacls=["group1","group2"]')
    const taken = await updateuser('uid=thename&aclsnoselected=["acl2"]&groupaclsnoselected=["group1"]')

    for (const reply of [given, taken]) {
      expect(reply.body).toEqual({ status: 'ok', cid: ANY_CID, uid: 'thename', changed: ['acls', 'groups'] })
    }
    expect(await auditOf(given.body.cid)).toEqual(
      done('updateuser', [
        { attribute: 'acls', from: [], to: ['acl1', 'acl2'] },
        { attribute: 'groups', from: [], to: ['group1', 'group2'] },
      ]),
    )
    expect(await auditOf(taken.body.cid)).toEqual(
      done('updateuser', [
        { attribute: 'acls', from: ['acl1', 'acl2'], to: ['acl1'] },
        { attribute: 'groups', from: ['group1', 'group2'], to: ['group2'] },
      ]),
    )
    const stored = await example.db('sso_acl_grant').where({ user_id: THENAME_ID }).orderBy('acl_id')
    expect(stored).toEqual([
      { user_id: THENAME_ID, kind: 'acl', acl_id: 'acl1' },
      { user_id: THENAME_ID, kind: 'group', acl_id: 'group2' },
    ])
    expect((await details(THENAME_ID)).grants).toEqual(expect.objectContaining({ acls: ['acl1'], groups: ['group2'] }))
  })

  test('the attributes of the example are stored, readable and audited', async () => {
    const before = await example.member('thename')

    const reply = await updateuser('uid=thename&attributes={"digdashMail":"toto@digdash.com","langChoice":"1"}')

    const changed = ['email', 'attributes.langChoice']
    expect(reply).toEqual({ status: 200, body: { status: 'ok', cid: ANY_CID, uid: 'thename', changed } })
    expect(await example.member('thename')).toEqual({ ...before, mail: 'toto@digdash.com' })
    expect(await example.db('sso_attribute').select('user_id', 'name', 'value')).toEqual([
      { user_id: THENAME_ID, name: 'langChoice', value: '"1"' },
    ])
    const { user, attributes } = await details(THENAME_ID)
    expect([user.email, attributes]).toEqual(['toto@digdash.com', { langChoice: '1' }])
    expect(await auditOf(reply.body.cid)).toEqual(
      done('updateuser', [
        { attribute: 'email', from: null, to: 'toto@digdash.com' },
        { attribute: 'attributes.langChoice', from: null, to: '1' },
      ]),
    )
  })

  test('the password of a mailbox is nowhere in clear, and no password is in the audit', async () => {
    const reply = await updateuser('uid=myuser&attributes={"digdashMailPassword":"canary-of-mail"}&password=canary-pw')
    expect(reply.body.changed).toEqual(['password', 'attributes.digdashMailPassword'])

    expect(await details(MYUSER_ID)).toEqual(expect.objectContaining({ attributes: {} }))
    const tables = ['members', 'sso_account', 'sso_attribute', 'sso_audit', 'sso_session']
    const rows = await Promise.all(tables.map((table) => example.db(table).select('*')))
    const [stored] = await example.db('sso_attribute').where({ name: 'digdashMailPassword' })
    expect(Boolean(stored.is_encrypted)).toBe(true)
    expect(JSON.stringify(rows)).not.toContain('canary')
    expect(readFileSync(join(example.dataDirectory, 'audit.jsonl'), 'utf8')).not.toContain('canary')
  })

  test('the file of the audit trail has the same records as the table', async () => {
    expect(await app.end('SIGTERM')).toEqual(expect.objectContaining({ code: 0, signal: null }))

    const lines = readFileSync(join(example.dataDirectory, 'audit.jsonl'), 'utf8').trim().split('\n')
    const brief = ({ cid, operation, outcome, changes }: any) => ({ cid, operation, outcome, changes })
    const inFile = lines.map((line) => brief(JSON.parse(line)))
    const inTable = (await example.audit()).map(brief)
    const byCid = (rows: ReturnType<typeof brief>[]) => rows.toSorted((a, b) => (a.cid < b.cid ? -1 : 1))
    expect(byCid(inFile)).toEqual(byCid(inTable))
    expect(inTable.length).toBeGreaterThan(20)
  })
})
