import knexFactory, { type Knex } from 'knex'
import { afterAll, describe, expect, test } from 'vitest'
import optionsSchema from '#schemas/options.json' with { type: 'json' }
import { createSso, type Hasher, type Hooks, type Logger, type Options, SsoError, zatoCompat } from '../src/index.ts'
import { fastHasher } from './support/fast-hasher.ts'
import { databases, PASSWORD, startHost } from './support/host.ts'

interface Node {
  readonly type?: string | readonly string[]
  readonly 'x-type'?: 'function' | 'functions' | 'knex' | 'logger'
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: false | Node
  readonly required?: readonly string[]
  readonly items?: Node
  readonly anyOf?: readonly Node[]
  readonly enum?: readonly unknown[]
  readonly minLength?: number
  readonly exclusiveMinimum?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly pattern?: string
}

const SCHEMA = optionsSchema as Node
const db: Knex = knexFactory({ client: 'better-sqlite3', connection: { filename: ':memory:' }, useNullAsDefault: true })
afterAll(() => db.destroy())

/** What an option needs beside it to be complete. */
const COMPANIONS: Readonly<Record<string, object>> = {
  users: { table: 'members' },
  'password.hasher': fastHasher(),
  attributes: { properties: {} },
}

/** Options in which only the one at the path is out of the ordinary. */
function optionsWith(path: readonly string[], value: unknown, at = ''): any {
  const [name, ...rest] = path
  if (name === undefined) return value
  const here = at === '' ? name : `${at}.${name}`
  const inner = rest.length === 0 ? value : optionsWith(rest, value, here)
  return { ...(at === '' ? { db } : COMPANIONS[at]), [name]: inner }
}

function refusalOf(options: unknown): string {
  try {
    createSso(options as Options)
  } catch (error) {
    expect(error).toBeInstanceOf(SsoError)
    expect((error as SsoError).code).toBe('option_invalid')
    return (error as Error).message
  }
  throw new Error('the options were accepted')
}

/** All options by path. */
function nodes(node: Node, path: readonly string[] = []): { path: readonly string[]; node: Node }[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const here = [...path, name]
    return [{ path: here, node: child }, ...nodes(child, here)]
  })
}

/** Values that an option of this kind must not have. */
function wrongFor(node: Node): unknown[] {
  if (node.anyOf) return [5, true, null]
  switch (node['x-type']) {
    case 'function':
      return ['text', 5, {}, [], null, true]
    case 'functions':
      return ['text', 5, {}, null, ['text'], [() => {}, 5]]
    case 'logger':
      return ['text', 5, {}, [], null, () => {}, { warn: () => {} }, { warn: () => {}, error: 'text' }]
    case 'knex':
      return ['text', 5, {}, [], null, () => {}]
  }
  const types = ([] as string[]).concat(node.type ?? [])
  const samples: Record<string, unknown> = {
    string: 'text',
    ...(types.includes('number') ? {} : { integer: 5 }),
    boolean: true,
    array: [],
    object: {},
    null: null,
  }
  const others = Object.entries(samples).flatMap(([type, sample]) => (types.includes(type) ? [] : [sample]))
  return [
    ...others,
    ...(types.includes('number') ? ['5', Number.NaN, Number.POSITIVE_INFINITY] : []),
    ...(types.includes('integer') ? [1.5, '5', Number.NaN, Number.POSITIVE_INFINITY] : []),
    ...(node.exclusiveMinimum === undefined ? [] : [node.exclusiveMinimum]),
    ...(node.minimum === undefined ? [] : [node.minimum - 1]),
    ...(node.maximum === undefined ? [] : [node.maximum + 1]),
    ...(node.minLength ? [''] : []),
    ...wrongFormsOf(node.pattern),
    ...(node.minItems ? [[]] : []),
    ...(node.items ? [[node.items['x-type'] ? 'text' : 5], [undefined], [null]] : []),
    ...(node.items?.enum ? [['PUT']] : []),
    ...(node.items?.minLength ? [['']] : []),
    ...(node.additionalProperties ? [{ key: 5 }, { key: null }] : []),
    ...(types.includes('boolean') ? ['true', 0, 1] : []),
  ]
}

const FORMS = ['Not-A-Prefix', '1st', `a'; drop table x`, 'a:b', '\ud800']

function wrongFormsOf(pattern: string | undefined): readonly string[] {
  return pattern === undefined ? [] : FORMS.filter((text) => !new RegExp(pattern, 'u').test(text))
}

const OPTIONS = nodes(SCHEMA).map(({ path, node }) => ({ name: path.join('.'), path, node }))
// What is in the host's own objects is theirs.
const CLOSED = [{ name: 'options', path: [], node: SCHEMA }, ...OPTIONS].filter(
  ({ node }) => node.additionalProperties === false,
)

describe('options that are wrong fail at construction', () => {
  test('the table is made from a schema that is there', () => {
    expect(OPTIONS.length).toBeGreaterThan(60)
    expect(CLOSED.length).toBeGreaterThan(12)
  })

  const wrong = OPTIONS.flatMap(({ name, path, node }) => wrongFor(node).map((value) => ({ name, path, value })))

  test.each(wrong)('$name cannot be $value', ({ name, path, value }) => {
    const message = refusalOf(optionsWith(path, value))
    expect(message).toMatch(/^createSso: /)
    expect(message).toContain(name)
  })

  const misspelt = CLOSED.flatMap(({ path, node }) =>
    Object.keys(node.properties ?? {}).flatMap((name) =>
      [`${name}x`, name.toUpperCase()].map((typo) => ({
        typo: [...path, typo].join('.'),
        path: [...path, typo],
        name,
      })),
    ),
  )

  test.each(misspelt)('$typo is not an option, and $name is suggested', ({ typo, path, name }) => {
    const message = refusalOf(optionsWith(path, () => {}))
    expect(message).toContain(`${typo} is not an option. Did you mean ${name}?`)
  })

  test('a name that is like none is answered with all there are', () => {
    expect(refusalOf({ db, session: { zzzzzzzzzzzzzzzz: 1 } })).toBe(
      'createSso: session.zzzzzzzzzzzzzzzz is not an option. There are: lifetimeMinutes, absoluteMinutes, inactivityMinutes, expiry, revokeOnChange.',
    )
  })

  test('everything that is wrong is said at once', () => {
    const message = refusalOf({ db: 5, hoks: {}, session: { lifetimeMinutes: '60', lifetime: 1 }, apps: [] })
    for (const part of [
      'db must be a Knex instance.',
      'hoks',
      'hooks',
      'session.lifetimeMinutes',
      'session.lifetime ',
      'apps',
    ]) {
      expect(message).toContain(part)
    }
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'db'],
    ['a list', []],
    ['no db', {}],
    ['a Knex module in place of an instance', { db: knexFactory }],
  ])('%s is no options', (_, options) => {
    expect(refusalOf(options)).toMatch(/^createSso: (db|options) /)
  })

  test.each([
    ['users.table', { users: {} }],
    ['password.hasher.verify', { password: { hasher: { hash: () => {}, isOutdated: () => {} } } }],
    ['attributes.properties', { attributes: {} }],
  ])('%s is required', (path, options) => {
    expect(refusalOf({ db, ...options })).toBe(`createSso: ${path} is required.`)
  })

  test.each([
    ['defaultApp: Shop', { defaultApp: 'Shop' }],
    ['loginApps: Shop', { apps: ['A'], loginApps: ['A', 'Shop'] }],
    ['loginMetadataApps: Shop', { loginMetadataApps: ['Shop'] }],
    ['password.minLength', { password: { minLength: 300 } }],
    ['addresses.users.ada: 10.0.0.0/33 is no network', { addresses: { users: { ada: ['10.0.0.0/33'] } } }],
    ['addresses.users.ada: 10.1/16 is no network', { addresses: { users: { ada: ['::1', '10.1/16'] } } }],
    ['addresses.users.ada: * is no network', { addresses: { users: { ada: ['*'] } } }],
    ['addresses.users.ada: example.com is no network', { addresses: { users: { ada: ['example.com'] } } }],
    ['addresses.users.ada:  is no network', { addresses: { users: { ada: [''] } } }],
    ['addresses.users.ADA: the same user', { addresses: { users: { ada: '*', ADA: '*' } } }],
    ['throttle.perAccount', { throttle: { perAccount: 7, perAccountTotal: 6 } }],
    ['throttle.firstWaitSeconds', { throttle: { firstWaitSeconds: 7, maxWaitSeconds: 6 } }],
    ['audit.firstWaitSeconds', { audit: { firstWaitSeconds: 7, maxWaitSeconds: 6 } }],
    ['throttle.store', { throttle: { store: 'redis' } }],
    ['throttle.store', { throttle: { store: { redis: {} } } }],
    [
      'updateuser.uidAttribute: there is no attribute usernme. Did you mean username?',
      { updateuser: { uidAttribute: 'usernme' } },
    ],
    ['updateuser.uidAttribute', { updateuser: { uidAttribute: 'is_locked' } }],
    ['updateuser.uidAttribute', { updateuser: { uidAttribute: 'password' } }],
    ['updateuser.uidAttribute', { updateuser: { uidAttribute: 'totp_key' } }],
    [
      'updateuser.attributes.mail: there is no attribute e_mail. Did you mean email?',
      { updateuser: { attributes: { mail: 'e_mail' } } },
    ],
    [
      'users.columns.user_name: there is no attribute user_name. Did you mean username?',
      { users: { table: 't', columns: { user_name: 'x' } } },
    ],
    ['users.columns: ', { users: { table: 't', columns: { username: 'x', email: 'x' } } }],
    ['encryptionKeys[1]', { encryptionKeys: [Buffer.alloc(32).toString('base64'), 'short'] }],
    ['encryptionKeys[0]', { encryptionKeys: ['not base64 at all'] }],
    ['attributes.properties.shoe_size: must have a "type"', { attributes: { properties: { shoe_size: {} } } }],
    [
      'attributes.properties.shoe_size: x-sso has no rule "editable"',
      { attributes: { properties: { shoe_size: { type: 'integer', 'x-sso': { editable: 'self' } } } } },
    ],
    ['attributes.properties.constructor', { attributes: { properties: { constructor: { type: 'string' } } } }],
    [
      'attributes.properties.is_locked: x-sso.editableBy',
      { attributes: { properties: { is_locked: { 'x-sso': { editableBy: 'self' } } } } },
    ],
    [
      'attributes.properties.email: x-sso.editableBy',
      { attributes: { properties: { email: { 'x-sso': { editableBy: 'everybody' } } } } },
    ],
    ['attributes.properties.x: ', { attributes: { properties: { x: { type: 'strnig' } } } }],
  ])('%s: values that do not go together fail, too', (start, options) => {
    const message = refusalOf({ db, ...options })
    expect(message.replace(/^createSso: /, '').startsWith(start)).toBe(true)
  })

  test('no value of an option is in the message: it may be a secret', () => {
    const key = 'canary-key-that-is-too-short'
    expect(refusalOf({ db, encryptionKeys: [key] })).not.toContain('canary')
    expect(refusalOf({ db, encryptionKeys: { key } })).not.toContain('canary')
  })
})

describe('options that are right', () => {
  test('undefined is the same as omitted, for each of them', () => {
    for (const { path } of OPTIONS) {
      if (path.join('.') === 'db' || COMPANIONS[path.slice(0, -1).join('.')]) continue
      expect(() => createSso(optionsWith(path, undefined))).not.toThrow()
    }
    expect(() => createSso({ db, notAnOption: undefined, session: { nor: undefined } } as Options)).not.toThrow()
  })

  test('undefined leaves the default in place', async () => {
    const host = await startHost('sqlite', {
      options: {
        session: { lifetimeMinutes: undefined },
        password: { hasher: fastHasher(), minLength: undefined },
      } as never,
    })
    const { expirationTime } = await host.sso.user.login({ username: 'ada', password: PASSWORD, currentApp: 'CRM' })
    expect(Math.round((expirationTime.getTime() - Date.now()) / 60_000)).toBe(60)
    await host.close()
  })

  test('the preset for Zato is itself a set of options', () => {
    expect(() => createSso({ db, ...zatoCompat() })).not.toThrow()
  })

  test('a logger may be of a class of its own', () => {
    class Log implements Logger {
      readonly level = 'warn'
      warn(): void {}
      error(): void {}
    }
    expect(() => createSso({ db, logger: new Log() })).not.toThrow()
    expect(() => createSso({ db, logger: console })).not.toThrow()
  })

  test('construction opens no connection and changes nothing of the host’s Knex', () => {
    const fresh = knexFactory({ client: 'pg', connection: { host: '192.0.2.1' } })
    const before = JSON.stringify(fresh.client.config)
    createSso({ db: fresh })
    expect(JSON.stringify(fresh.client.config)).toBe(before)
    expect([fresh.client.pool.numUsed(), fresh.client.pool.numPendingCreates()]).toEqual([0, 0])
  })

  test('the frozen options of a host are enough', () => {
    const options = Object.freeze({ db, apps: Object.freeze(['A']), session: Object.freeze({ lifetimeMinutes: 5 }) })
    expect(() => createSso(options)).not.toThrow()
  })
})

describe('the type and the schema have the same names', () => {
  // The compiler fails on a name too many or too few, the assertion on a schema that differs.
  const NAMES = {
    hooks: {
      authorizeUpdate: true,
      beforeUpdate: true,
      withinUpdate: true,
      afterUpdate: true,
      onRevoked: true,
      onPasswordReset: true,
      onDenied: true,
      onError: true,
    } satisfies Record<keyof Required<Hooks>, true>,
    'password.hasher': { hash: true, verify: true, isOutdated: true } satisfies Record<keyof Hasher, true>,
    inform: {
      appInvalid: true,
      locked: true,
      notConfirmed: true,
      totpMissing: true,
      passwordExpired: true,
      passwordAboutToExpire: true,
      passwordMustChange: true,
      passwordInvalid: true,
    } satisfies Record<keyof Required<NonNullable<Options['inform']>>, true>,
    'updateuser.permissions': {
      password: true,
      attributes: true,
      protectedAttributes: true,
      authorizations: true,
    } satisfies Record<keyof Required<NonNullable<NonNullable<Options['updateuser']>['permissions']>>, true>,
  }

  test.each(Object.entries(NAMES))('%s', (name, keys) => {
    const node = OPTIONS.find((option) => option.name === name)?.node
    expect(Object.keys(node?.properties ?? {}).sort()).toEqual(Object.keys(keys).sort())
  })
})

describe.each(databases)('two of them in one process on %s', (database) => {
  test('know nothing of each other', async () => {
    const first = await startHost(database, {
      options: {
        password: { hasher: fastHasher(), minLength: 3, rejectList: [], rejectMostCommon: 0 },
        updateuser: { methods: ['POST'], uidAttribute: 'email', attributes: { mail: 'email' } },
        attributes: {
          properties: {
            shoe_size: { type: 'integer', 'x-sso': { editableBy: 'self', readableBy: 'self' } },
            display_name: { maxLength: 5 },
          },
        },
        customAttributes: { allowed: ['pin'], secret: ['pin'] },
        apps: ['One'],
        inform: { locked: false },
        session: { lifetimeMinutes: 1 },
      } as never,
      users: [],
    })
    const second = await startHost(database, { options: { password: { hasher: fastHasher() } } })
    const actor = { via: 'code', name: 'test' } as const

    const created = await first.sso.user.createUser({
      actor,
      autoApprove: true,
      data: { username: 'eve', password: 'abc', email: 'eve@example.org' },
    })
    await first.sso.user.updateUserById({ actor, userId: created.user_id, data: { shoe_size: 42 } as never })
    const { user_id } = (await second.sso.user.updateuser({ actor, uid: 'ada' })).user

    // What one has been told, the other has not.
    const [one, two, eve] = [first.sso.user, second.sso.user, created.user_id]
    const attempts: [() => Promise<unknown>, string][] = [
      [() => two.updateUserById({ actor, userId: user_id, data: { shoe_size: 42 } as never }), 'attribute_unknown'],
      [() => two.changePassword({ actor, userId: user_id, newPassword: 'abc' }), 'password_too_short'],
      [() => two.login({ username: 'ada', password: PASSWORD, currentApp: 'One' }), 'app_invalid'],
      [() => one.login({ username: 'eve', password: 'abc', currentApp: 'CRM' }), 'app_invalid'],
      [() => one.updateUserById({ actor, userId: eve, data: { display_name: 'longer' } }), 'input_invalid'],
      [() => one.updateuser({ actor, uid: 'eve@example.org', attributes: { lang: 1 } }), 'input_invalid'],
      [() => two.updateuser({ actor, uid: 'eve@example.org' }), 'user_unknown'],
    ]
    for (const [attempt, code] of attempts) await expect(attempt()).rejects.toMatchObject({ code })
    await second.sso.user.updateUserById({ actor, userId: user_id, data: { display_name: 'longer than five' } })
    await second.sso.user.updateuser({ actor, uid: 'ada', attributes: { lang: 1, pin: 'clear here' } })
    const details = await second.sso.user.getUserDetails({ actor, userId: user_id })
    expect(details.attributes).toEqual({ lang: 1, pin: 'clear here' })
    expect(details.user).not.toHaveProperty('shoe_size')
    expect(first.sso.accessMatrix.map(({ attribute }) => attribute)).toContain('shoe_size')
    expect(second.sso.accessMatrix.map(({ attribute }) => attribute)).not.toContain('shoe_size')

    const path = '/ddenterpriseapi/updateuser'
    expect((await first.http.get(`${path}?uid=x`)).status).toBe(405)
    expect((await second.http.get(`${path}?uid=x`)).status).toBe(401)
    // A session of one is none of the other's.
    const { ust } = await first.sso.user.login({ username: 'eve', password: 'abc', currentApp: 'One' })
    const asked = second.sso.user.getCurrentUser({ currentUst: ust, currentApp: 'CRM' })
    await expect(asked).rejects.toMatchObject({ code: 'session_unknown' })

    await first.close()
    await second.close()
  })

  test('two on one database, with tables of their own, do not meet either', async () => {
    const host = await startHost(database, { options: { password: { hasher: fastHasher() } } })
    const warnings: string[] = []
    const other = createSso({
      db: host.database.db,
      tablePrefix: 'other_',
      password: { hasher: fastHasher() },
      logger: { warn: (text) => void warnings.push(text), error: () => {} },
    })
    await other.ready()
    const actor = { via: 'code', name: 'test' } as const
    await expect(other.user.updateuser({ actor, uid: 'ada' })).rejects.toMatchObject({ code: 'user_unknown' })
    await other.user.createUser({ actor, data: { username: 'ada' } })
    await other.user.updateuser({ actor, uid: 'ada', displayName: 'The other' })
    const here = await host.sso.user.updateuser({ actor, uid: 'ada' })
    expect(here.user.display_name).toBe('')
    expect(await host.database.db('other_audit')).toHaveLength(3)
    await host.close()
  })
})
