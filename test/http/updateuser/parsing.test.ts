import express5, { type Express } from 'express'
import express4 from 'express4'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fastHasher } from '../../support/fast-hasher.ts'
import { EXPRESS, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, done, PATH, refusal } from './wire.ts'

// Nothing here depends on the database: the tests are about how requests are read.

const PARSERS = {
  'no parser': () => {},
  'express.json()': (app: Express, express: typeof express5) => app.use(express.json()),
  'urlencoded, simple': (app: Express, express: typeof express5) => app.use(express.urlencoded({ extended: false })),
  'urlencoded, extended': (app: Express, express: typeof express5) => app.use(express.urlencoded({ extended: true })),
  'both, extended': (app: Express, express: typeof express5) =>
    app.use(express.json(), express.urlencoded({ extended: true })),
  'raw and text for everything': (app: Express, express: typeof express5) =>
    app.use(express.text({ type: () => true })),
} as const

const LOGIN = `user=admin&pass=${encodeURIComponent(PASSWORD)}`

describe.each(Object.keys(EXPRESS) as (keyof typeof EXPRESS)[])('requests of updateuser under %s', (version) => {
  const express = (version === 'express4' ? express4 : express5) as unknown as typeof express5

  describe.each(Object.keys(PARSERS) as (keyof typeof PARSERS)[])('behind %s', (parsers) => {
    let host: TestHost
    beforeAll(async () => {
      host = await startHost('sqlite', {
        express: version,
        options: { password: { hasher: fastHasher() } },
        before: (app) => void PARSERS[parsers](app, express),
      })
    })
    afterAll(() => host.close())

    const get = (query: string) => host.http.get(`${PATH}?${query}`)
    const form = (text: string) => host.http.post(PATH).type('application/x-www-form-urlencoded').send(text)
    const json = (text: string) => host.http.post(PATH).type('application/json').send(text)
    const names = async () => {
      const { user } = await host.sso.user.updateuser({ actor: { via: 'code', name: 'test' }, uid: 'ada' })
      return user.display_name
    }
    const textForms = [
      ['GET', get],
      ['POST form', form],
    ] as const

    describe.each(textForms)('by %s', (_, ask) => {
      test.each([
        ['a plus as a space', 'Ada+Lovelace', 'Ada Lovelace'],
        ['%20 as a space', 'Ada%20Lovelace', 'Ada Lovelace'],
        ['%2B as a plus', 'Ada%2BLovelace', 'Ada+Lovelace'],
        ['%26 and %3D as & and =', 'A%26B%3DC', 'A&B=C'],
        ['an = in the value', 'A=B', 'A=B'],
        ['UTF-8', '%C3%89t%C3%A9+%F0%9F%8C%9E', 'Été 🌞'],
        ['a lone percent sign', '100%', '100%'],
        ['brackets', 'a%5Bb%5D%3Dc', 'a[b]=c'],
        ['an empty value', '', ''],
      ])('%s is read', async (_, written, read) => {
        const reply = await ask(`${LOGIN}&uid=ada&displayName=${written}&`)
        expect([reply.status, reply.body.errors]).toEqual([200, undefined])
        expect(await names()).toBe(read)
      })

      test.each(['&&', '&', '&=&', '&=', '&&&&&'])('the empty parameters of %s are ignored', async (ending) => {
        const reply = await ask(`${LOGIN}&uid=ada${ending}`)
        expect([reply.status, reply.body]).toEqual([200, done('ada')])
      })

      test.each([
        ['a text', 'displayName=a&displayName=b', 'displayName'],
        ['the same text', 'displayName=a&displayName=a', 'displayName'],
        ['a list', 'acls=["a"]&acls=["b"]', 'acls'],
        ['a list that is not JSON', 'acls=one&acls=two', 'acls'],
        ['an object', 'attributes={}&attributes={"a":1}', 'attributes'],
        ['an empty one', 'password=&password=', 'password'],
      ])('%s given twice is an error', async (_, twice, parameter) => {
        const reply = await ask(`${LOGIN}&uid=ada&${twice}`)
        expect(reply.status).toBe(400)
        expect(reply.body.errors).toContainEqual({
          parameter,
          pointer: `/${parameter}`,
          code: 'input_invalid',
          message: 'The parameter is there twice.',
        })
        expect(await granted()).toEqual({ roles: [], acls: [], groups: [] })
      })

      test.each([
        ['acls[]=a&acls[]=b'],
        ['acls[0]=a'],
        ['attributes[langChoice]=1'],
        ['attributes.langChoice=1'],
        ['roles[a]=RWX'],
      ])('%s is no way to write a list or an object', async (written) => {
        const reply = await ask(`${LOGIN}&uid=ada&${written}`)
        expect([reply.status, reply.body.status]).toEqual([400, 'error'])
        expect(await granted()).toEqual({ roles: [], acls: [], groups: [] })
      })

      test('a list that is not JSON is an error that names it', async () => {
        const reply = await ask(`${LOGIN}&uid=ada&roles=admin|RWX&attributes=langChoice`)
        expect([reply.status, reply.body.errors]).toEqual([
          400,
          ['roles', 'attributes'].map((parameter) => ({
            parameter,
            pointer: `/${parameter}`,
            code: 'input_invalid',
            message: 'The value is not JSON.',
          })),
        ])
      })

      test('names are case-sensitive, and an unknown one is answered with the nearest', async () => {
        const reply = await ask(`${LOGIN}&uid=ada&displayname=a&rolesnotselected=[]&PASSWORD=x`)
        expect([reply.status, reply.body.errors]).toEqual([
          400,
          [
            ['displayname', 'displayName'],
            ['rolesnotselected', 'rolesnoselected'],
            ['PASSWORD', 'password'],
          ].map(([parameter, nearest]) => ({
            parameter,
            pointer: `/${parameter}`,
            code: 'input_invalid',
            message: `There is no such parameter; the nearest is ${nearest}.`,
          })),
        ])
      })
    })

    test('JSON takes real lists and objects, and their text', async () => {
      const real = await json(
        JSON.stringify({ ...ADMIN, uid: 'bob', roles: ['a|XR'], attributes: { digdashMail: 'b@example.org' } }),
      )
      expect([real.status, real.body]).toEqual([200, done('bob', 'email', 'roles')])
      const text = await json(
        JSON.stringify({ ...ADMIN, uid: 'bob', roles: '["a|W"]', attributes: '{"digdashMail":null}' }),
      )
      expect([text.status, text.body]).toEqual([200, done('bob', 'email', 'roles')])
    })

    test.each(['application/json; charset=utf-8', 'application/vnd.digdash+json', 'APPLICATION/JSON'])(
      '%s is JSON',
      async (type) => {
        const reply = await host.http
          .post(PATH)
          .set('Content-Type', type)
          .send(JSON.stringify({ ...ADMIN, uid: 'ada' }))
        expect([reply.status, reply.body]).toEqual([200, done('ada')])
      },
    )

    test.each(['text/plain', 'multipart/form-data; boundary=x', 'application/xml', 'text/json'])(
      '%s is a type that is not read',
      async (type) => {
        const reply = await host.http.post(PATH).set('Content-Type', type).send(`${LOGIN}&uid=ada`)
        const error = { parameter: null, pointer: '', code: 'media_type_unsupported' }
        expect([reply.status, reply.body]).toEqual([415, refusal(null, error)])
      },
    )

    test('a body of no type is not read', async () => {
      const reply = await fetch(`${host.url}${PATH}`, { method: 'POST', body: Buffer.from(`${LOGIN}&uid=ada`) })
      const error = { parameter: null, pointer: '', code: 'media_type_unsupported' }
      expect([reply.status, await reply.json()]).toEqual([415, refusal(null, error)])
    })

    test('ASVS 14.2.1 a POST takes nothing from its query string, not even the password', async () => {
      const reply = await host.http.post(`${PATH}?${LOGIN}`).type('form').send('uid=ada')
      const error = { parameter: null, pointer: '', code: 'input_malformed' }
      expect([reply.status, reply.body]).toEqual([400, refusal(null, error)])
    })

    test('a POST of nothing has no credentials', async () => {
      const reply = await host.http.post(PATH)
      const error = { parameter: null, pointer: '', code: 'credentials_missing' }
      expect([reply.status, reply.body]).toEqual([401, refusal(null, error)])
    })

    async function granted() {
      const actor = { via: 'code', name: 'test' } as const
      const { user } = await host.sso.user.updateuser({ actor, uid: 'ada' })
      return (await host.sso.user.getUserDetails({ actor, userId: user.user_id })).grants
    }
  })
})
