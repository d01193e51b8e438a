import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  badRequest,
  change,
  later,
  ok,
  type Person,
  PLACE,
  PLACES,
  record,
  refused,
  START,
  START_TEXT,
  startWire,
  type Wire,
} from './wire.ts'

const NEVER = '9999-12-31T00:00:00'

describe.each(PLACES)(PLACE, (place) => {
  let wire: Wire
  let call: Wire['call']
  let ada: Person
  let bob: Person

  beforeAll(async () => {
    wire = await startWire(place, { updateuser: { protectedAttributes: ['credit'] } })
    call = wire.call
    ada = await wire.person()
    bob = await wire.person()
  })

  afterEach(() => {
    wire.clock.now = START
  })

  afterAll(() => wire.host.close())

  /** What a GET says of one attribute. */
  const shown = (name: string, value: unknown, others: object = {}) => ({
    found: true,
    name,
    value,
    creation_time: START_TEXT,
    last_modified: START_TEXT,
    expiration_time: NEVER,
    is_encrypted: false,
    ...others,
  })

  // Attributes of a user and of a session differ in nothing but whose they are and how that is said.
  const KINDS = [
    { kind: 'user', self: () => ({ ust: ada.ust }), admin: () => ({ ust: wire.admin.ust, user_id: ada.id }) },
    {
      kind: 'session',
      self: () => ({ current_ust: ada.ust, target_ust: ada.ust }),
      admin: () => ({ current_ust: wire.admin.ust, target_ust: ada.ust, user_id: 'ignored' }),
    },
  ] as const

  describe.each(KINDS)('/$kind/attr', ({ kind, self, admin }) => {
    const path = `/${kind}/attr`
    const get = (fields: object, as: () => object = admin) => call('GET', path, { ...as(), ...fields })

    describe.each([
      ['by its owner', self],
      ['by a super-user', admin],
    ])('%s', (_, as) => {
      afterEach(async () => {
        const { body } = await call('GET', `${path}/names`, as())
        if (body.result.length > 0) await call('DELETE', path, { ...as(), data: body.result })
      })

      test('one is created, read, updated, set and deleted', async () => {
        expect(await call('POST', path, { ...as(), name: 'lang', value: 'fr' })).toMatchObject(ok())
        expect(await get({ name: 'lang' }, as)).toMatchObject(ok(shown('lang', 'fr')))
        expect(await call('POST', path, { ...as(), name: 'lang', value: 'en' })).toMatchObject(
          refused('E009001', 'lang: There is such an attribute already.'),
        )

        wire.clock.now = later(1000)
        const modified = { last_modified: '2031-05-06T07:08:10' }
        expect(await call('PATCH', path, { ...as(), name: 'lang', value: 'en' })).toMatchObject(ok())
        expect(await get({ name: 'lang' }, as)).toMatchObject(ok(shown('lang', 'en', modified)))
        expect(await call('PATCH', path, { ...as(), name: 'nosuch', value: 'en' })).toMatchObject(
          refused('E009002', 'nosuch: There is no such attribute to be updated.'),
        )

        expect(await call('PUT', path, { ...as(), name: 'lang', value: 'de' })).toMatchObject(ok())
        expect(await call('PUT', path, { ...as(), name: 'other', value: 'x' })).toMatchObject(ok())
        expect((await get({ name: 'lang' }, as)).body.value).toBe('de')
        expect((await get({ name: 'other' }, as)).body.value).toBe('x')

        expect(await call('DELETE', path, { ...as(), name: 'lang' })).toMatchObject(ok())
        expect(await call('DELETE', path, { ...as(), name: 'lang' })).toMatchObject(ok())
        const { status, body } = await get({ name: 'lang' }, as)
        expect({ status, body }).toEqual(ok({ found: false }))
      })

      test('several are written, read and deleted; a name wins over data', async () => {
        const data = [
          { name: 'a', value: 1 },
          { name: 'b', value: 'two', expiration: 60 },
          { name: 'c', value: { three: [3] }, encrypt: true, unknown: 'ignored' },
        ]
        expect(await call('POST', path, { ...as(), data, expiration: '120' })).toMatchObject(ok())
        const [a, b, c] = [
          shown('a', 1, { expiration_time: '2031-05-06T07:10:09' }),
          shown('b', 'two', { expiration_time: '2031-05-06T07:09:09' }),
          shown('c', { three: [3] }, { expiration_time: '2031-05-06T07:10:09', is_encrypted: true }),
        ]
        const found = await get({ data: ['c', 'nosuch', 'a'] }, as)
        expect(found.body).toEqual(ok({ result: [c, { found: false, name: 'nosuch' }, a] }).body)
        expect((await get({ data: ['b'] }, as)).body).toEqual(ok(b).body)
        expect((await get({ name: 'b', data: ['a', 'c'] }, as)).body).toEqual(ok(b).body)

        const exists = async (fields: object) =>
          (await call('GET', `${path}/exists`, { ...as(), ...fields })).body.result
        expect(await exists({ name: 'a' })).toBe(true)
        expect(await exists({ name: 'nosuch' })).toBe(false)
        expect(await exists({ data: ['a', 'nosuch'] })).toEqual({ a: true, nosuch: false })
        const names = await call('GET', `${path}/names`, as())
        expect([...names.body.result].sort()).toEqual(['a', 'b', 'c'])

        expect(await call('DELETE', path, { ...as(), data: ['a', 'nosuch', 'b'] })).toMatchObject(ok())
        expect((await call('GET', `${path}/names`, as())).body.result).toEqual(['c'])
      })

      test('an expired one does not exist: it is not found, not updated, and created anew', async () => {
        await call('POST', path, { ...as(), name: 'brief', value: 1, expiration: 10 })
        wire.clock.now = later(9_999)
        expect((await get({ name: 'brief' }, as)).body.found).toBe(true)
        wire.clock.now = later(10_000)
        expect((await get({ name: 'brief' }, as)).body).toEqual(ok({ found: false }).body)
        expect((await call('GET', `${path}/exists`, { ...as(), name: 'brief' })).body.result).toBe(false)
        expect((await call('GET', `${path}/names`, as())).body.result).toEqual([])
        expect(await call('PATCH', path, { ...as(), name: 'brief', value: 2 })).toMatchObject({
          body: { sub_status: ['E009002'] },
        })
        expect(await call('POST', path, { ...as(), name: 'brief', value: 3 })).toMatchObject(ok())
        expect((await get({ name: 'brief' }, as)).body).toMatchObject({ value: 3, expiration_time: NEVER })
      })

      test('an update leaves what it does not name: value, expiry, encryption', async () => {
        await call('POST', path, { ...as(), name: 'pin', value: 'v', expiration: 60, encrypt: true })
        const expiration_time = '2031-05-06T07:09:09'
        for (const fields of [{ value: '' }, { value: null }, { expiration: 0 }, { expiration: null }, {}]) {
          expect(await call('PATCH', path, { ...as(), name: 'pin', ...fields })).toMatchObject(ok())
          expect((await get({ name: 'pin' }, as)).body).toMatchObject({
            value: 'v',
            expiration_time,
            is_encrypted: true,
          })
        }
        await call('PATCH', path, { ...as(), name: 'pin', value: 'w' })
        expect((await get({ name: 'pin' }, as)).body).toMatchObject({ value: 'w', expiration_time, is_encrypted: true })
        await call('PUT', path, { ...as(), name: 'pin', expiration: 90 })
        expect((await get({ name: 'pin' }, as)).body).toMatchObject({
          value: 'w',
          expiration_time: '2031-05-06T07:09:39',
          is_encrypted: true,
        })
        await call('PATCH', path, { ...as(), name: 'pin', encrypt: false })
        expect((await get({ name: 'pin' }, as)).body).toMatchObject({ value: 'w', is_encrypted: false })
      })

      test('an encrypted value is shown unless it is not to be decrypted; a secret one never is', async () => {
        await call('POST', path, { ...as(), data: [{ name: 'pin', value: 's3cret', encrypt: 'yes' }] })
        expect((await get({ name: 'pin' }, as)).body).toEqual(ok(shown('pin', 's3cret', { is_encrypted: true })).body)
        const { value: _, ...hidden } = shown('pin', null, { is_encrypted: true })
        expect((await get({ name: 'pin', decrypt: false }, as)).body).toEqual(ok(hidden).body)

        await call('POST', path, { ...as(), name: 'digdashMailPassword', value: 's3cret', encrypt: false })
        const secret = await get({ name: 'digdashMailPassword', decrypt: true }, as)
        expect(secret.body).toEqual(ok({ ...hidden, name: 'digdashMailPassword' }).body)
      })

      test('any JSON is a value, and stays what it is', async () => {
        const values = ['', '😀 ü', 0, -1.5, true, false, null, [], {}, { a: [{ b: null }, 'x'] }]
        const data = values.map((value, index) => ({ name: `n${index}`, value }))
        expect(await call('POST', path, { ...as(), data })).toMatchObject(ok())
        const { body } = await get({ data: data.map(({ name }) => name) }, as)
        expect(body.result.map(({ value }: { value: unknown }) => value)).toEqual(values)
      })
    })

    test('several are written all or none, and the reply names each that is wrong', async () => {
      await call('POST', path, { ...self(), name: 'there', value: 1 })
      const write = (method: string, ...data: object[]) =>
        wire.observe(ada.name, () => call(method, path, { ...self(), data }))
      const nothing = { account: {}, elsewhere: [] }
      const fine = { name: 'new', value: 2 }

      const created = await write('POST', fine, { name: 'there', value: 2 })
      expect(created).toMatchObject({
        reply: refused('E009001', 'there: There is such an attribute already.'),
        ...nothing,
      })
      const updated = await write(
        'PATCH',
        { name: 'there', value: 2 },
        { name: 'x', value: 1 },
        { name: 'y', value: 1 },
      )
      expect(updated.reply.body).toMatchObject({
        sub_status: ['E009002'],
        details: ['x: There is no such attribute to be updated.', 'y: There is no such attribute to be updated.'],
      })
      expect(updated).toMatchObject(nothing)

      for (const bad of [
        { name: '', value: 1 },
        { name: ' padded', value: 1 },
        { name: 'a\nb', value: 1 },
        { name: '__proto__', value: 1 },
        { name: 'x'.repeat(192), value: 1 },
        { name: 'x', value: 'y'.repeat(10_001) },
        { name: 'x', value: 'a\u0000b' },
        { name: 'x' },
        { name: 'x', value: 1, expiration: -1 },
        { name: 'x', value: 1, expiration: 999_999_999_999_999 },
        { name: 'x', value: 1, expiration: 1.5 },
        { name: 'x', value: 1, encrypt: null },
        { name: 'new', value: 'twice' },
        { value: 1 },
        'x',
        null,
      ]) {
        for (const method of ['POST', 'PUT']) {
          const outcome = await write(method, fine, bad as object)
          expect(outcome, JSON.stringify(bad)).toMatchObject({ reply: { status: 403 }, ...nothing })
          expect(outcome.reply.body.sub_status, JSON.stringify(bad)).toEqual(['E008002'])
        }
      }
      await call('DELETE', path, { ...self(), name: 'there' })
    })

    test('neither name nor data, and lists that are none, are refused to those who may call', async () => {
      for (const method of ['GET', 'POST', 'PATCH', 'PUT', 'DELETE']) {
        for (const fields of [{}, { name: '', data: null }, { data: [] }, { data: [5] }, { data: {} }]) {
          const reply = await call(method, path, { ...self(), ...fields })
          expect([method, reply.status, reply.body.sub_status]).toEqual([method, 403, ['E008002']])
        }
      }
      const session = kind === 'user' ? { ust: 'none' } : { current_ust: 'none', target_ust: ada.ust }
      expect(await call('POST', path, session)).toMatchObject(refused('E007001'))
    })

    test('what is protected only a super-user writes', async () => {
      for (const method of ['POST', 'PATCH', 'PUT', 'DELETE']) {
        const { reply, ...did } = await wire.observe(ada.name, () =>
          call(method, path, { ...self(), name: 'credit', value: 100 }),
        )
        expect(reply).toEqual(refused('E008002', 'credit: The attribute may not be changed by the caller.'))
        expect(did).toMatchObject({ elsewhere: [], audit: [{ outcome: 'denied', error: 'attribute_forbidden' }] })
      }
      expect(await call('PUT', path, { ...admin(), name: 'credit', value: 100 })).toMatchObject(ok())
      expect((await get({ name: 'credit' }, self)).body.value).toBe(100)
      await call('DELETE', path, { ...admin(), name: 'credit' })
    })

    test("another's are out of a regular user's reach, on every endpoint", async () => {
      await call('POST', path, { ...self(), name: 'mine', value: 'kept' })
      const asBob = kind === 'user' ? { ust: bob.ust, user_id: ada.id } : { current_ust: bob.ust, target_ust: ada.ust }
      const nobody = kind === 'user' ? { user_id: 'nosuch' } : { target_ust: 'nosuch' }
      for (const [method, at] of [
        ['GET', path],
        ['POST', path],
        ['PATCH', path],
        ['PUT', path],
        ['DELETE', path],
        ['GET', `${path}/exists`],
        ['GET', `${path}/names`],
      ] as const) {
        const { reply, ...did } = await wire.observe(bob.name, () =>
          call(method, at, { ...asBob, name: 'mine', value: 'stolen' }),
        )
        expect({ reply, elsewhere: did.elsewhere }, `${method} ${at}`).toEqual({
          reply: refused('E005001'),
          elsewhere: [],
        })
        expect(did.audit).toMatchObject([{ outcome: 'denied', error: 'super_user_required', actor: bob.name }])
        // Whether there is somebody of that id, or such a session, he does not learn.
        expect(await call(method, at, { ...asBob, ...nobody, name: 'mine', value: 'x' })).toMatchObject(
          refused('E005001'),
        )
        const unknown = await call(method, at, { ...admin(), ...nobody, name: 'mine', value: 'x' })
        expect(unknown).toMatchObject(refused(kind === 'user' ? 'E001100' : 'E007001'))
      }
      expect((await get({ name: 'mine' })).body.value).toBe('kept')
      await call('DELETE', path, { ...self(), name: 'mine' })
    })

    test('every change is on record, with what is encrypted left out; a change of nothing claims none', async () => {
      const operation = kind === 'user' ? 'set_attributes' : 'set_session_attributes'
      const table = kind === 'user' ? 'sso_attribute' : 'sso_session_attribute'
      const { body } = await call('GET', '/user/session/list', { ust: ada.ust })
      const at = kind === 'user' ? '' : `sessions.${body.result[0].ust}.`
      const did = async (method: string, ...data: unknown[]) => {
        const { reply, elsewhere, audit } = await wire.observe(ada.name, () => call(method, path, { ...admin(), data }))
        expect(reply).toEqual(ok())
        return { elsewhere, audit }
      }
      const recorded = (outcome: string, ...changes: object[]) => [
        record(operation, outcome, { actor: 'admin', target: ada.name, changes }),
      ]

      expect(
        await did('POST', { name: 'a', value: [1] }, { name: 'pin', value: 's3cret', encrypt: true, expiration: 60 }),
      ).toEqual({
        elsewhere: [`+ ${table}`, `+ ${table}`],
        audit: recorded(
          'ok',
          change(`${at}attributes.a`, null, [1]),
          change(`${at}attributes.pin`, null, '[redacted]'),
          change(`${at}expirations.pin`, null, '2031-05-06T07:09:09.000Z'),
        ),
      })
      expect(await did('PATCH', { name: 'a', value: [1] }, { name: 'pin', value: 's3cret' })).toEqual({
        elsewhere: [],
        audit: recorded('unchanged'),
      })
      expect(await did('PATCH', { name: 'pin', value: 'an0ther' }, { name: 'a', expiration: 1 })).toEqual({
        elsewhere: [`- ${table}`, `- ${table}`, `+ ${table}`, `+ ${table}`],
        audit: recorded(
          'ok',
          change(`${at}attributes.pin`, '[redacted]', '[redacted]'),
          change(`${at}expirations.a`, null, '2031-05-06T07:08:10.000Z'),
        ),
      })
      expect(await did('DELETE', 'a', 'pin', 'nosuch')).toEqual({
        elsewhere: [`- ${table}`, `- ${table}`],
        audit: recorded(
          'ok',
          change(`${at}attributes.a`, [1], null),
          change(`${at}expirations.a`, '2031-05-06T07:08:10.000Z', null),
          change(`${at}attributes.pin`, '[redacted]', null),
          change(`${at}expirations.pin`, '2031-05-06T07:09:09.000Z', null),
        ),
      })
      expect(await did('DELETE', 'a')).toEqual({ elsewhere: [], audit: recorded('unchanged') })
      const trail = JSON.stringify(await wire.host.audit())
      expect(['s3cret', 'an0ther'].filter((secret) => trail.includes(secret))).toEqual([])
    })
  })

  test('items may name their user, but one and the same', async () => {
    const item = (name: string, user_id?: string | null) => ({ name, value: 1, user_id })
    const post = async (fields: object) => (await call('POST', '/user/attr', { ust: wire.admin.ust, ...fields })).body
    expect(await post({ data: [item('i1', bob.id), item('i2', bob.id)] })).toMatchObject({ status: 'ok' })
    expect(await post({ user_id: bob.id, data: [item('i3'), item('i4', bob.id), item('i5', null)] })).toMatchObject({
      status: 'ok',
    })
    const names = await call('GET', '/user/attr/names', { ust: bob.ust })
    expect([...names.body.result].sort()).toEqual(['i1', 'i2', 'i3', 'i4', 'i5'])

    for (const fields of [
      { data: [item('j1', bob.id), item('j2')] },
      { data: [item('j1', bob.id), item('j2', ada.id)] },
      { user_id: bob.id, data: [item('j1', ada.id)] },
    ]) {
      expect(await post(fields)).toMatchObject({ sub_status: ['E008002'] })
    }
    expect((await call('GET', '/user/attr/names', { ust: ada.ust })).body.result).toEqual([])
    // His own id a regular user may give, wherever he gives it.
    const own = { ust: bob.ust, data: [item('k', bob.id)] }
    expect(await call('POST', '/user/attr', own)).toMatchObject(ok())
    expect(await call('POST', '/user/attr', { ...own, data: [item('k', ada.id)] })).toMatchObject(refused('E005001'))
  })

  test('a token is asked for as elsewhere', async () => {
    expect(await call('GET', '/user/attr/names')).toMatchObject(badRequest('Missing: ust.'))
    expect(await call('GET', '/session/attr/names', { target_ust: ada.ust })).toMatchObject(refused('E007001'))
    // A session of one's own is named like any other; there is none by default.
    expect(await call('GET', '/session/attr/names', { current_ust: wire.admin.ust })).toMatchObject(refused('E007001'))
    const query = { query: 'data=a&data=b' }
    expect((await call('GET', '/user/attr/exists', { ust: ada.ust }, query)).body.result).toEqual({
      a: false,
      b: false,
    })
  })

  test('attributes of one name coexist in users and sessions, and vanish with theirs', async () => {
    const carl = await wire.person()
    const other = { ...carl, ust: await wire.host.login(carl.name) }
    const write = (path: string, fields: object, value: unknown) => call('POST', path, { ...fields, name: 'n', value })
    await write('/user/attr', { ust: carl.ust }, 'user')
    await write('/session/attr', { current_ust: carl.ust, target_ust: carl.ust }, 'session')
    await write('/session/attr', { current_ust: carl.ust, target_ust: other.ust }, 'other session')

    const read = async (path: string, fields: object) => (await call('GET', path, { ...fields, name: 'n' })).body.value
    const sessionOf = (target_ust: string) => ({ current_ust: wire.admin.ust, target_ust })
    expect(await read('/user/attr', { ust: carl.ust })).toBe('user')
    expect(await read('/session/attr', sessionOf(carl.ust))).toBe('session')
    expect(await read('/session/attr', sessionOf(other.ust))).toBe('other session')

    await call('POST', '/user/logout', { ust: carl.ust })
    expect(await call('GET', '/session/attr/names', sessionOf(carl.ust))).toMatchObject(refused('E007001'))
    expect(await read('/session/attr', sessionOf(other.ust))).toBe('other session')
    await call('DELETE', '/user', { ust: wire.admin.ust, user_id: carl.id })
    expect(await wire.host.database.db('sso_session_attribute')).toEqual([])
    expect(await wire.host.database.db('sso_attribute').where({ user_id: carl.id })).toEqual([])
  })
})
