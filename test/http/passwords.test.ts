import { dictionary } from '@zxcvbn-ts/language-common'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type NewUser, type Options, SsoError, zatoCompat } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { PASSWORD } from '../support/host.ts'
import { type Client, startClient } from './rest/client.ts'
import { FORMS, send as updateuser } from './updateuser/wire.ts'
import { DAY, later, type Place, START } from './zato/wire.ts'

// What is asked here is decided before any database is asked.
const PLACE: Place = { database: 'sqlite', arrangement: 'own table', express: 'express5' }

type Names = Partial<Omit<NewUser, 'username' | 'password'>>

/** One way to set a password: makes an account of these names, sets it, and says why not; null if it did. */
type Setter = (client: Client, username: string, password: string, names: Names) => Promise<string | null>

const ZATO_CODES: Readonly<Record<string, string>> = {
  E003001: 'password_rejected',
  E003002: 'password_too_short',
  E003003: 'password_too_long',
  E003008: 'password_too_simple',
}

const actor = { via: 'code', name: 'test' } as const
const person = ({ person }: Client, username: string, names: Names) => person({}, { ...names, username })
const stale = ({ person }: Client, username: string, names: Names) =>
  person({ password_must_change: true }, { ...names, username })

async function inCode(call: () => Promise<unknown>): Promise<string | null> {
  try {
    await call()
    return null
  } catch (error) {
    if (error instanceof SsoError) return error.code
    throw error
  }
}

async function onZato({ call }: Client, method: string, path: string, fields: object): Promise<string | null> {
  const { body } = await call(method, path, fields)
  return body.status === 'ok' ? null : (ZATO_CODES[body.sub_status[0]] ?? JSON.stringify(body))
}

async function onRest({ send }: Client, method: string, path: string, sending: object): Promise<string | null> {
  const { status, body } = await send(method, path, sending)
  return status < 300 ? null : body.code
}

const SETTERS: Readonly<Record<string, Setter>> = {
  'createUser()': ({ host }, username, password, names) =>
    inCode(() => host.sso.user.createUser({ actor, autoApprove: true, data: { ...names, username, password } })),
  'createSuperUser()': ({ host }, username, password, names) =>
    inCode(() => host.sso.user.createSuperUser({ data: { ...names, username, password } })),
  'changePassword()': async (client, username, newPassword, names) => {
    const { id } = await person(client, username, names)
    return inCode(() => client.host.sso.user.changePassword({ actor, userId: id, newPassword }))
  },
  'login()': async (client, username, newPassword, names) => {
    await stale(client, username, names)
    const given = { username, password: PASSWORD, currentApp: 'CRM', newPassword }
    return inCode(() => client.host.sso.user.login(given))
  },
  'updateuser()': async (client, username, password, names) => {
    await person(client, username, names)
    return inCode(() => client.host.sso.user.updateuser({ actor, uid: username, password }))
  },
  'zato POST /user': (client, username, password, names) =>
    onZato(client, 'POST', '/user', { ust: client.admin.ust, auto_approve: true, ...names, username, password }),
  'zato PATCH /user/password, his own': async (client, username, new_password, names) => {
    const { ust } = await person(client, username, names)
    return onZato(client, 'PATCH', '/user/password', { ust, old_password: PASSWORD, new_password })
  },
  'zato PATCH /user/password, another’s': async (client, username, new_password, names) => {
    const { id } = await person(client, username, names)
    return onZato(client, 'PATCH', '/user/password', { ust: client.admin.ust, user_id: id, new_password })
  },
  'zato POST /user/login': async (client, username, new_password, names) => {
    await stale(client, username, names)
    return onZato(client, 'POST', '/user/login', { username, password: PASSWORD, new_password })
  },
  'rest POST /users': (client, username, password, names) =>
    onRest(client, 'POST', '/users', { as: client.admin, body: { ...names, username, password, autoApprove: true } }),
  'rest PUT /me/password': async (client, username, newPassword, names) => {
    const as = await person(client, username, names)
    return onRest(client, 'PUT', '/me/password', { as, body: { currentPassword: PASSWORD, newPassword } })
  },
  'rest PUT /users/:id/password': async (client, username, newPassword, names) => {
    const { id } = await person(client, username, names)
    return onRest(client, 'PUT', `/users/${id}/password`, { as: client.admin, body: { newPassword } })
  },
  'rest POST /login': async (client, username, newPassword, names) => {
    await stale(client, username, names)
    return onRest(client, 'POST', '/login', { body: { username, password: PASSWORD, newPassword } })
  },
  ...Object.fromEntries(
    FORMS.flatMap((form) =>
      ['admin', null].map((by): [string, Setter] => [
        `updateuser, ${form}, ${by === null ? 'his own' : 'another’s'}`,
        async (client, username, password, names) => {
          await person(client, username, names)
          const given = { user: by ?? username, pass: PASSWORD, uid: username, password }
          const { body } = await updateuser(client.host, form, given)
          return body.status === 'ok' ? null : body.errors[0].code
        },
      ]),
    ),
  ),
}

/** Every way to prove a password. */
const LOGINS: Readonly<Record<string, (client: Client, username: string, password: string) => Promise<boolean>>> = {
  'login()': async ({ host }, username, password) =>
    (await inCode(() => host.sso.user.login({ username, password, currentApp: 'CRM' }))) === null,
  zato: async ({ call }, username, password) =>
    (await call('POST', '/user/login', { username, password })).body.status === 'ok',
  rest: async ({ send }, username, password) =>
    (await send('POST', '/login', { body: { username, password } })).status < 300,
  ...Object.fromEntries(
    FORMS.map((form) => [
      `updateuser, ${form}`,
      async ({ host }: Client, username: string, password: string) =>
        (await updateuser(host, form, { user: username, pass: password, uid: username })).status === 200,
    ]),
  ),
  'updateuser, Basic': async ({ host }, username, password) => {
    const Authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    return (await updateuser(host, 'GET', { uid: username }, { Authorization })).status === 200
  },
}

/** What trimming, folding or normalising would change. */
const SPACED = '  Ｗide  e\u0301 and Ⅷ \t'

let count = 0
const anybody = () => `nobody${++count}`

function started(options: Partial<Options>): () => Client {
  let client: Client
  beforeAll(async () => {
    client = await startClient(PLACE, options)
  })
  afterAll(() => client?.host.close())
  return () => client
}

const LONG_ENOUGH = dictionary['passwords-common'].filter((text) => text.length >= 8)

describe('a new password', () => {
  const seen: unknown[] = []
  const client = started({
    password: {
      contextWords: ['Acme Bank', 'Zürich'],
      validate(password, about) {
        seen.push([password, about])
        if (password === 'known to be stolen') throw new SsoError('password_rejected')
      },
    },
  })

  describe.each(Object.entries(SETTERS))('by %s', (_, set) => {
    const codeOf = (password: string, names: Names = {}) => set(client(), anybody(), password, names)

    test('ASVS 6.2.1 a password has at least 8 characters', async () => {
      expect([await codeOf('vjqzxwk'), await codeOf('😀'.repeat(7))]).toEqual([
        'password_too_short',
        'password_too_short',
      ])
      expect([await codeOf('vjqzxwkp'), await codeOf('😀'.repeat(8))]).toEqual([null, null])
    })

    test('ASVS 6.2.4 none of the 3,000 most common ones that are long enough, whatever the case', async () => {
      const refused = ['sunshine', 'SunShine', 'TRUSTNO1', LONG_ENOUGH[2999]!]
      for (const password of refused)
        expect([password, await codeOf(password)]).toEqual([password, 'password_rejected'])
      // As a part of a longer one it is no common password, and the list ends somewhere.
      for (const password of ['sunshine on my shoulders', LONG_ENOUGH[3000]!]) {
        expect([password, await codeOf(password)]).toEqual([password, null])
      }
    })

    test('ASVS 6.2.5 no kind of character is asked for', async () => {
      for (const password of ['vjqzxwkpf', '8265930174', '   .   .  ', 'ÄÖÜäöüßẞ', '漢字かな交じり文の例']) {
        expect([password, await codeOf(password)]).toEqual([password, null])
      }
    })

    test('ASVS 6.2.8, 6.2.9 up to 256 characters are accepted, and hashed as they were sent', async () => {
      for (const password of [SPACED, 'vj'.repeat(32), `${'vj'.repeat(127)}qX`]) {
        const username = anybody()
        expect([password, await set(client(), username, password, {})]).toEqual([password, null])
        const hash = String((await client().stored(username))['password'])
        expect([password, await fastHasher().verify(hash, password)]).toEqual([password, true])
      }
      expect(await codeOf('vj'.repeat(128).concat('x'))).toBe('password_too_long')
    })

    test('ASVS 6.1.2, 6.2.11 none with the host’s words or its owner’s names in it, whatever the case', async () => {
      const names = {
        email: 'countess.augusta@example.org',
        display_name: 'Ada K. Byron',
        first_name: 'Ada',
        middle_name: 'Noël',
        last_name: 'O’Lovelace',
      }
      const username = anybody()
      const bad = ['my ACME bank 77', 'in ZÜRICH 1815', `1815 ${username.toUpperCase()}`]
      bad.push('countess 1815', '1815Augusta', 'lordBYRON1815', 'joyeux NOE\u0308L!', 'lovelace1815')
      for (const [index, password] of bad.entries()) {
        const name = index === 2 ? username : anybody()
        expect([password, await set(client(), name, password, names)]).toEqual([password, 'password_rejected'])
      }
      // Three letters are in too many words, an address is not the person's beyond its @, and names of others are words.
      for (const password of ['canada dry 1815', 'an example.org of']) {
        expect([password, await codeOf(password, names)]).toEqual([password, null])
      }
      expect(await codeOf('lovelace and byron')).toBeNull()
    })

    test('ASVS 6.2.12 the host has the last word on it, in clear, and knows whose it is', async () => {
      expect(await codeOf('known to be stolen')).toBe('password_rejected')
      seen.length = 0
      const username = anybody()
      const names = { email: 'ada@example.org', first_name: 'Ada', last_name: 'King', display_name: 'A. King' }
      expect(await set(client(), username, ' A free One ', names)).toBeNull()
      const subject = { username, email: 'ada@example.org', names: ['A. King', 'Ada', 'King'] }
      expect(seen).toContainEqual([' A free One ', subject])
      expect(seen.filter(([password]: any) => password !== ' A free One ').every(([p]: any) => p === PASSWORD)).toBe(
        true,
      )
    })
  })
})

describe('under other options', () => {
  const strict = started({ password: { minComplexity: 3, contextWords: ['Zurichsee'] } })

  test.each(Object.entries(SETTERS))('by %s: zxcvbn comes first, and knows the owner’s names', async (_, set) => {
    const names = { last_name: 'Featherstonehaugh' }
    const codes: unknown[] = []
    for (const password of ['abc', 'a'.repeat(300), 'vjqzxw kpfmtg', 'featherstonehaugh', 'f3atherston3haugh']) {
      codes.push(await set(strict(), anybody(), password, names))
    }
    expect(codes).toEqual([
      'password_too_simple',
      'password_too_simple',
      null,
      'password_too_simple',
      'password_too_simple',
    ])
    expect(await set(strict(), anybody(), 'featherst0nehaugh', {})).toBeNull()
  })

  const zato = started(zatoCompat())

  test.each(Object.entries(SETTERS))('by %s: zatoCompat() refuses what Zato does, and no more', async (_, set) => {
    const username = anybody()
    expect(await set(zato(), username, 'sunshine', {})).toBeNull()
    expect(await set(zato(), anybody(), 'lovelace', { last_name: 'Lovelace' })).toBeNull()
    expect(await set(zato(), anybody(), 'my qwerty', {})).toBe('password_rejected')
  })

  describe('a number of one’s own', () => {
    const fewer = started({ password: { rejectMostCommon: 1, rejectList: [], minLength: 9, contextWords: null } })

    test('counts those that are long enough', async () => {
      const set = SETTERS['createUser()']!
      const [first, second] = LONG_ENOUGH.filter((text) => text.length >= 9)
      expect(await set(fewer(), anybody(), first!, {})).toBe('password_rejected')
      expect(await set(fewer(), anybody(), second!, {})).toBeNull()
      expect(await set(fewer(), 'somebody', 'somebody here', {})).toBeNull()
    })
  })
})

describe('on its own', () => {
  const client = started({})

  test.each(Object.entries(LOGINS))('ASVS 6.2.8 by %s: a password is verified as it was sent', async (_, logsIn) => {
    for (const password of [SPACED, `${'vj'.repeat(127)}qX`]) {
      const { name } = await client().person({}, { password })
      const others = [password.trim(), password.toLowerCase(), password.normalize('NFC'), password.normalize('NFKC')]
      const wrong = [...others, password.slice(0, -1), `${password} `].filter((other) => other !== password)
      expect(await logsIn(client(), name, password)).toBe(true)
      for (const other of wrong) expect([other, await logsIn(client(), name, other)]).toEqual([other, false])
    }
  })

  test('ASVS 6.2.2, 6.2.3 users change their password with the present one only', async () => {
    const ada = await client().person()
    const wrong = [undefined, 'wrong', PASSWORD.toUpperCase(), ` ${PASSWORD}`]
    for (const given of wrong) {
      const zato = { ust: ada.ust, new_password: 'a new long phrase', ...(given ? { old_password: given } : {}) }
      expect((await client().call('PATCH', '/user/password', zato)).body.status).not.toBe('ok')
      const body = { newPassword: 'a new long phrase', ...(given ? { currentPassword: given } : {}) }
      expect((await client().send('PUT', '/me/password', { as: ada, body })).status).toBeGreaterThan(399)
      const sso = client().host.sso.user
      const byUser = { currentUst: ada.ust, currentApp: 'CRM', newPassword: 'a new long phrase' }
      expect(
        await inCode(() => sso.changePassword({ ...byUser, ...(given ? { oldPassword: given } : {}) })),
      ).not.toBeNull()
    }
    expect(await LOGINS['zato']!(client(), ada.name, PASSWORD)).toBe(true)
    const body = { newPassword: 'a new long phrase', currentPassword: PASSWORD }
    expect((await client().send('PUT', '/me/password', { as: ada, body })).status).toBeLessThan(300)
    expect(await LOGINS['zato']!(client(), ada.name, 'a new long phrase')).toBe(true)
  })

  test('ASVS 6.2.10 a password serves for as long as nobody changes it', async () => {
    const ada = await client().person()
    expect((await client().stored(ada.name))['password_expiry']).toBeNull()
    client().clock.now = later(30 * 366 * DAY)
    const reply = await client().call('POST', '/user/login', { username: ada.name, password: PASSWORD })
    client().clock.now = START
    expect(reply.body).toMatchObject({ status: 'ok', sub_status: [] })
  })

  test.each(FORMS)('ASVS 6.2.11 by %s: names that come with the password count, too', async (form) => {
    const ada = await client().person()
    const given = { user: 'admin', pass: PASSWORD, uid: ada.name, displayName: 'Lovelace', password: 'lovelace1815' }
    const { status, body } = await updateuser(client().host, form, given)
    expect([status, body.status, body.errors[0].code]).toEqual([400, 'error', 'password_rejected'])
    expect(await client().stored(ada.name)).toMatchObject({ display_name: '' })
    expect(await LOGINS['zato']!(client(), ada.name, PASSWORD)).toBe(true)
  })

  test('ASVS 6.2.11 no refusal repeats any of the password', async () => {
    const ada = await client().person({}, { last_name: 'Canarybird' })
    const body = { newPassword: 'xx canarybird', currentPassword: PASSWORD }
    const { text } = await client().send('PUT', '/me/password', { as: ada, body })
    expect(text).toContain('password_rejected')
    expect(text.toLowerCase()).not.toContain('canary')
    expect(JSON.stringify(await client().host.audit({ operation: 'change_password' })).toLowerCase()).not.toContain(
      'canary',
    )
  })
})

describe('with the hasher that is the default', () => {
  test('ASVS 11.4.2 every way to set a password stores argon2id of OWASP’s parameters', async () => {
    const client = await startClient(PLACE, { password: { hasher: undefined } as never })
    try {
      for (const [way, set] of Object.entries(SETTERS)) {
        const username = anybody()
        expect([way, await set(client, username, 'vjqzxwkpf', {})]).toEqual([way, null])
        expect((await client.stored(username))['password']).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
      }
    } finally {
      await client.host.close()
    }
  })
})
