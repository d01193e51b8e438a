import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf } from '../../support/contents.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, FORMS, refusal, send, type Wire } from './wire.ts'

/** One of each, all good. */
const GOOD = {
  password: 'a new long phrase',
  displayName: 'Ada',
  roles: ['r|R'],
  rolesnoselected: ['old'],
  acls: ['a'],
  aclsnoselected: ['olda'],
  groupacls: ['g'],
  groupaclsnoselected: ['oldg'],
  attributes: { digdashMail: 'ada@example.org', mustChangePassword: true, langChoice: '1' },
} as const

const invalid = (parameter: string, pointer: string, code = 'input_invalid') => ({ parameter, pointer, code })

/** One bad parameter each, and what is said of it. */
const BAD: readonly (readonly [string, Wire, ReturnType<typeof invalid>])[] = [
  ['a password that is too short', { password: 'short' }, invalid('password', '/password', 'password_too_short')],
  ['a password that is too long', { password: 'x'.repeat(257) }, invalid('password', '/password', 'password_too_long')],
  ['a common password', { password: 'my qwerty password' }, invalid('password', '/password', 'password_rejected')],
  ['a displayName that is too long', { displayName: 'x'.repeat(192) }, invalid('displayName', '/displayName')],
  ['a displayName of two lines', { displayName: 'a\nb' }, invalid('displayName', '/displayName')],
  ['a role without rights', { roles: ['r|R', 'x'] }, invalid('roles', '/roles/1')],
  ['roles that are no list', { roles: { r: 'R' } }, invalid('roles', '/roles')],
  ['rolesnoselected that are text', { rolesnoselected: '"old"' }, invalid('rolesnoselected', '/rolesnoselected')],
  ['an ACL of no name', { acls: [''] }, invalid('acls', '/acls/0')],
  ['a group that is both', { groupaclsnoselected: ['g'] }, invalid('groupacls', '/groupacls')],
  [
    'a bad address',
    { attributes: { ...GOOD.attributes, digdashMail: 'nowhere' } },
    invalid('attributes', '/attributes/digdashMail', 'email_invalid'),
  ],
  [
    'an address that is too long',
    { attributes: { ...GOOD.attributes, digdashMail: `${'x'.repeat(255)}@example.org` } },
    invalid('attributes', '/attributes/digdashMail', 'email_too_long'),
  ],
  ['attributes that are a list', { attributes: [1] }, invalid('attributes', '/attributes')],
  ['an unknown parameter', { nonsense: '1' }, invalid('nonsense', '/nonsense')],
]

describe.each(databases)('ASVS 2.3.3 one request is one transaction on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost
    beforeAll(async () => {
      host = await startHost(database, {
        arrangement,
        options: { password: { hasher: fastHasher() }, email: { unique: arrangement === 'own table' } },
      })
      await host.sso.user.updateuser({
        actor: { via: 'code', name: 'test' },
        uid: 'ada',
        roles: ['old|R'],
        acls: ['olda'],
        groupacls: ['oldg'],
        attributes: { langChoice: 'old' },
      })
    })
    afterAll(() => host.close())

    test.each(BAD)('%s keeps everything else from happening, too', async (_, bad, error) => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const reply = await send(host, form, { ...ADMIN, uid: 'ada', ...GOOD, ...bad })
        expect([reply.status, reply.body]).toEqual([400, refusal('ada', error)])
        expect((await host.audit({ cid: reply.body.cid })).map(({ outcome, changes }) => [outcome, changes])).toEqual([
          ['invalid', []],
        ])
      }
      expect(await contentsOf(host)).toEqual(before)
    })

    test('everything that is wrong is said at once', async () => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const reply = await send(host, form, {
          ...ADMIN,
          uid: 'ada',
          nonsense: '1',
          displayname: '2',
          password: 'x',
          displayName: 'x'.repeat(192),
          roles: ['a', 'b|R', 'c|Q'],
          rolesnoselected: ['b'],
          acls: 5,
          groupaclsnoselected: [null],
          attributes: { digdashMail: 'nowhere', mustChangePassword: 'perhaps', 'a/b': { constructor: 1 }, ok: 1 },
        })
        expect([reply.status, { ...reply.body, errors: [...reply.body.errors].sort(byPointer) }]).toEqual([
          400,
          refusal(
            'ada',
            ...[
              invalid('nonsense', '/nonsense'),
              invalid('displayname', '/displayname'),
              invalid('password', '/password', 'password_too_short'),
              invalid('displayName', '/displayName'),
              invalid('roles', '/roles'),
              invalid('roles', '/roles/0'),
              invalid('roles', '/roles/2'),
              invalid('acls', '/acls'),
              invalid('groupaclsnoselected', '/groupaclsnoselected/0'),
              invalid('attributes', '/attributes/digdashMail', 'email_invalid'),
              invalid('attributes', '/attributes/mustChangePassword'),
              invalid('attributes', '/attributes/a~1b'),
            ].sort(byPointer),
          ),
        ])
      }
      expect(await contentsOf(host)).toEqual(before)
    })

    test('a request that cannot say who or whom says so with whatever else is wrong', async () => {
      for (const form of FORMS) {
        const noUid = await send(host, form, { ...ADMIN, nonsense: '1' })
        expect([noUid.status, noUid.body]).toEqual([
          400,
          refusal(null, invalid('nonsense', '/nonsense'), invalid('uid', '/uid', 'input_missing')),
        ])
        const empty = await send(host, form, { ...ADMIN, uid: '' })
        expect([empty.status, empty.body]).toEqual([400, refusal('', invalid('uid', '/uid', 'input_missing'))])
        const misspelt = await send(host, form, { usr: 'admin', pass: ADMIN['pass'], uid: 'ada' })
        expect([misspelt.status, misspelt.body]).toEqual([400, refusal('ada', invalid('usr', '/usr'))])
      }
    })

    test('wrong credentials come before what is wrong with the rest', async () => {
      for (const form of FORMS) {
        const reply = await send(host, form, { user: 'ada', pass: 'wrong', uid: 'ada', nonsense: '1', roles: 5 })
        const error = { parameter: null, pointer: '', code: 'credentials_invalid' }
        expect([reply.status, reply.body]).toEqual([401, refusal('ada', error)])
      }
    })

    if (arrangement === 'own table') {
      test('an address that is taken is a conflict that names it, and nothing happens', async () => {
        const actor = { via: 'code', name: 'test' } as const
        await host.sso.user.updateuser({ actor, uid: 'bob', attributes: { digdashMail: 'bob@example.org' } })
        const before = await contentsOf(host)
        for (const form of FORMS) {
          const attributes = { ...GOOD.attributes, digdashMail: 'BOB@example.org' }
          const reply = await send(host, form, { ...ADMIN, uid: 'ada', ...GOOD, attributes })
          const error = { parameter: 'attributes', pointer: '/attributes/digdashMail', code: 'email_taken' }
          expect([reply.status, reply.body]).toEqual([409, refusal('ada', error)])
        }
        expect(await contentsOf(host)).toEqual(before)
      })
    }

    test('a fault of the last write takes the first ones back, and leaves no record of a change', async () => {
      const { db } = host.database
      const before = await contentsOf(host)
      await db.schema.renameTable('sso_acl_grant', 'sso_elsewhere')
      const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada', ...GOOD })
      await db.schema.renameTable('sso_elsewhere', 'sso_acl_grant')

      const error = { parameter: null, pointer: '', code: 'internal' }
      expect([reply.status, reply.body]).toEqual([500, refusal('ada', error)])
      expect(reply.text).not.toMatch(/sso_|sql|table/i)
      expect(await contentsOf(host)).toEqual(before)
      expect((await host.audit({ cid: reply.body.cid })).map(({ outcome, changes }) => [outcome, changes])).toEqual([
        ['failed', []],
      ])
    })
  })
})

function byPointer(a: { pointer: string }, b: { pointer: string }): number {
  return a.pointer < b.pointer ? -1 : 1
}
