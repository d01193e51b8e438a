import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf } from '../support/contents.ts'
import { databases } from '../support/host.ts'
import { CHANGES, code, type Person, person, type Stage, startStage, superUser } from './stage.ts'

/** Values that no schema allows, by attribute. */
const BAD: readonly (readonly [string, object])[] = [
  ['a number for a text', { display_name: 5 }],
  ['a list for a text', { first_name: ['x'] }],
  ['text that is too long', { last_name: 'x'.repeat(10_000) }],
  ['a control character', { display_name: 'a\u0000b' }],
  ['half a character', { display_name: '\ud800' }],
  ['an address that is none', { email: 'nobody' }],
  ['text for a boolean', { is_totp_enabled: 'perhaps' }],
  ['null where there must be a value', { username: null }],
]

/** Names that are nobody's to set: Zato passes over what it does not know, and updateuser keeps it beside the account. */
const STRANGE: readonly object[] = [
  JSON.parse('{"__proto__":{"is_super_user":true}}'),
  { is_super_user: true },
  { password_is_set: false },
  { totp_last_step: 5 },
  { no_such_name: 'x' },
]

describe.each(databases)('input on %s', (database) => {
  let stage: Stage
  let ada: Person
  let fails = false
  beforeAll(async () => {
    stage = await startStage(database, {
      hooks: {
        withinUpdate: () => {
          if (fails) throw new Error('the host’s own write failed')
        },
        onError: () => {},
      },
    })
    ada = await person(stage)
  })
  afterAll(() => stage.host.close())

  describe.each(Object.entries(CHANGES))('by %s', (_, change) => {
    test('ASVS 2.2.1, 2.2.2 what no schema allows is refused, and nothing is written', async () => {
      const before = await contentsOf(stage.host)
      for (const [what, data] of BAD) {
        const { status, isOk } = await change(stage, ada, ada, { middle_name: 'Augusta', ...data })
        expect([what, isOk, status >= 400 && status < 500]).toEqual([what, false, true])
      }
      expect(await contentsOf(stage.host)).toEqual(before)
      for (const data of STRANGE) await change(stage, ada, ada, data)
      expect((await contentsOf(stage.host))['sso_user']).toEqual(before['sso_user'])
    })

    test('ASVS 2.3.3 a change that fails in the end has left nothing', async () => {
      const before = await contentsOf(stage.host)
      fails = true
      const { status, isOk } = await change(stage, ada, ada, { first_name: 'Ada', last_name: 'King' }).finally(() => {
        fails = false
      })
      expect([status, isOk]).toEqual([500, false])
      expect(await contentsOf(stage.host)).toEqual(before)
    })

    test('ASVS 2.2.3 one-time codes are not switched on without a key', async () => {
      const before = await contentsOf(stage.host)
      expect(await change(stage, ada, ada, { is_totp_enabled: true })).toMatchObject({ isOk: false })
      expect(await contentsOf(stage.host)).toEqual(before)
    })
  })

  test('ASVS 2.2.3 an id that is added and removed at once is refused', async () => {
    const before = await contentsOf(stage.host)
    const admin = await superUser(stage)
    const both = { uid: ada.name, acls: ['one'], aclsnoselected: ['one'] }
    await expect(stage.host.sso.user.updateuser({ actor: code, ...both })).rejects.toMatchObject({ kind: 'input' })
    const { status } = await stage.host.http
      .post('/ddenterpriseapi/updateuser')
      .set({ Authorization: `Bearer ${admin.ust}` })
      .send(both)
    expect(status).toBe(400)
    const after = await contentsOf(stage.host)
    expect([after['sso_acl_grant'], after['sso_user']]).toEqual([before['sso_acl_grant'], before['sso_user']])
  })
})
