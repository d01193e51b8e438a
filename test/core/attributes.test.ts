import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Options, SsoError } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'

const START = new Date('2031-05-06T07:08:09.000Z')
const MINUTE = 60_000
const CODE = { actor: { via: 'code', name: 'test' } } as const

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: SsoError) => error.code,
  )

const PLACES = databases.flatMap((database) => ARRANGEMENTS.map((arrangement) => ({ database, arrangement })))

describe.each(PLACES)('custom attributes: $database, $arrangement', ({ database, arrangement }) => {
  let host: TestHost
  let now = START
  let failsWithin = false
  let ids: { ada: string; bob: string; admin: string }
  const seen: object[] = []

  const start = (options: Partial<Options> = {}) =>
    startHost(database, {
      arrangement,
      options: {
        password: { hasher: fastHasher() },
        now: () => now,
        logger: { warn: () => {}, error: () => {} },
        ...options,
      },
    })

  beforeAll(async () => {
    host = await start({
      hooks: {
        authorizeUpdate: ({ operation, patch }) => void (operation === 'set_attributes' && seen.push(patch)),
        withinUpdate: () => {
          if (failsWithin) throw new Error('the disk is full')
        },
      },
    })
    ids = { ada: await idOf(host, 'ada'), bob: await idOf(host, 'bob'), admin: await idOf(host, 'admin') }
  })

  afterEach(async () => {
    now = START
    failsWithin = false
    await host.database.db('sso_attribute').delete()
    await host.database.db('sso_session_attribute').delete()
  })

  afterAll(() => host.close())

  const as = async (name: string) => ({ currentUst: await host.login(name), currentApp: 'CRM' })

  test('one function each: create, update, set, remove, get, exists, names, list, toObject, setExpiry', async () => {
    const { attributes } = host.sso
    const ada = await as('ada')
    expect(await attributes.create({ ...ada, name: 'lang', value: 'fr', expiration: 60 })).toEqual({
      changed: ['lang'],
    })
    expect(await attributes.get({ ...ada, name: 'lang' })).toEqual({
      name: 'lang',
      value: 'fr',
      isEncrypted: false,
      creationTime: START,
      lastModified: START,
      expirationTime: new Date(START.getTime() + MINUTE),
    })
    now = new Date(START.getTime() + 1)
    expect(await attributes.update({ ...ada, name: 'lang', value: { a: [1] } })).toEqual({ changed: ['lang'] })
    expect(await attributes.update({ ...ada, name: 'lang', value: { a: [1] } })).toEqual({ changed: [] })
    expect(await attributes.setExpiry({ ...ada, name: 'lang', expiration: null })).toEqual({ changed: ['lang'] })
    expect(await attributes.get({ ...ada, name: 'lang' })).toMatchObject({
      value: { a: [1] },
      creationTime: START,
      lastModified: now,
      expirationTime: null,
    })
    const data = [
      { name: 'lang', value: 1 },
      { name: 'zone', value: 'UTC', expiration: null },
    ]
    expect(await attributes.set({ ...ada, data })).toEqual({ changed: ['lang', 'zone'] })
    expect(await attributes.exists({ ...ada, name: 'zone' })).toBe(true)
    expect(await attributes.exists({ ...ada, name: 'nosuch' })).toBe(false)
    expect(await attributes.get({ ...ada, name: 'nosuch' })).toBeNull()
    expect(await attributes.names(ada)).toEqual(['lang', 'zone'])
    expect((await attributes.list({ ...ada, names: ['zone', 'nosuch'] })).map(({ name }) => name)).toEqual(['zone'])
    expect(await attributes.toObject(ada)).toEqual({ lang: 1, zone: 'UTC' })
    expect(await attributes.merge({ ...ada, data: { lang: null, zone: 'CET', new: false, nosuch: null } })).toEqual({
      changed: ['lang', 'zone', 'new'],
    })
    expect(await attributes.toObject(ada)).toEqual({ zone: 'CET', new: false })
    expect(await attributes.remove({ ...ada, name: ['zone', 'nosuch'] })).toEqual({ changed: ['zone'] })
    expect(await attributes.remove({ ...ada, name: 'zone' })).toEqual({ changed: [] })
    expect((await host.sso.user.getUserDetails(ada)).attributes).toEqual({ new: false })
  })

  test('errors have codes, and arguments that make no sense are refused', async () => {
    const { attributes } = host.sso
    const ada = await as('ada')
    const one = { ...ada, name: 'n', value: 1 }
    await attributes.create(one)
    expect(await codeOf(attributes.create(one))).toBe('attribute_exists')
    expect(await codeOf(attributes.update({ ...one, name: 'nosuch' }))).toBe('attribute_missing')
    expect(await codeOf(attributes.setExpiry({ ...ada, name: 'nosuch', expiration: 1 }))).toBe('attribute_missing')
    expect(await codeOf(attributes.set({ ...one, userId: ids.bob }))).toBe('super_user_required')
    expect(await codeOf(attributes.set({ ...CODE, name: 'n', value: 1, userId: 'nosuch' }))).toBe('user_unknown')
    expect(await codeOf(attributes.set({ ...CODE, name: 'n', value: 1, of: 'session' }))).toBe('session_unknown')
    for (const wrong of [
      { of: 'session', userId: ids.ada },
      { of: 'account', targetUst: ada.currentUst },
      { of: 'nosuch' },
      { data: [{ name: 'm', value: 1 }] },
      { name: undefined },
      { name: undefined, data: [{ name: 'm', value: 1, expires: 1 }] },
      { name: undefined, data: [{ name: 'm', value: undefined }] },
      { name: undefined, data: {} },
      { expiration: 0 },
      { expiration: '60' },
      { encrypt: 'yes' },
      { value: 1n },
      { value: Number.NaN },
      { value: { deep: [[[[[[[[1]]]]]]]] } },
    ]) {
      const sent = { ...one, ...wrong } as never
      expect([wrong, await codeOf(attributes.set(sent))]).toEqual([wrong, 'input_invalid'])
    }
    for (const data of [[], 'text', null, { '': 1 }, { ok: 1, bad: undefined }]) {
      expect(await codeOf(attributes.merge({ ...ada, data: data as never }))).toBe('input_invalid')
    }
    expect(await attributes.toObject(ada)).toEqual({ n: 1 })
  })

  test('an account and a session have 200 at most, however they come', async () => {
    const { attributes } = host.sso
    const ada = await as('ada')
    const many = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, index) => ({ name: `${prefix}${index}`, value: index }))
    for (const of of ['account', 'session'] as const) {
      await attributes.create({ ...ada, of, data: many('a', 199) })
      expect(await codeOf(attributes.create({ ...ada, of, data: many('b', 2) }))).toBe('input_invalid')
      await attributes.create({ ...ada, of, data: many('b', 1) })
      expect(await codeOf(attributes.merge({ ...ada, of, data: { c: 1 } }))).toBe('input_invalid')
      await attributes.merge({ ...ada, of, data: { c: 1, a0: null } })
      expect(await attributes.names({ ...ada, of })).toHaveLength(200)
    }
    expect(await codeOf(attributes.create({ ...ada, data: many('d', 201) }))).toBe('input_invalid')
  })

  describe('what is encrypted', () => {
    const rows = (table: string) => host.database.db(table).orderBy('name')

    test.each([
      ['account', 'sso_attribute'],
      ['session', 'sso_session_attribute'],
    ] as const)('is ciphertext in the table (%s), and stays so until it is said otherwise', async (of, table) => {
      const { attributes } = host.sso
      const own = { ...(await as('ada')), of }
      await attributes.create({ ...own, name: 'pin', value: 's3cret', encrypt: true })
      const [row] = await rows(table)
      expect([row.value.startsWith('v1.'), Boolean(row.is_encrypted)]).toEqual([true, true])
      expect(JSON.stringify(row)).not.toContain('s3cret')

      await attributes.setExpiry({ ...own, name: 'pin', expiration: 60 })
      expect((await rows(table))[0].value).toBe(row.value)
      await attributes.set({ ...own, name: 'pin', value: 'an0ther' })
      expect(JSON.stringify(await rows(table))).not.toContain('an0ther')
      expect(await attributes.get({ ...own, name: 'pin' })).toMatchObject({ value: 'an0ther', isEncrypted: true })
      const undecrypted = await attributes.get({ ...own, name: 'pin', decrypt: false })
      expect([undecrypted?.isEncrypted, undecrypted && 'value' in undecrypted]).toEqual([true, false])
      expect(await attributes.toObject({ ...own, decrypt: false })).toEqual({})
      expect((await host.sso.user.getUserDetails({ ...CODE, userId: ids.ada })).attributes).toEqual({})

      await attributes.update({ ...own, name: 'pin', encrypt: false })
      expect(await rows(table)).toMatchObject([{ value: '"an0ther"' }])
      const trail = JSON.stringify(await host.audit())
      expect(['s3cret', 'an0ther'].filter((secret) => trail.includes(secret))).toEqual([])
    })

    test("secret names are encrypted whatever is asked for, and read by the host's own program only", async () => {
      const { attributes } = host.sso
      const ada = await as('ada')
      const name = 'digdashMailPassword'
      await attributes.create({ ...ada, name, value: 's3cret', encrypt: false })
      expect(JSON.stringify(await rows('sso_attribute'))).not.toContain('s3cret')
      for (const caller of [ada, { ...(await as('admin')), userId: ids.ada }, hostActor()]) {
        expect(await attributes.toObject(caller)).toEqual({})
        expect(await attributes.get({ ...caller, name })).toMatchObject({ name, isEncrypted: true })
      }
      expect(await attributes.toObject({ ...CODE, userId: ids.ada })).toEqual({ [name]: 's3cret' })

      function hostActor() {
        return { actor: { via: 'host', userId: ids.admin, isSuperUser: true } as const, userId: ids.ada }
      }
    })

    test('is shown to no hook, even where the call does not repeat that it is encrypted', async () => {
      const { attributes } = host.sso
      const ada = await as('ada')
      await attributes.create({ ...ada, name: 'pin', value: 's3cret', encrypt: true, expiration: 60 })
      seen.length = 0
      await attributes.set({ ...ada, name: 'pin', value: 'an0ther', expiration: null })
      await attributes.merge({ ...ada, data: { pin: 'a third', plain: 1 } })
      await attributes.remove({ ...ada, name: 'pin' })
      expect(seen).toEqual([
        { 'attributes.pin': '[redacted]', 'expirations.pin': null },
        { 'attributes.pin': '[redacted]', 'attributes.plain': 1 },
        { 'attributes.pin': null },
      ])
    })

    test('is refused without a key, and what no key opens can be replaced', async () => {
      const { attributes } = host.sso
      await attributes.create({ ...CODE, userId: ids.ada, name: 'pin', value: 's3cret', encrypt: true })
      const [{ value }] = await rows('sso_attribute')
      await host.database.db('sso_attribute').update({ value: `${value.slice(0, -4)}AAAA` })
      const on = { ...CODE, userId: ids.ada }
      expect(await attributes.toObject(on)).toEqual({})
      expect(await codeOf(attributes.update({ ...on, name: 'pin', encrypt: false }))).toBe('encryption_key_missing')
      expect(await attributes.setExpiry({ ...on, name: 'pin', expiration: 9 })).toEqual({ changed: ['pin'] })
      expect(await attributes.set({ ...on, name: 'pin', value: 'new' })).toEqual({ changed: ['pin'] })
      expect(await attributes.toObject(on)).toEqual({ pin: 'new' })

      const keyless = await start({ encryptionKeys: [] })
      const ada = { ...CODE, userId: await idOf(keyless, 'ada') }
      const created = keyless.sso.attributes.create({ ...ada, name: 'pin', value: 1, encrypt: true })
      expect(await codeOf(created)).toBe('encryption_key_missing')
      expect(await keyless.sso.attributes.names(ada)).toEqual([])
      await keyless.close()
    })
  })

  test('names may be limited; what is not allowed any more can be removed', async () => {
    const { attributes } = host.sso
    await attributes.create({ ...CODE, userId: ids.ada, name: 'old', value: 1 })
    const limited = await start({ customAttributes: { allowed: ['lang'] } })
    const on = { ...CODE, userId: await idOf(limited, 'ada') }
    expect(await codeOf(limited.sso.attributes.set({ ...on, name: 'old', value: 1 }))).toBe('input_invalid')
    expect(await limited.sso.attributes.set({ ...on, name: 'lang', value: 1 })).toEqual({ changed: ['lang'] })
    expect(await limited.sso.attributes.remove({ ...on, name: 'old' })).toEqual({ changed: [] })
    await limited.close()
  })

  test('expired ones go when something is written, and are not shown until then', async () => {
    const { attributes } = host.sso
    const ada = await as('ada')
    const held = async () => (await host.database.db('sso_attribute').orderBy('name')).map(({ name }) => name)
    await attributes.create({
      ...ada,
      data: [
        { name: 'a', value: 1 },
        { name: 'b', value: 2, expiration: 60 },
      ],
    })
    now = new Date(START.getTime() + MINUTE)
    expect((await host.sso.user.getUserDetails(CODE_ON())).attributes).toEqual({ a: 1 })
    expect(await attributes.toObject(CODE_ON())).toEqual({ a: 1 })
    expect(await held()).toEqual(['a', 'b'])
    await attributes.set({ ...CODE_ON(), name: 'a', value: 1 })
    expect(await held()).toEqual(['a'])

    function CODE_ON() {
      return { ...CODE, userId: ids.ada }
    }
  })

  test('a write that fails in the transaction leaves nothing, a record of it apart', async () => {
    const { attributes } = host.sso
    await attributes.create({ ...CODE, userId: ids.ada, name: 'a', value: 1 })
    failsWithin = true
    const writing = attributes.merge({ ...CODE, userId: ids.ada, data: { a: null, b: 2 } })
    await expect(writing).rejects.toThrow('the disk is full')
    expect(await attributes.toObject({ ...CODE, userId: ids.ada })).toEqual({ a: 1 })
    expect((await host.audit()).at(-1)).toMatchObject({ operation: 'set_attributes', outcome: 'failed', changes: [] })
  })

  describe('attributes of a session', () => {
    test("are its owner's, from any of his sessions, and super-users'", async () => {
      const { attributes } = host.sso
      const [ada, other, bob, admin] = [await as('ada'), await as('ada'), await as('bob'), await as('admin')]
      await attributes.set({ ...ada, of: 'session', name: 'cart', value: [1] })
      expect(await attributes.toObject({ ...ada, of: 'session' })).toEqual({ cart: [1] })
      expect(await attributes.toObject({ ...other, of: 'session' })).toEqual({})
      expect(await attributes.toObject({ ...other, targetUst: ada.currentUst })).toEqual({ cart: [1] })
      expect(await attributes.merge({ ...admin, targetUst: ada.currentUst, data: { cart: [2] } })).toEqual({
        changed: ['cart'],
      })
      expect(await attributes.toObject({ ...CODE, targetUst: ada.currentUst })).toEqual({ cart: [2] })
      expect(await codeOf(attributes.toObject({ ...bob, targetUst: ada.currentUst }))).toBe('super_user_required')
      expect(await codeOf(attributes.toObject({ ...bob, targetUst: 'nosuch' }))).toBe('super_user_required')
      expect(await codeOf(attributes.toObject({ ...admin, targetUst: 'nosuch' }))).toBe('session_unknown')
      expect(await attributes.toObject(ada)).toEqual({})
    })

    // Every path that ends a session, on the session of a new person beside one that stays.
    const ENDINGS: Readonly<Record<string, (own: { currentUst: string; currentApp: string }, id: string) => unknown>> =
      {
        logout: (own) => host.sso.user.logout(own),
        'the end of one by its id': async (own) => {
          const found = (await host.sso.session.list(own)).find(({ isCurrent }) => isCurrent)
          return host.sso.session.end({ ...own, id: found?.id ?? '' })
        },
        'the end of all': (_, userId) => host.sso.session.endAll({ ...CODE, userId }),
        'a new password': (_, userId) => host.sso.user.changePassword({ ...CODE, userId, newPassword: `${PASSWORD}!` }),
        'a login that finds it expired': async () => {
          now = new Date(START.getTime() + 61 * MINUTE)
          await host.login('gone')
        },
        'the end of the account': (_, userId) => host.sso.user.deleteUserById({ ...CODE, userId }),
      }

    test.each(Object.keys(ENDINGS))('go with it: %s', async (ending) => {
      const { db } = host.database
      const { user_id } = await host.sso.user.createUser({
        ...CODE,
        autoApprove: true,
        data: { username: 'gone', password: PASSWORD },
      })
      const [own, kept] = [await as('gone'), await as('bob')]
      for (const caller of [own, kept]) await host.sso.attributes.set({ ...caller, of: 'session', name: 'n', value: 1 })
      expect(await db('sso_session_attribute')).toHaveLength(2)
      await ENDINGS[ending]!(own, user_id)
      expect(await db('sso_session_attribute')).toHaveLength(1)
      now = START
      expect(await host.sso.attributes.toObject({ ...kept, of: 'session' })).toEqual({ n: 1 })
      if (ending !== 'the end of the account') await host.sso.user.deleteUserById({ ...CODE, userId: user_id })
    })

    test('are not written to a session that ends at the same time', async () => {
      const { attributes } = host.sso
      for (let round = 0; round < 5; round++) {
        const ada = await as('ada')
        const [written] = await Promise.all([
          codeOf(attributes.set({ ...ada, of: 'session', name: 'n', value: 1 })),
          host.sso.user.logout(ada),
        ])
        expect(['done', 'session_unknown']).toContain(written)
      }
      expect(await host.database.db('sso_session_attribute')).toEqual([])
    })
  })

  test.each(['account', 'session'] as const)('of two that create one name at once, one does: %s', async (of) => {
    const ada = { ...(await as('ada')), of }
    for (let round = 0; round < 4; round++) {
      const name = `n${round}`
      const results = await Promise.all(
        [1, 2, 3].map((value) => codeOf(host.sso.attributes.create({ ...ada, name, value }))),
      )
      expect(results.sort()).toEqual(['attribute_exists', 'attribute_exists', 'done'])
    }
    // None that is set at once with others is lost.
    const names = ['a', 'b', 'c', 'd']
    await Promise.all(names.map((name) => host.sso.attributes.set({ ...ada, name, value: name })))
    expect(await host.sso.attributes.toObject(ada)).toMatchObject({ a: 'a', b: 'b', c: 'c', d: 'd' })
  })
})
