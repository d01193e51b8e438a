import { readdirSync, readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { NAMES as PARAMETERS } from '../src/http/updateuser/parameters.ts'
import { ENDPOINTS, type Endpoint } from '../src/http/zato/endpoints.ts'
import { type AuditRecord, ERRORS, type Operation, type Outcome } from '../src/index.ts'
import { fastHasher } from './support/fast-hasher.ts'
import { idOf, PASSWORD, startHost, type TestHost } from './support/host.ts'
import { mailbox } from './support/mailbox.ts'
import { codeAt, TOTP_KEY } from './support/one-time-codes.ts'

const DIRECTORY = new URL('../schemas/', import.meta.url)
const BASE = 'https://express-sso-users.dev/schemas/'
const NAMES = readdirSync(DIRECTORY)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''))
const SCHEMAS = new Map(
  NAMES.map((name) => [name, JSON.parse(readFileSync(new URL(`${name}.json`, DIRECTORY), 'utf8'))]),
)

const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true })
addFormats.default(ajv)
ajv.addKeyword({ keyword: 'x-sso', schemaType: 'object' })
ajv.addKeyword({ keyword: 'x-type', schemaType: 'string' })
for (const schema of SCHEMAS.values()) ajv.addSchema(schema)

/** What a schema has against a value; empty where it accepts it. */
function faults(name: string, value: unknown): string[] {
  const validate = ajv.getSchema(`${BASE}${name}.json`)!
  validate(value)
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

const fieldsOf = (name: string): string[] => Object.keys(SCHEMAS.get(name).properties)

// What the dialect takes from a request, seen at its two ends: fields that are looked up, attributes that go to the core.
const { taken } = vi.hoisted(() => ({ taken: new Set<string>() }))

vi.mock('../src/http/zato/input.ts', async (original) => {
  const input = await original<typeof import('../src/http/zato/input.ts')>()
  class Watched extends Map<string, unknown> {
    override get(name: string) {
      taken.add(name)
      return super.get(name)
    }
    override has(name: string) {
      taken.add(name)
      return super.has(name)
    }
  }
  return {
    ...input,
    readInput: (...args: Parameters<typeof input.readInput>) => {
      const { fields, body } = input.readInput(...args)
      const watchedBody = new Proxy(body, {
        get(target, name) {
          if (typeof name === 'string') taken.add(name)
          return Reflect.get(target, name)
        },
      })
      return { fields: new Watched(fields), body: watchedBody }
    },
  }
})

vi.mock('../src/core/accounts/create.ts', async (original) => {
  const create = await original<typeof import('../src/core/accounts/create.ts')>()
  return {
    ...create,
    createAccount: (...[core, request]: Parameters<typeof create.createAccount>) => {
      for (const name of Object.keys(request.data as object)) taken.add(name)
      return create.createAccount(core, request)
    },
  }
})

let host: TestHost
let tokens: { admin: string; ada: string }
let ids: { ada: string; bob: string }
const mail = mailbox()
const delivered: AuditRecord[] = []
let failsWithin = false

beforeAll(async () => {
  host = await startHost('sqlite', {
    options: {
      password: { hasher: fastHasher() },
      loginMetadataApps: ['CRM'],
      authenticate: (req) => (req.get('X-Host-User') ? { userId: req.get('X-Host-User')! } : null),
      audit: { sinks: [(record) => void delivered.push(record)] },
      logger: { warn: () => {}, error: () => {} },
      hooks: {
        onPasswordReset: mail.take,
        withinUpdate: () => {
          if (failsWithin) throw new Error('the disk is full')
        },
      },
    },
    before: (app, sso) => app.get('/guarded', sso.requireUser(), (_req, res) => void res.json('in')),
  })
  ids = { ada: await idOf(host, 'ada'), bob: await idOf(host, 'bob') }
  tokens = { admin: await host.login('admin'), ada: await host.login('ada') }
})

afterAll(() => host.close())

function send({ method, path }: Pick<Endpoint, 'method' | 'path'>, body: object) {
  const verb = method.toLowerCase() as 'get' | 'post' | 'patch' | 'put' | 'delete'
  return host.http[verb](`/zato/sso${path}`).send(JSON.stringify(body))
}

const CRM = { current_app: 'CRM' }
const asAdmin = () => ({ ...CRM, ust: tokens.admin })

describe('every schema', () => {
  test.each(NAMES)('%s is JSON Schema 2020-12, named after its file, and compiles in strict mode', (name) => {
    const { $schema, $id, title, description } = SCHEMAS.get(name)
    expect({ $schema, $id }).toEqual({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: `${BASE}${name}.json`,
    })
    expect([typeof title, typeof description]).toEqual(['string', 'string'])
    expect(ajv.validateSchema(SCHEMAS.get(name))).toBe(true)
    expect(() => ajv.getSchema(`${BASE}${name}.json`)).not.toThrow()
  })

  test('every request body, the audit record, the options and the user have one, and there are no others', () => {
    const bodies = new Set(ENDPOINTS.map(({ schema }) => schema))
    expect(NAMES.sort()).toEqual(
      [
        ...bodies,
        'audit-record',
        'batch-line',
        'options',
        'rest',
        'updateuser',
        'updateuser-replies',
        'user',
        'zato',
        'zato-replies',
      ].sort(),
    )
  })
})

describe('the endpoints of the Zato dialect', () => {
  const paths = [...new Set(ENDPOINTS.map(({ path }) => path))]

  test.each(paths)('%s has the methods that are listed and no others', async (path) => {
    const methods = ENDPOINTS.filter((endpoint) => endpoint.path === path).map(({ method }) => method)
    const { headers } = await host.http.options(`/zato/sso${path}`)
    expect(headers['allow']).toBe(methods.join(', '))
  })

  test('no path of the router is left out', () => {
    const { stack } = host.sso.zato as unknown as { stack: { route: { path: string } }[] }
    expect(stack.map(({ route }) => route.path)).toEqual(paths)
  })
})

describe('a request schema lists exactly the fields that its endpoint reads', () => {
  /** A request that goes all the way, with every field that any schema or attribute has. */
  const everything = () => ({
    ...Object.fromEntries(fieldsOf('user').map((name) => [name, null])),
    ...Object.fromEntries(ENDPOINTS.flatMap(({ schema }) => fieldsOf(schema)).map((name) => [name, null])),
    ...asAdmin(),
    user_id: ids.bob,
    old_password: PASSWORD,
    new_password: PASSWORD,
    password: PASSWORD,
    username: 'bob',
    approval_status: 'approved',
    sign_up_status: 'final',
    password_expiry: '2345-12-27T11:22:33',
    ...Object.fromEntries(
      [
        'is_locked',
        'is_totp_enabled',
        'is_rate_limit_active',
        'password_must_change',
        'must_change',
        'auto_approve',
      ].map((name) => [name, false]),
    ),
  })
  const tokenOf = async (username: string) => {
    const actor = { via: 'code', name: 'test' } as const
    await host.sso.user.createUser({ actor, autoApprove: true, data: { username } })
    return mail.tokenFor(host, username)
  }
  const OWN: Readonly<Record<string, () => object | Promise<object>>> = {
    'GET /user/session': () => ({ current_ust: tokens.admin, target_ust: tokens.ada }),
    'POST /user/session': () => ({ current_ust: tokens.admin, target_ust: tokens.ada }),
    // null is as good as absent here.
    'POST /user': () => ({
      ...Object.fromEntries(
        ['display_name', 'first_name', 'middle_name', 'last_name', 'totp_label', 'rate_limit_def'].map((name) => [
          name,
          'text',
        ]),
      ),
      username: 'carl',
      email: 'carl@example.com',
      totp_key: 'ABCDEFGHIJKLMNOP',
    }),
    'PATCH /user/password': () => ({ password_expiry: 90 }),
    'PATCH /password/reset': async () => ({ token: await tokenOf('carol') }),
    'DELETE /password/reset': async () => {
      const token = await tokenOf('dora')
      const { body } = await send({ method: 'PATCH', path: '/password/reset' }, { ...CRM, token })
      return { token, reset_key: body.reset_key }
    },
    ...Object.fromEntries(
      ENDPOINTS.filter(({ path }) => path.includes('/attr')).map(({ method, path }) => [
        `${method} ${path}`,
        () => ({
          current_ust: tokens.admin,
          target_ust: tokens.ada,
          name: 'lang',
          value: method,
          encrypt: false,
          decrypt: false,
        }),
      ]),
    ),
    'GET /user/search': () => ({ name_op: 'and', is_name_exact: true, paginate: true }),
  }

  test.each(ENDPOINTS)('$method $path', async (endpoint) => {
    const logout = endpoint.path === '/user/logout' ? { ust: await host.login('admin') } : {}
    const own = await OWN[`${endpoint.method} ${endpoint.path}`]?.()
    taken.clear()
    const reply = await send(endpoint, {
      ...everything(),
      ...own,
      ...logout,
    })
    expect([reply.status, reply.body.status]).toEqual([200, 'ok'])
    expect([...taken].sort()).toEqual(fieldsOf(endpoint.schema).sort())

    // The next endpoint finds the account that this one may have deleted.
    if (endpoint.method === 'DELETE' && endpoint.path === '/user') {
      const data = { username: 'bob', password: PASSWORD }
      const bob = await host.sso.user.createUser({ actor: { via: 'code', name: 'test' }, autoApprove: true, data })
      ids = { ...ids, bob: bob.user_id }
    }
  })

  test('/updateuser refuses what its schema does not name, and knows all that it names', async () => {
    const admin = host.http.post('/ddenterpriseapi/updateuser').auth('admin', PASSWORD)
    const parameters = fieldsOf('updateuser').filter((name) => name !== 'user' && name !== 'pass')
    const known = Object.fromEntries(parameters.map((name) => [name, '']))
    const { body } = await admin.send({ ...known, uid: 'bob', nosuch: '' })
    const unknown = body.errors.filter(({ message }: { message: string }) => message.startsWith('There is no such'))
    expect(unknown.map(({ parameter }: { parameter: string }) => parameter)).toEqual(['nosuch'])
    expect([...PARAMETERS].sort()).toEqual(fieldsOf('updateuser').sort())
  })
})

describe('what a schema accepts is accepted, what it refuses is refused', () => {
  type Body = Readonly<Record<string, unknown>>
  type Case = readonly [endpoint: string, body: () => Body]
  const self = () => ({ ...CRM, ust: tokens.ada })
  const onBob = () => ({ ...asAdmin(), user_id: ids.bob })
  const onSession = () => ({ ...CRM, current_ust: tokens.admin, target_ust: tokens.ada })
  const login = () => ({ ...CRM, username: 'bob', password: PASSWORD })

  beforeAll(async () => {
    await host.sso.user.approveUser({ actor: { via: 'code', name: 'test' }, userId: ids.bob })
  })

  // Bodies as the contract's tables and both seeds have them.
  const good: readonly Case[] = [
    ['POST /user/login', login],
    ['POST /user/login', () => ({ ...login(), totp_code: null, new_password: null })],
    ['POST /user/login', () => ({ ...login(), remote_addr: '127.0.0.1', user_agent: 'Firefox' })],
    ['POST /user/logout', () => ({ ...CRM, ust: 'no such session' })],
    ['GET /user', self],
    ['GET /user', onBob],
    ['POST /user', () => ({ ...asAdmin(), username: 'user1' })],
    [
      'POST /user',
      () => ({ ...asAdmin(), username: 'user2', password: '', email: '', totp_key: '', first_name: null }),
    ],
    ['POST /user', () => ({ ...asAdmin(), username: 'user3', is_locked: 'yes', password_must_change: 1 })],
    [
      'POST /user',
      () => ({ ...asAdmin(), username: 'user4', sign_up_status: 'before_confirmation', auto_approve: true }),
    ],
    ['POST /user', () => ({ ...asAdmin(), username: 'user5', is_rate_limit_active: true, rate_limit_def: '*=1/d' })],
    ['PATCH /user', () => ({ ...self(), display_name: 'New Display Name', email: 'myuser@example.com' })],
    ['PATCH /user', () => ({ ...self(), middle_name: null, first_name: '' })],
    ['PATCH /user', () => ({ ...self(), user_id: null, last_name: 'Lovelace' })],
    ['PATCH /user', () => ({ ...self(), totp_key: 'ABCDEFGHIJKLMNOP', totp_label: 'phone', is_totp_enabled: 'off' })],
    ['PATCH /user', () => ({ ...onBob(), display_name: 'My Display Name', is_locked: false })],
    ['PATCH /user', () => ({ ...onBob(), password_expiry: '2345-12-27T11:22:33' })],
    ['PATCH /user', () => ({ ...onBob(), password_expiry: '2345-12-27T11:22:33.000001+02:00' })],
    ['PATCH /user', () => ({ ...onBob(), password_expiry: '2345-12-27' })],
    ['PATCH /user', () => ({ ...onBob(), sign_up_status: 'final', approval_status: 'approved' })],
    ['PATCH /user', () => ({ ...self(), display_name: 'x', unknown_key: 'ignored' })],
    ['PATCH /user/password', () => ({ ...self(), old_password: PASSWORD, new_password: PASSWORD })],
    ['PATCH /user/password', () => ({ ...onBob(), new_password: PASSWORD, password_expiry: '90', must_change: false })],
    ['PATCH /user/totp', () => ({ ...onBob(), totp_key: '', totp_label: null })],
    ['PATCH /user/totp', () => ({ ...self(), user_id: '', totp_key: null, totp_label: '', totp_code: '' })],
    [
      'PATCH /user/totp',
      () => ({ ...self(), totp_key: TOTP_KEY, totp_label: 'phone', totp_code: codeAt(TOTP_KEY, new Date()) }),
    ],
    ['PATCH /user', () => ({ ...self(), is_totp_enabled: true, totp_code: null })],
    ['PATCH /user', () => ({ ...self(), is_totp_enabled: false, totp_label: '', totp_code: '' })],
    ['POST /user/lock', onBob],
    ['DELETE /user/lock', onBob],
    ['POST /user/reject', onBob],
    ['POST /user/approve', onBob],
    ['GET /user/search', asAdmin],
    ['GET /user/search', () => ({ ...asAdmin(), display_name: null, email: 'ada@example.com' })],
    ['GET /user/search', () => ({ ...asAdmin(), user_id: ids.bob, username: 'bob', name_op: 'or' })],
    [
      'GET /user/search',
      () => ({ ...asAdmin(), last_name: '', is_name_exact: 'no', paginate: false, cur_page: '-1', page_size: '' }),
    ],
    ['GET /user/search', () => ({ ...asAdmin(), sign_up_status: 'final', approval_status: 'approved' })],
    ['GET /user/session', () => ({ ...CRM, current_ust: tokens.admin, target_ust: tokens.ada })],
    ['POST /user/session', () => ({ ...CRM, current_ust: tokens.admin, target_ust: null })],
    ['PATCH /user/session', self],
    ['GET /user/session/list', self],
    ['GET /user/session/list', () => ({ ...CRM, ust: '', current_ust: tokens.admin, target_ust: tokens.ada })],
    ['POST /password/reset', () => ({ ...CRM, credential: 'bob' })],
    ['POST /password/reset', () => ({ ...CRM, credential: null })],
    ['POST /user/attr', () => ({ ...self(), name: 'one', value: 'a', expiration: 60, encrypt: true })],
    [
      'POST /user/attr',
      () => ({
        ...onBob(),
        data: [
          { name: 'one', value: null },
          { name: 'two', value: [1] },
        ],
      }),
    ],
    ['PATCH /user/attr', () => ({ ...self(), name: 'one', value: '', expiration: '90' })],
    ['PATCH /user/attr', () => ({ ...onBob(), data: [{ name: 'one', value: 5, user_id: ids.bob }] })],
    ['PUT /user/attr', () => ({ ...self(), name: 'three', value: { a: 1 }, expiration: null, data: null })],
    ['PUT /user/attr', () => ({ ...self(), data: [{ name: 'n', value: 1, expiration: 0 }], encrypt: 'yes' })],
    ['GET /user/attr', () => ({ ...self(), name: 'one', decrypt: 'no' })],
    ['GET /user/attr', () => ({ ...self(), name: '', data: ['one', 'nosuch'] })],
    ['GET /user/attr/exists', () => ({ ...onBob(), data: ['one', 'nosuch'] })],
    ['GET /user/attr/names', self],
    ['DELETE /user/attr', () => ({ ...self(), data: ['one', 'nosuch'] })],
    ['POST /session/attr', () => ({ ...onSession(), name: 'one', value: 'a', expiration: '', encrypt: 1 })],
    ['PATCH /session/attr', () => ({ ...onSession(), data: [{ name: 'one', encrypt: false }] })],
    ['PUT /session/attr', () => ({ ...onSession(), name: 'two', value: true })],
    ['GET /session/attr', () => ({ ...onSession(), data: ['one'], decrypt: true })],
    ['GET /session/attr/exists', () => ({ ...onSession(), name: 'one' })],
    ['GET /session/attr/names', onSession],
    ['DELETE /session/attr', () => ({ ...onSession(), name: 'one' })],
  ]

  const bad: readonly Case[] = [
    ['POST /password/reset', () => ({ ...CRM, credential: 5 })],
    ['PATCH /password/reset', () => ({ ...CRM, token: ['x'] })],
    ['DELETE /password/reset', () => ({ ...CRM, token: 'x', reset_key: {}, password: PASSWORD })],
    ['POST /user/login', () => CRM],
    ['POST /user/login', () => ({ ...login(), username: null })],
    ['POST /user/login', () => ({ ...login(), password: 5 })],
    ['POST /user/login', () => ({ ...login(), new_password: ['a'] })],
    ['GET /user', () => ({ ...asAdmin(), user_id: '' })],
    ['POST /user', asAdmin],
    ['POST /user', () => ({ ...asAdmin(), username: '' })],
    ['POST /user', () => ({ ...asAdmin(), username: 'user6', is_locked: 'perhaps' })],
    ['POST /user', () => ({ ...asAdmin(), username: 'user6', is_locked: null })],
    ['POST /user', () => ({ ...asAdmin(), username: 'user6', totp_key: 'not base32' })],
    ['POST /user', () => ({ ...asAdmin(), username: 'user6', email: 'no address' })],
    ['POST /user', () => ({ ...asAdmin(), username: 'u'.repeat(192) })],
    ['PATCH /user', () => ({ ...self(), username: null })],
    ['PATCH /user', () => ({ ...self(), display_name: 5 })],
    ['PATCH /user', () => ({ ...self(), display_name: 'x'.repeat(192) })],
    ['PATCH /user', () => ({ ...self(), is_totp_enabled: null })],
    ['PATCH /user', () => ({ ...onBob(), password_expiry: null })],
    ['PATCH /user', () => ({ ...onBob(), password_expiry: 'tomorrow' })],
    ['PATCH /user', () => ({ ...onBob(), approval_status: '' })],
    ['PATCH /user', () => ({ ...asAdmin(), user_id: ['a'], display_name: 'x' })],
    ['PATCH /user/password', () => ({ ...self(), old_password: PASSWORD })],
    ['PATCH /user/password', () => ({ ...onBob(), new_password: PASSWORD, password_expiry: 'soon' })],
    ['PATCH /user/password', () => ({ ...onBob(), new_password: PASSWORD, must_change: 'maybe' })],
    ['PATCH /user/totp', () => ({ ...self(), totp_key: TOTP_KEY })],
    ['PATCH /user/totp', () => ({ ...self(), totp_label: '' })],
    ['PATCH /user/totp', () => ({ ...self(), totp_key: 'not base32', totp_label: '' })],
    ['PATCH /user/totp', () => ({ ...self(), totp_key: TOTP_KEY, totp_label: 5 })],
    ['PATCH /user/totp', () => ({ ...self(), totp_key: TOTP_KEY, totp_label: '', totp_code: '12345' })],
    ['PATCH /user/totp', () => ({ ...asAdmin(), user_id: {}, totp_key: '', totp_label: '' })],
    ['PATCH /user', () => ({ ...self(), totp_label: 'x', totp_code: 123456 })],
    ['POST /user/lock', asAdmin],
    ['POST /user/lock', () => ({ ...asAdmin(), user_id: null })],
    ['DELETE /user', () => ({ ...asAdmin(), user_id: '' })],
    ['GET /user/search', () => ({ ...asAdmin(), user_id: '' })],
    ['GET /user/search', () => ({ ...asAdmin(), username: null })],
    ['GET /user/search', () => ({ ...asAdmin(), first_name: ['Ada'] })],
    ['GET /user/search', () => ({ ...asAdmin(), name_op: 'xor' })],
    ['GET /user/search', () => ({ ...asAdmin(), is_name_exact: null })],
    ['GET /user/search', () => ({ ...asAdmin(), approval_status: null })],
    ['GET /user/search', () => ({ ...asAdmin(), cur_page: 'first' })],
    ['GET /user/session', () => ({ ...CRM, current_ust: tokens.admin, target_ust: 5 })],
    ['PATCH /user/session', () => ({ ...CRM, ust: ['a'] })],
    ['GET /user/session/list', () => ({ ...CRM, current_ust: tokens.admin, target_ust: {} })],
    ['POST /user/attr', self],
    ['POST /user/attr', () => ({ ...self(), name: 'x'.repeat(192), value: 1 })],
    ['POST /user/attr', () => ({ ...self(), name: 'x', value: 1, expiration: 'soon' })],
    ['POST /user/attr', () => ({ ...self(), name: 'x', value: 1, expiration: -1 })],
    ['POST /user/attr', () => ({ ...self(), name: 'x', value: 1, encrypt: null })],
    ['PUT /user/attr', () => ({ ...self(), data: [] })],
    ['PUT /user/attr', () => ({ ...self(), data: { name: 'x', value: 1 } })],
    ['PUT /user/attr', () => ({ ...self(), data: [{ value: 1 }] })],
    ['PUT /user/attr', () => ({ ...self(), data: [{ name: 5, value: 1 }] })],
    ['PATCH /user/attr', () => ({ ...self(), name: null, data: ['x'] })],
    ['GET /user/attr', self],
    ['GET /user/attr', () => ({ ...self(), data: [5] })],
    ['GET /user/attr', () => ({ ...self(), name: 'x', decrypt: 'perhaps' })],
    ['GET /user/attr/exists', () => ({ ...self(), data: [] })],
    ['DELETE /user/attr', () => ({ ...self(), data: Array.from({ length: 201 }, (_, index) => `n${index}`) })],
    ['GET /user/attr/names', () => ({ ...asAdmin(), user_id: ['a'] })],
    ['GET /session/attr/names', () => ({ ...CRM, current_ust: tokens.admin, target_ust: 5 })],
    ['POST /session/attr', () => ({ ...onSession(), name: 'x', value: 1, encrypt: 'maybe' })],
    ['GET /session/attr', onSession],
    ['DELETE /session/attr', () => ({ ...onSession(), data: {} })],
  ]

  const endpointOf = (name: string) => ENDPOINTS.find(({ method, path }) => `${method} ${path}` === name)!

  test.each(good.map(([name, body], index) => ({ name, body, index })))(
    'good $index: $name',
    async ({ name, body }) => {
      const endpoint = endpointOf(name)
      const sent = body()
      expect(faults(endpoint.schema, sent)).toEqual([])
      const { status, body: reply } = await send(endpoint, sent)
      expect({ status, reply }).toMatchObject({ status: 200, reply: { status: 'ok', sub_status: [] } })
    },
  )

  test.each(bad.map(([name, body], index) => ({ name, body, index })))('bad $index: $name', async ({ name, body }) => {
    const endpoint = endpointOf(name)
    const sent = body()
    expect(faults(endpoint.schema, sent)).not.toEqual([])
    const { status } = await send(endpoint, sent)
    expect([400, 403]).toContain(status)
  })

  const who = { user: 'admin', pass: PASSWORD }
  const goodParameters: readonly Body[] = [
    { ...who, uid: 'bob' },
    { ...who, uid: 'bob', password: PASSWORD, displayName: 'Bob' },
    { ...who, uid: 'bob', roles: ['roleid1|RWX', 'roleid2|R', 'RR|XW'] },
    { ...who, uid: 'bob', roles: '["roleid1|RWX","roleid2|R"]' },
    { ...who, uid: 'bob', rolesnoselected: ['roleidtoremove', 'roleid1|RWX'] },
    { ...who, uid: 'bob', acls: ['a'], groupacls: ['g'] },
    { ...who, uid: 'bob', aclsnoselected: ['a'], groupaclsnoselected: ['g'] },
    { ...who, uid: 'bob', attributes: { digdashMail: 'toto@digdash.com', langChoice: '1' } },
    { ...who, uid: 'bob', attributes: '{"mustChangePassword":"false"}' },
  ]
  const badParameters: readonly Body[] = [
    who,
    { ...who, uid: '' },
    { ...who, uid: 'bob', nosuch: 1 },
    { ...who, uid: 'bob', displayName: null },
    { ...who, uid: 'bob', displayName: 'x'.repeat(192) },
    { ...who, uid: 'bob', password: 5 },
    { ...who, uid: 'bob', roles: ['roleid1'] },
    { ...who, uid: 'bob', roles: ['roleid1|RR'] },
    { ...who, uid: 'bob', roles: ['roleid1|A'] },
    { ...who, uid: 'bob', roles: [' roleid1|R'] },
    { ...who, uid: 'bob', acls: ['a|b'] },
    { ...who, uid: 'bob', acls: ['a', 'a'] },
    { ...who, uid: 'bob', acls: [''] },
    { ...who, uid: 'bob', groupacls: 5 },
    { ...who, uid: 'bob', attributes: ['a'] },
    { ...who, uid: 'bob', attributes: { '': 'no name' } },
  ]

  test.each(goodParameters)('good parameters: %j', async (parameters) => {
    expect(faults('updateuser', parameters)).toEqual([])
    const { status, body } = await host.http.post('/ddenterpriseapi/updateuser').send(parameters)
    expect({ status, body }).toMatchObject({ status: 200, body: { status: 'ok' } })
  })

  test.each(badParameters)('bad parameters: %j', async (parameters) => {
    expect(faults('updateuser', parameters)).not.toEqual([])
    const { status } = await host.http.post('/ddenterpriseapi/updateuser').send(parameters)
    expect(status).toBe(400)
  })
})

describe('the schema of audit records', () => {
  // The compiler keeps these complete.
  const OPERATIONS: Readonly<Record<Operation, true>> = {
    login: true,
    logout: true,
    get_user: true,
    create_user: true,
    create_super_user: true,
    update_current_user: true,
    update_user_by_id: true,
    change_password: true,
    set_totp_key: true,
    validate_totp_code: true,
    delete_user: true,
    lock_user: true,
    unlock_user: true,
    approve_user: true,
    reject_user: true,
    updateuser: true,
    authenticate: true,
    get_session: true,
    verify_session: true,
    renew_session: true,
    list_sessions: true,
    end_session: true,
    end_sessions: true,
    update_grants: true,
    read_audit: true,
    revert_change: true,
    get_attributes: true,
    set_attributes: true,
    get_session_attributes: true,
    set_session_attributes: true,
    search_users: true,
    prune_audit: true,
    request_password_reset: true,
    start_password_reset: true,
    exchange_reset_token: true,
    reset_password: true,
    end_everybodys_sessions: true,
  }
  const OUTCOMES: Readonly<Record<Outcome, true>> = {
    ok: true,
    unchanged: true,
    denied: true,
    invalid: true,
    failed: true,
  }
  const FIELDS: Readonly<Record<keyof AuditRecord, true>> = {
    cid: true,
    time: true,
    operation: true,
    outcome: true,
    error: true,
    actor_id: true,
    actor_name: true,
    actor_via: true,
    target_id: true,
    target_name: true,
    app: true,
    remote_addr: true,
    user_agent: true,
    dialect: true,
    changes: true,
  }

  test('it has the fields, operations, outcomes and errors that there are', () => {
    const { properties, required } = SCHEMAS.get('audit-record')
    expect({
      fields: Object.keys(properties),
      required,
      operations: properties.operation.enum,
      outcomes: properties.outcome.enum,
      errors: properties.error.enum,
    }).toEqual({
      fields: ['id', 'hash', ...Object.keys(FIELDS)],
      required: Object.keys(FIELDS),
      operations: Object.keys(OPERATIONS),
      outcomes: Object.keys(OUTCOMES),
      errors: [...Object.keys(ERRORS), null],
    })
  })

  afterEach(() => {
    failsWithin = false
  })

  test('it accepts the record of every operation and outcome, as sinks get it and as the table keeps it', async () => {
    const { sso } = host
    await sso.flush()
    delivered.length = 0
    await sso.audit.pruneAudit({ before: new Date(Date.now() + 1000) })
    const before = (await host.audit()).length - 1
    const code = { via: 'code', name: 'test' } as const
    const app = { currentApp: 'CRM' }
    const refused = (promise: Promise<unknown>) =>
      promise.then(
        () => expect.fail('not refused'),
        () => {},
      )

    await sso.user.createSuperUser({ data: { username: 'root', password: PASSWORD } })
    const eve = await sso.user.createUser({
      actor: code,
      autoApprove: true,
      data: { username: 'eve', password: PASSWORD, totp_key: 'ABCDEFGHIJKLMNOP', password_expiry: '2345-12-27' },
    })
    const { ust: currentUst } = await sso.user.login({ username: 'eve', password: PASSWORD, ...app })
    const own = { currentUst, ...app }
    const onEve = { actor: code, userId: eve.user_id }
    await sso.user.updateCurrentUser({ ...own, data: { display_name: 'Eve', totp_key: null } })
    await sso.user.updateCurrentUser({ ...own, data: { display_name: 'Eve' } })
    await sso.user.updateUserById({ ...onEve, data: { password_expiry: null, email: 'eve@example.com' } })
    await sso.session.renew(own)
    const other = await sso.user.login({ username: 'eve', password: PASSWORD, ...app })
    const named = await sso.session.list({ currentUst: other.ust, ...app })
    await sso.session.end({ ...own, id: named.find(({ isCurrent }) => isCurrent)?.id ?? '' })
    await sso.session.endAll(own)
    await sso.attributes.set({ ...own, name: 'lang', value: { list: [1, null] }, expiration: 60 })
    await sso.attributes.create({ ...own, of: 'session', name: 'pin', value: 's3cret', encrypt: true })
    await sso.attributes.remove({ ...own, name: ['lang', 'nosuch'] })
    await sso.user.changePassword({ ...own, oldPassword: PASSWORD, newPassword: `${PASSWORD}!` })
    const { totpKey } = await sso.user.setTotpKey({ ...own, totpLabel: 'phone' })
    await sso.user.validateTotpCode({ ...own, code: codeAt(totpKey, new Date()) })
    await sso.user.validateTotpCode({ ...own, code: 'none' })
    await sso.user.lockUser(onEve)
    await sso.user.unlockUser(onEve)
    await sso.user.rejectUser(onEve)
    await sso.user.approveUser(onEve)
    await sso.user.updateuser({
      actor: code,
      uid: 'eve',
      roles: ['sales|R'],
      acls: ['a'],
      groupacls: ['g'],
      attributes: { langChoice: '1', digdashMailPassword: 's3cret', nested: { list: [1, null] } },
    })

    await sso.user.updateGrants({ ...onEve, patch: { roles: { sales: null }, acls: { b: true } } })

    const [granted] = (await sso.user.getAudit({ ...onEve, limit: 1 })).records
    await sso.user.revertChange({ ...onEve, auditId: granted!.id })

    const token = await mail.tokenFor(host, 'eve')
    await send({ method: 'PATCH', path: '/password/reset' }, { ...CRM, token })
    await sso.user.startPasswordReset(onEve)
    await sso.user.resetPassword({ token: mail.all.at(-1)!.token, newPassword: `${PASSWORD}!` })
    await sso.session.endEverybodys({ currentUst: tokens.admin, ...app })
    tokens.ada = await host.login('ada')

    // Refusals of every kind, by every way in; the lock has ended the session.
    const { ust: later } = await sso.user.login({ username: 'eve', password: `${PASSWORD}!`, ...app })
    own.currentUst = later
    await sso.attributes.create({ ...own, of: 'session', name: 'pin', value: 1 })
    await refused(sso.user.getAudit({ ...own, userId: ids.ada }))
    await host.http.get('/account/users/nobody').set('Authorization', `Bearer ${tokens.ada}`)
    await refused(sso.user.getUserById({ ...own, userId: ids.ada }))
    await refused(sso.user.search(own))
    await refused(sso.session.get({ ...own, targetUst: currentUst }))
    await refused(sso.session.verify({ ...own, targetUst: currentUst }))
    await refused(sso.session.list({ ...own, userId: ids.ada }))
    await refused(sso.attributes.list({ ...own, userId: ids.ada }))
    await refused(sso.attributes.names({ ...own, targetUst: tokens.ada }))
    await refused(sso.attributes.update({ ...own, name: 'nosuch', value: 1 }))
    await refused(sso.attributes.create({ ...own, of: 'session', name: 'pin', value: 1 }))
    await refused(sso.user.updateCurrentUser({ ...own, data: { display_name: 'x'.repeat(192) } }))
    await refused(sso.user.updateCurrentUser({ ...own, data: { is_locked: false } }))
    await refused(sso.user.login({ username: 'eve', password: 'wrong', ...app }))
    await refused(sso.user.login({ username: 'nobody at all', password: 'wrong', currentApp: 'no such app' }))
    await send({ method: 'PATCH', path: '/user' }, { ...CRM, ust: 'none', display_name: 'x' })
    await host.http.get('/ddenterpriseapi/updateuser?user=eve&pass=wrong&uid=ada&password=whatever')
    await host.http.get('/guarded').set('Authorization', 'Bearer none')
    await host.http.get('/guarded').set('X-Host-User', 'nobody').set('User-Agent', 'x'.repeat(2000))
    failsWithin = true
    await refused(sso.user.updateUserById({ ...onEve, data: { display_name: 'lost' } }))
    failsWithin = false

    await sso.user.deleteUserById(onEve)
    await sso.user.logout({
      currentUst: (await sso.user.login({ username: 'ada', password: PASSWORD, ...app })).ust,
      ...app,
    })
    await sso.flush()

    expect(delivered.map((record) => [record.operation, record.outcome, ...faults('audit-record', record)])).toEqual(
      delivered.map(({ operation, outcome }) => [operation, outcome]),
    )
    const rows = (await host.audit()).slice(before).map(({ id: _, seal: __, ...row }) => row)
    expect(rows.map(({ cid, operation, outcome }) => [cid, operation, outcome])).toEqual(
      delivered.map(({ cid, operation, outcome }) => [cid, operation, outcome]),
    )
    expect(new Set(delivered.map(({ operation }) => operation))).toEqual(new Set(Object.keys(OPERATIONS)))
    expect(new Set(delivered.map(({ outcome }) => outcome))).toEqual(new Set(Object.keys(OUTCOMES)))
    expect(new Set(delivered.map(({ dialect }) => dialect))).toEqual(
      new Set(['code', 'zato', 'updateuser', 'rest', 'middleware']),
    )
  })

  test('it refuses a refusal that claims a change, a success with an error, and unknown fields', () => {
    const record = { ...delivered.find(({ changes }) => changes.length > 0)! }
    expect(faults('audit-record', record)).toEqual([])
    expect(faults('audit-record', { ...record, outcome: 'denied', error: 'not_allowed' })).not.toEqual([])
    expect(faults('audit-record', { ...record, error: 'not_allowed' })).not.toEqual([])
    expect(faults('audit-record', { ...record, outcome: 'denied', changes: [] })).not.toEqual([])
    expect(faults('audit-record', { ...record, password: 'clear' })).not.toEqual([])
    expect(faults('audit-record', { ...record, time: '2020-01-01 10:00:00' })).not.toEqual([])
  })
})
