import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EXPRESS } from '../../support/host.ts'
import { DATABASE_PLACES, type Place } from '../zato/wire.ts'
import { type Client, problem, startClient } from './client.ts'

const [PLACE] = DATABASE_PLACES as [Place]
const VERSIONS: readonly (keyof typeof EXPRESS)[] = ['express4', 'express5']

describe.each(VERSIONS)('the rest dialect on %s', (version) => {
  describe.each([false, true])('behind the host’s parsers: %s', (parses) => {
    let client: Client
    beforeAll(async () => {
      client = await startClient(
        { ...PLACE, express: version },
        {
          authenticate: (req) => (req.get('X-Host-User') ? { userId: req.get('X-Host-User') as string } : null),
          bodyLimit: 2000,
        },
        (app) => {
          if (parses) app.use(express.json(), express.urlencoded({ extended: true }))
        },
      )
    })
    afterAll(() => client.host.close())

    test('a patch is merge-patch+json or json, other bodies are json, and nothing else is read', async () => {
      const { person, send } = client
      const ada = await person()
      const patch = (type: string, body = '{"display_name":"x"}') =>
        send('PATCH', '/me', { as: ada, body, headers: { 'Content-Type': type } })
      for (const type of ['application/merge-patch+json', 'application/json', 'application/json; charset=utf-8']) {
        expect((await patch(type)).status).toBe(200)
      }
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json-patch+json']) {
        const reply = await patch(type)
        expect(reply).toEqual(problem(415, 'media_type_unsupported'))
        expect(reply.headers['accept-patch']).toBe('application/merge-patch+json, application/json')
      }
      const login = await send('POST', '/login', { body: {}, headers: { 'Content-Type': 'text/plain' } })
      expect(login).toEqual(problem(415, 'media_type_unsupported'))
      expect(await send('PATCH', '/me', { as: ada })).toEqual(problem(400, 'input_malformed'))
    })

    test('bodies that are no JSON objects are refused', async () => {
      const { person, send } = client
      const ada = await person()
      for (const body of ['[1]', '"x"', 'null', '7']) {
        const reply = await send('PATCH', '/me', { as: ada, body })
        expect(reply).toEqual(problem(400, 'input_malformed'))
      }
      expect(await send('PATCH', '/me', { as: ada, body: '{}' })).toEqual(problem(422, 'nothing_to_update'))
      if (parses) return
      // Behind the host's parsers these are the host's errors.
      expect(await send('PATCH', '/me', { as: ada, body: '{"display_name":' })).toEqual(problem(400, 'input_malformed'))
      expect(await send('PATCH', '/me', { as: ada, body: { display_name: 'x'.repeat(2000) } })).toEqual(
        problem(413, 'input_too_large'),
      )
    })

    test('ASVS 4.1.4 other methods are 405 with Allow, OPTIONS says what there is, HEAD is a GET', async () => {
      const { person, send } = client
      const ada = await person()
      const put = await send('PUT', '/me', { as: ada })
      expect(put).toEqual(problem(405, 'method_not_allowed'))
      expect(put.headers.allow).toBe('GET, PATCH')
      expect(await send('OPTIONS', '/users/5/lock')).toMatchObject({ status: 204, headers: { allow: 'PUT, DELETE' } })
      expect(await send('HEAD', '/me', { as: ada })).toMatchObject({ status: 200, text: '' })
      expect((await send('GET', '/no-such-path')).status).toBe(404)
    })

    test('ASVS 14.3.2 every reply is not to be stored and has the correlation id; a 401 says what is missing', async () => {
      const { person, send } = client
      const ada = await person()
      const replies = [
        await send('GET', '/me', { as: ada }),
        await send('GET', '/me'),
        await send('GET', '/me', { as: { ust: 'x'.repeat(43) } }),
        await send('GET', '/users/%E0%A4%A', { as: ada }),
        await send('DELETE', '/me/sessions', { as: ada }),
      ]
      expect(replies.map(({ status }) => status)).toEqual([200, 401, 401, 400, 204])
      for (const { headers } of replies) {
        expect(headers).toMatchObject({
          'cache-control': 'no-store',
          'x-zato-cid': expect.stringMatching(/^[0-9a-f]{24}$/),
        })
      }
      expect(replies[1]?.headers['www-authenticate']).toBe('Bearer')
      expect(replies[2]?.headers['www-authenticate']).toBe('Bearer error="invalid_token"')
    })

    test('Prefer: return=minimal is answered 204 with the tag', async () => {
      const { person, send, tagOf } = client
      const ada = await person()
      for (const prefer of ['return=minimal', 'respond-async, return="minimal"']) {
        const reply = await send('PATCH', '/me', {
          as: ada,
          body: { display_name: prefer },
          headers: { Prefer: prefer },
        })
        expect([reply.status, reply.text, reply.headers['preference-applied']]).toEqual([204, '', 'return=minimal'])
        expect(reply.headers.etag).toBe(await tagOf(ada))
      }
      const full = await send('PATCH', '/me', {
        as: ada,
        body: { display_name: 'x' },
        headers: { Prefer: 'return=representation' },
      })
      expect(full.status).toBe(200)
    })

    test('whom the host’s cookies authenticate must come from the same site to change something', async () => {
      const { person, send, observe } = client
      const ada = await person()
      const headers = { 'X-Host-User': ada.id }
      expect((await send('GET', '/me', { headers })).body.user_id).toBe(ada.id)
      const patch = (more: object) => () =>
        send('PATCH', '/me', { headers: { ...headers, ...more }, body: { display_name: 'from afar' } })
      for (const more of [{}, { Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }]) {
        const tried = await observe(ada.name, patch(more))
        expect(tried.reply).toEqual(problem(403, 'cross_site'))
        expect(tried).toMatchObject({
          account: {},
          audit: [{ outcome: 'denied', error: 'cross_site' }],
        })
      }
      expect((await patch({ 'Sec-Fetch-Site': 'same-origin' })()).status).toBe(200)
      expect(await send('POST', '/logout', { headers: { ...headers, 'Sec-Fetch-Site': 'same-origin' } })).toEqual(
        problem(409, 'operation_invalid'),
      )
    })

    test('a Bearer token that is not of our form is the host’s', async () => {
      const { person, send } = client
      const ada = await person()
      const headers = { 'X-Host-User': ada.id, Authorization: 'Bearer aaaa.bbbb.cccc' }
      // A script must have added it, so no site needs to be named.
      expect((await send('PATCH', '/me', { headers, body: { display_name: 'by token' } })).status).toBe(200)
      const unknown = { Authorization: 'Bearer aaaa.bbbb.cccc' }
      expect(await send('GET', '/me', { headers: unknown })).toEqual(problem(401, 'session_unknown'))
      const ours = { 'X-Host-User': ada.id, Authorization: `Bearer ${'x'.repeat(43)}` }
      expect(await send('GET', '/me', { headers: ours })).toEqual(problem(401, 'session_unknown'))
    })

    test('the application is that of the header, or the default one', async () => {
      const { person, send } = client
      const ada = await person()
      const headers = { 'X-Zato-SSO-Current-App': 'Shop' }
      expect((await send('GET', '/me', { as: ada, headers })).status).toBe(200)
      const unknown = await send('GET', '/me', { as: ada, headers: { 'X-Zato-SSO-Current-App': 'Nope' } })
      expect(unknown).toEqual(problem(403, 'app_invalid'))
    })

    test('ASVS 14.2.1 a secret in the query string is refused like any other parameter that is not there', async () => {
      const { person, send } = client
      const ada = await person()
      const reply = await send('PATCH', '/me?currentPassword=secret', { as: ada, body: { display_name: 'x' } })
      expect(reply).toEqual(problem(422, 'attribute_unknown', ['/currentPassword', 'attribute_unknown']))
      expect(reply.text).not.toContain('"secret"')
      expect(await send('GET', '/me?__proto__=1', { as: ada })).toMatchObject({ status: 422 })
    })
  })
})
