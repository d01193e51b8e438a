import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf } from '../support/contents.ts'
import { databases, PASSWORD } from '../support/host.ts'
import {
  type Answer,
  bearer,
  CHANGES,
  code,
  HOST_PATHS,
  http,
  inCode,
  PASSWORD_PATHS,
  type Person,
  person,
  type Stage,
  startStage,
  superUser,
  TOKEN_PATHS,
} from './stage.ts'

const NEW_PASSWORD = 'another good phrase'

/** Everything that only super-users may do, asked for by somebody about somebody. */
function operations(stage: Stage, by: Person, of: Person): Readonly<Record<string, () => Promise<Answer>>> {
  const { user, session, attributes } = stage.host.sso
  const caller = { currentUst: by.ust, currentApp: 'CRM' }
  const about = { ...caller, userId: of.id }
  const zato = (method: 'get' | 'post' | 'patch' | 'delete', path: string, fields: object = {}) =>
    http(stage, method, `/zato/sso${path}`, {}, { current_app: 'CRM', ust: by.ust, user_id: of.id, ...fields })
  const rest = (method: 'get' | 'post' | 'patch' | 'put' | 'delete', path: string, body: object = {}) =>
    http(stage, method, `/account/users${path}`, bearer(by.ust), body)
  return {
    'zato POST /user': () => zato('post', '/user', { username: 'made', user_id: undefined }),
    'zato DELETE /user': () => zato('delete', '/user'),
    'zato GET /user/search': () => zato('get', '/user/search'),
    'zato POST /user/lock': () => zato('post', '/user/lock'),
    'zato DELETE /user/lock': () => zato('delete', '/user/lock'),
    'zato POST /user/approve': () => zato('post', '/user/approve'),
    'zato POST /user/reject': () => zato('post', '/user/reject'),
    'zato PATCH /user/password': () => zato('patch', '/user/password', { new_password: NEW_PASSWORD }),
    'rest GET /users': () => rest('get', ''),
    'rest POST /users': () => rest('post', '', { username: 'made' }),
    'rest GET /users/:id': () => rest('get', `/${of.id}`),
    'rest DELETE /users/:id': () => rest('delete', `/${of.id}`),
    'rest PUT /users/:id/lock': () => rest('put', `/${of.id}/lock`),
    'rest DELETE /users/:id/lock': () => rest('delete', `/${of.id}/lock`),
    'rest PUT /users/:id/approval': () => rest('put', `/${of.id}/approval`, { status: 'rejected' }),
    'rest PUT /users/:id/password': () => rest('put', `/${of.id}/password`, { newPassword: NEW_PASSWORD }),
    'rest GET /users/:id/audit': () => rest('get', `/${of.id}/audit`),
    'rest GET /users/:id/sessions': () => rest('get', `/${of.id}/sessions`),
    'rest DELETE /users/:id/sessions': () => rest('delete', `/${of.id}/sessions`),
    'rest GET /users/:id/grants': () => rest('get', `/${of.id}/grants`),
    'rest PATCH /users/:id/grants': () => rest('patch', `/${of.id}/grants`, { acls: { boss: true } }),
    'rest PATCH /users/:id/attributes': () => rest('patch', `/${of.id}/attributes`, { x: 1 }),
    'updateuser, roles': () =>
      http(stage, 'post', '/ddenterpriseapi/updateuser', bearer(by.ust), { uid: of.name, roles: ['boss|RWX'] }),
    'updateuser, own roles': () =>
      http(stage, 'post', '/ddenterpriseapi/updateuser', bearer(by.ust), { uid: by.name, roles: ['boss|RWX'] }),
    'requireSuperUser()': () => http(stage, 'post', '/super-user', bearer(by.ust)),
    'createUser()': () => inCode(() => user.createUser({ ...caller, data: { username: 'made' } })),
    'deleteUserById()': () => inCode(() => user.deleteUserById(about)),
    'lockUser()': () => inCode(() => user.lockUser(about)),
    'unlockUser()': () => inCode(() => user.unlockUser(about)),
    'approveUser()': () => inCode(() => user.approveUser(about)),
    'rejectUser()': () => inCode(() => user.rejectUser(about)),
    'getUserById()': () => inCode(() => user.getUserById(about)),
    'getAudit()': () => inCode(() => user.getAudit(about)),
    'search()': () => inCode(() => user.search(caller)),
    'updateGrants()': () => inCode(() => user.updateGrants({ ...about, patch: { acls: { boss: true } } })),
    'changePassword()': () => inCode(() => user.changePassword({ ...about, newPassword: NEW_PASSWORD })),
    'setTotpKey()': () => inCode(() => user.setTotpKey(about)),
    'session.get()': () => inCode(() => session.get({ ...caller, targetUst: of.ust })),
    'session.verify()': () => inCode(() => session.verify({ ...caller, targetUst: of.ust })),
    'session.list()': () => inCode(() => session.list(about)),
    'session.endAll()': () => inCode(() => session.endAll(about)),
    'attributes.list()': () => inCode(() => attributes.list(about)),
    'attributes.set()': () => inCode(() => attributes.set({ ...about, name: 'x', value: 1 } as never)),
  }
}

describe.each(databases)('rights on %s', (database) => {
  let stage: Stage
  let ada: Person
  let bob: Person
  beforeAll(async () => {
    stage = await startStage(database)
    ada = await person(stage)
    bob = await person(stage)
  })
  afterAll(() => stage.host.close())

  test('ASVS 8.2.1 what is for super-users is refused to others, and nothing is done', async () => {
    const before = await contentsOf(stage.host)
    const done: unknown[] = []
    for (const [name, ask] of Object.entries(operations(stage, bob, ada))) {
      const { status, isOk, text } = await ask()
      if (isOk || status !== 403) done.push([name, status, text])
    }
    expect(done).toEqual([])
    expect(await contentsOf(stage.host)).toEqual(before)
  })

  describe.each(Object.entries(CHANGES))('by %s', (_, change) => {
    test('ASVS 8.2.2, 8.3.1 nobody changes another’s account', async () => {
      const before = await contentsOf(stage.host)
      expect(await change(stage, bob, ada, { first_name: 'Bob' })).toMatchObject({ status: 403, isOk: false })
      const ghost = { name: 'nobody-there', id: '999999', ust: '' }
      expect(await change(stage, bob, ghost, { first_name: 'Bob' })).toMatchObject({ status: 403, isOk: false })
      expect(await contentsOf(stage.host)).toEqual(before)
    })

    test('ASVS 8.2.3, 8.3.1 nobody changes of his own account what is for super-users', async () => {
      const before = await contentsOf(stage.host)
      expect(await change(stage, ada, ada, { first_name: 'Ada', is_locked: false })).toMatchObject({
        status: 403,
        isOk: false,
      })
      expect(await contentsOf(stage.host)).toEqual(before)
      expect(await change(stage, ada, ada, { first_name: 'Ada' })).toMatchObject({ isOk: true })
    })

    test('ASVS 8.3.2 who is a super-user no longer has lost his rights at once', async () => {
      const boss = await person(stage)
      const promote = (is_super_user: boolean) =>
        stage.host.database.db('sso_user').where({ username: boss.name }).update({ is_super_user })
      await promote(true)
      expect(await change(stage, boss, ada, { last_name: 'King' })).toMatchObject({ isOk: true })
      await promote(false)
      expect(await change(stage, boss, ada, { last_name: 'Byron' })).toMatchObject({ status: 403, isOk: false })
    })
  })

  test('ASVS 8.3.2 a lock is there on the next request, whoever proves it', async () => {
    const eve = await person(stage)
    const entered = async () => {
      const all: boolean[] = []
      for (const enter of Object.values({ ...TOKEN_PATHS, ...HOST_PATHS })) all.push((await enter(stage, eve)).isOk)
      for (const enter of Object.values(PASSWORD_PATHS)) all.push((await enter(stage, eve.name, PASSWORD)).isOk)
      return new Set(all)
    }
    expect(await entered()).toEqual(new Set([true]))
    // By the host's own program, which ends no session.
    await stage.host.database.db('sso_user').where({ username: eve.name }).update({ is_locked: true })
    expect(await entered()).toEqual(new Set([false]))
  })

  test('ASVS 8.3.3 a call that is made for somebody has his rights, and nothing in it gives more', async () => {
    const { user } = stage.host.sso
    const admin = await superUser(stage)
    const before = await contentsOf(stage.host)
    const forBob = { actor: { via: 'host', userId: bob.id } } as const
    const attempts = [
      () => user.updateUserById({ ...forBob, userId: ada.id, data: { first_name: 'Bob' } }),
      () => user.lockUser({ ...forBob, userId: ada.id }),
      () => user.updateGrants({ ...forBob, userId: bob.id, patch: { acls: { boss: true } } }),
      () => user.updateuser({ ...forBob, uid: ada.name, displayName: 'Bob' }),
    ]
    for (const attempt of attempts) expect(await inCode(attempt)).toMatchObject({ status: 403 })
    // What a body says of who asks is no credential.
    const named = { actor: code, actor_id: admin.id, is_super_user: true, current_user: 'admin', first_name: 'Bob' }
    await CHANGES['zato']!(stage, bob, ada, named)
    await CHANGES['rest']!(stage, bob, ada, named)
    await CHANGES['updateuser']!(stage, bob, ada, named)
    const after = await contentsOf(stage.host)
    expect(after['sso_user']).toEqual(before['sso_user'])
    expect(after['sso_acl_grant']).toEqual(before['sso_acl_grant'])
  })
})
