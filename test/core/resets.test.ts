import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { PasswordReset, Revocation } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, PASSWORD, startHost, type TestHost } from '../support/host.ts'
import { codeAt, TOTP_KEY, wrongCodeAt } from '../support/one-time-codes.ts'

const code = { via: 'code', name: 'test' } as const
const NOW = new Date('2031-05-06T07:08:09.000Z')
const MINUTE = 60_000
const NEW_PASSWORD = 'another good phrase'
const PLACES = databases.flatMap((name) => ARRANGEMENTS.map((arrangement) => ({ name, arrangement })))

describe.each(PLACES)('resets of passwords ($name, $arrangement)', ({ name, arrangement }) => {
  const sent: PasswordReset[] = []
  const revoked: Revocation[] = []
  const errors: unknown[] = []
  let now = NOW
  let host: TestHost
  let send: (reset: PasswordReset) => void | Promise<void>
  beforeAll(async () => {
    host = await startHost(name, {
      arrangement,
      users: [],
      options: {
        now: () => now,
        password: { hasher: fastHasher() },
        addresses: { users: { homebody: ['192.0.2.0/24'] } },
        hooks: {
          onPasswordReset: (reset) => {
            sent.push(reset)
            return send(reset)
          },
          onRevoked: (revocation) => void revoked.push(revocation),
          onError: (error) => void errors.push(error),
        },
      },
    })
    host.canaries.add('new password', NEW_PASSWORD)
  })
  afterAll(() => host.close())
  beforeEach(() => {
    now = NOW
    send = () => {}
    for (const list of [sent, revoked, errors]) list.length = 0
  })
  afterEach(() => expect(errors).toEqual([]))

  let made = 0
  const someone = async (data: object = {}, username = `person${++made}`) => {
    const values = { username, password: PASSWORD, email: `${username}@example.com` }
    const { user_id } = await host.sso.user.createUser({ actor: code, autoApprove: true, data: values })
    if (Object.keys(data).length > 0) await host.sso.user.updateUserById({ actor: code, userId: user_id, data })
    return { id: user_id, username, email: values.email }
  }
  type Someone = Awaited<ReturnType<typeof someone>>

  const requested = async (who: { username: string } | { email: string }) => {
    sent.length = 0
    await host.sso.user.requestPasswordReset(who)
    await host.sso.flush()
    return sent.map(({ token }) => token)
  }
  const tokenFor = async ({ username }: Someone) => {
    const [token = ''] = await requested({ username })
    expect(token).not.toBe('')
    return token
  }
  /** What came of a reset: `ok`, or the error's code. */
  const reset = async (token: string, newPassword = NEW_PASSWORD, totpCode?: string) =>
    host.sso.user.resetPassword({ token, newPassword, ...(totpCode === undefined ? {} : { totpCode }) }).then(
      () => 'ok',
      (error) => error.code as string,
    )
  const opens = ({ username }: Someone, password: string) =>
    host.login(username, password).then(
      () => true,
      () => false,
    )
  const rows = () => host.database.db('sso_password_reset')

  test('ASVS 6.4.1 a token is random, goes to the hook alone, and is stored as a hash', async () => {
    const ada = await someone()
    const tokens = [await tokenFor(ada)]
    expect(sent).toEqual([
      {
        user: expect.objectContaining({ user_id: ada.id, username: ada.username, email: ada.email }),
        token: expect.stringMatching(/^[\w-]{43}$/),
        expires: new Date(NOW.getTime() + 30 * MINUTE),
        operation: 'request_password_reset',
        context: expect.objectContaining({ dialect: 'code', now: NOW }),
      },
    ])
    expect(sent[0]!.user).not.toHaveProperty('password')
    tokens.push(...(await requested({ email: ada.email })), await tokenFor(ada))
    expect(new Set(tokens).size).toBe(3)
    const stored = await rows().where({ user_id: ada.id })
    expect(stored).toHaveLength(1)
    for (const token of tokens) expect(JSON.stringify(stored)).not.toContain(token)
    const trail = await host.audit({ operation: 'request_password_reset', target_name: ada.username })
    expect(trail.map(({ outcome, actor_id, actor_via }) => [outcome, actor_id, actor_via])).toEqual(
      tokens.map(() => ['ok', null, null]),
    )
  })

  test('ASVS 6.3.8 whoever cannot use an account gets no token, and the caller hears nothing of it', async () => {
    const shared = await someone()
    await someone({ email: shared.email })
    const inactive = await someone()
    if (arrangement === 'own table') {
      await host.database.db('sso_user').where({ user_id: inactive.id }).update({ is_active: false })
    } else await host.database.db('sso_account').where({ user_id: inactive.id }).update({ is_active: false })
    const others = [
      { username: 'nobody at all' },
      { username: '' },
      { username: 'a\u0000b' },
      { email: 'nobody@example.com' },
      { email: shared.email },
      { username: (await someone({ is_locked: true })).username },
      { username: (await someone({ approval_status: 'rejected' })).username },
      { username: (await someone({ sign_up_status: 'before_confirmation' })).username },
      { username: inactive.username },
      { username: (await someone({}, 'homebody')).username },
    ]
    for (const who of others) expect([who, await requested(who)]).toEqual([who, []])
    const trail = (await host.audit({ operation: 'request_password_reset' })).slice(-others.length)
    expect(trail.map(({ outcome, error }) => [outcome, error])).toEqual([
      ...others.slice(0, 5).map(() => ['denied', 'user_unknown']),
      ...others.slice(5).map(() => ['denied', 'not_allowed']),
    ])
  })

  test('a reset sets the password, and ends all sessions and what stood in the way of a login', async () => {
    const ada = await someone({ password_must_change: true, password_expiry: '2030-01-01' })
    await host.sso.user.updateUserById({ actor: code, userId: ada.id, data: { password_expiry: null } })
    await host.sso.user.updateUserById({ actor: code, userId: ada.id, data: { password_must_change: false } })
    const ust = await host.login(ada.username)
    const data = { password_must_change: true, password_expiry: '2030-01-01' }
    await host.sso.user.updateUserById({ actor: code, userId: ada.id, data })
    const token = await tokenFor(ada)
    expect(await reset(token)).toBe('ok')

    expect(await host.database.db('sso_session').where({ user_id: ada.id })).toEqual([])
    const dead = host.sso.user.getCurrentUser({ currentUst: ust, currentApp: 'CRM' })
    await expect(dead).rejects.toMatchObject({ code: 'session_unknown' })
    expect([await opens(ada, PASSWORD), await opens(ada, NEW_PASSWORD)]).toEqual([false, true])
    const target = { user_id: ada.id, username: ada.username }
    expect(revoked).toMatchObject([{ operation: 'reset_password', target, keepsCurrent: false }])
    expect(await rows().where({ user_id: ada.id })).toEqual([])
    const [record] = await host.audit({ operation: 'reset_password', target_name: ada.username })
    expect(record).toMatchObject({ outcome: 'ok', actor_id: ada.id, actor_name: ada.username, actor_via: 'reset' })
    expect(record!.changes).toEqual(
      expect.arrayContaining([
        { attribute: 'password', from: '[redacted]', to: '[redacted]' },
        { attribute: 'password_must_change', from: true, to: false },
      ]),
    )
  })

  test('ASVS 6.4.1, 6.5.1 a token works once, until it expires, and until there is a newer one', async () => {
    const ada = await someone()
    expect(await reset('x'.repeat(43))).toBe('reset_token_invalid')
    const used = await tokenFor(ada)
    expect(await reset(used)).toBe('ok')
    expect(await reset(used, PASSWORD)).toBe('reset_token_invalid')

    const [older, newer] = [await tokenFor(ada), await tokenFor(ada)]
    expect(await reset(older, PASSWORD)).toBe('reset_token_invalid')
    now = new Date(NOW.getTime() + 30 * MINUTE)
    expect(await reset(newer, PASSWORD)).toBe('reset_token_invalid')
    now = new Date(NOW.getTime() + 30 * MINUTE - 1)
    expect(await reset(newer, PASSWORD)).toBe('ok')
    const refused = await host.audit({ operation: 'reset_password', error: 'reset_token_invalid' })
    expect(refused.map(({ outcome, actor_id }) => [outcome, actor_id])).toContainEqual(['denied', null])
  })

  test('ASVS 2.3.4 of two resets by one token at once, one is done', async () => {
    const ada = await someone()
    for (let round = 0; round < 3; round++) {
      const token = await tokenFor(ada)
      const phrases = [`first phrase of ${round}`, `second phrase of ${round}`]
      const outcomes = await Promise.all(phrases.map((phrase) => reset(token, phrase)))
      expect(outcomes.toSorted()).toEqual(['ok', 'reset_token_invalid'])
      expect([await opens(ada, phrases[0]!), await opens(ada, phrases[1]!)]).toEqual(
        outcomes.map((one) => one === 'ok'),
      )
    }
  })

  test.each<[string, (ada: Someone) => Promise<unknown>]>([
    [
      'a new password',
      ({ id }) => host.sso.user.changePassword({ actor: code, userId: id, newPassword: NEW_PASSWORD }),
    ],
    ['a new username', (ada) => update(ada, { username: `${ada.username}x` })],
    ['a new address', (ada) => update(ada, { email: 'other@example.com' })],
    [
      'a lock',
      async ({ id }) => {
        await host.sso.user.lockUser({ actor: code, userId: id })
        await host.sso.user.unlockUser({ actor: code, userId: id })
      },
    ],
    [
      'a rejection',
      async ({ id }) => {
        await host.sso.user.rejectUser({ actor: code, userId: id })
        await host.sso.user.approveUser({ actor: code, userId: id })
      },
    ],
    ['a deletion', ({ id }) => host.sso.user.deleteUserById({ actor: code, userId: id })],
    [
      'a login with a new password',
      async ({ id, username }) => {
        await update({ id }, { password_must_change: true })
        const login = { username, password: PASSWORD, newPassword: 'one more phrase', currentApp: 'CRM' }
        await host.sso.user.login(login)
      },
    ],
  ])('%s ends the token', async (_, change) => {
    const ada = await someone()
    const token = await tokenFor(ada)
    await change(ada)
    expect(await reset(token)).toBe('reset_token_invalid')
    expect(await rows().where({ user_id: ada.id })).toEqual([])
  })
  const update = ({ id }: { id: string }, data: object) =>
    host.sso.user.updateUserById({ actor: code, userId: id, data })

  test('what the policy refuses may be tried again with the same token; a name may change meanwhile', async () => {
    const ada = await someone()
    const token = await tokenFor(ada)
    await update(ada, { display_name: 'Countess of Lovelace' })
    expect(await reset(token, 'short')).toBe('password_too_short')
    expect(await reset(token, 'my letmein phrase')).toBe('password_rejected')
    expect(await reset(token, 'lovelace engine')).toBe('password_rejected')
    expect(await reset(token)).toBe('ok')
  })

  test('a token of a super-user is good for his password alone: it makes nobody a super-user', async () => {
    const username = `root${++made}`
    const { user_id } = await host.sso.user.createSuperUser({ data: { username, password: PASSWORD } })
    expect(await reset(await tokenFor({ id: user_id, username, email: '' }))).toBe('ok')
    expect(revoked).toMatchObject([{ actor: { via: 'reset', userId: user_id, isSuperUser: false } }])
  })

  test('who is locked by the host itself is let in by no token', async () => {
    const ada = await someone()
    const token = await tokenFor(ada)
    const [table, column, key] =
      arrangement === 'own table' ? ['sso_user', 'is_locked', 'user_id'] : ['members', 'blocked', 'nr']
    await host.database
      .db(table!)
      .where({ [key!]: ada.id })
      .update({ [column!]: true })
    expect(await reset(token)).toBe('account_locked')
    await host.database
      .db(table!)
      .where({ [key!]: ada.id })
      .update({ [column!]: false })
    expect(await reset(token)).toBe('ok')
  })

  test('ASVS 6.4.3 a token is not enough where one-time codes are on, and a code works once', async () => {
    const ada = await someone()
    const data = { totp_key: TOTP_KEY, is_totp_enabled: true }
    const totpCode = codeAt(TOTP_KEY, NOW, -1)
    await host.sso.user.updateUserById({ actor: code, userId: ada.id, data, totpCode })
    const token = await tokenFor(ada)
    expect(await reset(token)).toBe('totp_missing')
    expect(await reset(token, NEW_PASSWORD, '')).toBe('totp_missing')
    expect(await reset(token, NEW_PASSWORD, wrongCodeAt(TOTP_KEY, NOW))).toBe('totp_invalid')
    expect(await reset(token, 'short', codeAt(TOTP_KEY, NOW))).toBe('password_too_short')
    expect(await reset(token, NEW_PASSWORD, codeAt(TOTP_KEY, NOW))).toBe('ok')
    const again = await tokenFor(ada)
    expect(await reset(again, PASSWORD, codeAt(TOTP_KEY, NOW))).toBe('totp_invalid')
    expect(await reset(again, PASSWORD, codeAt(TOTP_KEY, NOW, 1))).toBe('ok')
    // On they stay.
    await expect(host.login(ada.username, PASSWORD)).rejects.toMatchObject({ code: 'totp_missing' })
  })

  test('ASVS 6.4.6 a super-user starts a reset, hears when it ends, and nothing of the token', async () => {
    const [ada, bob] = [await someone(), await someone()]
    const currentUst = await host.login('admin')
    const caller = { currentUst, currentApp: 'CRM', userId: ada.id }
    const started = await host.sso.user.startPasswordReset(caller)
    expect(started).toEqual({ expires: new Date(NOW.getTime() + 30 * MINUTE) })
    expect(sent).toMatchObject([{ operation: 'start_password_reset', user: { user_id: ada.id } }])
    expect(await opens(ada, PASSWORD)).toBe(true)
    expect(await reset(sent[0]!.token)).toBe('ok')
    const [record] = await host.audit({ operation: 'start_password_reset' })
    expect(record).toMatchObject({ outcome: 'ok', actor_name: 'admin', target_id: ada.id, changes: [] })

    const own = { currentUst: await host.login(bob.username), currentApp: 'CRM' }
    const start = (on: object) => host.sso.user.startPasswordReset(on as never)
    for (const userId of [ada.id, bob.id, '999999']) {
      await expect(start({ ...own, userId })).rejects.toMatchObject({ code: 'super_user_required' })
    }
    await expect(start({ ...caller, userId: '999999' })).rejects.toMatchObject({ code: 'user_unknown' })
    await host.sso.user.lockUser({ actor: code, userId: ada.id })
    await expect(start(caller)).rejects.toMatchObject({ code: 'operation_invalid' })
    expect(sent).toHaveLength(1)
  })

  test('ASVS 6.3.8 the caller waits neither for the hook, nor for the account', async () => {
    const ada = await someone()
    let release = () => {}
    send = () =>
      new Promise<void>((resolve) => {
        release = resolve
      })
    await host.sso.user.requestPasswordReset({ username: ada.username })
    await expect.poll(() => sent.length).toBe(1)
    // Nor does the next one wait for the mail to this.
    const bob = await someone()
    const late = release
    await host.sso.user.requestPasswordReset({ username: bob.username })
    await expect.poll(() => sent.length).toBe(2)
    late()
    release()
    await host.sso.flush()
    expect(sent.map(({ user }) => user.username)).toEqual([ada.username, bob.username])
  })

  test('ASVS 16.2.5 an error of the hook goes to onError, but not with the token in it', async () => {
    const ada = await someone()
    send = () => Promise.reject(new Error('the mail server is away'))
    await requested({ username: ada.username })
    send = ({ token }) => {
      throw Object.assign(new Error('550'), { message_sent: { html: `<a href="https://example.com/#${token}">` } })
    }
    await requested({ username: ada.username })
    expect(errors.map((error) => (error as Error).message)).toEqual([
      'the mail server is away',
      'onPasswordReset has failed with an error that has the token in it',
    ])
    // It could have been sent all the same.
    expect(await reset(sent[0]!.token)).toBe('ok')
    errors.length = 0
  })

  test('ASVS 7.4.5 a super-user ends the sessions of everybody but the one that asks', async () => {
    const [ada, bob] = [await someone(), await someone()]
    const tokens = [await host.login(ada.username), await host.login(bob.username), await host.login('admin')]
    const caller = (currentUst: string) => ({ currentUst, currentApp: 'CRM' })
    const alive = (ust: string) =>
      host.sso.user.getCurrentUser(caller(ust)).then(
        () => true,
        () => false,
      )
    const regular = host.sso.session.endEverybodys(caller(tokens[0]!))
    await expect(regular).rejects.toMatchObject({ code: 'super_user_required' })
    expect(await Promise.all(tokens.map(alive))).toEqual([true, true, true])
    const admin = await host.login('admin')
    await host.sso.session.endEverybodys(caller(admin))
    expect(await Promise.all([...tokens, admin].map(alive))).toEqual([false, false, false, true])
    expect(revoked).toMatchObject([{ operation: 'end_everybodys_sessions', target: null, keepsCurrent: true }])
    await host.sso.session.endEverybodys({ actor: code })
    expect(await host.database.db('sso_session')).toEqual([])
    expect(revoked[1]).toMatchObject({ target: null, keepsCurrent: false })
    const trail = await host.audit({ operation: 'end_everybodys_sessions' })
    expect(trail.map(({ outcome, actor_name, target_id }) => [outcome, actor_name, target_id])).toEqual([
      ['denied', ada.username, null],
      ['ok', 'admin', null],
      ['ok', 'test', null],
    ])
  })

  // SQLite has no locks of rows: there, whoever writes waits for whoever writes.
  if (name !== 'sqlite') {
    test('ASVS 6.3.8 nor does a reply wait for the row of an account that is there', async () => {
      const ada = await someone()
      await host.database.db.transaction(async (trx) => {
        const [table, key] = arrangement === 'own table' ? ['sso_user', 'user_id'] : ['members', 'nr']
        await trx(table!)
          .where({ [key!]: ada.id })
          .forUpdate()
          .select(key!)
        await host.sso.user.requestPasswordReset({ username: ada.username })
        await host.http.post('/account/password-reset').send({ username: ada.username }).expect(202)
        expect(sent).toEqual([])
      })
      await host.sso.flush()
      expect(sent.map(({ user }) => user.username)).toEqual([ada.username, ada.username])
    })
  }
})
