import { Validator } from '@seriousme/openapi-schema-validator'
import type { Router } from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../../src/http/zato/endpoints.ts'
import { createSso, type OpenApiDocument } from '../../../src/index.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { databases, startHost, type TestHost } from '../../support/host.ts'
import { HOST_ATTRIBUTES } from '../../support/stores.ts'
import { Judge, operationsOf } from './judge.ts'

const PATHS = { rest: '/account', zato: '/zato/sso', updateuser: '/ddenterpriseapi' }

let host: TestHost
let document: OpenApiDocument

beforeAll(async () => {
  host = await startHost(databases[0]!, {
    arrangement: 'host table',
    options: { password: { hasher: fastHasher() }, attributes: HOST_ATTRIBUTES, openapi: { paths: PATHS } },
    users: [],
  })
  document = await host.sso.openapi()
})
afterAll(() => host.close())

/** Methods and paths that a router answers. */
function routesOf(router: Router, base: string): string[] {
  const { stack } = router as unknown as {
    stack: { route?: { path: string; stack: { method?: string }[] } }[]
  }
  return stack.flatMap(({ route }) =>
    (route?.stack ?? []).flatMap(({ method }) =>
      method && method !== 'head' ? [`${method} ${base}${route?.path.replaceAll(/:(\w+)/g, '{$1}')}`] : [],
    ),
  )
}

test('it is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  expect(await validator.validate({ ...structuredClone(document) })).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
})

test('every schema in it compiles, and none has the keyword of the attributes', () => {
  const judge = new Judge(document)
  const { schemas } = document.components as { schemas: object }
  for (const name of Object.keys(schemas)) expect(() => judge.schema(`/components/schemas/${name}`)).not.toThrow()
  expect(JSON.stringify(document)).not.toContain('x-sso')
})

test('it has every route that the routers have, and no other', () => {
  const { rest, zato, updateuser } = host.sso
  const mounted = [
    ...routesOf(rest, PATHS.rest),
    ...routesOf(zato, PATHS.zato),
    ...routesOf(updateuser, PATHS.updateuser),
  ]
  const described = operationsOf(document).map(({ method, path }) => `${method.toLowerCase()} ${path}`)
  expect(described.length).toBeGreaterThan(50)
  expect(described.sort()).toEqual([...new Set(mounted)].sort())
})

test('every operation has an id of its own, a summary and a tag', () => {
  const operations = operationsOf(document)
  expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
  const known = document.tags.map(({ name }) => name)
  for (const { operation } of operations) {
    expect(operation.summary).toMatch(/^\S.*\.$/)
    expect(known).toEqual(expect.arrayContaining(operation.tags))
  }
  expect(operations.map(({ id }) => id)).toEqual(
    expect.arrayContaining(['getMe', 'patchUsersById', 'putUsersByIdLock', 'zatoPostUserLogin', 'postUpdateuser']),
  )
})

describe('what it has of the attributes', () => {
  const schemaOf = (name: string) => (document.components as any).schemas[name]

  test('the host’s own are there, in every dialect; what nobody may change or read is not', () => {
    expect(schemaOf('User').properties).toMatchObject({ nickname: { type: ['string', 'null'] }, settings: {} })
    for (const name of ['password', 'totp_key', 'totp_last_step', 'pin']) {
      expect(schemaOf('User').properties).not.toHaveProperty(name)
    }
    expect(schemaOf('UserPatch').properties).toMatchObject({ pin: { writeOnly: true }, email: { 'x-reauth': true } })
    expect(schemaOf('UserPatch').properties).not.toHaveProperty('is_super_user')
    expect(schemaOf('NewUser').properties).toHaveProperty('nickname')
    for (const name of ['ZatoUserReply', 'ZatoFoundUserReply', 'ZatoUpdateUser', 'ZatoCreateUser']) {
      expect(schemaOf(name).properties).toHaveProperty('nickname')
    }
  })

  test('they are as long as the host’s columns', async () => {
    const narrow = await startHost(databases[0]!, {
      arrangement: 'host table',
      users: [],
      prepare: ({ db }) => db.schema.alterTable('members', (table) => void table.string('nick', 7)),
      options: {
        attributes: HOST_ATTRIBUTES,
        users: {
          table: 'members',
          columns: { user_id: 'nr', username: 'login', password: 'pw_hash', email: 'mail', nickname: 'nick' },
        },
        openapi: { paths: PATHS },
      },
    })
    try {
      const { schemas } = (await narrow.sso.openapi()).components as any
      expect(schemas.UserPatch.properties.nickname.maxLength).toBe(7)
    } finally {
      await narrow.close()
    }
  })
})

describe('what it describes is what the options say', () => {
  const made = (options: object) => createSso({ db: host.database.db, logger: { warn() {}, error() {} }, ...options })

  test('without paths there is nothing to describe; title and version are the host’s', async () => {
    const empty = await made({ openapi: { title: 'Members', version: '2.1' } }).openapi()
    expect(empty).toMatchObject({ info: { title: 'Members', version: '2.1' }, paths: {}, tags: [] })
    expect((await new Validator().validate({ ...structuredClone(empty) })).valid).toBe(true)
  })

  test('If-Match is required, and its absence 428, only where the option says so', async () => {
    const lax = operationsOf(document).find(({ id }) => id === 'patchMe')!.operation
    const strict = operationsOf(
      await made({ rest: { requireIfMatch: true }, openapi: { paths: PATHS } }).openapi(),
    ).find(({ id }) => id === 'patchMe')!.operation
    const ifMatch = (operation: any) => operation.parameters.find(({ name }: any) => name === 'If-Match').required
    expect([ifMatch(lax), '428' in lax.responses]).toEqual([false, false])
    expect([ifMatch(strict), '428' in strict.responses]).toEqual([true, true])
  })

  test('methods of updateuser that are off are not there', async () => {
    const { paths } = await made({ updateuser: { methods: ['POST'] }, openapi: { paths: PATHS } }).openapi()
    expect(Object.keys(paths['/ddenterpriseapi/updateuser']!)).toEqual(['post'])
  })
})

describe.each(['express4', 'express5'] as const)('GET /openapi.json on %s', (version) => {
  let app: TestHost
  beforeAll(async () => {
    app = await startHost(databases[0]!, {
      express: version,
      users: [],
      options: { openapi: { paths: { zato: '/zato/sso' } } },
      before: (express, sso) => {
        express.use('/deep/:tenant/accounts', sso.rest)
      },
    })
  })
  afterAll(() => app.close())

  test('anybody gets the rest dialect where it is mounted, and the others where the option says', async () => {
    const { status, headers, body } = await app.http.get('/account/openapi.json')
    expect([status, headers['cache-control']]).toEqual([200, 'no-store'])
    expect(Object.keys(body.paths)).toEqual(expect.arrayContaining(['/account/me', '/zato/sso/user/login']))
    expect(Object.keys(body.paths)).not.toContain('/ddenterpriseapi/updateuser')
    expect(body.paths['/zato/sso/user/login'].post.operationId).toBe('zatoPostUserLogin')
    expect(ENDPOINTS.every(({ path }) => `/zato/sso${path}` in body.paths)).toBe(true)

    const deep = await app.http.get('/deep/{x}/accounts/openapi.json')
    expect(Object.keys(deep.body.paths)).toContain('/deep/%7Bx%7D/accounts/users/{id}')
    expect((await new Validator().validate(deep.body)).valid).toBe(true)
  })
})
