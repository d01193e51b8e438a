import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXPRESS, PASSWORD, type TestHost } from '../support/host.ts'
import { bearer, type Person, person, type Stage, startStage } from './stage.ts'

const TYPE =
  /^(application\/(problem\+)?json|text\/(plain|html|css|javascript)|application\/javascript); charset=utf-8$/

type Sent = readonly [
  method: 'get' | 'post' | 'patch' | 'put' | 'delete',
  path: string,
  headers: object,
  body?: unknown,
]

/** Requests that are answered in every way that there is. */
function requestsOf({ name, ust }: Person): readonly Sent[] {
  const zato = { current_app: 'CRM', ust }
  const json = { 'Content-Type': 'application/json' }
  const login = { username: name, password: PASSWORD }
  const updateuser = '/ddenterpriseapi/updateuser'
  return [
    ['post', '/zato/sso/user/login', json, { ...login, current_app: 'CRM' }],
    ['post', '/zato/sso/user/login', json, { ...login, password: 'wrong', current_app: 'CRM' }],
    ['get', '/zato/sso/user', json, zato],
    ['patch', '/zato/sso/user', json, { ...zato, first_name: 'Ärger' }],
    ['patch', '/zato/sso/user', json, { ...zato, email: 'none' }],
    ['patch', '/zato/sso/user', json, { current_app: 'CRM' }],
    ['patch', '/zato/sso/user', json, '{"password":'],
    ['patch', '/zato/sso/user', json, JSON.stringify({ first_name: 'x'.repeat(200_000) })],
    ['put', '/zato/sso/user', json, zato],
    ['get', '/zato/sso/user/attr', json, zato],
    ['post', '/account/login', json, login],
    ['post', '/account/login', json, { ...login, password: 'wrong' }],
    ['post', '/account/login', json, '{'],
    ['post', '/account/login', { 'Content-Type': 'text/csv' }, 'a,b'],
    ['get', '/account/me', bearer(ust)],
    ['get', '/account/me', {}],
    ['get', '/account/me/schema', bearer(ust)],
    ['get', '/account/users', bearer(ust)],
    ['patch', '/account/me', { ...json, ...bearer(ust) }, { first_name: 'Ärger' }],
    ['patch', '/account/me', { ...json, ...bearer(ust) }, { email: 'none' }],
    ['put', '/account/me', json, {}],
    ['get', '/account/openapi.json', {}],
    ['post', updateuser, { ...json, ...bearer(ust) }, { uid: name, displayName: 'Ärger' }],
    ['post', updateuser, { ...json, ...bearer(ust), Accept: 'text/plain' }, { uid: name, displayName: 'Ärger' }],
    ['post', updateuser, { ...json, ...bearer(ust), Accept: 'text/plain' }, { uid: 'admin', displayName: 'Ärger' }],
    ['post', updateuser, { ...json, ...bearer(ust) }, { uid: 'admin', displayName: 'Ärger' }],
    ['post', updateuser, json, { uid: name, user: name, pass: 'wrong' }],
    ['post', updateuser, json, '{'],
    ['get', `${updateuser}?uid=${name}`, bearer(ust)],
    ['put', updateuser, json, {}],
    ['post', '/user', {}],
    ['post', '/super-user', bearer(ust)],
    ['get', '/docs', {}],
  ]
}

describe.each(Object.keys(EXPRESS) as (keyof typeof EXPRESS)[])('replies under %s', (express) => {
  let stage: Stage
  let ada: Person
  beforeAll(async () => {
    stage = await startStage('sqlite', {}, express)
    stage.host.app.use('/docs', stage.host.sso.docs)
    ada = await person(stage)
  })
  afterAll(() => stage.host.close())

  test('ASVS 4.1.1, 14.3.2 each has its type with a charset, and is not to be stored', async () => {
    const wrong: unknown[] = []
    const statuses = new Set<number>()
    for (const [method, path, headers, body] of requestsOf(ada)) {
      const reply = await stage.host.http[method](path)
        .set(headers as Record<string, string>)
        .send(body as object)
      statuses.add(reply.status)
      const { 'content-type': type = '', 'cache-control': cache } = reply.headers
      if (reply.text === '' || !TYPE.test(type) || cache !== 'no-store')
        wrong.push([method, path, reply.status, type, cache])
    }
    expect(wrong).toEqual([])
    expect([...statuses].sort()).toEqual(expect.arrayContaining([200, 400, 401, 403, 405, 413, 415, 422]))
  })

  test('ASVS 14.3.2 nor is a reply without a body', async () => {
    const headers = { ...bearer(ada.ust), 'Content-Type': 'application/json' }
    const { http } = stage.host
    const { etag } = (await http.get('/account/me').set(headers)).headers
    const replies = [
      await http.get('/account/me').set({ ...headers, 'If-None-Match': etag ?? '' }),
      await http
        .patch('/account/me')
        .set({ ...headers, Prefer: 'return=minimal' })
        .send({ last_name: 'King' }),
      await http.options('/account/me'),
      await http.options('/zato/sso/user'),
      await http.options('/ddenterpriseapi/updateuser'),
    ]
    expect(replies.map(({ status, headers }) => [status, headers['cache-control']])).toEqual([
      [304, 'no-store'],
      ...Array(4).fill([204, 'no-store']),
    ])
  })
})

describe('the address of a client', () => {
  let stage: Stage
  let ada: Person
  beforeAll(async () => {
    stage = await startStage('sqlite')
    ada = await person(stage)
  })
  afterAll(() => stage.host.close())

  const FORWARDED = {
    'X-Forwarded-For': '203.0.113.9',
    'X-Forwarded-Host': 'evil.example',
    'X-Forwarded-Proto': 'https',
    Forwarded: 'for=203.0.113.9;host=evil.example',
    'X-Real-IP': '203.0.113.9',
  }

  const addressesOf = async ({ app, http, audit }: TestHost) => {
    const seen: Record<string, unknown> = {}
    for (const trusts of [false, true]) {
      app.set('trust proxy', trusts)
      const before = (await audit()).length
      const json = { ...FORWARDED, 'Content-Type': 'application/json' }
      const wrong = { username: ada.name, password: 'wrong' }
      await http
        .post('/zato/sso/user/login')
        .set(json)
        .send({ ...wrong, current_app: 'CRM' })
      await http.post('/account/login').set(json).send(wrong)
      await http.post('/ddenterpriseapi/updateuser').set(json).send({ user: ada.name, pass: 'wrong', uid: ada.name })
      await http.post('/passport').set(json).send(wrong)
      await http.post('/user').set({ ...FORWARDED, ...bearer('x'.repeat(43)) })
      const records = (await audit()).slice(before)
      seen[String(trusts)] = records.map(({ dialect, remote_addr }) => [dialect, remote_addr?.replace('::ffff:', '')])
    }
    return seen
  }

  test('ASVS 4.1.3 is not what the client says, unless the host trusts its proxy', async () => {
    const dialects = ['zato', 'rest', 'updateuser', 'passport', 'middleware']
    expect(await addressesOf(stage.host)).toEqual({
      false: dialects.map((dialect) => [dialect, '127.0.0.1']),
      true: dialects.map((dialect) => [dialect, '203.0.113.9']),
    })
  })

  test('ASVS 4.1.3 a host that the client names makes no request one of the same site', async () => {
    stage.host.app.set('trust proxy', false)
    const from = {
      ...FORWARDED,
      Origin: 'https://evil.example',
      'X-Member': ada.id,
      'Content-Type': 'application/json',
    }
    const { http } = stage.host
    expect((await http.patch('/account/me').set(from).send({ first_name: 'Evil' })).status).toBe(403)
    const zato = { current_app: 'CRM', first_name: 'Evil' }
    expect((await http.patch('/zato/sso/user').set(from).send(zato)).status).toBe(403)
    expect((await http.post('/user').set(from)).status).toBe(403)
  })
})
