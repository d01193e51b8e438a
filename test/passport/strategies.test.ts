import express5, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import session from 'express-session'
import express4 from 'express4'
import passportModule from 'passport'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Sso } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, EXPRESS, idOf, PASSWORD, startHost, type TestHost } from '../support/host.ts'
import { codeAt, TOTP_KEY } from '../support/one-time-codes.ts'

const actor = { via: 'code', name: 'test' } as const

describe.each(databases)('Passport on %s', (database) => {
  describe.each(Object.keys(EXPRESS) as (keyof typeof EXPRESS)[])('under %s', (version) => {
    const express = (version === 'express4' ? express4 : express5) as unknown as typeof express5
    const passport = new passportModule.Passport()
    let host: TestHost

    function mount(app: Express, sso: Sso): void {
      passport.use(sso.passport.ust())
      passport.use(sso.passport.password())
      passport.use('by-mail', sso.passport.password({ usernameField: 'name', passwordField: 'secret' }))
      passport.serializeUser((user, done) => done(null, (user as unknown as { user_id: string }).user_id))
      passport.deserializeUser((id, done) => done(null, { id } as never))

      app.use(session({ secret: 'test', resave: false, saveUninitialized: false }))
      app.use(passport.initialize(), passport.session())
      const show: RequestHandler = (req, res) => void res.json({ user: req.user })
      app.get('/by-token', passport.authenticate('sso-ust', { session: false }), show)
      const bodies = [express.json(), express.urlencoded({ extended: false })]
      app.post('/login', bodies, passport.authenticate('sso-password'), show)
      app.post('/login-other', bodies, passport.authenticate('by-mail', { session: false }), show)
      app.post('/login-unparsed', passport.authenticate('sso-password', { session: false }), show)
      app.post('/login-custom', bodies, ((req, res, next) => {
        const answer = (error: unknown, user: unknown, info: unknown, status: unknown) =>
          void res.json({ error, user, info, status })
        passport.authenticate('sso-password', { session: false }, answer)(req, res, next)
      }) as RequestHandler)
      app.get('/either', passport.authenticate(['sso-ust', 'sso-password'], { session: false }), show)
    }

    beforeAll(async () => {
      host = await startHost(database, {
        express: version,
        users: ['ada', 'bob', 'coded'],
        options: {
          password: { hasher: fastHasher() },
          authenticate: (req) => {
            const user = req.user as { id?: string } | undefined
            return user?.id === undefined ? null : { userId: user.id }
          },
        },
        before: mount,
      })
      host.app.use(((error, _req, res, _next) => {
        res.status(599).json({ code: error.code, message: error.message })
      }) as ErrorRequestHandler)
      const data = { totp_key: TOTP_KEY, is_totp_enabled: true }
      const totpCode = codeAt(TOTP_KEY, new Date())
      await host.sso.user.updateUserById({ actor, userId: await idOf(host, 'coded'), data, totpCode })
    })
    afterAll(() => host.close())

    const adaAsHerself = async () => ({
      user: expect.objectContaining({ user_id: await idOf(host, 'ada'), username: 'ada' }),
    })
    const withoutSecrets = (user: object) => {
      for (const name of ['password', 'totp_key', 'is_super_user']) expect(user).not.toHaveProperty(name)
    }

    describe('by session token', () => {
      test('a session is success, with the account as its owner may see it', async () => {
        const reply = await host.http.get('/by-token').set('Authorization', `Bearer ${await host.login('ada')}`)
        expect([reply.status, reply.body]).toEqual([200, await adaAsHerself()])
        withoutSecrets(reply.body.user)
      })

      test.each([
        ['no header', {}, 'Bearer'],
        ['another scheme', { Authorization: 'Basic YTpi' }, 'Bearer'],
        ['an unknown token', { Authorization: `Bearer ${'x'.repeat(43)}` }, 'Bearer error="invalid_token"'],
      ])('%s fails with 401 and a challenge', async (_, headers, challenge) => {
        const reply = await host.http.get('/by-token').set(headers)
        expect([reply.status, reply.text]).toEqual([401, 'Unauthorized'])
        expect(reply.headers['www-authenticate']).toBe(challenge)
      })

      test('a locked account fails with 403', async () => {
        const token = await host.login('bob')
        // In the table, as a host does without us: the package would end the session.
        const lock = (is_locked: boolean) =>
          host.database.db('sso_user').where({ username: 'bob' }).update({ is_locked })
        await lock(true)
        const reply = await host.http.get('/by-token').set('Authorization', `Bearer ${token}`)
        expect([reply.status, reply.text]).toEqual([403, 'Forbidden'])
        await lock(false)
      })
    })

    describe('by user and password', () => {
      test.each(['json', 'form'] as const)('the right ones are success, from a %s body', async (type) => {
        const reply = await host.http.post('/login').type(type).send({ username: 'ada', password: PASSWORD })
        expect([reply.status, reply.body]).toEqual([200, await adaAsHerself()])
        withoutSecrets(reply.body.user)
      })

      test('the names of the fields are for the host to choose', async () => {
        const reply = await host.http.post('/login-other').send({ name: 'ada', secret: PASSWORD })
        expect([reply.status, reply.body]).toEqual([200, await adaAsHerself()])
      })

      test.each([
        ['a wrong password', '/login', { username: 'ada', password: 'wrong' }],
        ['an unknown user', '/login', { username: 'nobody', password: PASSWORD }],
        ['an account with one-time codes', '/login', { username: 'coded', password: PASSWORD }],
        ['no password', '/login', { username: 'ada' }],
        ['a password that is no text', '/login', { username: 'ada', password: { $ne: '' } }],
        ['nothing', '/login', {}],
        ['a body that nobody has parsed', '/login-unparsed', { username: 'ada', password: PASSWORD }],
      ])('%s fails with 401, and no challenge that a browser would not know', async (_, path, body) => {
        const reply = await host.http.post(path).send(body)
        expect([reply.status, reply.text]).toEqual([401, 'Unauthorized'])
        expect(reply.headers).not.toHaveProperty('www-authenticate')
        expect(reply.headers).not.toHaveProperty('set-cookie')
      })

      test("a host's own callback hears why, in words that it can show", async () => {
        const right = await host.http.post('/login-custom').send({ username: 'ada', password: PASSWORD })
        expect(right.body).toEqual({ error: null, ...(await adaAsHerself()) })
        const wrong = await host.http.post('/login-custom').send({ username: 'ada', password: 'wrong' })
        expect(wrong.body).toEqual({
          error: null,
          user: false,
          info: { message: 'The credentials are not valid.' },
          status: 401,
        })
        const missing = await host.http.post('/login-custom').send({})
        expect(missing.body).toEqual({
          error: null,
          user: false,
          info: { message: 'Credentials are required.' },
          status: 401,
        })
      })

      test('a failed attempt is in the audit trail, with nothing of the password', async () => {
        await host.http.post('/login').send({ username: 'ada', password: 'canary password' })
        const [record] = (await host.audit({ dialect: 'passport' })).slice(-1)
        expect(record).toMatchObject({
          operation: 'authenticate',
          outcome: 'denied',
          error: 'credentials_invalid',
          actor_name: null,
          target_name: 'ada',
        })
        expect(JSON.stringify(await host.database.db('sso_audit'))).not.toContain('canary')
      })
    })

    test('strategies may be chained', async () => {
      const reply = await host.http.get('/either').set('Authorization', `Bearer ${await host.login('ada')}`)
      expect([reply.status, reply.body]).toEqual([200, await adaAsHerself()])
    })

    test("a fault is an error for the host's handler, not a wrong password", async () => {
      const { db } = host.database
      await db.schema.renameTable('sso_user', 'sso_elsewhere')
      const reply = await host.http.post('/login').send({ username: 'ada', password: PASSWORD })
      const token = await host.http.get('/by-token').set('Authorization', `Bearer ${'x'.repeat(43)}`)
      await db.schema.renameTable('sso_elsewhere', 'sso_user')
      expect([reply.status, token.status]).toEqual([599, 599])
      expect((await host.http.post('/login').send({ username: 'ada', password: PASSWORD })).status).toBe(200)
    })

    describe('a host that logs in by session, then uses the dialect', () => {
      let cookie: string
      beforeAll(async () => {
        const reply = await host.http.post('/login').send({ username: 'ada', password: PASSWORD })
        cookie = String(reply.headers['set-cookie']?.[0]).split(';')[0] ?? ''
      })
      const patch = (name: string, headers: Record<string, string>) =>
        host.http
          .patch('/zato/sso/user')
          .set({ Cookie: cookie, ...headers })
          .send({ current_app: 'CRM', display_name: name })
      const displayName = async () =>
        (await host.sso.user.getUserById({ actor, userId: await idOf(host, 'ada') })).display_name

      test('PATCH /user with a same-site Origin changes the account of the session', async () => {
        const reply = await patch('By session', { Origin: new URL(host.url).origin })
        expect([reply.status, reply.body]).toEqual([200, { status: 'ok', cid: expect.any(String), sub_status: [] }])
        expect(await displayName()).toBe('By session')
        expect((await host.audit({ cid: reply.body.cid }))[0]).toMatchObject({
          operation: 'update_current_user',
          outcome: 'ok',
          actor_name: 'ada',
          actor_via: 'host',
        })
      })

      test.each([
        ['without an Origin', {}],
        ['from another site', { Origin: 'https://evil.example' }],
      ])('%s it changes nothing', async (_, headers) => {
        const reply = await patch('Forged', headers)
        expect([reply.status, reply.body]).toEqual([
          403,
          { status: 'error', cid: expect.any(String), sub_status: ['E005001'] },
        ])
        expect(await displayName()).toBe('By session')
      })

      test('without the session nobody is asking', async () => {
        const reply = await host.http
          .patch('/zato/sso/user')
          .set('Origin', new URL(host.url).origin)
          .send({ current_app: 'CRM', display_name: 'x' })
        expect([reply.status, reply.body.result]).toEqual([400, 'Error'])
      })
    })
  })
})
