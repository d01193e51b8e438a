import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditRecord, SealedRecord } from '../../src/index.ts'
import { contentsOf } from '../support/contents.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, PASSWORD, startHost, type TestHost } from '../support/host.ts'

const NOW = new Date('2026-03-04T05:06:07.089Z')
const code = { via: 'code', name: 'the importer' } as const

describe.each(databases)('the audit trail on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost
    const sunk: SealedRecord[] = []
    const faults: unknown[] = []
    const ids: Record<string, string> = {}

    beforeAll(async () => {
      host = await startHost(database, {
        arrangement,
        options: {
          password: { hasher: fastHasher() },
          now: () => NOW,
          audit: { sinks: [(record) => void sunk.push(record)] },
          hooks: { onError: (error) => void faults.push(error) },
          authenticate: (req) => {
            const userId = req.get('X-Member')
            return userId === undefined ? null : { userId }
          },
        },
      })
      for (const name of ['admin', 'ada', 'bob']) ids[name] = await userIdOf(name)
    })
    afterAll(() => host.close())

    async function userIdOf(username: string): Promise<string> {
      const { db } = host.database
      const row =
        arrangement === 'own table'
          ? await db('sso_user').where({ username }).first('user_id as id')
          : await db('members').where({ login: username }).first('nr as id')
      return String(row.id)
    }

    /** What one request left behind: in the table and in the sink, which say the same. */
    async function trailOf(cid: string) {
      await host.sso.flush()
      const rows = await host.database.db('sso_audit').where({ cid }).orderBy('id')
      const fromTable = rows.map(({ seal: _, id, time, changes, ...row }) => ({
        ...row,
        id: Number(id),
        time: (typeof time === 'string' ? new Date(time.endsWith('Z') ? time : `${time}Z`) : time).toISOString(),
        changes: JSON.parse(changes),
      }))
      expect(sunk.filter((record) => record.cid === cid).map(({ hash: _, ...record }) => record)).toEqual(fromTable)
      return fromTable.map(({ id: _, ...record }) => record)
    }

    /** One record, whole. */
    const record = (operation: string, more: Partial<Record<keyof AuditRecord, unknown>> = {}) => ({
      cid: 'cid-of-this-test',
      time: NOW.toISOString(),
      operation,
      outcome: 'ok',
      error: null,
      actor_id: null,
      actor_name: 'the importer',
      actor_via: 'code',
      target_id: ids['ada'],
      target_name: 'ada',
      app: 'Shop',
      remote_addr: '203.0.113.9',
      user_agent: 'importer/1',
      dialect: 'code',
      changes: [],
      ...more,
    })
    let count = 0
    const origin = () => ({
      cid: `cid-${++count}`,
      currentApp: 'Shop',
      remoteAddr: '203.0.113.9',
      userAgent: 'importer/1',
    })
    const byCode = () => ({ ...origin(), actor: code })

    const time = NOW.toISOString()
    const change = (attribute: string, from: unknown, to: unknown) => ({ attribute, from, to })

    test.each([
      [
        'update_user_by_id',
        () => ({ data: { display_name: 'Ada', email: 'a@example.org', totp_key: 'JBSWY3DPEHPK3PXP' } }),
        'updateUserById',
        [
          change('display_name', '', 'Ada'),
          change('email', null, 'a@example.org'),
          change('totp_key', null, '[redacted]'),
        ],
      ],
      [
        'update_user_by_id',
        () => ({ data: { email: null, password_expiry: '2027-01-01T00:00:00+01:00' } }),
        'updateUserById',
        [change('email', 'a@example.org', null), change('password_expiry', null, '2026-12-31T23:00:00.000Z')],
      ],
      [
        'change_password',
        () => ({ newPassword: 'a new long phrase', passwordExpiry: 1, mustChange: true }),
        'changePassword',
        [
          change('password', '[redacted]', '[redacted]'),
          change('password_expiry', '2026-12-31T23:00:00.000Z', '2026-03-05T05:06:07.089Z'),
          change('password_must_change', false, true),
        ],
      ],
      [
        'lock_user',
        () => ({}),
        'lockUser',
        [
          change('is_locked', false, true),
          change('locked_time', null, time),
          change('locked_by', null, 'the importer'),
        ],
      ],
      ['unlock_user', () => ({}), 'unlockUser', [change('is_locked', true, false)]],
      [
        'reject_user',
        () => ({}),
        'rejectUser',
        [
          change('approval_status', 'approved', 'rejected'),
          change('approval_status_mod_by', 'setup', 'the importer'),
          change('is_approval_needed', false, true),
        ],
      ],
      [
        'approve_user',
        () => ({}),
        'approveUser',
        [change('approval_status', 'rejected', 'approved'), change('is_approval_needed', true, false)],
      ],
    ] as const)('%s is recorded whole', async (operation, input, method, changes) => {
      const caller = byCode()
      await (host.sso.user as any)[method]({ ...caller, ...input(), userId: ids['ada'] })
      expect(await trailOf(caller.cid)).toEqual([record(operation, { cid: caller.cid, changes })])
    })

    test('creation records what was set, and deletion whom it was about', async () => {
      const creation = byCode()
      const data = { username: 'new', password: 'a canary phrase', display_name: 'New', email: 'n@example.org' }
      const user = await host.sso.user.createUser({ ...creation, data })
      const [created, ...more] = await trailOf(creation.cid)
      expect(more).toEqual([])
      expect(created).toEqual(
        record('create_user', {
          cid: creation.cid,
          target_id: user.user_id,
          target_name: 'new',
          changes: expect.arrayContaining([
            change('username', null, 'new'),
            change('password', null, '[redacted]'),
            change('display_name', null, 'New'),
            change('email', null, 'n@example.org'),
            change('is_super_user', null, false),
            change('approval_status', null, 'before_decision'),
          ]),
        }),
      )

      const deletion = byCode()
      await host.sso.user.deleteUserById({ ...deletion, userId: user.user_id })
      expect(await trailOf(deletion.cid)).toEqual([
        record('delete_user', { cid: deletion.cid, target_id: user.user_id, target_name: 'new' }),
      ])

      const superUser = origin()
      const boss = await host.sso.user.createSuperUser({ ...superUser, by: 'set-up', data: { username: 'boss' } })
      expect(await trailOf(superUser.cid)).toEqual([
        record('create_super_user', {
          cid: superUser.cid,
          actor_name: 'set-up',
          target_id: boss.user_id,
          target_name: 'boss',
          changes: expect.arrayContaining([change('is_super_user', null, true)]),
        }),
      ])
    })

    test('ASVS 16.3.1 a session is recorded from its beginning to its end', async () => {
      const begin = origin()
      const { ust } = await host.sso.user.login({ ...begin, username: 'bob', password: PASSWORD })
      const self = { actor_id: ids['bob'], actor_name: 'bob', target_id: ids['bob'], target_name: 'bob' }
      expect(await trailOf(begin.cid)).toEqual([record('login', { cid: begin.cid, ...self, actor_via: 'password' })])

      const own = { ...origin(), currentUst: ust }
      await host.sso.user.updateCurrentUser({ ...own, data: { first_name: 'Bob', last_name: null } })
      expect(await trailOf(own.cid)).toEqual([
        record('update_current_user', {
          cid: own.cid,
          ...self,
          actor_via: 'ust',
          changes: [change('first_name', null, 'Bob')],
        }),
      ])

      const end = { ...origin(), currentUst: ust }
      await host.sso.user.logout(end)
      expect(await trailOf(end.cid)).toEqual([record('logout', { cid: end.cid, ...self, actor_via: 'ust' })])
      expect(JSON.stringify(await host.database.db('sso_audit'))).not.toContain(ust)
    })

    test('an update that changes nothing is recorded as that', async () => {
      const caller = byCode()
      await host.sso.user.updateUserById({ ...caller, userId: ids['ada'] ?? '', data: { display_name: 'Ada' } })
      expect(await trailOf(caller.cid)).toEqual([
        record('update_user_by_id', { cid: caller.cid, outcome: 'unchanged' }),
      ])
    })

    test('updateuser records lists, custom attributes and the password in one record', async () => {
      const caller = byCode()
      await host.sso.user.updateuser({
        ...caller,
        uid: 'bob',
        password: 'a canary phrase',
        displayName: 'Bob',
        roles: ['b|WR', 'a|X'],
        acls: ['z', 'y'],
        groupacls: ['g'],
        attributes: { langChoice: { deep: [1] }, digdashMailPassword: 'canary' },
      })
      expect(await trailOf(caller.cid)).toEqual([
        record('updateuser', {
          cid: caller.cid,
          target_id: ids['bob'],
          target_name: 'bob',
          changes: [
            change('password', '[redacted]', '[redacted]'),
            change('display_name', '', 'Bob'),
            change('attributes.langChoice', null, { deep: [1] }),
            change('attributes.digdashMailPassword', null, '[redacted]'),
            change('roles', [], ['a|X', 'b|RW']),
            change('acls', [], ['y', 'z']),
            change('groups', [], ['g']),
          ],
        }),
      ])
      await host.sso.user.changePassword({ actor: code, userId: ids['bob'] ?? '', newPassword: PASSWORD })
    })

    test("ASVS 16.2.1 a request's own marks are in the record, and so is how its sender was proved", async () => {
      const ust = await host.login('ada', 'a new long phrase').catch(async () => {
        await host.sso.user.changePassword({
          actor: code,
          userId: ids['ada'] ?? '',
          newPassword: PASSWORD,
          mustChange: false,
        })
        return host.login('ada')
      })
      const self = { actor_id: ids['ada'], actor_name: 'ada', remote_addr: '127.0.0.1', user_agent: 'browser' }
      for (const [headers, body, via] of [
        [{}, { ust, current_app: 'CRM' }, 'ust'],
        [{ Authorization: `Bearer ${ust}` }, { current_app: 'CRM' }, 'ust'],
        [{ 'X-Member': ids['ada'] ?? '', 'Sec-Fetch-Site': 'same-origin' }, { current_app: 'CRM' }, 'host'],
      ] as const) {
        const reply = await host.http
          .patch('/zato/sso/user')
          .set({ 'User-Agent': 'browser', ...headers })
          .send({ ...body, middle_name: `via ${via} ${count}` })
        expect(reply.status).toBe(200)
        const [found] = await trailOf(reply.body.cid)
        expect(found).toEqual(
          record('update_current_user', {
            cid: reply.body.cid,
            ...self,
            actor_via: via,
            app: 'CRM',
            dialect: 'zato',
            outcome: expect.toBeOneOf(['ok', 'unchanged']),
            changes: expect.any(Array),
          }),
        )
      }
      const reply = await host.http
        .post('/ddenterpriseapi/updateuser')
        .set({ 'User-Agent': 'script', 'X-Zato-SSO-Current-App': 'Shop' })
        .send({ user: 'admin', pass: PASSWORD, uid: 'ada', displayName: 'By the dialect' })
      expect(await trailOf(reply.body.cid)).toEqual([
        record('updateuser', {
          cid: reply.body.cid,
          actor_id: ids['admin'],
          actor_name: 'admin',
          actor_via: 'password',
          remote_addr: '127.0.0.1',
          user_agent: 'script',
          dialect: 'updateuser',
          changes: [change('display_name', 'Ada', 'By the dialect')],
        }),
      ])
    })

    describe('refusals', () => {
      const refused = (error: string, outcome: string, more: object = {}) => ({ error, outcome, changes: [], ...more })

      test.each([
        [
          'ASVS 16.3.1 a wrong password at login',
          () => host.sso.user.login({ ...origin(), username: 'bob', password: 'canary wrong' }),
          'login',
          refused('credentials_invalid', 'denied', { actor_name: null, actor_via: null, target_name: 'bob' }),
        ],
        [
          'ASVS 16.3.1 an unknown user at login',
          () => host.sso.user.login({ ...origin(), username: 'canary user', password: PASSWORD }),
          'login',
          refused('credentials_invalid', 'denied', {
            actor_name: null,
            actor_via: null,
            target_id: null,
            target_name: null,
          }),
        ],
        [
          'ASVS 16.3.1 a dead session',
          () => host.sso.user.updateCurrentUser({ ...origin(), currentUst: 'canary token', data: { email: null } }),
          'update_current_user',
          refused('session_unknown', 'denied', {
            actor_name: null,
            actor_via: null,
            target_id: null,
            target_name: null,
          }),
        ],
        [
          'ASVS 16.3.2 an application that is not one',
          () => host.sso.user.getCurrentUser({ ...origin(), currentApp: 'canary', actor: code }),
          'get_user',
          refused('app_invalid', 'denied', {
            actor_name: null,
            actor_via: null,
            target_id: null,
            target_name: null,
            app: null,
          }),
        ],
        [
          'an unknown account',
          () => host.sso.user.updateUserById({ ...byCode(), userId: '404', data: { email: null } }),
          'update_user_by_id',
          refused('user_unknown', 'denied', { target_id: '404', target_name: null }),
        ],
        [
          'ASVS 16.3.3 an invalid value',
          () =>
            host.sso.user.updateUserById({
              ...byCode(),
              userId: ids['bob'] ?? '',
              data: { email: 'canary' },
            }),
          'update_user_by_id',
          refused('email_invalid', 'invalid', { target_name: 'bob' }),
        ],
        [
          'ASVS 16.3.3 a name that is taken',
          () => host.sso.user.updateUserById({ ...byCode(), userId: ids['bob'] ?? '', data: { username: 'ada' } }),
          'update_user_by_id',
          refused('username_taken', 'invalid', { target_name: 'bob' }),
        ],
        [
          'ASVS 16.3.3 a password that is too short',
          () => host.sso.user.changePassword({ ...byCode(), userId: ids['bob'] ?? '', newPassword: 'canary' }),
          'change_password',
          refused('password_too_short', 'invalid', { target_name: 'bob' }),
        ],
      ] as const)('%s is recorded, with nothing of what was sent', async (_, attempt, operation, expected) => {
        const before = await contentsOf(host)
        const first = `cid-${count + 1}`
        await expect(attempt()).rejects.toMatchObject({ code: expected.error })
        const more = 'target_name' in expected && expected.target_name === 'bob' ? { target_id: ids['bob'] } : {}
        expect(await trailOf(first)).toEqual([record(operation, { cid: first, ...more, ...expected })])
        expect(JSON.stringify(await host.database.db('sso_audit').where({ cid: first }))).not.toContain('canary')
        expect(await contentsOf(host)).toEqual(before)
      })

      test("ASVS 16.3.2 a regular user who reaches for another's account is recorded with both names", async () => {
        const caller = { ...origin(), currentUst: await host.login('bob') }
        for (const attempt of [
          () => host.sso.user.updateUserById({ ...caller, userId: ids['ada'] ?? '', data: { is_locked: true } }),
          () => host.sso.user.lockUser({ ...caller, userId: ids['ada'] ?? '' }),
          () => host.sso.user.deleteUserById({ ...caller, userId: ids['ada'] ?? '' }),
          () => host.sso.user.changePassword({ ...caller, userId: ids['ada'] ?? '', newPassword: 'a new long phrase' }),
        ]) {
          await expect(attempt()).rejects.toMatchObject({ code: 'super_user_required' })
        }
        const common = {
          cid: caller.cid,
          outcome: 'denied',
          error: 'super_user_required',
          actor_id: ids['bob'],
          actor_name: 'bob',
          actor_via: 'ust',
        }
        expect(await trailOf(caller.cid)).toEqual(
          ['update_user_by_id', 'lock_user', 'delete_user', 'change_password'].map((operation) =>
            record(operation, common),
          ),
        )
      })

      test('what the transaction refuses is recorded although it was rolled back', async () => {
        // The check before the transaction finds nothing: only the index can refuse the second.
        const replies = await Promise.allSettled(
          ['ada', 'bob'].map((name) =>
            host.sso.user.updateUserById({
              cid: 'race',
              actor: code,
              userId: ids[name] ?? '',
              data: { username: 'contested' },
            }),
          ),
        )
        expect(replies.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
        expect((await host.audit({ cid: 'race' })).map(({ outcome, error }) => [outcome, error]).sort()).toEqual([
          ['invalid', 'username_taken'],
          ['ok', null],
        ])
        const winner = replies[0]?.status === 'fulfilled' ? 'ada' : 'bob'
        await host.sso.user.updateUserById({ actor: code, userId: ids[winner] ?? '', data: { username: winner } })
      })
    })

    describe('ASVS 16.5.3 when the trail cannot be written', () => {
      async function without<T>(work: () => Promise<T>): Promise<T> {
        const { db } = host.database
        await db.schema.renameTable('sso_audit', 'sso_elsewhere')
        try {
          return await work()
        } finally {
          await db.schema.renameTable('sso_elsewhere', 'sso_audit')
        }
      }

      test.each([
        ['an update', () => ({ display_name: 'unrecorded' })],
        ['a lock', () => ({ is_locked: true })],
      ])('%s is rolled back', async (_, data) => {
        const before = await contentsOf(host)
        faults.length = 0
        await without(async () => {
          const update = host.sso.user.updateUserById({ actor: code, userId: ids['ada'] ?? '', data: data() })
          await expect(update).rejects.toThrow()
          expect(await contentsOf(host)).toEqual(before)
        })
        expect(await contentsOf(host)).toEqual(before)
        expect(faults.length).toBeGreaterThan(0)
      })

      test('so are updateuser with all it does, a login, a new account and a deletion', async () => {
        const ust = await host.login('bob')
        const before = await contentsOf(host)
        const { db } = host.database
        const rows = await db('sso_audit').count({ n: '*' })
        await without(async () => {
          const everything = { password: 'a new long phrase', roles: ['u|R'], acls: ['u'], attributes: { u: 1 } }
          await expect(host.sso.user.updateuser({ actor: code, uid: 'ada', ...everything })).rejects.toThrow()
          await expect(host.login('bob')).rejects.toThrow()
          await expect(host.sso.user.logout({ currentUst: ust, currentApp: 'CRM' })).rejects.toThrow()
          await expect(host.sso.user.createUser({ actor: code, data: { username: 'unrecorded' } })).rejects.toThrow()
          await expect(host.sso.user.deleteUserById({ actor: code, userId: ids['bob'] ?? '' })).rejects.toThrow()
        })
        expect(await contentsOf(host)).toEqual(before)
        expect(await db('sso_audit').count({ n: '*' })).toEqual(rows)
      })

      test('a refusal stays a refusal, and the fault is reported', async () => {
        faults.length = 0
        await without(async () => {
          await expect(host.login('ada', 'wrong')).rejects.toMatchObject({ code: 'credentials_invalid' })
        })
        // The relay may have missed the table, too.
        expect(faults.length).toBeGreaterThan(0)
        for (const fault of faults) expect(String(fault)).toMatch(/sso_audit/)
      })

      test('no sink hears of it', async () => {
        await host.sso.flush()
        const before = sunk.length
        await without(async () => {
          const data = { display_name: 'unrecorded' }
          await expect(host.sso.user.updateUserById({ actor: code, userId: ids['ada'] ?? '', data })).rejects.toThrow()
        })
        await host.sso.flush()
        expect(sunk.length).toBe(before)
      })
    })

    test('ASVS 16.2.5 no fault shows a secret, whichever statement it was that failed', async () => {
      const { db } = host.database
      const table = arrangement === 'own table' ? 'sso_user' : 'members'
      const column = arrangement === 'own table' ? 'password' : 'pw_hash'
      faults.length = 0
      await host.login('ada')
      const before = await contentsOf(host)
      await db.schema.alterTable(table, (builder) => builder.renameColumn(column, 'elsewhere'))
      const caller = { actor: code, userId: ids['ada'] ?? '' }
      await expect(host.sso.user.changePassword({ ...caller, newPassword: 'a canary phrase' })).rejects.toThrow()
      await db.schema.alterTable(table, (builder) => builder.renameColumn('elsewhere', column))
      expect(await contentsOf(host)).toEqual(before)
      for (const fault of faults) {
        const { message, stack, sql } = fault as { message?: string; stack?: string; sql?: string }
        expect(`${message} ${stack} ${sql}`).not.toMatch(/canary|\$fast\$/)
      }
    })
  })
})
