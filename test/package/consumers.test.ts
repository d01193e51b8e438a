import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDatabase } from '../support/databases.ts'
import { databases, PASSWORD } from '../support/host.ts'
import { type Answer, type Consumer, send, start } from './consumer.ts'
import { COMPILERS, compile, type ExpressName, type Installation, install, OTHER_NODES } from './install.ts'
import { answersToJwt, jwtStory } from './jwt-story.ts'

const run = promisify(execFile)
const SCRIPTS = { 'esm-ts': 'dist/app.js', 'esm-js': 'app.js', cjs: 'app.js' } as const
type Name = keyof typeof SCRIPTS
const NAMES = Object.keys(SCRIPTS) as Name[]

let installed: Installation

beforeAll(async () => {
  installed = await install()
}, 300_000)
afterAll(() => installed?.remove())

test('the tarball holds what the package runs on and nothing else', () => {
  const { contents } = installed
  expect(contents).toEqual(expect.arrayContaining(['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md']))
  expect(contents).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'schemas/user.json']))
  const others = contents.filter((path) => !/^dist\/[\w/.-]+\.(js|d\.ts)$|^schemas\/[\w-]+\.json$/.test(path))
  expect(others.toSorted()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'])
})

test.each([
  ['express4', /^4\.18\./],
  ['express5', /^5\./],
] as const)('the package runs on the Express and the Knex of its host, %s, and brings none', (express, version) => {
  const packages = join(installed.hosts[express], 'node_modules')
  expect(JSON.parse(readFileSync(join(packages, 'express', 'package.json'), 'utf8')).version).toMatch(version)
  expect(readdirSync(join(packages, 'express-sso-users')).toSorted()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist',
    'package.json',
    'schemas',
  ])
})

const COMPILING = 180_000
// Every file meets both compilers and the declarations of both versions of Express, if not each of one with each of the other.
const compilers = [
  ['TypeScript 5.9', 'express4'],
  ['TypeScript 6.0', 'express4'],
  ['TypeScript 6.0', 'express5'],
] as const

test.each(compilers)(
  'a strict host compiles with libraries checked, by %s with the declarations of %s',
  async (name, express) => {
    await compileOnce(express, COMPILERS[name], 'esm-ts/tsconfig.json')
  },
  COMPILING,
)

test.each([
  ['TypeScript 5.9', 'express5'],
  ['TypeScript 6.0', 'express4'],
] as const)(
  'a host with Passport, a CommonJS file and attributes of its own compiles, by %s with the declarations of %s',
  async (name, express) => {
    await compileOnce(express, COMPILERS[name], 'esm-ts/tsconfig.passport.json')
  },
  COMPILING,
)

const compilations = new Map<string, Promise<void>>()

/** What one test compiles, another may run. */
function compileOnce(express: ExpressName, compiler: string, project: string): Promise<void> {
  const key = [express, compiler, project].join(' ')
  const compilation = compilations.get(key) ?? compile(installed.hosts[express], compiler, project)
  compilations.set(key, compilation)
  return compilation
}

// better-sqlite3 is built for the Node that installed it; the servers' drivers run on any.
const servers = databases.filter((name) => name !== 'sqlite')
const expressOf = (index: number): ExpressName => (index % 2 === 0 ? 'express4' : 'express5')
// Every consumer meets every database and both versions of Express, and each of those two meets the other.
const runs = [
  ...NAMES.flatMap((name, row) =>
    databases.map((database, column) => [name, expressOf(row + column), process.versions.node, database] as const),
  ),
  ...OTHER_NODES.flatMap((node, row) =>
    NAMES.flatMap((name, column) => {
      const database = servers[(row + column) % servers.length]
      return database === undefined ? [] : [[name, expressOf(column), node, database] as const]
    }),
  ),
]

test.each(runs)(
  '%s on %s, Node %s, %s: log in, change and read accounts, with and without body parsers of the host',
  async (name, express, node, databaseName) => {
    if (name === 'esm-ts') await compileOnce(express, COMPILERS['TypeScript 6.0'], 'esm-ts/tsconfig.json')
    const executable = installed.nodes[node] ?? process.execPath
    const directory = join(installed.hosts[express], name)
    const database = await createDatabase(databaseName)
    let consumer: Consumer | undefined
    try {
      consumer = await start(executable, directory, SCRIPTS[name], database.config)
      const plain = await story(consumer.ports.plain, 'ada')
      const parsed = await story(consumer.ports.parsed, 'bob')
      const updates = await send(consumer.ports.plain, 'GET', '/a/b/updates')
      const ending = await consumer.end()

      expect(`${consumer.node}.`).toContain(`v${node}.`)
      expect(plain).toEqual(answersTo('ada', 'plain'))
      expect(parsed).toEqual(answersTo('bob', 'parsed'))
      expect(updates).toEqual({ status: 200, body: [...updatesOf('ada', 'plain'), ...updatesOf('bob', 'parsed')] })
      expect(ending).toEqual({ code: 0, complaints: expect.stringMatching(/^updateuser: a GET carries .+\n$/) })
    } finally {
      consumer?.kill()
      await database.drop()
    }
  },
  COMPILING,
)

test(
  'the host with JSON Web Tokens and attributes of its own compiles by TypeScript 5.9',
  async () => {
    await compileOnce('express5', COMPILERS['TypeScript 5.9'], 'jwt-ts/tsconfig.json')
  },
  COMPILING,
)

test.each(databases)(
  'a host with JSON Web Tokens, integer keys and attributes of its own, TypeScript 6.0, %s',
  async (databaseName) => {
    await compileOnce('express5', COMPILERS['TypeScript 6.0'], 'jwt-ts/tsconfig.json')
    const directory = join(installed.hosts.express5, 'jwt-ts')
    const database = await createDatabase(databaseName)
    let consumer: Consumer<'app'> | undefined
    try {
      consumer = await start<'app'>(process.execPath, directory, 'dist/app.js', database.config)
      const answers = await jwtStory(`http://127.0.0.1:${consumer.ports.app}`)
      const row = await database.db('people').where({ person_no: 1 }).first()
      const ending = await consumer.end()

      expect(answers).toEqual(answersToJwt)
      expect(row).toMatchObject({ handle: 'ada', shown_as: null, nick: null, seats: 2, iban: 'GB33BUKB20201555555555' })
      expect(ending.code).toBe(0)
    } finally {
      consumer?.kill()
      await database.drop()
    }
  },
  COMPILING,
)

test.each(['express4', 'express5'] as const)(
  'the command line of the installed package, in a host with %s',
  async (express) => {
    const database = await createDatabase('sqlite')
    const npx = async (...argv: string[]) => {
      const { DATABASE_URL, SSO_NEW_PASSWORD, ...env } = process.env
      const given = { ...env, DATABASE_URL: database.url, SSO_NEW_PASSWORD: PASSWORD }
      const options = { cwd: installed.hosts[express], env: given }
      return run('npx', ['--no-install', 'express-sso-users', ...argv], options)
    }
    try {
      const { stdout: help } = await npx('--help')
      expect(help).toMatch(/^Usage: express-sso-users /)
      expect((await npx('migrate')).stdout).toMatch(/^Made user_001\.\n/)
      const { stdout, stderr } = await npx('create-super-user', 'admin')
      expect([stdout, stderr]).toEqual([expect.stringMatching(/^admin is a super-user now; the id is \w+\.\n$/), ''])
      const [row] = await database.db('sso_user')
      expect(row).toMatchObject({ username: 'admin', approval_status: 'approved', is_super_user: 1 })
    } finally {
      await database.drop()
    }
  },
)

const JSON_TYPE = { 'Content-Type': 'application/json' }
const FORM_TYPE = { 'Content-Type': 'application/x-www-form-urlencoded' }

/** Everything a client does with one account, and every answer to it. */
async function story(port: number, username: string): Promise<Record<string, Answer>> {
  const answers: Record<string, Answer> = {}
  const zato = (method: string, path: string, fields: object, headers = {}) =>
    send(port, method, `/a/b/zato/sso${path}`, { body: JSON.stringify({ current_app: 'CRM', ...fields }), headers })
  const digdash = (method: string, query: string, body = '', headers = {}) =>
    send(port, method, `/a/b/ddenterpriseapi/updateuser${query}`, { body, headers })

  answers['login'] = await zato('POST', '/user/login', { username, password: PASSWORD }, JSON_TYPE)
  const { ust } = answers['login'].body as { ust: string }

  answers['PATCH'] = await zato('PATCH', '/user', { ust, display_name: 'A B+C' }, JSON_TYPE)
  answers['PATCH without a type'] = await zato('PATCH', '/user', { ust, first_name: 'D E+F', email: null })
  answers['PATCH as a form'] = await zato('PATCH', '/user', { ust, last_name: 'G=H&I%' }, FORM_TYPE)
  answers['PATCH as a form, with a space'] = await zato('PATCH', '/user', { ust, middle_name: 'J K' }, FORM_TYPE)
  answers['PATCH as a form, with a plus'] = await zato('PATCH', '/user', { ust, email: 'l+m@example.com' }, FORM_TYPE)
  answers['GET'] = await zato('GET', '/user', { ust })

  const admin = { user: 'admin', pass: PASSWORD, uid: username }
  const query = new URLSearchParams({ ...admin, displayName: 'N & O', roles: '["role1|RWX","role2|R"]' })
  answers['updateuser, GET'] = await digdash('GET', `?${query}&`)
  const form = new URLSearchParams({ ...admin, displayName: 'P + Q', rolesnoselected: '["role1"]' })
  answers['updateuser, POST of a form'] = await digdash('POST', '', `${form}`, FORM_TYPE)
  const json = { ...admin, acls: ['acl1'], attributes: { langChoice: '1' } }
  answers['updateuser, POST of JSON'] = await digdash('POST', '', JSON.stringify(json), JSON_TYPE)

  answers['GET again'] = await zato('GET', '/user', { ust })
  answers['host'] = await send(port, 'GET', '/a/b/whoami', { headers: { Authorization: `Bearer ${ust}` } })
  answers['host, nobody'] = await send(port, 'GET', '/a/b/whoami')
  return answers
}

type Kind = 'plain' | 'parsed'

const cid = expect.stringMatching(/^[0-9a-f]{24}$/)
const done = { status: 'ok', cid, sub_status: [] }
const ok = (fields: object = {}) => ({ status: 200, body: { ...done, ...fields } })

/** What the story must hear. Behind a form parser, JSON sent as a form is refused if a `+` of it may have been lost. */
function answersTo(username: string, kind: Kind): Record<string, unknown> {
  const message =
    'The body was read as a form before it came here. Send Content-Type: application/json, or mount the router before express.urlencoded().'
  const asForm =
    kind === 'plain' ? ok() : { status: 400, body: { result: 'Error', cid, details: 'Bad request', message } }
  const updated = (...changed: string[]) => ({ status: 200, body: { cid, status: 'ok', uid: username, changed } })
  const account = {
    username,
    email: kind === 'plain' ? 'l+m@example.com' : null,
    display_name: 'A B+C',
    first_name: 'D E+F',
    middle_name: kind === 'plain' ? 'J K' : null,
    last_name: 'G=H&I%',
    is_totp_enabled: false,
    totp_label: '',
  }
  return {
    login: ok({ ust: expect.stringMatching(/^[\w-]{43}$/) }),
    PATCH: ok(),
    'PATCH without a type': ok(),
    'PATCH as a form': ok(),
    'PATCH as a form, with a space': asForm,
    'PATCH as a form, with a plus': asForm,
    GET: ok(account),
    'updateuser, GET': updated('display_name', 'roles'),
    'updateuser, POST of a form': updated('display_name', 'roles'),
    'updateuser, POST of JSON': updated('attributes.langChoice', 'acls'),
    'GET again': ok({ ...account, display_name: 'P + Q' }),
    host: { status: 200, body: { username, via: 'ust' } },
    'host, nobody': {
      status: 401,
      body: {
        type: 'about:blank',
        title: 'Credentials are required.',
        status: 401,
        code: 'credentials_missing',
        cid,
        errors: [],
      },
    },
  }
}

/** What the host's hook must have seen. */
function updatesOf(username: string, kind: Kind): string[] {
  const asForm = kind === 'plain' ? ['middle_name', 'email'] : []
  const byOwner = ['display_name', 'first_name', 'last_name', ...asForm]
  const byAdmin = ['display_name', 'roles', 'display_name', 'roles', 'attributes.langChoice', 'acls']
  return [...byOwner, ...byAdmin].map((attribute) => `${username}.${attribute}`)
}
