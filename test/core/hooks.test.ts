import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Change, Context, Denial, Hooks, ProposedChange, SsoError } from '../../src/index.ts'
import { contentsOf } from '../support/contents.ts'
import { createDatabase, type TestDatabase } from '../support/databases.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, PASSWORD, startHost, type TestHost } from '../support/host.ts'
import { codeAt, TOTP_KEY } from '../support/one-time-codes.ts'

const code = { via: 'code', name: 'test' } as const
const HTTP_4XX = (status: number, message: string, more: object = {}) =>
  Object.assign(new Error(message), { status, ...more })

describe.each(databases)('hooks on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost | null = null
    let shared: TestDatabase
    beforeAll(async () => {
      shared = await createDatabase(database)
    })
    afterAll(() => shared.drop())
    const faults: { error: unknown; context: Context | null }[] = []
    const denials: { denial: Denial; error: SsoError }[] = []

    beforeEach(() => {
      faults.length = 0
      denials.length = 0
    })
    afterEach(async () => {
      await host?.close()
      host = null
    })

    /** A host with these hooks; they are not there yet while its users are being created. */
    async function start(hooks: Hooks<any>): Promise<TestHost> {
      let isSetUp = false
      const guarded = Object.fromEntries(
        Object.entries(hooks).map(([phase, one]) => [
          phase,
          [one].flat().map(
            (hook) =>
              (...args: unknown[]) =>
                isSetUp ? (hook as any)(...args) : undefined,
          ),
        ]),
      )
      const started = await startHost(database, {
        arrangement,
        database: shared,
        options: {
          password: { hasher: fastHasher() },
          hooks: {
            onError: (error, context) => void faults.push({ error, context }),
            onDenied: (denial, error) => void denials.push({ denial, error }),
            ...guarded,
          },
        },
      })
      host = started
      await shared.db.schema.dropTableIfExists('notes')
      await shared.db.schema.createTable('notes', (table) => {
        table.increments('id')
        table.string('text', 100)
      })
      isSetUp = true
      return started
    }
    const notes = async ({ database }: TestHost) => (await database.db('notes').orderBy('id')).map(({ text }) => text)
    const records = async (host: TestHost, operation: string) =>
      (await host.audit({ operation })).map(({ outcome, error, changes }) => ({ outcome, error, changes }))
    const patch = async (host: TestHost, data: object) => {
      const ust = await host.login('ada')
      return host.http.patch('/zato/sso/user').send({ ust, current_app: 'CRM', ...data })
    }
    const zatoOk = { status: 'ok', cid: expect.any(String), sub_status: [] }
    const zatoError = (...sub: string[]) => ({ status: 'error', cid: expect.any(String), sub_status: sub })

    test('each phase sees what it needs, in its order, and nothing secret', async () => {
      const seen: [string, any][] = []
      const note = (phase: string) => (change: unknown) => void seen.push([phase, structuredClone(change)])
      const host = await start({
        authorizeUpdate: note('authorize'),
        beforeUpdate: note('before'),
        withinUpdate: note('within'),
        afterUpdate: note('after'),
      })
      const reply = await patch(host, { display_name: 'Ada', totp_key: 'JBSWY3DPEHPK3PXP' })
      expect([reply.status, reply.body]).toEqual([200, zatoOk])

      const userId = await userIdOf(host, 'ada')
      const actor = { via: 'ust', userId, name: 'ada', isSuperUser: false, sessionHash: expect.any(String) }
      const context = expect.objectContaining({ cid: reply.body.cid, app: 'CRM', dialect: 'zato' })
      const operation = 'update_current_user'
      const before = expect.objectContaining({ user_id: userId, username: 'ada', display_name: '' })
      const proposed = { operation, actor, before, context, isDryRun: false }
      const changes = [
        { attribute: 'display_name', from: expect.toBeOneOf(['', null]), to: 'Ada' },
        { attribute: 'totp_key', from: null, to: '[redacted]' },
      ]
      const after = expect.objectContaining({ user_id: userId, display_name: 'Ada' })
      const target = { user_id: userId, username: 'ada' }
      const change = { operation, actor, target, before, after, changes, context, isDryRun: false }
      expect(seen.map(([phase]) => phase)).toEqual(['authorize', 'before', 'within', 'after'])
      expect(seen).toEqual([
        ['authorize', { ...proposed, patch: { display_name: 'Ada', totp_key: '[redacted]' } }],
        ['before', { ...proposed, patch: { display_name: 'Ada', totp_key: '[redacted]' } }],
        ['within', change],
        ['after', change],
      ])
      for (const [, { before, after }] of seen) {
        for (const user of [before, after]) {
          if (!user) continue
          expect(user).not.toHaveProperty('password')
          expect(user).not.toHaveProperty('totp_key')
        }
      }
    })

    test('ASVS 16.2.5 no hook ever sees a hash, a key or a password', async () => {
      const seen: unknown[] = []
      const note = (...args: unknown[]) => void seen.push(args[0])
      const host = await start({
        authorizeUpdate: note,
        beforeUpdate: note,
        withinUpdate: note,
        afterUpdate: note,
        onDenied: note,
      })
      const actor = code
      const userId = await userIdOf(host, 'ada')
      const key = 'CANARYCANARYCANARY'
      await host.sso.user.updateUserById({ actor, userId, data: { totp_key: key } })
      await host.sso.user.changePassword({ actor, userId, newPassword: 'canary phrase' })
      await host.sso.user.updateuser({
        actor,
        uid: 'ada',
        password: 'canary phrase two',
        attributes: { digdashMailPassword: 'canary mail', plain: 'seen' },
      })
      await host.sso.user.createUser({
        actor,
        data: { username: 'new', password: 'canary of a new one', totp_key: key },
      })
      await host.http
        .post('/ddenterpriseapi/updateuser')
        .send({ user: 'bob', pass: 'canary wrong', uid: 'ada', password: 'canary refused' })
      await host.sso.user.deleteUserById({ actor, userId })

      const text = JSON.stringify(seen)
      expect(seen.length).toBeGreaterThan(14)
      expect(text).toContain('"attributes.plain":"seen"')
      expect(text).not.toMatch(/canary/i)
      expect(text).not.toContain('$fast$')
      expect(text).not.toMatch(/"v1\./)
    })

    describe('authorizeUpdate', () => {
      test.each([
        ['a plain error', new Error('no reason to tell'), 1],
        ['an error of status 418', HTTP_4XX(418, 'teapots are read-only'), 0],
        ['something that is no error', 'a text', 1],
      ])('that throws %s refuses, audited as denied', async (_, thrown, reported) => {
        const host = await start({
          authorizeUpdate: () => {
            throw thrown
          },
        })
        const before = await contentsWithoutSessions(host)
        const reply = await patch(host, { display_name: 'x' })
        expect([reply.status, reply.body]).toEqual([403, zatoError('E005001')])
        expect(await contentsWithoutSessions(host)).toEqual(before)
        expect(await records(host, 'update_current_user')).toEqual([
          { outcome: 'denied', error: 'hook_refused', changes: [] },
        ])
        expect(faults.map(({ error }) => error)).toEqual(reported ? [thrown] : [])
        expect(denials).toHaveLength(1)
        expect(denials[0]?.error).toMatchObject({ code: 'hook_refused', cause: thrown })
        expect(denials[0]?.denial).toMatchObject({
          operation: 'update_current_user',
          actor: { name: 'ada', via: 'ust' },
          target: { id: await userIdOf(host, 'ada'), name: 'ada' },
          context: { cid: reply.body.cid },
        })
      })

      test('that returns names leaves only those, and refuses the others by name', async () => {
        const host = await start({ authorizeUpdate: () => ['display_name', 'password'] })
        expect((await patch(host, { display_name: 'x' })).status).toBe(200)

        const before = await contentsWithoutSessions(host)
        const reply = await updateuser(host, { displayName: 'y', attributes: { digdashMail: 'a@example.org' } })
        expect([reply.status, reply.body]).toEqual([403, wireRefusal('attributes', '/attributes/digdashMail')])
        expect(await contentsWithoutSessions(host)).toEqual(before)
      })

      test.each([
        ['roles', { roles: ['a|R'] }, { roles: { add: ['a|R'], remove: [] } }, 'roles', '/roles'],
        ['removals', { aclsnoselected: ['a'] }, { acls: { add: [], remove: ['a'] } }, 'acls', '/acls'],
        ['groups', { groupacls: ['a'] }, { groups: { add: ['a'], remove: [] } }, 'groupacls', '/groupacls'],
        ['a password', { password: 'a new long phrase' }, { password: '[redacted]' }, 'password', '/password'],
        ['a custom attribute', { attributes: { 'a/b': 1 } }, { 'attributes.a/b': 1 }, 'attributes', '/attributes/a~1b'],
      ])('sees %s, too, and can refuse them', async (_, parameters, patch, parameter, pointer) => {
        const seen: ProposedChange['patch'][] = []
        const host = await start({
          authorizeUpdate: ({ patch }) => {
            seen.push(patch)
            return []
          },
        })
        const before = await contentsWithoutSessions(host)
        const reply = await updateuser(host, parameters)
        expect([reply.status, reply.body]).toEqual([403, wireRefusal(parameter, pointer)])
        expect(seen).toEqual([patch])
        expect(await contentsWithoutSessions(host)).toEqual(before)
      })

      test('is asked before the values are validated, and never about what the schema forbids', async () => {
        const seen: unknown[] = []
        const host = await start({ authorizeUpdate: ({ patch }) => void seen.push({ ...patch }) })
        const bad = await patch(host, { email: 'nowhere' })
        expect([bad.status, bad.body.sub_status]).toEqual([403, ['E002001']])
        expect(seen).toEqual([{ email: 'nowhere' }])
        const forbidden = await patch(host, { is_locked: true })
        expect(forbidden.status).toBe(403)
        expect(seen).toHaveLength(1)
      })

      test('lists all must agree', async () => {
        const order: string[] = []
        const host = await start({
          authorizeUpdate: [
            () => void order.push('first'),
            () => {
              order.push('second')
              return ['email']
            },
            () => {
              order.push('third')
              return ['email', 'display_name']
            },
          ],
        })
        expect((await patch(host, { email: 'a@example.org' })).status).toBe(200)
        expect(order.splice(0)).toEqual(['first', 'second', 'third'])
        expect((await patch(host, { display_name: 'x' })).status).toBe(403)
        expect(order).toEqual(['first', 'second'])
      })
    })

    describe('beforeUpdate', () => {
      test('lists run in order, each seeing what the one before made', async () => {
        const seen: unknown[] = []
        const host = await start({
          beforeUpdate: [
            ({ patch }) => {
              seen.push({ ...patch })
              return { ...patch, display_name: `${patch.display_name}!` }
            },
            ({ patch }) => void seen.push({ ...patch }),
            async ({ patch }) => {
              seen.push({ ...patch })
              return { ...patch, first_name: 'Ada' }
            },
          ],
        })
        expect((await patch(host, { display_name: 'x' })).status).toBe(200)
        expect(seen).toEqual([{ display_name: 'x' }, { display_name: 'x!' }, { display_name: 'x!' }])
        const user = await host.sso.user.getUserById({ actor: code, userId: await userIdOf(host, 'ada') })
        expect(user).toMatchObject({ display_name: 'x!', first_name: 'Ada' })
      })

      test.each([
        ['what its caller may not change', { is_locked: true }, 'attribute_forbidden', 'denied'],
        ['what nobody may change', { is_super_user: true }, 'attribute_forbidden', 'denied'],
        ['what there is not', { nonsense: 1 }, 'attribute_unknown', 'invalid'],
        ['what is not valid', { email: 'nowhere' }, 'email_invalid', 'invalid'],
        ['no object', 'a text', 'input_invalid', 'invalid'],
      ])('a patch of %s is refused as if it had been sent', async (_, returned, error, outcome) => {
        const host = await start({ beforeUpdate: () => returned as never })
        const before = await contentsWithoutSessions(host)
        const reply = await patch(host, { display_name: 'x' })
        expect(reply.status).toBe(403)
        expect(await contentsWithoutSessions(host)).toEqual(before)
        expect(await records(host, 'update_current_user')).toEqual([{ outcome, error, changes: [] }])
      })

      test('the patch cannot be changed in place, past the checks', async () => {
        const host = await start({
          beforeUpdate: ({ patch }) => {
            ;(patch as any).is_super_user = true
          },
        })
        const before = await contentsWithoutSessions(host)
        const reply = await patch(host, { display_name: 'x' })
        expect([reply.status, reply.body]).toEqual([500, zatoError('E008004')])
        expect(await contentsWithoutSessions(host)).toEqual(before)
        expect(faults.map(({ error }) => (error as Error).name)).toEqual(['TypeError'])
      })

      test('a secret that it leaves in place is written, though it cannot see it', async () => {
        const host = await start({ beforeUpdate: ({ patch }) => ({ ...patch, first_name: 'Ada' }) })
        const now = new Date()
        const data = { totp_key: TOTP_KEY, is_totp_enabled: true, totp_code: codeAt(TOTP_KEY, now) }
        expect((await patch(host, data)).status).toBe(200)
        await expect(host.login('ada')).rejects.toMatchObject({ code: 'totp_missing' })
        const totpCode = codeAt(TOTP_KEY, now, 1)
        const { ust } = await host.sso.user.login({ username: 'ada', password: PASSWORD, currentApp: 'CRM', totpCode })
        expect(ust).toEqual(expect.any(String))
      })

      test('null, false and true mean nothing', async () => {
        for (const value of [null, undefined]) {
          const host = await start({ beforeUpdate: () => value as never })
          expect((await patch(host, { display_name: `x${value}` })).status).toBe(200)
          await host.close()
        }
        for (const value of [false, true]) {
          const host = await start({ beforeUpdate: () => value as never })
          expect((await patch(host, { display_name: 'x' })).status).toBe(403)
          await host.close()
        }
        host = null
      })

      test.each([
        ['an error of status 422', HTTP_4XX(422, 'names are frozen'), 403, 'denied', 'hook_refused'],
        [
          'an error of statusCode 409',
          Object.assign(new Error('x'), { statusCode: 409 }),
          403,
          'denied',
          'hook_refused',
        ],
        ['a plain error', new Error('database of the host is down'), 500, 'failed', 'internal'],
        ['an error of status 503', HTTP_4XX(503, 'later'), 500, 'failed', 'internal'],
      ])('%s is the reply, and nothing is written', async (_, thrown, status, outcome, error) => {
        const host = await start({
          beforeUpdate: () => {
            throw thrown
          },
        })
        const before = await contentsWithoutSessions(host)
        const reply = await patch(host, { display_name: 'x' })
        expect([reply.status, reply.body]).toEqual([status, zatoError(status === 500 ? 'E008004' : 'E005001')])
        expect(reply.text).not.toContain('database of the host')
        expect(await contentsWithoutSessions(host)).toEqual(before)
        expect(await records(host, 'update_current_user')).toEqual([{ outcome, error, changes: [] }])
        expect(faults.map(({ error }) => error)).toEqual(status === 500 ? [thrown] : [])
        expect(denials).toHaveLength(status === 500 ? 0 : 1)
      })

      test('the message of a refusal is shown, unless its error says not to', async () => {
        const thrown = [HTTP_4XX(400, 'only on Mondays'), HTTP_4XX(400, 'internal detail', { expose: false })]
        const host = await start({
          beforeUpdate: () => {
            throw thrown.shift()
          },
        })
        const error = (message: string) => ({ parameter: null, pointer: '', code: 'hook_refused', message })
        expect((await updateuser(host, { displayName: 'x' })).body.errors).toEqual([error('only on Mondays')])
        expect((await updateuser(host, { displayName: 'x' })).body.errors).toEqual([error('The change was refused.')])
      })
    })

    describe('withinUpdate', () => {
      test('what it writes is committed with the update', async () => {
        const host = await start({
          withinUpdate: [
            async ({ target }, trx) => void (await trx('notes').insert({ text: `first ${target.username}` })),
            async ({ changes }, trx) => void (await trx('notes').insert({ text: changes[0]?.attribute })),
          ],
        })
        expect((await patch(host, { display_name: 'x' })).status).toBe(200)
        expect(await notes(host)).toEqual(['first ada', 'display_name'])
        expect((await records(host, 'update_current_user')).map(({ outcome }) => outcome)).toEqual(['ok'])
      })

      test('it sees the account as it will be, in the transaction alone', async () => {
        const seen: unknown[] = []
        const host = await start({
          withinUpdate: async (_change, trx) => {
            const table = arrangement === 'own table' ? 'sso_user' : 'members'
            const column = arrangement === 'own table' ? 'display_name' : 'full_name'
            seen.push(
              await trx(table)
                .where({ [column]: 'x' })
                .count({ n: '*' }),
            )
          },
        })
        expect((await patch(host, { display_name: 'x' })).status).toBe(200)
        expect(seen.map((rows: any) => Number(rows[0].n))).toEqual([1])
      })

      test.each([
        ['a plain error', new Error('host table is full'), 500, 'failed', 'internal'],
        ['an error of status 409', HTTP_4XX(409, 'already booked'), 403, 'denied', 'hook_refused'],
      ])(
        'that throws %s leaves neither update nor record of one nor its own rows',
        async (_, thrown, status, outcome, error) => {
          const host = await start({
            withinUpdate: [
              async (_change, trx) => void (await trx('notes').insert({ text: 'rolled back' })),
              () => {
                throw thrown
              },
            ],
          })
          const before = await contentsWithoutSessions(host)

          const reply = await patch(host, { display_name: 'x' })
          expect([reply.status, reply.body]).toEqual([status, zatoError(status === 500 ? 'E008004' : 'E005001')])
          const all = await updateuser(host, {
            displayName: 'x',
            password: 'a new long phrase',
            roles: ['a|R'],
            attributes: { a: 1 },
          })
          expect([all.status, all.body.status]).toEqual([status, 'error'])
          await expect(
            host.sso.user.createUser({ actor: code, data: { username: 'new', password: PASSWORD } }),
          ).rejects.toThrow()
          await expect(
            host.sso.user.deleteUserById({ actor: code, userId: await userIdOf(host, 'bob') }),
          ).rejects.toThrow()

          expect(await contentsWithoutSessions(host)).toEqual(before)
          expect(await notes(host)).toEqual([])
          for (const operation of ['update_current_user', 'create_user', 'delete_user']) {
            expect((await records(host, operation)).slice(-1)).toEqual([{ outcome, error, changes: [] }])
          }
          expect((await records(host, 'updateuser')).filter(({ outcome }) => outcome === 'ok')).toEqual([])
        },
      )

      test('a statement of its own that fails rolls back, too', async () => {
        const host = await start({
          withinUpdate: async (_change, trx) => void (await trx('no_such_table').insert({ text: 'x' })),
        })
        const before = await contentsWithoutSessions(host)
        expect((await patch(host, { display_name: 'x' })).status).toBe(500)
        expect(await contentsWithoutSessions(host)).toEqual(before)
        expect((await patch(host, { display_name: 'x' })).text).not.toContain('no_such_table')
      })

      test('it runs for every kind of change, and not where nothing changes', async () => {
        const seen: string[] = []
        const host = await start({ withinUpdate: ({ operation }) => void seen.push(operation) })
        const actor = code
        const userId = await userIdOf(host, 'ada')
        await patch(host, { display_name: 'x' })
        await host.sso.user.updateUserById({ actor, userId, data: { first_name: 'x' } })
        await host.sso.user.changePassword({ actor, userId, newPassword: 'a new long phrase' })
        await host.sso.user.lockUser({ actor, userId })
        await host.sso.user.unlockUser({ actor, userId })
        await host.sso.user.rejectUser({ actor, userId })
        await host.sso.user.approveUser({ actor, userId })
        await host.sso.user.updateuser({ actor, uid: 'ada', roles: ['a|R'] })
        await host.sso.user.createUser({ actor, data: { username: 'new', password: PASSWORD } })
        await host.sso.user.createSuperUser({ data: { username: 'newer', password: PASSWORD } })
        await host.sso.user.deleteUserById({ actor, userId })
        expect(seen.splice(0)).toEqual([
          'update_current_user',
          'update_user_by_id',
          'change_password',
          'lock_user',
          'unlock_user',
          'reject_user',
          'approve_user',
          'updateuser',
          'create_user',
          'create_super_user',
          'delete_user',
        ])
        await host.sso.user.updateuser({ actor, uid: 'bob' })
        expect(seen).toEqual([])
      })
    })

    describe('afterUpdate', () => {
      test('runs after the commit, and what it throws is reported while the reply stays a success', async () => {
        const seen: unknown[] = []
        const thrown = new Error('mail server down')
        const host: TestHost = await start({
          afterUpdate: [
            async ({ after }: Change) => {
              const { user_id } = after ?? { user_id: '' }
              seen.push((await host.sso.user.getUserById({ actor: code, userId: user_id })).display_name)
            },
            () => {
              throw thrown
            },
            () => void seen.push('the next one runs'),
          ],
        })
        const reply = await patch(host, { display_name: 'x' })
        expect([reply.status, reply.body]).toEqual([200, zatoOk])
        expect(seen).toEqual(['x', 'the next one runs'])
        expect(faults).toEqual([{ error: thrown, context: expect.objectContaining({ cid: reply.body.cid }) }])
        expect((await records(host, 'update_current_user')).map(({ outcome }) => outcome)).toEqual(['ok'])
      })

      test('does not run for what was refused', async () => {
        const seen: unknown[] = []
        const host = await start({ afterUpdate: () => void seen.push('ran') })
        expect((await patch(host, { is_locked: true })).status).toBe(403)
        expect(seen).toEqual([])
      })
    })

    describe('onDenied and onError', () => {
      test('onDenied hears of a refusal once it is recorded, and what it throws is reported', async () => {
        const thrown = new Error('alarm bell broken')
        const seen: unknown[] = []
        const host: TestHost = await start({
          onDenied: [
            async (denial, { code }) => {
              const recorded = await host.audit({ cid: denial.context.cid })
              seen.push([denial.operation, denial.actor?.name, code, recorded.map(({ outcome }) => outcome)])
              throw thrown
            },
            () => void seen.push('the next one runs'),
          ],
        })
        const reply = await patch(host, { is_locked: true })
        expect(reply.status).toBe(403)
        expect(seen).toEqual([['update_current_user', 'ada', 'attribute_forbidden', ['denied']], 'the next one runs'])
        expect(faults.map(({ error }) => error)).toEqual([thrown])
      })

      test('onDenied does not hear of what is merely invalid', async () => {
        const host = await start({})
        expect((await patch(host, { email: 'nowhere' })).status).toBe(403)
        expect(denials).toEqual([])
      })

      test.each([
        [
          'throws',
          () => {
            throw new Error('reporter broken')
          },
        ],
        ['rejects', () => Promise.reject(new Error('reporter broken'))],
      ])('an onError that %s breaks nothing', async (_, broken) => {
        const logged: string[] = []
        const seen: unknown[] = []
        let fails = false
        const fault = new Error('within')
        const host = await startHost(database, {
          arrangement,
          options: {
            password: { hasher: fastHasher() },
            logger: { warn: () => {}, error: (text) => void logged.push(text) },
            hooks: {
              onError: [broken as never, (error) => void seen.push(error)],
              withinUpdate: () => {
                if (fails) throw fault
              },
            },
            audit: {
              sinks: [
                () => {
                  if (fails) throw new Error('sink')
                },
              ],
            },
          },
        })
        fails = true
        const reply = await patch(host, { display_name: 'x' })
        expect([reply.status, reply.body]).toEqual([500, zatoError('E008004')])
        await host.sso.flush()
        // How often the sink is tried depends on when; each time is told.
        expect(new Set(seen.map((error) => (error as Error).message))).toEqual(new Set(['sink', 'within']))
        expect(logged.length).toBe(seen.length)
        expect(logged[0]).toContain('reporter broken')
        fails = false
        await host.close()
      })

      test('without onError, the log has the error with its correlation id', async () => {
        const logged: string[] = []
        const host = await startHost(database, {
          arrangement,
          options: {
            password: { hasher: fastHasher() },
            logger: { warn: () => {}, error: (text) => void logged.push(text) },
            hooks: {
              beforeUpdate: ({ operation }) => {
                if (operation === 'update_current_user') throw new Error('for the log')
                return undefined
              },
            },
          },
        })
        const reply = await patch(host, { display_name: 'x' })
        expect(reply.status).toBe(500)
        expect(logged).toEqual([expect.stringContaining(`${reply.body.cid} Error: for the log`)])
        await host.close()
      })
    })

    test('a hook may use the whole of sso, outside the transaction', async () => {
      const host: TestHost = await start({
        afterUpdate: async ({ operation, target }) => {
          if (operation !== 'update_current_user') return
          await host.sso.user.updateuser({ actor: code, uid: target.username, roles: ['given|R'] })
        },
      })
      expect((await patch(host, { display_name: 'x' })).status).toBe(200)
      const details = await host.sso.user.getUserDetails({ actor: code, userId: await userIdOf(host, 'ada') })
      expect(details.grants.roles).toEqual([{ role: 'given', rights: 'R' }])
    })

    /** Read from the table: a call of ours would run the hooks. */
    async function userIdOf({ database: { db } }: TestHost, username: string): Promise<string> {
      const row =
        arrangement === 'own table'
          ? await db('sso_user').where({ username }).first('user_id as id')
          : await db('members').where({ login: username }).first('nr as id')
      return String(row.id)
    }

    function updateuser(host: TestHost, parameters: object) {
      return host.http
        .post('/ddenterpriseapi/updateuser')
        .send({ user: 'admin', pass: PASSWORD, uid: 'ada', ...parameters })
    }

    function wireRefusal(parameter: string, pointer: string) {
      const error = { parameter, pointer, code: 'attribute_forbidden', message: expect.any(String) }
      return { cid: expect.any(String), status: 'error', uid: 'ada', changed: [], errors: [error] }
    }
  })
})

/** A login that proves who asks is not what is looked at here. */
async function contentsWithoutSessions(host: TestHost) {
  const { sso_session: _, ...contents } = await contentsOf(host)
  return contents
}
