import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Options } from '../../../src/index.ts'
import { contentsOf } from '../../support/contents.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, done, FORMS, refusal, send, type Wire } from './wire.ts'

const LISTS = ['roles', 'rolesnoselected', 'acls', 'aclsnoselected', 'groupacls', 'groupaclsnoselected'] as const
const actor = { via: 'code', name: 'test' } as const

describe.each(databases)('roles and authorisations on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost
    beforeAll(async () => {
      host = await startHost(database, { arrangement, options: { password: { hasher: fastHasher() } } })
    })
    afterAll(() => host.close())

    const grants = async () => {
      const { user } = await host.sso.user.updateuser({ actor, uid: 'ada' })
      return (await host.sso.user.getUserDetails({ actor, userId: user.user_id })).grants
    }
    const reset = async (wanted: Wire) => {
      const { roles, acls, groups } = await grants()
      await host.sso.user.updateuser({
        actor,
        uid: 'ada',
        rolesnoselected: roles.map(({ role }) => role),
        aclsnoselected: acls,
        groupaclsnoselected: groups,
      })
      await host.sso.user.updateuser({ actor, uid: 'ada', ...wanted })
    }
    const changes = async (cid: string) => (await host.audit({ cid })).flatMap(({ changes }) => changes)

    test.each([
      ['R', 'R'],
      ['W', 'W'],
      ['X', 'X'],
      ['XR', 'RX'],
      ['WR', 'RW'],
      ['XW', 'WX'],
      ['XWR', 'RWX'],
      ['RWX', 'RWX'],
    ])('rights may be written as %s', async (written, stored) => {
      await reset({})
      for (const form of FORMS) {
        const reply = await send(host, form, { ...ADMIN, uid: 'ada', roles: [`role|${written}`] })
        expect([reply.status, reply.body]).toEqual([200, done('ada', ...(form === 'GET' ? ['roles'] : []))])
      }
      expect(await grants()).toEqual({ roles: [{ role: 'role', rights: stored }], acls: [], groups: [] })
    })

    test('a role that is there gets exactly the new rights, and the trail has both', async () => {
      await reset({ roles: ['a|RWX', 'b|R'] })
      const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada', roles: ['a|W', 'b|XR', 'c|R'] })
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'roles')])
      expect((await grants()).roles).toEqual([
        { role: 'a', rights: 'W' },
        { role: 'b', rights: 'RX' },
        { role: 'c', rights: 'R' },
      ])
      expect(await changes(reply.body.cid)).toEqual([
        { attribute: 'roles', from: ['a|RWX', 'b|R'], to: ['a|W', 'b|RX', 'c|R'] },
      ])
    })

    test('removals of roles take the id alone, or the id with rights that mean nothing', async () => {
      await reset({ roles: ['a|RWX', 'b|R', 'c|X'] })
      const reply = await send(host, 'GET', { ...ADMIN, uid: 'ada', rolesnoselected: ['a', 'b|RWX', 'gone', 'c|'] })
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'roles')])
      expect((await grants()).roles).toEqual([])
    })

    test('removals and additions of one request are one change', async () => {
      await reset({ roles: ['a|R', 'b|R'], acls: ['a', 'b'], groupacls: ['a', 'b'] })
      const reply = await send(host, 'POST JSON', {
        ...ADMIN,
        uid: 'ada',
        roles: ['c|W', 'b|R'],
        rolesnoselected: ['a'],
        acls: ['c', 'b'],
        aclsnoselected: ['a'],
        groupacls: ['c', 'b'],
        groupaclsnoselected: ['a'],
      })
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'roles', 'acls', 'groups')])
      expect(await grants()).toEqual({
        roles: [
          { role: 'b', rights: 'R' },
          { role: 'c', rights: 'W' },
        ],
        acls: ['b', 'c'],
        groups: ['b', 'c'],
      })
      expect(await changes(reply.body.cid)).toEqual([
        { attribute: 'roles', from: ['a|R', 'b|R'], to: ['b|R', 'c|W'] },
        { attribute: 'acls', from: ['a', 'b'], to: ['b', 'c'] },
        { attribute: 'groups', from: ['a', 'b'], to: ['b', 'c'] },
      ])
    })

    test('what is there already and what is gone already is no change', async () => {
      await reset({ roles: ['a|RX'], acls: ['a'], groupacls: ['a'] })
      const reply = await send(host, 'POST form', {
        ...ADMIN,
        uid: 'ada',
        roles: ['a|XR'],
        rolesnoselected: ['b'],
        acls: ['a'],
        aclsnoselected: ['b'],
        groupacls: ['a'],
        groupaclsnoselected: ['b'],
      })
      expect([reply.status, reply.body]).toEqual([200, done('ada')])
    })

    test('empty lists ask for nothing', async () => {
      const reply = await send(host, 'POST form', {
        ...ADMIN,
        uid: 'ada',
        ...Object.fromEntries(LISTS.map((name) => [name, []])),
      })
      expect([reply.status, reply.body]).toEqual([200, done('ada')])
    })

    test('single authorisations, groups and roles of one id are three things', async () => {
      await reset({})
      await send(host, 'POST form', { ...ADMIN, uid: 'ada', roles: ['x|R'], acls: ['x'], groupacls: ['x'] })
      await send(host, 'POST form', { ...ADMIN, uid: 'ada', aclsnoselected: ['x'] })
      expect(await grants()).toEqual({ roles: [{ role: 'x', rights: 'R' }], acls: [], groups: ['x'] })
    })

    test('ids differ by case, by Unicode form and by every character', async () => {
      const ids = ['é', 'e\u0301', 'É', 'ß', 'ss', 'a b', "o'brien", '100%', '日本', '🌞', 'a_b', 'x'.repeat(191)]
      await reset({ acls: ids })
      expect([...(await grants()).acls].sort()).toEqual([...ids].sort())
      const reply = await send(host, 'GET', { ...ADMIN, uid: 'ada', aclsnoselected: ['é', 'SS', 'a%'] })
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'acls')])
      expect([...(await grants()).acls].sort()).toEqual(ids.filter((id) => id !== 'é').sort())
    })

    test.each([
      ['roles', 'roles', 'rolesnoselected', ['a|R'], ['a']],
      ['roles with rights in both', 'roles', 'rolesnoselected', ['a|R'], ['a|RWX']],
      ['acls', 'acls', 'aclsnoselected', ['a'], ['a']],
      ['groups', 'groupacls', 'groupaclsnoselected', ['a'], ['a']],
    ])('an id in both lists of %s is an error', async (_, add, remove, added, removed) => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const reply = await send(host, form, { ...ADMIN, uid: 'ada', [add]: added, [remove]: removed })
        expect([reply.status, reply.body]).toEqual([
          400,
          refusal('ada', { parameter: add, pointer: `/${add}`, code: 'input_invalid' }),
        ])
      }
      expect(await contentsOf(host)).toEqual(before)
    })

    test.each([
      ['no rights', 'a'],
      ['empty rights', 'a|'],
      ['an unknown letter', 'a|RQ'],
      ['small letters', 'a|rwx'],
      ['a letter twice', 'a|RR'],
      ['a space', 'a|R W'],
      ['two bars', 'a|b|R'],
      ['an empty id', '|R'],
      ['a space at the end of the id', 'a |R'],
      ['a control character', 'a\n|R'],
      ['a NUL', 'a\u0000|R'],
      ['192 characters', `${'x'.repeat(192)}|R`],
      ['a number', 5],
      ['null', null],
      ['an object', { a: 'R' }],
      ['a list', ['a|R']],
    ])('a role with %s is refused by its place', async (_, role) => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const reply = await send(host, form, { ...ADMIN, uid: 'ada', roles: ['good|R', role, 'other|R', role] })
        expect([reply.status, reply.body]).toEqual([
          400,
          refusal(
            'ada',
            { parameter: 'roles', pointer: '/roles/1', code: 'input_invalid' },
            { parameter: 'roles', pointer: '/roles/3', code: 'input_invalid' },
          ),
        ])
      }
      expect(await contentsOf(host)).toEqual(before)
    })

    test.each(
      LISTS.flatMap((list) =>
        list === 'roles'
          ? []
          : ['', ' a', 'a|b|c', 'a\u0007', 'x'.repeat(192), 5, null].map((id) => [list, id] as const),
      ),
    )('%s does not take %j', async (list, id) => {
      const before = await contentsOf(host)
      const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada', [list]: ['good', id] })
      expect([reply.status, reply.body]).toEqual([
        400,
        refusal('ada', { parameter: list, pointer: `/${list}/1`, code: 'input_invalid' }),
      ])
      expect(await contentsOf(host)).toEqual(before)
    })

    test.each(LISTS)('ASVS 2.2.3 an id twice in %s is an error', async (list) => {
      const ids = list === 'roles' ? ['a|R', 'a|W'] : ['a', 'a']
      const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada', [list]: ids })
      expect([reply.status, reply.body]).toEqual([
        400,
        refusal('ada', { parameter: list, pointer: `/${list}/1`, code: 'input_invalid' }),
      ])
    })

    test('two requests at once that give the same role both succeed', async () => {
      await reset({})
      const replies = await Promise.all(
        ['R', 'W', 'X', 'RW', 'RWX'].map((rights) =>
          send(host, 'POST form', { ...ADMIN, uid: 'ada', roles: [`same|${rights}`], acls: ['same'] }),
        ),
      )
      expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
      expect(await grants()).toEqual({
        roles: [{ role: 'same', rights: expect.stringMatching(/^(R|W|X|RW|RWX)$/) }],
        acls: ['same'],
        groups: [],
      })
    })
  })

  const catalogues: [string, NonNullable<Options['grants']>][] = [
    ['lists', { roles: ['sales', 'all'], acls: ['read'], groups: ['everybody'] }],
    [
      'functions',
      {
        roles: (id) => id === 'sales' || id === 'all',
        acls: async (id) => id === 'read',
        groups: (id) => Promise.resolve(id === 'everybody'),
      },
    ],
  ]

  describe.each(catalogues)('where %s say which ids there are', (_, known) => {
    let host: TestHost
    beforeAll(async () => {
      host = await startHost(database, { options: { grants: known, password: { hasher: fastHasher() } } })
    })
    afterAll(() => host.close())

    test('those are taken', async () => {
      const parameters = { roles: ['sales|R', 'all|W'], acls: ['read'], groupacls: ['everybody'] }
      const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada', ...parameters })
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'roles', 'acls', 'groups')])
    })

    test('and any other is an error, given or taken', async () => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const lists = Object.fromEntries(LISTS.map((name) => [name, [name === 'roles' ? 'sale|R' : 'other']]))
        const reply = await send(host, form, { ...ADMIN, uid: 'ada', ...lists })
        expect([reply.status, reply.body]).toEqual([
          400,
          refusal('ada', ...LISTS.map((name) => ({ parameter: name, pointer: `/${name}/0`, code: 'input_invalid' }))),
        ])
      }
      expect(await contentsOf(host)).toEqual(before)
    })
  })
})
