import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Change, ProposedChange } from '../../src/index.ts'
import { change, DAY, later, type Person, PLACE, PLACES, START, startWire, type Wire } from '../http/zato/wire.ts'
import { contentsOf } from '../support/contents.ts'
import { codeAt } from '../support/one-time-codes.ts'

const code = { via: 'code', name: 'test' } as const
const seen: Change[] = []
const proposed: ProposedChange[] = []

/** What a host might have: an attribute of its own kind, and a catalogue of roles that can shrink. */
const options = {
  attributes: {
    properties: {
      settings: { type: ['object', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
      acls: { type: ['string', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    },
  },
  hooks: {
    authorizeUpdate: (change: ProposedChange) => {
      proposed.push(change)
    },
    withinUpdate: (change: Change) => {
      seen.push(change)
    },
  },
} as const

describe.each(PLACES)(`a recorded change is undone (${PLACE})`, (place) => {
  let wire: Wire
  const roles = ['sales', 'hr']
  beforeAll(async () => {
    wire = await startWire(place, { ...options, grants: { roles: (id: string) => roles.includes(id) } })
  })
  afterAll(() => wire.host.close())

  const user = () => wire.host.sso.user
  const attributes = () => wire.host.sso.attributes
  const on = ({ id: userId }: Person) => ({ actor: code, userId })
  const own = ({ ust: currentUst }: Person) => ({ currentUst, currentApp: 'CRM' })
  const detailsOf = (person: Person) => user().getUserDetails(on(person))
  const latest = async ({ id: target_id }: Person, operation?: string) => {
    const row = (await wire.host.audit({ target_id, ...(operation ? { operation } : {}) })).at(-1)!
    // PostgreSQL's driver gives large numbers as text.
    return { ...row, id: Number(row.id) }
  }
  /** Does something and gives the number of its record. */
  const recorded = async (person: Person, act: () => Promise<unknown>) => {
    await act()
    return (await latest(person)).id
  }
  const revert = (person: Person, auditId: number, terms: object = {}) =>
    user().revertChange({ ...on(person), auditId, ...terms })
  /** Fails unless it is refused with this, and nothing but the refusal's record is written. */
  const refused = async (person: Person, auditId: number, code: string, ...pointers: readonly string[]) => {
    const before = await contentsOf(wire.host)
    const error = await revert(person, auditId).then(
      () => expect.fail('not refused'),
      (thrown) => thrown,
    )
    expect([error.code, ...error.issues.map(({ pointer }: { pointer: string }) => pointer)]).toEqual([
      code,
      ...pointers,
    ])
    expect(await contentsOf(wire.host)).toEqual(before)
    const outcome = code === 'audit_record_unknown' || code === 'attribute_forbidden' ? 'denied' : 'invalid'
    expect(await latest(person)).toMatchObject({ operation: 'revert_change', outcome, error: code, changes: [] })
  }

  test('attributes get back what they were, all of a record, and a revert can be reverted', async () => {
    const ada = await wire.person({ display_name: 'Ada', email: 'ada@example.com', settings: { a: 1, b: [null] } })
    const data = { display_name: null, email: 'x@example.com', settings: { a: 2 }, password_expiry: '2345-12-27' }
    const before = await wire.stored(ada.name)
    const auditId = await recorded(ada, () => user().updateUserById({ ...on(ada), data }))
    // What has changed since beside it stays.
    await user().updateUserById({ ...on(ada), data: { last_name: 'King' } })

    seen.length = proposed.length = 0
    const { changed, user: after } = await revert(ada, auditId)
    expect([...changed].sort()).toEqual(Object.keys(data).sort())
    expect(after).toMatchObject({ display_name: 'Ada', email: 'ada@example.com', settings: { a: 1, b: [null] } })
    const now = await wire.stored(ada.name)
    const changeless = ({ last_name: _, last_name_upper: __, ...values }: Readonly<Record<string, unknown>>) => values
    expect(changeless(now)).toEqual(changeless(before))
    expect(now).toMatchObject({ last_name: 'King' })

    const record = await latest(ada)
    expect(record).toMatchObject({ operation: 'revert_change', outcome: 'ok', actor_via: 'code' })
    expect(record.changes).toHaveLength(4)
    expect(record.changes).toContainEqual(change('settings', { a: 2 }, { a: 1, b: [null] }))
    expect(seen.map(({ operation, reverts }) => [operation, reverts])).toEqual([['revert_change', auditId]])
    expect(proposed.map(({ patch }) => Object.keys(patch).sort())).toEqual([Object.keys(data).sort()])

    await refused(ada, auditId, 'change_superseded', ...record.changes.map(({ attribute }) => `/${attribute}`))
    await revert(ada, record.id)
    expect(await wire.stored(ada.name)).toMatchObject({ display_name: null, email: 'x@example.com', last_name: 'King' })
  })

  test('a lock becomes an unlock, an unlock a lock that ends sessions; what follows, follows again', async () => {
    const ada = await wire.person()
    const lock = await recorded(ada, () => user().lockUser(on(ada)))
    wire.clock.now = later(DAY)
    await user().revertChange({ actor: { via: 'host', userId: wire.admin.id }, userId: ada.id, auditId: lock })
    expect(await wire.stored(ada.name)).toMatchObject({
      is_locked: false,
      locked_time: later(DAY).toISOString(),
      locked_by: wire.admin.id,
    })
    const again = { ...ada, ust: await wire.host.login(ada.name) }
    const unlock = (await latest(ada, 'revert_change')).id
    await revert(ada, unlock)
    expect(await wire.stored(ada.name)).toMatchObject({ is_locked: true, locked_by: 'test' })
    await revert(ada, (await latest(ada)).id)
    await expect(user().getCurrentUser(own(again))).rejects.toMatchObject({ code: 'session_unknown' })
    wire.clock.now = START

    const reject = await recorded(ada, () => user().rejectUser(on(ada)))
    expect(await wire.stored(ada.name)).toMatchObject({ approval_status: 'rejected', is_approval_needed: true })
    await revert(ada, reject)
    expect(await wire.stored(ada.name)).toMatchObject({ approval_status: 'approved', is_approval_needed: false })
  })

  test('roles, groups and custom attributes come back with their rights and expiries', async () => {
    const ada = await wire.person()
    await user().updateGrants({ ...on(ada), patch: { roles: { sales: 'R', hr: 'RW' }, groups: { g: true } } })
    await attributes().set({ ...on(ada), name: 'theme', value: { dark: true }, expiration: 3600 })
    await attributes().set({ ...on(ada), name: 'seat', value: 12 })
    const before = await detailsOf(ada)
    const auditId = await recorded(ada, () =>
      user().updateuser({
        actor: code,
        uid: ada.name,
        roles: ['sales|RWX'],
        rolesnoselected: ['hr'],
        groupaclsnoselected: ['g'],
        attributes: { theme: null, seat: 'none', desk: 1 },
        displayName: 'Ada',
      }),
    )
    const record = await latest(ada)
    expect(record.changes).toContainEqual(change('expirations.theme', later(3_600_000).toISOString(), null))

    await revert(ada, auditId)
    const after = await detailsOf(ada)
    expect(after).toEqual({ ...before, etag: after.etag })
    const [theme] = await attributes().list({ ...on(ada), names: ['theme'] })
    expect(theme).toMatchObject({ value: { dark: true }, expirationTime: later(3_600_000) })

    await revert(ada, (await latest(ada)).id)
    expect(await detailsOf(ada)).toMatchObject({
      grants: { roles: [{ role: 'sales', rights: 'RWX' }], acls: [], groups: [] },
      user: { display_name: 'Ada' },
    })
    expect(await attributes().toObject(on(ada))).toEqual({ seat: 'none', desk: 1 })
  })

  test('an expiry alone comes back, also of what is encrypted; one that has passed does not', async () => {
    const ada = await wire.person()
    await attributes().set({ ...on(ada), name: 'pin', value: 's3cret', encrypt: true, expiration: 3600 })
    const auditId = await recorded(ada, () => attributes().setExpiry({ ...on(ada), name: 'pin', expiration: 7200 }))
    await revert(ada, auditId)
    expect(await attributes().get({ ...on(ada), name: 'pin' })).toMatchObject({
      value: 's3cret',
      isEncrypted: true,
      expirationTime: later(3_600_000),
    })
    const second = await recorded(ada, () => attributes().setExpiry({ ...on(ada), name: 'pin', expiration: 7200 }))
    wire.clock.now = later(3_600_000)
    await refused(ada, second, 'change_irrevocable', '/expirations/pin')
    wire.clock.now = START
  })

  test('what has been changed since is named, and nothing is undone', async () => {
    const ada = await wire.person({ display_name: 'Ada', first_name: 'A' })
    const both = await recorded(ada, () =>
      user().updateUserById({ ...on(ada), data: { display_name: 'Eve', first_name: 'E' } }),
    )
    await user().updateUserById({ ...on(ada), data: { first_name: 'F' } })
    await refused(ada, both, 'change_superseded', '/first_name')

    const grant = await recorded(ada, () => user().updateGrants({ ...on(ada), patch: { roles: { sales: 'R' } } }))
    const custom = await recorded(ada, () => attributes().set({ ...on(ada), name: 'a/b', value: 1 }))
    await user().updateGrants({ ...on(ada), patch: { roles: { hr: 'R' } } })
    await refused(ada, grant, 'change_superseded', '/roles')
    await attributes().setExpiry({ ...on(ada), name: 'a/b', expiration: 60 })
    await refused(ada, custom, 'change_superseded', '/expirations/a~1b')
    await attributes().set({ ...on(ada), name: 'a/b', value: 1, encrypt: true })
    await refused(ada, custom, 'change_superseded', '/attributes/a~1b', '/expirations/a~1b')
  })

  test('secrets, creations, refusals, sessions and what says nothing are not undone', async () => {
    const ada = await wire.person()
    const { id: creation } = await latest(ada, 'create_user')
    await refused(ada, creation, 'change_irrevocable')
    const login = await latest(ada, 'login')
    await refused(ada, login.id, 'change_irrevocable')

    const password = await recorded(ada, () =>
      user().changePassword({ ...on(ada), newPassword: 'another engine', mustChange: true }),
    )
    await refused(ada, password, 'change_irrevocable', '/password')
    const key = await recorded(ada, () =>
      user().updateUserById({ ...on(ada), data: { display_name: 'x', totp_key: 'ABCDEFGHIJKLMNOP' } }),
    )
    await refused(ada, key, 'change_irrevocable', '/totp_key')
    const codeId = await recorded(ada, () =>
      user().validateTotpCode({ ...on(ada), code: codeAt('ABCDEFGHIJKLMNOP', wire.clock.now) }),
    )
    await refused(ada, codeId, 'change_irrevocable')

    const pin = await recorded(ada, () => attributes().set({ ...on(ada), name: 'pin', value: 1, encrypt: true }))
    await refused(ada, pin, 'change_irrevocable', '/attributes/pin')
    const empty = await recorded(ada, () => attributes().set({ ...on(ada), name: 'empty', value: null }))
    await refused(ada, empty, 'change_irrevocable', '/attributes/empty')
    const bob = await wire.person()
    const session = await recorded(bob, () => attributes().set({ ...own(bob), of: 'session', name: 'x', value: 1 }))
    const [first] = (await latest(bob)).changes
    await refused(bob, session, 'change_irrevocable', `/${first?.attribute}`)
    // A host's attribute is called as a kind of grant is.
    const acls = await recorded(bob, () => user().updateGrants({ ...on(bob), patch: { acls: { a: true } } }))
    await refused(bob, acls, 'change_irrevocable', '/acls')

    const denied = await recorded(bob, () =>
      user()
        .lockUser({ ...own(bob), userId: bob.id })
        .catch(() => {}),
    )
    await refused(bob, denied, 'change_irrevocable')
  })

  test('a record of another account is as unknown as none, and the way is closed to others than super-users', async () => {
    const [ada, bob] = [await wire.person(), await wire.person()]
    const auditId = await recorded(ada, () => user().updateUserById({ ...on(ada), data: { display_name: 'x' } }))
    for (const id of [auditId, 999_999, Number.MAX_SAFE_INTEGER]) await refused(bob, id, 'audit_record_unknown')
    for (const id of [0, -1, 1.5, '1', undefined]) {
      await expect(revert(ada, id as never)).rejects.toMatchObject({ code: 'input_invalid' })
    }
    for (const caller of [ada, bob]) {
      const attempt = user().revertChange({ ...own(caller), userId: ada.id, auditId })
      await expect(attempt).rejects.toMatchObject({ code: 'super_user_required' })
    }
    await expect(user().revertChange({ actor: code, userId: '999999', auditId })).rejects.toMatchObject({
      code: 'user_unknown',
    })
    expect(await wire.stored(ada.name)).toMatchObject({ display_name: 'x' })
  })

  test('what an update refuses, it refuses here, too', async () => {
    const [ada, name] = [await wire.person(), 'renamed-away']
    const rename = await recorded(ada, () => user().updateUserById({ ...on(ada), data: { username: `${ada.name}.2` } }))
    await wire.person({}, { username: ada.name })
    await refused(ada, rename, 'username_taken')

    const role = await recorded(ada, () => user().updateGrants({ ...on(ada), patch: { roles: { sales: 'R' } } }))
    await revert(ada, role)
    roles.length = 0
    await refused(ada, (await latest(ada)).id, 'input_invalid', '/roles/sales')
    roles.push('sales', 'hr')

    // The account that is the last way in.
    const eve = await wire.host.sso.user.createSuperUser({ data: { username: name } })
    const reversal = await recorded(wire.admin, () => user().lockUser({ actor: code, userId: wire.admin.id }))
    await revert(wire.admin, reversal)
    await user().lockUser({ actor: code, userId: eve.user_id })
    await refused(wire.admin, (await latest(wire.admin)).id, 'last_super_user')
  })

  test('a dry run and a stale tag keep nothing', async () => {
    const ada = await wire.person({ display_name: 'Ada' })
    const { etag } = await detailsOf(ada)
    const auditId = await recorded(ada, () => user().updateUserById({ ...on(ada), data: { display_name: 'x' } }))
    const before = await contentsOf(wire.host)
    expect(await revert(ada, auditId, { dryRun: true })).toMatchObject({ user: { display_name: 'Ada' } })
    await expect(revert(ada, auditId, { ifMatch: etag })).rejects.toMatchObject({ code: 'precondition_failed' })
    expect(await contentsOf(wire.host)).toEqual(before)
    await revert(ada, auditId, { ifMatch: (await detailsOf(ada)).etag })
    expect((await detailsOf(ada)).etag).toBe(etag)
  })

  test('of a revert and changes at the same time, none is lost', async () => {
    const ada = await wire.person({ display_name: 'Ada' })
    const settle = async (auditId: number, act: () => Promise<unknown>) => {
      const [, result] = await Promise.allSettled([act(), revert(ada, auditId)])
      return result.status === 'fulfilled' ? 'ok' : result.reason.code
    }
    for (let round = 0; round < 3; round++) {
      const attribute = await recorded(ada, () =>
        user().updateUserById({ ...on(ada), data: { display_name: `x${round}` } }),
      )
      const first = await settle(attribute, () =>
        user().updateUserById({ ...on(ada), data: { display_name: `new${round}` } }),
      )
      expect(['ok', 'change_superseded']).toContain(first)
      expect(await wire.stored(ada.name)).toMatchObject({ display_name: `new${round}` })

      const grant = await recorded(ada, () => user().updateGrants({ ...on(ada), patch: { roles: { sales: 'R' } } }))
      const second = await settle(grant, () => user().updateGrants({ ...on(ada), patch: { roles: { sales: 'RW' } } }))
      expect(['ok', 'change_superseded']).toContain(second)
      expect((await detailsOf(ada)).grants.roles).toEqual([{ role: 'sales', rights: 'RW' }])
      await user().updateGrants({ ...on(ada), patch: { roles: { sales: null } } })
    }
  })
})
