import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf } from '../../support/contents.ts'
import { countingHasher, fastHasher } from '../../support/fast-hasher.ts'
import { databases, idOf, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { codeAt, TOTP_KEY } from '../../support/one-time-codes.ts'
import { ADMIN, basic, done, FORMS, PATH, refusal, send } from './wire.ts'

const code = { via: 'code', name: 'test' } as const

describe.each(databases)('who may use updateuser on %s', (database) => {
  let host: TestHost
  const { hasher, count } = countingHasher()

  beforeAll(async () => {
    host = await startHost(database, {
      users: ['ada', 'bob', 'locked', 'waiting', 'coded', 'stale', 'renew'],
      options: { password: { hasher } },
    })
    const actor = code
    await host.sso.user.lockUser({ actor, userId: await idOf(host, 'locked') })
    await host.sso.user.rejectUser({ actor, userId: await idOf(host, 'waiting') })
    await host.sso.user.updateUserById({
      actor,
      userId: await idOf(host, 'coded'),
      data: { totp_key: TOTP_KEY, is_totp_enabled: true },
      totpCode: codeAt(TOTP_KEY, new Date()),
    })
    for (const name of ['stale', 'renew']) {
      const data = { password_must_change: true, password_expiry: '2020-01-01T00:00:00Z' }
      await host.sso.user.updateUserById({ actor, userId: await idOf(host, name), data })
    }
  })
  afterAll(() => host.close())

  const record = async (cid: string) => {
    const found = await host.audit({ cid })
    return found.map(({ outcome, error, actor_name, actor_via }) => ({ outcome, error, actor_name, actor_via }))
  }

  describe.each(FORMS)('by %s', (form) => {
    test('user and pass', async () => {
      const reply = await send(host, form, { ...ADMIN, uid: 'ada' })
      expect([reply.status, reply.body]).toEqual([200, done('ada')])
      expect(await record(reply.body.cid)).toEqual([
        { outcome: 'unchanged', error: null, actor_name: 'admin', actor_via: 'password' },
      ])
    })

    test('Basic', async () => {
      const reply = await send(host, form, { uid: 'ada' }, { Authorization: basic('admin', PASSWORD) })
      expect([reply.status, reply.body]).toEqual([200, done('ada')])
      expect(await record(reply.body.cid)).toEqual([
        { outcome: 'unchanged', error: null, actor_name: 'admin', actor_via: 'password' },
      ])
    })

    test.each([
      ['Sec-Fetch-Site', { 'Sec-Fetch-Site': 'cross-site' }],
      ['Origin', { Origin: 'https://evil.example' }],
    ])('Basic that a browser adds for another site is refused (%s)', async (_, headers) => {
      const authorization = { Authorization: basic('admin', PASSWORD), ...headers }
      const reply = await send(host, form, { uid: 'ada', displayName: 'Forged' }, authorization)
      expect([reply.status, reply.body.errors[0].code]).toEqual([403, 'cross_site'])
      expect(await record(reply.body.cid)).toEqual([
        { outcome: 'denied', error: 'cross_site', actor_name: null, actor_via: null },
      ])
      // Whoever sends user and pass means it.
      const meant = await send(host, form, { ...ADMIN, uid: 'ada' }, headers)
      expect([meant.status, meant.body]).toEqual([200, done('ada')])
    })

    test.each([['same-origin'], ['none']])('Basic from the same site is accepted (%s)', async (site) => {
      const headers = { Authorization: basic('admin', PASSWORD), 'Sec-Fetch-Site': site }
      const reply = await send(host, form, { uid: 'ada' }, headers)
      expect([reply.status, reply.body]).toEqual([200, done('ada')])
    })

    test('a session token', async () => {
      const headers = { Authorization: `Bearer ${await host.login('admin')}` }
      const reply = await send(host, form, { uid: 'ada' }, headers)
      expect([reply.status, reply.body]).toEqual([200, done('ada')])
      expect(await record(reply.body.cid)).toEqual([
        { outcome: 'unchanged', error: null, actor_name: 'admin', actor_via: 'ust' },
      ])
    })

    test.each([
      ['user and pass with Basic', ADMIN, () => basic('admin', PASSWORD)],
      ['user and pass with Bearer', ADMIN, () => `Bearer ${'x'.repeat(43)}`],
      ['user alone with Basic', { user: 'admin' }, () => basic('admin', PASSWORD)],
      ['pass alone with Bearer', { pass: PASSWORD }, () => `Bearer ${'x'.repeat(43)}`],
    ])('%s is ambiguous', async (_, parameters, authorization) => {
      const reply = await send(host, form, { ...parameters, uid: 'ada' }, { Authorization: authorization() })
      const error = { parameter: null, pointer: '', code: 'credentials_ambiguous' }
      expect([reply.status, reply.body]).toEqual([400, refusal('ada', error)])
    })

    test.each([
      ['nothing at all', {}, {}],
      ['user without pass', { user: 'admin' }, {}],
      ['pass without user', { pass: PASSWORD }, {}],
      ['a scheme that is not known', {}, { Authorization: 'Digest username="admin"' }],
      ['Bearer without a token', {}, { Authorization: 'Bearer ' }],
    ])('%s is no credentials', async (_, parameters, headers) => {
      const reply = await send(host, form, { ...parameters, uid: 'ada' }, headers)
      const error = { parameter: null, pointer: '', code: 'credentials_missing' }
      expect([reply.status, reply.body]).toEqual([401, refusal('ada', error)])
      expect(reply.headers).not.toHaveProperty('www-authenticate')
    })

    test('ASVS 6.3.8 an unknown user, a wrong password and a rejected account are one answer for the same work', async () => {
      const error = { parameter: null, pointer: '', code: 'credentials_invalid' }
      const replies = []
      for (const [user, pass] of [
        ['nobody', PASSWORD],
        ['admin', 'wrong password'],
        ['waiting', PASSWORD],
        ['inv\u200bisible', PASSWORD],
        ['x'.repeat(1000), PASSWORD],
      ] as const) {
        const before = { ...count }
        const reply = await send(host, form, { user, pass, uid: 'ada', password: 'a new long phrase' })
        expect([count.verify - before.verify, count.hash - before.hash]).toEqual([1, 0])
        expect([reply.status, reply.body]).toEqual([401, refusal('ada', error)])
        expect(reply.headers).not.toHaveProperty('www-authenticate')
        replies.push(JSON.stringify({ ...reply.body, cid: '' }))
        expect((await host.audit({ cid: reply.body.cid })).map(({ outcome, error }) => [outcome, error])).toEqual([
          ['denied', 'credentials_invalid'],
        ])
      }
      expect(new Set(replies).size).toBe(1)
    })

    test('WWW-Authenticate is sent where Basic was used, and only there', async () => {
      const wrong = await send(host, form, { uid: 'ada' }, { Authorization: basic('admin', 'wrong') })
      expect(wrong.status).toBe(401)
      expect(wrong.headers['www-authenticate']).toBe('Basic realm="updateuser", charset="UTF-8"')

      const token = await send(host, form, { uid: 'ada' }, { Authorization: `Bearer ${'x'.repeat(43)}` })
      const error = { parameter: null, pointer: '', code: 'session_unknown' }
      expect([token.status, token.body]).toEqual([401, refusal('ada', error)])
      expect(token.headers).not.toHaveProperty('www-authenticate')
    })

    test('Basic that cannot be read is malformed', async () => {
      const reply = await send(host, form, { uid: 'ada' }, { Authorization: 'Basic bm9jb2xvbg==' })
      const error = { parameter: null, pointer: '', code: 'input_malformed' }
      expect([reply.status, reply.body]).toEqual([400, refusal('ada', error)])
    })

    test('ASVS 6.3.4 an account with one-time codes is refused with user and pass, where no code can be sent', async () => {
      for (const [parameters, headers] of [
        [{ user: 'coded', pass: PASSWORD }, {}],
        [{}, { Authorization: basic('coded', PASSWORD) }],
      ] as const) {
        const reply = await send(host, form, { ...parameters, uid: 'coded', displayName: 'x' }, headers)
        const error = { parameter: null, pointer: '', code: 'totp_missing' }
        expect([reply.status, reply.body]).toEqual([401, refusal('coded', error)])
      }
    })

    test('a locked account is refused, and an expired password is good for its own renewal alone', async () => {
      const locked = await send(host, form, { user: 'locked', pass: PASSWORD, uid: 'locked' })
      const lockedError = { parameter: null, pointer: '', code: 'account_locked' }
      expect([locked.status, locked.body]).toEqual([403, refusal('locked', lockedError)])

      const own = { user: 'stale', pass: PASSWORD, uid: 'stale' }
      const stale = await send(host, form, { ...own, displayName: 'x' })
      expect([stale.status, stale.body]).toEqual([
        403,
        refusal('stale', { parameter: null, pointer: '', code: 'not_allowed' }),
      ])
    })
  })

  test('Basic may have colons in the password, and passwords are taken as UTF-8', async () => {
    const password = 'pass:wörd:schön'
    await host.sso.user.changePassword({ actor: code, userId: await idOf(host, 'bob'), newPassword: password })
    const reply = await send(host, 'POST form', { uid: 'bob' }, { Authorization: basic('bob', password) })
    expect([reply.status, reply.body]).toEqual([200, done('bob')])
  })

  test('the names of the schemes are in any case', async () => {
    const authorization = basic('admin', PASSWORD).replace('Basic', 'bASIC')
    const reply = await send(host, 'POST JSON', { uid: 'ada' }, { Authorization: authorization })
    expect([reply.status, reply.body]).toEqual([200, done('ada')])
  })

  test('the owner of an expired password renews it with it, and with nothing else', async () => {
    const old = { user: 'renew', pass: PASSWORD, uid: 'renew' }
    const reply = await send(host, 'POST form', { ...old, password: 'a phrase of his own' })
    expect([reply.status, reply.body]).toEqual([200, done('renew', 'password')])
    await expect(send(host, 'POST form', { ...old, displayName: 'x' })).resolves.toMatchObject({ status: 401 })
  })

  test('a super-user whose password must change cannot change others with it', async () => {
    const userId = await idOf(host, 'admin')
    await host.sso.user.updateUserById({ actor: code, userId, data: { password_must_change: true } })
    const before = await contentsOf(host)
    const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada', password: 'set by a stale admin' })
    const error = { parameter: null, pointer: '', code: 'password_must_change' }
    expect([reply.status, reply.body]).toEqual([403, refusal('ada', error)])
    expect(await contentsOf(host)).toEqual(before)
    await host.sso.user.updateUserById({ actor: code, userId, data: { password_must_change: false } })
  })

  test("the host's cookies count for nothing here", async () => {
    const other = await startHost(database, {
      options: { password: { hasher: fastHasher() }, authenticate: () => ({ userId: '1', isSuperUser: true }) },
    })
    const reply = await other.http.post(PATH).type('form').send('uid=ada&displayName=x').set('Cookie', 'sid=1')
    const error = { parameter: null, pointer: '', code: 'credentials_missing' }
    expect([reply.status, reply.body]).toEqual([401, refusal('ada', error)])
    await other.close()
  })

  test('ASVS 6.3.8 the first unknown user costs no more than the first known one', async () => {
    const { hasher, count } = countingHasher()
    const fresh = await startHost(database, { options: { password: { hasher } } })
    const start = { ...count }
    await send(fresh, 'POST form', { user: 'nobody', pass: 'x', uid: 'ada' })
    const unknown = { verify: count.verify - start.verify, hash: count.hash - start.hash }
    await fresh.close()

    const second = countingHasher()
    const other = await startHost(database, { options: { password: { hasher: second.hasher } } })
    const from = { ...second.count }
    await send(other, 'POST form', { user: 'admin', pass: 'x', uid: 'ada' })
    expect({ verify: second.count.verify - from.verify, hash: second.count.hash - from.hash }).toEqual(unknown)
    await other.close()
  })
})
