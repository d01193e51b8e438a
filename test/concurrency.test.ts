import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SsoError, type UserPatch } from '../src/index.ts'
import { createDatabase, type TestDatabase } from './support/databases.ts'
import { fastHasher } from './support/fast-hasher.ts'
import { historyOf } from './support/histories.ts'
import { ARRANGEMENTS, databases, HOST_COLUMNS, idOf, PASSWORD, startHost, type TestHost } from './support/host.ts'
import type { Outcome, Work } from './support/update-worker.ts'

const WORKER = fileURLToPath(new URL('./support/update-worker.ts', import.meta.url))
const ATTRIBUTES = ['display_name', 'first_name', 'middle_name', 'last_name', 'email', 'totp_label'] as const
const UPDATES = 200
const actor = { via: 'code', name: 'test' } as const

let workers: readonly [ChildProcess, ChildProcess]
beforeAll(() => {
  const start = () => fork(WORKER, { execArgv: ['--import', 'tsx'] })
  workers = [start(), start()]
})
afterAll(() => {
  for (const worker of workers) worker.disconnect()
})

async function makeReady(worker: ChildProcess, work: Work): Promise<void> {
  const isReady = once(worker, 'message')
  worker.send(work)
  expect(await isReady).toEqual(['ready', undefined])
}

async function letGo(worker: ChildProcess): Promise<Outcome> {
  const answered = once(worker, 'message')
  worker.send('go')
  const [outcome] = (await answered) as [Outcome]
  return outcome
}

const cases = databases.flatMap((name) => ARRANGEMENTS.map((arrangement) => [name, arrangement] as const))

describe.each(cases)('at once on %s, %s', (name, arrangement) => {
  let host: TestHost
  beforeAll(async () => {
    host = await startHost(name, { arrangement, users: ['ada', 'bob', 'eve'] })
  })
  afterAll(() => host.close())

  test('200 updates from two processes: none fails, none is set back, and the records link up', async () => {
    const userId = await idOf(host, 'ada')
    const before = await host.sso.user.getUserById({ actor, userId })
    const patches = Array.from({ length: UPDATES }, (_, index): UserPatch => {
      const attribute = ATTRIBUTES[index % ATTRIBUTES.length] as (typeof ATTRIBUTES)[number]
      return { [attribute]: attribute === 'email' ? `n${index}@example.org` : `value ${index}` }
    })
    const users = arrangement === 'host table' ? { table: 'members', columns: HOST_COLUMNS } : null
    const config = host.database.config
    const halves = [patches.slice(0, UPDATES / 2), patches.slice(UPDATES / 2)] as const
    await Promise.all(
      halves.map((half, index) => makeReady(workers[index] as ChildProcess, { config, users, userId, patches: half })),
    )
    const outcomes = await Promise.all(workers.map(letGo))
    expect(outcomes.flatMap(({ errors }) => errors)).toEqual(Array(UPDATES).fill(null))

    const after = await host.sso.user.getUserById({ actor, userId })
    const rows = await host.audit({ operation: 'update_user_by_id', target_id: userId })
    expect(rows.map(({ outcome, changes }) => [outcome, changes.length])).toEqual(Array(UPDATES).fill(['ok', 1]))
    for (const attribute of ATTRIBUTES) {
      const history = historyOf(rows, attribute, before[attribute])
      const sent = patches.flatMap((patch) => (attribute in patch ? [patch[attribute]] : []))
      expect(new Set(history?.slice(1))).toEqual(new Set(sent))
      expect(history).toHaveLength(sent.length + 1)
      expect(history?.at(-1)).toBe(after[attribute])
    }
  })

  test('of accounts created with one name, one comes to be', async () => {
    const create = () =>
      host.sso.user.createUser({ actor, autoApprove: true, data: { username: 'twin', password: PASSWORD } })
    const settled = await Promise.allSettled(Array.from({ length: 4 }, create))
    const codes = settled.map((one) => (one.status === 'fulfilled' ? 'created' : one.reason.code))
    expect(codes.sort()).toEqual(['created', 'username_taken', 'username_taken', 'username_taken'])
    const created = await host.audit({ operation: 'create_user', target_name: 'twin', outcome: 'ok' })
    expect(created).toHaveLength(1)
  })

  test('of accounts that take one name, one gets it', async () => {
    const ids = await Promise.all([idOf(host, 'bob'), idOf(host, 'eve')])
    const settled = await Promise.allSettled(
      ids.map((userId) => host.sso.user.updateUserById({ actor, userId, data: { username: 'wanted' } })),
    )
    const codes = settled.map((one) => (one.status === 'fulfilled' ? 'taken by it' : one.reason.code))
    expect(codes.sort()).toEqual(['taken by it', 'username_taken'])
    // Back to their names, for the tests that follow.
    for (const [index, userId] of ids.entries()) {
      await host.sso.user.updateUserById({ actor, userId, data: { username: ['bob', 'eve'][index] as string } })
    }
  })

  test('of two changes of a password that go by the same old one, one is made', async () => {
    const currentUst = await host.login('bob')
    const news = ['analytical engine', 'difference engine']
    const change = (newPassword: string) =>
      host.sso.user.changePassword({ currentUst, currentApp: 'CRM', oldPassword: PASSWORD, newPassword })
    const settled = await Promise.allSettled(news.map(change))
    const codes = settled.map((one) => (one.status === 'fulfilled' ? 'changed' : one.reason.code))
    expect([...codes].sort()).toEqual(['changed', 'credentials_invalid'])
    const [made, refused] = codes[0] === 'changed' ? news : [...news].reverse()
    await expect(host.login('bob', refused)).rejects.toMatchObject({ code: 'credentials_invalid' })
    await host.login('bob', made)
    const records = await host.audit({ operation: 'change_password', target_name: 'bob' })
    expect(records.map(({ outcome }) => outcome).sort()).toEqual(['denied', 'ok'])
  })

  test('roles, authorisations and attributes that are given at once are all there', async () => {
    const gifts = Array.from({ length: 20 }, (_, index) => ({
      roles: [`role${index}|R`],
      acls: [`acl${index}`],
      groupacls: [`group${index}`],
      attributes: { [`custom${index}`]: index },
    }))
    await Promise.all(gifts.map((gift) => host.sso.user.updateuser({ actor, uid: 'bob', ...gift })))
    const userId = await idOf(host, 'bob')
    const { grants, attributes } = await host.sso.user.getUserDetails({ actor, userId })
    expect(grants.roles.map(({ role, rights }) => `${role}|${rights}`).sort()).toEqual(
      gifts.flatMap(({ roles }) => roles).sort(),
    )
    expect([...grants.acls].sort()).toEqual(gifts.flatMap(({ acls }) => acls).sort())
    expect([...grants.groups].sort()).toEqual(gifts.flatMap(({ groupacls }) => groupacls).sort())
    expect(attributes).toEqual(Object.assign({}, ...gifts.map(({ attributes }) => attributes)))
  })
})

describe.each(cases)(
  'ASVS 8.3.2 a super-user who loses his rights while he updates, on %s, %s',
  (name, arrangement) => {
    const demote = {
      'is locked': (host: TestHost, userId: string) => host.sso.user.lockUser({ actor, userId }),
      'is rejected': (host: TestHost, userId: string) => host.sso.user.rejectUser({ actor, userId }),
      'is no super-user any more': async ({ database: { db } }: TestHost) => {
        if (arrangement === 'own table')
          await db('sso_user').where({ username: 'admin' }).update({ is_super_user: false })
        else await db('members').where({ login: 'admin' }).update({ admin: false })
      },
    }
    const CODES = {
      'is locked': 'session_unknown',
      'is rejected': 'session_unknown',
      'is no super-user any more': 'super_user_required',
    }

    let database: TestDatabase
    beforeAll(async () => {
      database = await createDatabase(name)
    })
    afterAll(() => database.drop())

    test.each(Object.keys(demote) as (keyof typeof demote)[])('%s: the update is refused', async (loss) => {
      let lose: (() => Promise<unknown>) | null = null
      const host = await startHost(name, {
        arrangement,
        database,
        options: {
          password: { hasher: fastHasher() },
          hooks: {
            // Between the first look at his rights and the transaction.
            beforeUpdate: async ({ operation }) => {
              if (operation === 'update_user_by_id') await lose?.()
            },
          },
        },
      })
      try {
        const [currentUst, adminId, userId] = [
          await host.login('admin'),
          await idOf(host, 'admin'),
          await idOf(host, 'ada'),
        ]
        // The last super-user could not be taken away.
        await host.sso.user.createSuperUser({ data: { username: 'another', password: PASSWORD } })
        lose = () => demote[loss](host, adminId)
        const update = host.sso.user.updateUserById({
          currentUst,
          currentApp: 'CRM',
          userId,
          data: { display_name: 'Too late' },
        })
        await expect(update).rejects.toEqual(expect.any(SsoError))
        await expect(update).rejects.toMatchObject({ code: CODES[loss] })
        expect((await host.sso.user.getUserById({ actor, userId })).display_name).not.toBe('Too late')
        expect((await host.audit({ operation: 'update_user_by_id' })).map(({ outcome }) => outcome)).toEqual(['denied'])
      } finally {
        await host.close()
      }
    })
  },
)

describe.each(cases)('an account that is shut out while its owner logs in, on %s, %s', (name, arrangement) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase(name)
  })
  afterAll(() => database.drop())

  test.each([
    ['lockUser', 'account_locked'],
    ['rejectUser', 'credentials_invalid'],
  ] as const)('by %s: no session is opened', async (shutOut, code) => {
    let userId = ''
    const host = await startHost(name, {
      arrangement,
      users: ['ada'],
      database,
      options: {
        password: { hasher: fastHasher() },
        // Between the check of the password and the transaction.
        session: {
          expiry: async () => {
            await host.sso.user[shutOut]({ actor, userId })
            return undefined
          },
        },
      },
    })
    try {
      userId = await idOf(host, 'ada')
      await expect(host.login('ada')).rejects.toMatchObject({ code })
      expect(await host.database.db('sso_session')).toEqual([])
      expect((await host.audit({ operation: 'login' })).map(({ error }) => error)).toEqual([code])
    } finally {
      await host.close()
    }
  })
})
