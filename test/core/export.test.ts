import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExportedUser, ExportInput } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, idOf, startHost, type TestHost } from '../support/host.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const
// More than a page.
const NAMES = Array.from({ length: 300 }, (_, index) => `user${String(index).padStart(4, '0')}`)
const places = databases.flatMap((database) => ARRANGEMENTS.map((arrangement) => ({ database, arrangement })))

describe.each(places)('an export of accounts: $database, $arrangement', ({ database, arrangement }) => {
  let host: TestHost
  const on = async (username: string) => ({ ...CODE, userId: await idOf(host, username) })
  const read = async (input: ExportInput = {}) => {
    const found: ExportedUser[] = []
    for await (const one of host.sso.user.exportUsers({ ...CODE, ...input })) found.push(one)
    return found
  }
  const namesOf = (found: readonly ExportedUser[]) => found.map(({ user }) => user.username)

  beforeAll(async () => {
    const options = { password: { hasher: fastHasher() }, customAttributes: { secret: ['pin'] } }
    host = await startHost(database, { arrangement, options, users: [] })
    for (let start = 0; start < NAMES.length; start += 50) {
      const part = NAMES.slice(start, start + 50)
      await Promise.all(
        part.map((username) => host.sso.user.createUser({ ...CODE, autoApprove: true, data: { username } })),
      )
    }
  })
  afterAll(() => host.close())

  test('has everybody once, in the order of the usernames', async () => {
    expect(namesOf(await read())).toEqual(['admin', ...NAMES])
  })

  test('has what is granted, and the custom attributes that are neither secret nor encrypted nor expired', async () => {
    const ada = await on('user0150')
    await host.sso.user.updateGrants({ ...ada, patch: { roles: ['b|R', 'a|RW'], acls: ['x', 'm'], groups: ['g'] } })
    await host.sso.attributes.set({
      ...ada,
      data: [
        { name: 'theme', value: { dark: [true, null] } },
        { name: 'pin', value: '1234' },
        { name: 'note', value: 'hidden', encrypt: true },
      ],
    })
    const { user } = await host.sso.user.getUserDetails(ada)
    const expected = {
      user,
      grants: {
        roles: [
          { role: 'a', rights: 'RW' },
          { role: 'b', rights: 'R' },
        ],
        acls: ['m', 'x'],
        groups: ['g'],
      },
      attributes: { theme: { dark: [true, null] } },
    }
    expect((await read())[151]).toEqual(expected)
    expect(await read({ criteria: { username: 'USER0150' } })).toEqual(
      arrangement === 'own table' || database === 'mariadb' ? [expected] : [],
    )
    expect(await read({ criteria: { user_id: ada.userId } })).toEqual([expected])
    expect(await host.sso.user.getCustomNames(CODE)).toEqual(['theme'])
  })

  test('has those alone that are searched for', async () => {
    for (const username of ['user0001', 'user0299']) {
      await host.sso.user.updateUserById({ ...(await on(username)), data: { display_name: 'Ada', first_name: 'A' } })
    }
    expect(namesOf(await read({ criteria: { display_name: 'ada' } }))).toEqual(['user0001', 'user0299'])
    const either = { nameOp: 'or', isNameExact: false, criteria: { display_name: 'AD', first_name: 'b' } } as const
    expect(namesOf(await read(either))).toEqual(['user0001', 'user0299'])
    expect(namesOf(await read({ criteria: { email: 'nobody@example.com' } }))).toEqual([])
    await expect(read({ criteria: { emial: 'x' } } as object)).rejects.toMatchObject({ code: 'attribute_unknown' })
  })

  test('misses nobody and repeats nobody while accounts are renamed, created and deleted', async () => {
    const found: string[] = []
    for await (const { user } of host.sso.user.exportUsers(CODE)) {
      found.push(user.username)
      if (found.length !== 10) continue
      // One that has been read moves behind, one that has not moves before where it has come to; one of the page stays.
      await host.sso.user.updateUserById({ ...(await on('user0003')), data: { username: 'zoe' } })
      await host.sso.user.updateUserById({ ...(await on('user0270')), data: { username: 'aaron' } })
      await host.sso.user.createUser({ ...CODE, data: { username: 'aagje' } })
      await host.sso.user.deleteUserById(await on('user0290'))
    }
    const stayed = NAMES.filter((username) => !['user0270', 'user0290'].includes(username))
    expect(found.slice(0, 1 + stayed.length)).toEqual(['admin', ...stayed])
    expect(found.slice(1 + stayed.length).sort()).toEqual(['aagje', 'aaron'])
  })

  test('is for super-users alone', async () => {
    const actor = { via: 'host', userId: await idOf(host, 'user0001') } as const
    const first = host.sso.user.exportUsers({ actor })[Symbol.asyncIterator]().next()
    await expect(first).rejects.toMatchObject({ code: 'super_user_required' })
    await expect(host.sso.user.getCustomNames({ actor })).rejects.toMatchObject({ code: 'super_user_required' })
  })
})
