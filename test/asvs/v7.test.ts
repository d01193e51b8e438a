import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { databases, PASSWORD } from '../support/host.ts'
import { bearer, http, inCode, NOW, type Person, person, type Stage, startStage, TOKEN_PATHS } from './stage.ts'

const TOKEN = /^[\w-]{43}$/

describe.each(databases)('sessions on %s', (database) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(database)
  })
  afterAll(() => stage.host.close())
  afterEach(() => {
    stage.clock.now = NOW
  })

  const enters = async (who: Person) => {
    const open: string[] = []
    for (const [name, enter] of Object.entries(TOKEN_PATHS)) if ((await enter(stage, who)).isOk) open.push(name)
    return open
  }
  const EVERYWHERE = Object.keys(TOKEN_PATHS)

  /** Every way to get a token, and every way to give it back. */
  const LOGINS: Readonly<Record<string, (username: string, headers?: object) => Promise<string>>> = {
    zato: async (username, headers = {}) => {
      const body = { current_app: 'CRM', username, password: PASSWORD }
      return JSON.parse((await http(stage, 'post', '/zato/sso/user/login', { ...headers }, body)).text).ust
    },
    rest: async (username, headers = {}) =>
      JSON.parse((await http(stage, 'post', '/account/login', { ...headers }, { username, password: PASSWORD })).text)
        .ust,
    functions: (username) => stage.host.login(username),
  }
  const LOGOUTS: Readonly<Record<string, (ust: string) => Promise<unknown>>> = {
    zato: (ust) => http(stage, 'post', '/zato/sso/user/logout', {}, { current_app: 'CRM', ust }),
    rest: (ust) => http(stage, 'post', '/account/logout', bearer(ust)),
    functions: (ust) => inCode(() => stage.host.sso.user.logout({ currentUst: ust, currentApp: 'CRM' })),
  }

  test('ASVS 7.2.1, 7.2.2 a token is good for as long as the database has its session, and by nothing of its own', async () => {
    const ada = await person(stage)
    expect(await enters(ada)).toEqual(EVERYWHERE)
    const row = await stage.host.database.db('sso_session').where({ user_id: ada.id }).first()
    const read = Buffer.from(ada.ust, 'base64url').toString('latin1')
    for (const value of [ada.id, ada.name, row.id]) expect(read).not.toContain(value)
    // No letter of it may differ.
    const other = ada.ust.endsWith('A') ? `${ada.ust.slice(0, -1)}E` : `${ada.ust.slice(0, -1)}A`
    expect(await enters({ ...ada, ust: other })).toEqual([])
    expect(await enters({ ...ada, ust: row.ust_hash })).toEqual([])
    await stage.host.database.db('sso_session').where({ user_id: ada.id }).delete()
    expect(await enters(ada)).toEqual([])
  })

  test.each(Object.keys(LOGINS))(
    'ASVS 7.2.3, 7.2.4 each login by %s makes a token of 256 bits, none taken from the client',
    async (name) => {
      const ada = await person(stage)
      const offered = 'o'.repeat(43)
      const tokens = [ada.ust]
      for (let count = 0; count < 5; count++) tokens.push(await LOGINS[name]!(ada.name, bearer(offered)))
      expect(new Set(tokens).size).toBe(tokens.length)
      for (const token of tokens) expect(token).toMatch(TOKEN)
      expect(tokens).not.toContain(offered)
      expect(await enters({ ...ada, ust: offered })).toEqual([])
      const stored = JSON.stringify(await stage.host.database.db('sso_session').where({ user_id: ada.id }))
      expect(tokens.filter((token) => stored.includes(token))).toEqual([])
    },
  )

  test('ASVS 7.2.4 who logs in anew with his token in the header has the new one in place of it', async () => {
    const [ada, bob] = [await person(stage), await person(stage)]
    const wrong = await http(stage, 'post', '/account/login', bearer(ada.ust), {
      username: ada.name,
      password: 'wrong',
    })
    expect(wrong.status).toBe(401)
    expect(await enters(ada)).toEqual(EVERYWHERE)
    const other = await LOGINS['rest']!(ada.name)
    const ust = await LOGINS['rest']!(ada.name, bearer(ada.ust))
    expect(await enters(ada)).toEqual([])
    expect(await enters({ ...ada, ust })).toEqual(EVERYWHERE)
    // Nobody else's ends, and no other of his own.
    expect(await enters({ ...ada, ust: other })).toEqual(EVERYWHERE)
    expect(await enters(bob)).toEqual(EVERYWHERE)
  })

  test.each(Object.entries(LOGOUTS))('ASVS 7.4.1 a logout by %s holds everywhere', async (_, logout) => {
    const ada = await person(stage)
    const other = { ...ada, ust: await stage.host.login(ada.name) }
    await logout(ada.ust)
    expect(await enters(ada)).toEqual([])
    expect(await enters(other)).toEqual(EVERYWHERE)
  })

  test('ASVS 7.4.1, 7.3.2 so does the end of its time', async () => {
    const ada = await person(stage)
    stage.clock.now = new Date(NOW.getTime() + 59 * 60_000)
    expect(await enters(ada)).toEqual(EVERYWHERE)
    stage.clock.now = new Date(NOW.getTime() + 60 * 60_000 + 1)
    expect(await enters(ada)).toEqual([])
  })
})
