import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf } from '../../support/contents.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, done, FORMS, refusal, send, type Wire } from './wire.ts'

const as = (user: string): Wire => ({ user, pass: PASSWORD })

const EVERYTHING: Wire = {
  password: 'a new long phrase',
  displayName: 'x',
  roles: ['r|R'],
  rolesnoselected: ['s'],
  acls: ['a'],
  aclsnoselected: ['b'],
  groupacls: ['g'],
  groupaclsnoselected: ['h'],
  attributes: { digdashMail: 'x@example.org', mustChangePassword: true, langChoice: '1', 'odd/na~me': 2, dept: 'x' },
}

const forbidden = (parameter: string, pointer = `/${parameter}`) => ({
  parameter,
  pointer,
  code: 'attribute_forbidden',
})
const inAttributes = (name: string) => forbidden('attributes', `/attributes/${name}`)
const LISTS = ['roles', 'rolesnoselected', 'acls', 'aclsnoselected', 'groupacls', 'groupaclsnoselected']

describe.each(databases)('what updateuser lets whom do on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost
    const delegates = {
      passwords: 'ACL_PASSWORDS',
      profiles: 'ACL_PROFILES',
      keepers: 'ACL_PROTECTED',
      granters: 'ACL_GRANTS',
    }

    beforeAll(async () => {
      host = await startHost(database, {
        arrangement,
        users: ['ada', 'bob', ...Object.keys(delegates)],
        options: {
          password: { hasher: fastHasher() },
          updateuser: {
            protectedAttributes: ['dept'],
            permissions: {
              password: 'ACL_PASSWORDS',
              attributes: 'ACL_PROFILES',
              protectedAttributes: 'ACL_PROTECTED',
              authorizations: 'ACL_GRANTS',
            },
          },
        },
      })
      const actor = { via: 'code', name: 'test' } as const
      await host.sso.user.createSuperUser({ data: { username: 'root', password: PASSWORD } })
      for (const [uid, acl] of Object.entries(delegates)) await host.sso.user.updateuser({ actor, uid, acls: [acl] })
    })
    afterAll(() => host.close())

    const refused = async (parameters: Wire, uid: string, ...errors: ReturnType<typeof forbidden>[]) => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const reply = await send(host, form, { ...parameters, uid })
        expect([reply.status, reply.body]).toEqual([403, refusal(uid, ...errors)])
        const [record, ...others] = await host.audit({ cid: reply.body.cid })
        expect(others).toEqual([])
        expect(record).toMatchObject({ operation: 'updateuser', outcome: 'denied', changes: [] })
      }
      expect(await contentsOf(host)).toEqual(before)
    }

    test('a regular user changes his own profile, password and custom attributes', async () => {
      const reply = await send(host, 'POST form', {
        ...as('bob'),
        uid: 'bob',
        displayName: 'Bob',
        password: 'a phrase of his own',
        attributes: { digdashMail: 'bob@example.org', langChoice: '2' },
      })
      expect([reply.status, reply.body]).toEqual([
        200,
        done('bob', 'password', 'display_name', 'email', 'attributes.langChoice'),
      ])
    })

    test('and of himself nothing that the schema, the protected list and the grants keep from him', async () => {
      await refused(
        { ...as('ada'), ...EVERYTHING },
        'ada',
        ...LISTS.map((name) => forbidden(name)),
        inAttributes('dept'),
        inAttributes('mustChangePassword'),
      )
    })

    test('ASVS 8.2.2 a regular user who reaches for another is refused every parameter by name', async () => {
      await refused(
        { ...as('ada'), ...EVERYTHING },
        'bob',
        forbidden('password'),
        ...LISTS.map((name) => forbidden(name)),
        forbidden('displayName'),
        inAttributes('digdashMail'),
        inAttributes('mustChangePassword'),
        inAttributes('langChoice'),
        inAttributes('odd~1na~0me'),
        inAttributes('dept'),
      )
    })

    test('a regular user cannot tell an account of another from one that does not exist', async () => {
      for (const parameters of [EVERYTHING, { displayName: 'x' }, { attributes: [] }, { roles: 'x' }, {}]) {
        const replies = []
        for (const uid of ['bob', 'admin', 'nobody', "' or 1=1 --", '\u200b'.repeat(3)]) {
          const { status, body, headers } = await send(host, 'POST JSON', { ...as('ada'), ...parameters, uid })
          expect(status).toBe(403)
          replies.push(JSON.stringify([{ ...body, cid: '', uid: '' }, Object.keys(headers)]))
        }
        expect(new Set(replies).size).toBe(1)
      }
    })

    test('an unknown uid is said to a super-user and to a delegate', async () => {
      for (const user of ['admin', 'passwords']) {
        for (const form of FORMS) {
          const reply = await send(host, form, { ...as(user), uid: 'nobody', password: 'a new long phrase' })
          const error = { parameter: 'uid', pointer: '/uid', code: 'user_unknown' }
          expect([reply.status, reply.body]).toEqual([404, refusal('nobody', error)])
        }
      }
    })

    test.each([
      ['password', 'passwords', { password: 'set by a delegate' }, ['password']],
      [
        'attributes',
        'profiles',
        { displayName: 'by a delegate', attributes: { langChoice: 'p' } },
        ['display_name', 'attributes.langChoice'],
      ],
      ['protectedAttributes', 'keepers', { attributes: { dept: 'sales' } }, ['attributes.dept']],
      ['authorizations', 'granters', { roles: ['d|R'], acls: ['d'], groupacls: ['d'] }, ['roles', 'acls', 'groups']],
    ])('the ACL for %s lets its holder do that to others', async (_, user, parameters, changed) => {
      const reply = await send(host, 'POST form', { ...as(user), uid: 'ada', ...parameters })
      expect([reply.status, reply.body]).toEqual([200, done('ada', ...changed)])
      const [record] = await host.audit({ cid: reply.body.cid })
      expect(record).toMatchObject({ outcome: 'ok', actor_name: user, actor_via: 'password', target_name: 'ada' })
      const back = { ...ADMIN, uid: 'ada', password: PASSWORD }
      expect((await send(host, 'POST form', back)).status).toBe(200)
    })

    test('and nothing else', async () => {
      const others = [inAttributes('langChoice'), inAttributes('odd~1na~0me')]
      const mail = inAttributes('digdashMail')
      const must = inAttributes('mustChangePassword')
      const name = forbidden('displayName')
      const [password, dept, lists] = [
        forbidden('password'),
        inAttributes('dept'),
        LISTS.map((name) => forbidden(name)),
      ]
      await refused({ ...as('passwords'), ...EVERYTHING }, 'bob', ...lists, ...others, dept, name, mail)
      await refused({ ...as('profiles'), ...EVERYTHING }, 'bob', password, ...lists, dept, must)
      await refused({ ...as('keepers'), ...EVERYTHING }, 'bob', password, ...lists, ...others, name, mail, must)
      await refused({ ...as('granters'), ...EVERYTHING }, 'bob', password, ...others, dept, name, mail, must)
    })

    test('a delegate cannot touch a super-user, who would be one through him', async () => {
      await refused({ ...as('passwords'), password: 'a new long phrase' }, 'admin', forbidden('password'))
      await refused({ ...as('profiles'), displayName: 'x' }, 'root', forbidden('displayName'))
      await refused({ ...as('granters'), roles: ['r|R'] }, 'root', forbidden('roles'))
    })

    test('a delegate has no more rights over himself than anybody', async () => {
      await refused(
        { ...as('granters'), roles: ['r|RWX'], acls: ['x'] },
        'granters',
        forbidden('roles'),
        forbidden('acls'),
      )
      await refused({ ...as('keepers'), attributes: { dept: 'x' } }, 'keepers', inAttributes('dept'))
    })

    test('ASVS 8.3.2 an ACL that is taken away is gone with the next request', async () => {
      const actor = { via: 'code', name: 'test' } as const
      const parameters = { ...as('profiles'), uid: 'ada', displayName: 'once more' }
      expect((await send(host, 'POST form', parameters)).status).toBe(200)
      await host.sso.user.updateuser({ actor, uid: 'profiles', aclsnoselected: ['ACL_PROFILES'] })
      await refused({ ...as('profiles'), displayName: 'and again' }, 'ada', forbidden('displayName'))
      await host.sso.user.updateuser({ actor, uid: 'profiles', acls: ['ACL_PROFILES'] })
    })

    test('a super-user does everything, to super-users, too', async () => {
      const reply = await send(host, 'POST JSON', { ...ADMIN, ...EVERYTHING, uid: 'root' })
      expect([reply.status, reply.body]).toEqual([
        200,
        done(
          'root',
          'password',
          'display_name',
          'email',
          'password_must_change',
          'attributes.langChoice',
          'attributes.odd/na~me',
          'attributes.dept',
          'roles',
          'acls',
          'groups',
        ),
      ])
    })

    test('his own password with a session token alone is not proved', async () => {
      const headers = { Authorization: `Bearer ${await host.login('ada')}` }
      const reply = await send(host, 'POST form', { uid: 'ada', password: 'a new long phrase' }, headers)
      const error = { parameter: null, pointer: '', code: 'credentials_invalid' }
      expect([reply.status, reply.body]).toEqual([401, refusal('ada', error)])
    })
  })

  describe('uid names another attribute where an option says so', () => {
    test.each(['user_id', 'email'])('%s', async (uidAttribute) => {
      const host = await startHost(database, {
        options: { password: { hasher: fastHasher() }, updateuser: { uidAttribute } },
      })
      const actor = { via: 'code', name: 'test' } as const
      const rows: { user_id: string; username: string }[] = await host.database.db('sso_user')
      const adaId = rows.find(({ username }) => username === 'ada')?.user_id ?? ''
      await host.sso.user.updateUserById({ actor, userId: adaId, data: { email: 'ada@example.org' } })
      const uid = uidAttribute === 'email' ? 'ada@example.org' : adaId

      for (const form of FORMS) {
        const reply = await send(host, form, { ...ADMIN, uid, displayName: form })
        expect([reply.status, reply.body]).toEqual([200, done(uid, 'display_name')])
        const unknown = await send(host, form, { ...ADMIN, uid: 'ada', displayName: form })
        const error = { parameter: 'uid', pointer: '/uid', code: 'user_unknown' }
        expect([unknown.status, unknown.body]).toEqual([404, refusal('ada', error)])
      }
      await host.close()
    })

    test('an address that two accounts share names neither', async () => {
      const host = await startHost(database, {
        options: { password: { hasher: fastHasher() }, updateuser: { uidAttribute: 'email' } },
      })
      const actor = { via: 'code', name: 'test' } as const
      for (const { user_id } of await host.database.db('sso_user').select('user_id')) {
        await host.sso.user.updateUserById({ actor, userId: user_id, data: { email: 'all@example.org' } })
      }
      const before = await contentsOf(host)
      const reply = await send(host, 'POST form', { ...ADMIN, uid: 'all@example.org', displayName: 'x' })
      const error = { parameter: 'uid', pointer: '/uid', code: 'user_unknown' }
      expect([reply.status, reply.body]).toEqual([404, refusal('all@example.org', error)])
      expect(await contentsOf(host)).toEqual(before)
      await host.close()
    })
  })

  test('usernames are found without regard to case, and by nothing that only looks alike', async () => {
    const host = await startHost(database, { options: { password: { hasher: fastHasher() } } })
    const found = await send(host, 'POST form', { ...ADMIN, uid: 'ADA' })
    expect([found.status, found.body]).toEqual([200, done('ADA')])
    for (const uid of ['ada ', ' ada', 'ada%', 'ad_', 'a\u200bda', 'áda']) {
      const reply = await send(host, 'POST form', { ...ADMIN, uid, displayName: 'x' })
      expect([uid, reply.status]).toEqual([uid, 404])
    }
    expect(await idOf(host, 'ada')).toEqual(expect.any(String))
    await host.close()
  })
})
