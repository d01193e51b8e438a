import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import optionsSchema from '#schemas/options.json' with { type: 'json' }
import { type Change, createSso } from '../../src/index.ts'
import { createDatabase } from '../support/databases.ts'
import { countingHasher } from '../support/fast-hasher.ts'
import { databases, PASSWORD } from '../support/host.ts'
import { codeAt, TOTP_KEY } from '../support/one-time-codes.ts'
import {
  bearer,
  CHANGES,
  code,
  HOST_PATHS,
  http,
  inCode,
  NOW,
  PASSWORD_PATHS,
  type Person,
  person,
  type Stage,
  startStage,
  superUser,
  TOKEN_PATHS,
  withoutCid,
} from './stage.ts'

const NEW_PASSWORD = 'another good phrase'

test('ASVS 6.1.1 the README has the limits that there are, and why they keep no owner out', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const section = readme.slice(readme.indexOf('| Counted by |'), readme.indexOf('### New passwords'))
  const { perAccount, perAccountTotal, perAddress, firstWaitSeconds, maxWaitSeconds } =
    optionsSchema.properties.throttle.properties
  const total = /Default (?:100|: 100)|100/.exec(perAccountTotal.description)?.[0]
  for (const said of [
    `| ${perAddress.default} an hour, on whatever accounts |`,
    `| ${perAccount.default} an hour |`,
    `| ${total} an hour |`,
    `${firstWaitSeconds.default} seconds, 20, 40, up to ${/\d+/.exec(maxWaitSeconds.description.split('Default')[1] ?? '')?.[0] === '900' ? 15 : '?'} minutes`,
    'Nobody is locked out',
  ]) {
    expect(section).toContain(said)
  }
})

describe.each(databases)('accounts and proofs on %s', (database) => {
  const changes: Change[] = []
  let stage: Stage
  let ada: Person
  let locked: Person
  let rejected: Person
  let unconfirmed: Person
  let coded: Person
  beforeAll(async () => {
    stage = await startStage(database, { hooks: { afterUpdate: (change) => void changes.push(change) } })
    ada = await person(stage)
    locked = await person(stage, { is_locked: true })
    rejected = await person(stage, { approval_status: 'rejected' })
    unconfirmed = await person(stage, { sign_up_status: 'before_confirmation' })
    coded = (await withCodes(stage)).who
    // So that the decoy is made: the first who asks makes it, whoever he is.
    await PASSWORD_PATHS['rest login']?.(stage, 'nobody', 'wrong')
  })
  afterAll(() => stage.host.close())
  afterEach(() => {
    stage.clock.now = NOW
  })

  test('ASVS 6.3.2 the package makes no account by itself', async () => {
    const empty = await createDatabase(database)
    const sso = createSso({ db: empty.db })
    try {
      await sso.ready()
      expect(await empty.db('sso_user')).toEqual([])
      for (const username of ['admin', 'root', 'test', 'sso', 'guest']) {
        const attempt = sso.user.login({ username, password: username, currentApp: 'CRM' })
        await expect(attempt).rejects.toMatchObject({ code: 'credentials_invalid' })
      }
    } finally {
      await sso.close()
      await empty.drop()
    }
  })

  describe.each(Object.entries({ ...PASSWORD_PATHS, ...TOKEN_PATHS, ...HOST_PATHS }))('by %s', (name) => {
    const enter = (who: Person) =>
      name in PASSWORD_PATHS
        ? PASSWORD_PATHS[name]!(stage, who.name, PASSWORD)
        : { ...TOKEN_PATHS, ...HOST_PATHS }[name]!(stage, who)

    test('ASVS 6.3.4 whose account is not to be used is not let in', async () => {
      expect(await enter(ada)).toMatchObject({ isOk: true })
      for (const who of [locked, rejected, unconfirmed]) expect(await enter(who)).toMatchObject({ isOk: false })
    })

    if (name in PASSWORD_PATHS) {
      test('ASVS 6.3.4 a password alone is not enough where one-time codes are on', async () => {
        expect(await enter(coded)).toMatchObject({ isOk: false })
      })
    }
  })

  describe.each(Object.entries(PASSWORD_PATHS))('by %s', (_, enter) => {
    test('ASVS 6.3.8 unknown user, wrong password, locked account: same answer for the same work', async () => {
      const attempts = [
        [ada.name, 'wrong'],
        ['nobody there', 'wrong'],
        ['nobody-there', PASSWORD],
        [locked.name, 'wrong'],
        [rejected.name, 'wrong'],
        [rejected.name, PASSWORD],
      ] as const
      const seen: unknown[] = []
      for (const [username, password] of attempts) {
        const before = { ...stage.count }
        const answer = withoutCid(await enter(stage, username, password))
        const work = { hash: stage.count.hash - before.hash, verify: stage.count.verify - before.verify }
        seen.push(JSON.parse(JSON.stringify({ answer, work }).replaceAll(username, 'who')))
      }
      expect(seen[0]).toMatchObject({ work: { hash: 0, verify: 1 } })
      expect(seen).toEqual(attempts.map(() => seen[0]))
    })
  })

  test('ASVS 6.3.8 nor can a locked account be told by its password, where `inform.locked` is off', async () => {
    const silent = await startStage(database, { inform: { locked: false, notConfirmed: false } })
    try {
      await PASSWORD_PATHS['rest login']!(silent, 'nobody', 'wrong')
      const shut = [
        await person(silent, { is_locked: true }),
        await person(silent, { sign_up_status: 'before_confirmation' }),
      ]
      const seen: unknown[] = []
      for (const [path, enter] of Object.entries(PASSWORD_PATHS)) {
        for (const { name } of shut) {
          const answers: unknown[] = []
          for (const [username, password] of [
            [name, PASSWORD],
            ['nobody-there', 'wrong'],
          ] as const) {
            const { verify } = silent.count
            const answer = withoutCid(await enter(silent, username, password))
            const work = silent.count.verify - verify
            answers.push(JSON.parse(JSON.stringify({ answer, work }).replaceAll(username, 'who')))
          }
          if (JSON.stringify(answers[0]) !== JSON.stringify(answers[1])) seen.push([path, ...answers])
        }
      }
      expect(seen).toEqual([])
    } finally {
      await silent.host.close()
    }
  })

  test('ASVS 6.3.7 a hook hears of a change of username, email, password and one-time codes', async () => {
    const ada = await person(stage)
    changes.length = 0
    const change = CHANGES['zato']!
    await change(stage, ada, ada, { username: `${ada.name}x` })
    await change(stage, ada, ada, { email: 'ada@example.com' })
    const bodies = { current_app: 'CRM', ust: ada.ust }
    const secrets = { old_password: PASSWORD, new_password: NEW_PASSWORD }
    await http(stage, 'patch', '/zato/sso/user/password', {}, { ...bodies, ...secrets })
    const key = { totpKey: TOTP_KEY, totpCode: codeAt(TOTP_KEY, NOW), currentPassword: NEW_PASSWORD }
    await http(stage, 'put', '/account/me/totp', bearer(ada.ust), key)
    await change(stage, ada, ada, { is_totp_enabled: true })
    await http(stage, 'delete', '/account/me/totp', bearer(ada.ust), {})
    const heard = changes.map(({ target, before, changes }) => [
      target.user_id,
      before?.username,
      changes.map(({ attribute }) => attribute).sort(),
    ])
    const names = (list: string[]) => expect.arrayContaining(list)
    const later = `${ada.name}x`
    expect(heard).toEqual([
      [ada.id, ada.name, ['username']],
      [ada.id, later, ['email']],
      [ada.id, later, names(['password'])],
      [ada.id, later, names(['totp_key'])],
      [ada.id, later, ['is_totp_enabled']],
      [ada.id, later, names(['is_totp_enabled', 'totp_key'])],
    ])
    // The old address is there to be written to.
    expect(changes[1]).toMatchObject({ before: { email: null }, after: { email: 'ada@example.com' } })
    expect(JSON.stringify(changes)).not.toContain(NEW_PASSWORD)
  })

  describe('ASVS 6.4.3 a password that a super-user sets leaves one-time codes on', () => {
    const SETTERS: Readonly<Record<string, (admin: Person, who: Person) => Promise<{ isOk: boolean }>>> = {
      zato: (admin, { id }) => {
        const body = { current_app: 'CRM', ust: admin.ust, user_id: id, new_password: NEW_PASSWORD }
        return http(stage, 'patch', '/zato/sso/user/password', {}, body)
      },
      rest: (admin, { id }) =>
        http(stage, 'put', `/account/users/${id}/password`, bearer(admin.ust), { newPassword: NEW_PASSWORD }),
      updateuser: (admin, { name }) => {
        const body = { uid: name, password: NEW_PASSWORD }
        return http(stage, 'post', '/ddenterpriseapi/updateuser', bearer(admin.ust), body)
      },
      functions: (_, { id }) =>
        inCode(() => stage.host.sso.user.changePassword({ actor: code, userId: id, newPassword: NEW_PASSWORD })),
    }

    test.each(Object.entries(SETTERS))('%s', async (_, set) => {
      const { who, next } = await withCodes(stage)
      expect(await set(await superUser(stage), who)).toMatchObject({ isOk: true })
      const login = { username: who.name, password: NEW_PASSWORD }
      expect(await http(stage, 'post', '/account/login', {}, login)).toMatchObject({ status: 401 })
      expect(await http(stage, 'post', '/account/login', {}, { ...login, totpCode: next() })).toMatchObject({
        isOk: true,
      })
    })
  })

  test('ASVS 6.4.6 a password that a super-user sets may serve for nothing but to choose another', async () => {
    const [admin, ada] = [await superUser(stage), await person(stage)]
    const body = { newPassword: NEW_PASSWORD, mustChange: true }
    expect(await http(stage, 'put', `/account/users/${ada.id}/password`, bearer(admin.ust), body)).toMatchObject({
      isOk: true,
    })
    for (const enter of Object.values(PASSWORD_PATHS)) {
      expect(await enter(stage, ada.name, NEW_PASSWORD)).toMatchObject({ isOk: false })
    }
    const own = { username: ada.name, password: NEW_PASSWORD, newPassword: 'a phrase of her own' }
    expect(await http(stage, 'post', '/account/login', {}, own)).toMatchObject({ isOk: true })
    expect(await PASSWORD_PATHS['rest login']!(stage, ada.name, NEW_PASSWORD)).toMatchObject({ isOk: false })
    expect(await PASSWORD_PATHS['rest login']!(stage, ada.name, own.newPassword)).toMatchObject({ isOk: true })
  })

  test('ASVS 6.5.5, 6.5.8 a code counts by the clock of the server, and no longer than its step and the next', async () => {
    const { who } = await withCodes(stage)
    const enter = (totpCode: string) =>
      http(stage, 'post', '/account/login', {}, { username: who.name, password: PASSWORD, totpCode })
    const minute = 60_000
    const at = (time: number) => codeAt(TOTP_KEY, new Date(time))
    stage.clock.now = new Date(NOW.getTime() + 10 * minute)
    // What the client's own clock would say, an hour off.
    expect(await enter(at(stage.clock.now.getTime() + 60 * minute))).toMatchObject({ isOk: false })
    const shown = at(stage.clock.now.getTime())
    stage.clock.now = new Date(stage.clock.now.getTime() + 2 * 30_000)
    expect(await enter(shown)).toMatchObject({ isOk: false })
    stage.clock.now = new Date(stage.clock.now.getTime() - 30_000)
    expect(await enter(shown)).toMatchObject({ isOk: true })
  })
})

test('ASVS 6.4.1 a password that the package makes is random, told to nobody, and opens nothing by guessing', async () => {
  const made: string[] = []
  const { hasher } = countingHasher()
  const stage = await startStage('sqlite', {
    password: {
      hasher: {
        ...hasher,
        hash: (password: string) => {
          made.push(password)
          return hasher.hash(password)
        },
      },
    },
  })
  try {
    const admin = await superUser(stage)
    made.length = 0
    const answers = [
      await http(stage, 'post', '/account/users', bearer(admin.ust), { username: 'one', autoApprove: true }),
      await http(
        stage,
        'post',
        '/zato/sso/user',
        {},
        { current_app: 'CRM', ust: admin.ust, username: 'two', auto_approve: true },
      ),
      await inCode(() =>
        stage.host.sso.user.createUser({ actor: code, autoApprove: true, data: { username: 'three' } }),
      ),
      await inCode(() => stage.host.sso.user.createSuperUser({ data: { username: 'four' } })),
    ]
    expect(answers.map(({ isOk }) => isOk)).toEqual([true, true, true, true])
    expect(made).toHaveLength(4)
    expect(new Set(made).size).toBe(4)
    // 192 bits.
    for (const password of made) expect(password).toMatch(/^[\w-]{32}$/)
    for (const password of made) stage.host.canaries.add('password that was made', password)
    for (const { text } of answers) expect(made.filter((password) => text.includes(password))).toEqual([])
    for (const guess of ['', 'one', 'password', 'null', 'undefined']) {
      expect(await PASSWORD_PATHS['rest login']!(stage, 'one', guess)).toMatchObject({ isOk: false })
    }
  } finally {
    await stage.host.close()
  }
})

/** Somebody whose one-time codes are on, and codes that have not been used. */
async function withCodes(stage: Stage): Promise<{ who: Person; next: () => string }> {
  const who = await person(stage)
  const data = { totp_key: TOTP_KEY, is_totp_enabled: true }
  const totpCode = codeAt(TOTP_KEY, stage.clock.now, -1)
  await stage.host.sso.user.updateUserById({ actor: code, userId: who.id, data, totpCode })
  // Its sessions have ended with the new key.
  const ust = await stage.host.sso.user
    .login({ username: who.name, password: PASSWORD, currentApp: 'CRM', totpCode: codeAt(TOTP_KEY, stage.clock.now) })
    .then((session) => session.ust)
  return { who: { ...who, ust }, next: () => codeAt(TOTP_KEY, stage.clock.now, 1) }
}
