import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fastHasher } from '../../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, done, FORMS, PATH, send } from './wire.ts'

describe.each(databases)('every parameter of updateuser on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost
    beforeAll(async () => {
      const users = FORMS.map((_, index) => `user${index}`)
      host = await startHost(database, { arrangement, users, options: { password: { hasher: fastHasher() } } })
    })
    afterAll(() => host.close())

    test.each(FORMS)('one request with all of them does all of it, by %s', async (form) => {
      const uid = `user${FORMS.indexOf(form)}`
      const before = await send(host, form, {
        ...ADMIN,
        uid,
        roles: ['old|R', 'kept|RW'],
        acls: ['oldacl'],
        groupacls: ['oldgroup'],
      })
      expect([before.status, before.body]).toEqual([200, done(uid, 'roles', 'acls', 'groups')])

      const reply = await send(host, form, {
        ...ADMIN,
        uid,
        password: 'a new long phrase',
        displayName: 'Thé Name + Co & Söhne = 100%',
        roles: ['roleid1|RWX', 'roleid2|R'],
        rolesnoselected: ['old'],
        acls: ['acl1', 'acl2'],
        aclsnoselected: ['oldacl'],
        groupacls: ['group1'],
        groupaclsnoselected: ['oldgroup'],
        attributes: { digdashMail: 'toto@digdash.com', langChoice: '1' },
      })

      expect([reply.status, reply.body]).toEqual([
        200,
        done(uid, 'password', 'display_name', 'email', 'attributes.langChoice', 'roles', 'acls', 'groups'),
      ])
      const details = await host.sso.user.getUserDetails({
        actor: { via: 'code', name: 'test' },
        userId: await userId(uid),
      })
      expect(details.grants).toEqual({
        roles: [
          { role: 'kept', rights: 'RW' },
          { role: 'roleid1', rights: 'RWX' },
          { role: 'roleid2', rights: 'R' },
        ],
        acls: ['acl1', 'acl2'],
        groups: ['group1'],
      })
      expect(details.attributes).toEqual({ langChoice: '1' })
      expect(details.user).toMatchObject({
        username: uid,
        display_name: 'Thé Name + Co & Söhne = 100%',
        email: 'toto@digdash.com',
      })
      await expect(host.login(uid, 'a new long phrase')).resolves.toEqual(expect.any(String))
      await expect(host.login(uid, PASSWORD)).rejects.toMatchObject({ code: 'credentials_invalid' })

      const [record] = await host.audit({ cid: reply.body.cid })
      expect(record).toMatchObject({
        operation: 'updateuser',
        outcome: 'ok',
        actor_name: 'admin',
        actor_via: 'password',
        target_name: uid,
        dialect: 'updateuser',
      })
      expect(record?.changes.map(({ attribute }) => attribute)).toEqual([
        'password',
        'password_last_set',
        'display_name',
        'email',
        'attributes.langChoice',
        'roles',
        'acls',
        'groups',
      ])
    })

    test.each(FORMS)('the same request again changes nothing and says so, by %s', async (form) => {
      const uid = `user${FORMS.indexOf(form)}`
      const parameters = {
        ...ADMIN,
        uid,
        displayName: 'Twice',
        roles: ['again|WX'],
        acls: ['again'],
        groupaclsnoselected: ['never there'],
        attributes: { langChoice: 7, nothing: null },
      }
      await send(host, form, parameters)
      const reply = await send(host, form, parameters)

      expect([reply.status, reply.body]).toEqual([200, done(uid)])
      expect((await host.audit({ cid: reply.body.cid })).map(({ outcome, changes }) => ({ outcome, changes }))).toEqual(
        [{ outcome: 'unchanged', changes: [] }],
      )
    })

    test.each(FORMS)('uid alone is a request that changes nothing, by %s', async (form) => {
      const uid = `user${FORMS.indexOf(form)}`
      const reply = await send(host, form, { ...ADMIN, uid })
      expect([reply.status, reply.body]).toEqual([200, done(uid)])
    })

    async function userId(username: string): Promise<string> {
      const { user } = await host.sso.user.updateuser({ actor: { via: 'code', name: 'test' }, uid: username })
      return user.user_id
    }
  })
})

describe('replies of updateuser', () => {
  let host: TestHost
  beforeAll(async () => {
    host = await startHost('sqlite', { options: { password: { hasher: fastHasher() } } })
  })
  afterAll(() => host.close())

  test("the example of DigDash's page works as written, trailing & and all", async () => {
    const host = await startHost('sqlite', {
      users: [],
      options: {
        password: { minLength: 3, rejectList: [], rejectMostCommon: 0, contextWords: null, hasher: fastHasher() },
      },
    })
    const actor = { via: 'code', name: 'test' } as const
    await host.sso.user.createUser({ actor, autoApprove: true, data: { username: 'thename', password: 'old' } })
    const { user_id } = (await host.sso.user.updateuser({ actor, uid: 'admin' })).user
    await host.sso.user.changePassword({ actor, userId: user_id, newPassword: 'admin' })

    const reply = await host.http.get(`${PATH}?user=admin&pass=admin&uid=thename&password=mdp&`)

    expect([reply.status, reply.body]).toEqual([200, done('thename', 'password')])
    await expect(host.login('thename', 'mdp')).resolves.toEqual(expect.any(String))
    await host.close()
  })

  test.each(FORMS)('text/plain is answered with one line, by %s', async (form) => {
    const good = await send(host, form, { ...ADMIN, uid: 'ada' }, { Accept: 'text/plain' })
    expect([good.status, good.type, good.text]).toEqual([200, 'text/plain', 'OK\n'])

    const bad = await send(host, form, { ...ADMIN, uid: 'ada', roles: ['a'], acls: 5 }, { Accept: 'text/plain' })
    expect([bad.status, bad.type]).toEqual([400, 'text/plain'])
    expect(bad.text).toMatch(/^ERROR input_invalid [^\n]+\n$/)

    const refused = await send(host, form, { ...ADMIN, pass: 'wrong', uid: 'ada' }, { Accept: 'text/plain' })
    expect([refused.status, refused.text]).toEqual([401, 'ERROR credentials_invalid The credentials are not valid.\n'])
  })

  test.each(['*/*', 'application/json', 'text/html', 'application/json, text/plain'])(
    'Accept: %s is answered with JSON',
    async (accept) => {
      const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada' }, { Accept: accept })
      expect([reply.status, reply.type, reply.body]).toEqual([200, 'application/json', done('ada')])
    },
  )

  test('a line of text cannot be broken by what a client sent', async () => {
    const parameters = { ...ADMIN, uid: 'ada', 'na\r\nOK me': '1' }
    const reply = await send(host, 'POST JSON', parameters, { Accept: 'text/plain' })
    expect(reply.status).toBe(400)
    expect(reply.text.trimEnd().split('\n')).toHaveLength(1)
  })

  test('ASVS 14.3.2 every reply carries the correlation id of its audit record, and is not to be stored', async () => {
    const reply = await send(host, 'POST JSON', { ...ADMIN, uid: 'ada', displayName: 'Ada' })
    expect(reply.headers).toMatchObject({ 'cache-control': 'no-store', 'x-zato-cid': reply.body.cid })
    expect((await host.audit({ cid: reply.body.cid })).map(({ outcome }) => outcome)).toEqual(['ok'])
  })
})
