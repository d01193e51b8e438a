import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditRecord } from '../../../src/index.ts'
import { contentsOf } from '../../support/contents.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { ARRANGEMENTS, databases, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, done, FORMS, refusal, send } from './wire.ts'

const CANARY = 'canary mail password'
const actor = { via: 'code', name: 'test' } as const

describe.each(databases)('attributes of updateuser on %s', (database) => {
  describe.each(ARRANGEMENTS)('with the %s', (arrangement) => {
    let host: TestHost
    const records: AuditRecord[] = []
    const logged: string[] = []

    beforeAll(async () => {
      host = await startHost(database, {
        arrangement,
        options: {
          password: { hasher: fastHasher() },
          updateuser: { attributes: { vorname: 'first_name', login: 'username' } },
          audit: { sinks: [(record) => void records.push(record)] },
          logger: { warn: (text) => void logged.push(text), error: (text) => void logged.push(text) },
        },
      })
    })
    afterAll(() => host.close())

    const details = async () => {
      const { user } = await host.sso.user.updateuser({ actor, uid: 'ada' })
      return host.sso.user.getUserDetails({ actor, userId: user.user_id })
    }
    const set = (attributes: unknown, form: (typeof FORMS)[number] = 'POST form') =>
      send(host, form, { ...ADMIN, uid: 'ada', attributes })
    const changes = async (cid: string) => (await host.audit({ cid })).flatMap(({ changes }) => changes)

    test("the page's own names are tied to ours, and a host's come beside them", async () => {
      const reply = await set({ digdashMail: 'toto@digdash.com', mustChangePassword: 'true', vorname: 'Ada' })
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'email', 'password_must_change', 'first_name')])
      expect((await details()).user).toMatchObject({
        email: 'toto@digdash.com',
        password_must_change: true,
        first_name: 'Ada',
      })
      expect((await details()).attributes).toEqual({})
    })

    test.each([
      [true, true],
      [false, false],
      ['true', true],
      ['false', false],
    ])('mustChangePassword is taken as %j', async (written, stored) => {
      for (const form of FORMS) expect((await set({ mustChangePassword: written }, form)).status).toBe(200)
      expect((await details()).user.password_must_change).toBe(stored)
    })

    test.each(['yes', '', 'TRUE', 1, 0, null, [], {}])('and not as %j', async (written) => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const reply = await set({ mustChangePassword: written }, form)
        expect([reply.status, reply.body]).toEqual([
          400,
          refusal('ada', {
            parameter: 'attributes',
            pointer: '/attributes/mustChangePassword',
            code: 'input_invalid',
          }),
        ])
      }
      expect(await contentsOf(host)).toEqual(before)
    })

    test('null clears an attribute that may be null, and an absent one is not touched', async () => {
      await set({ digdashMail: 'a@example.org', vorname: 'Ada' })
      expect((await set({ digdashMail: null })).body).toEqual(done('ada', 'email'))
      expect((await details()).user).toMatchObject({ email: null, first_name: 'Ada' })
    })

    test.each([
      ['text', 'x'],
      ['empty text', ''],
      ['text that looks like JSON', '{"a":1}'],
      ['any Unicode', 'é e\u0301 🌞 \u2028 "\\'],
      ['an integer', 12],
      ['a fraction', -1.5e-7],
      ['true', true],
      ['false', false],
      ['an object', { a: { b: [1, 'two', null, true] }, '': 0 }],
      ['a list', [1, [2, []]]],
      ['10,000 characters less the quotes', 'x'.repeat(9998)],
    ])('a custom attribute is stored as given: %s', async (_, value) => {
      await set({ custom: null })
      const reply = await set({ custom: value }, 'POST JSON')
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'attributes.custom')])
      expect((await details()).attributes['custom']).toEqual(value)
      expect(await changes(reply.body.cid)).toEqual([{ attribute: 'attributes.custom', from: null, to: value }])

      const again = await set({ custom: value }, 'POST JSON')
      expect([again.status, again.body]).toEqual([200, done('ada')])
    })

    test('null removes one, and others stay', async () => {
      await set({ one: 1, two: 2 })
      const reply = await set({ one: null, never: null })
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'attributes.one')])
      expect((await details()).attributes).toMatchObject({ two: 2 })
      expect((await details()).attributes).not.toHaveProperty('one')
      expect(await changes(reply.body.cid)).toEqual([{ attribute: 'attributes.one', from: 1, to: null }])
    })

    test('digdashMailPassword is encrypted at rest, and nowhere else in clear', async () => {
      await host.sso.flush()
      records.length = 0
      const sent = []
      for (const form of FORMS) {
        const reply = await set({ digdashMailPassword: `${CANARY} ${form}`, plain: form }, form)
        expect([reply.status, reply.body]).toEqual([
          200,
          done('ada', 'attributes.digdashMailPassword', 'attributes.plain'),
        ])
        sent.push(reply.text)
        expect(await changes(reply.body.cid)).toEqual(
          [
            {
              attribute: 'attributes.digdashMailPassword',
              from: form === 'GET' ? null : '[redacted]',
              to: '[redacted]',
            },
            { attribute: 'attributes.plain', from: expect.anything(), to: form },
          ].map((change) =>
            form === 'GET' && change.attribute.endsWith('plain') ? { ...change, from: null } : change,
          ),
        )
      }
      const stored = await host.database.db('sso_attribute').where({ name: 'digdashMailPassword' })
      expect(stored).toHaveLength(1)
      expect(stored[0].value).toMatch(/^v1\./)

      const details_ = await details()
      await host.sso.flush()
      expect(details_.attributes).not.toHaveProperty('digdashMailPassword')
      const everywhere = JSON.stringify([
        sent,
        records,
        logged,
        details_,
        await contentsOf(host),
        await host.database.db('sso_audit'),
      ])
      expect(records).toHaveLength(4)
      expect(everywhere).not.toContain(CANARY)

      const same = await set({ digdashMailPassword: `${CANARY} POST JSON` })
      expect([same.status, same.body]).toEqual([200, done('ada')])
      const refused = await set({ digdashMailPassword: CANARY, '': CANARY })
      expect(refused.status).toBe(400)
      expect(refused.text).not.toContain(CANARY)
      expect(JSON.stringify(await host.database.db('sso_audit'))).not.toContain(CANARY)
    })

    test.each(['__proto__', 'constructor', 'prototype'])('%s is no name, at any depth', async (name) => {
      const before = await contentsOf(host)
      for (const text of [`{"${name}":1}`, `{"deep":{"a":[{"${name}":{"x":1}}]}}`]) {
        for (const form of ['GET', 'POST form'] as const) {
          const reply = await set(text, form)
          const at = text.startsWith('{"deep"') ? 'deep' : name
          expect([reply.status, reply.body]).toEqual([
            400,
            refusal('ada', { parameter: 'attributes', pointer: `/attributes/${at}`, code: 'input_invalid' }),
          ])
        }
        const body = `{"user":"admin","pass":"${PASSWORD}","uid":"ada","attributes":${text}}`
        const reply = await host.http.post('/ddenterpriseapi/updateuser').type('json').send(body)
        expect(reply.status).toBe(400)
      }
      expect(await contentsOf(host)).toEqual(before)
      expect(({} as any).x).toBeUndefined()
    })

    test.each([
      ['empty', ''],
      ['192 characters', 'x'.repeat(192)],
      ['a NUL', 'a\u0000b'],
      ['a line break', 'a\nb'],
      ['a space at its end', 'a '],
    ])('a name cannot be %s', async (_, name) => {
      const before = await contentsOf(host)
      for (const form of FORMS) {
        const reply = await set({ [name]: 1 }, form)
        expect([reply.status, reply.body]).toEqual([
          400,
          refusal('ada', { parameter: 'attributes', pointer: `/attributes/${name}`, code: 'input_invalid' }),
        ])
      }
      expect(await contentsOf(host)).toEqual(before)
    })

    test('names differ by case and by Unicode form', async () => {
      const attributes = { Lang: 1, lang: 2, é: 3, 'e\u0301': 4 }
      await set(attributes, 'POST JSON')
      expect((await details()).attributes).toMatchObject(attributes)
    })

    test('two names for one attribute are one too many', async () => {
      const twice = await send(host, 'POST form', {
        ...ADMIN,
        uid: 'ada',
        attributes: { vorname: 'a', first_name: 'custom' },
      })
      expect([twice.status, twice.body.changed]).toEqual([200, ['first_name', 'attributes.first_name']])

      const other = await startHost(database, {
        options: {
          password: { hasher: fastHasher() },
          updateuser: { attributes: { name: 'display_name', mail: 'email' } },
        },
      })
      const before = await contentsOf(other)
      const reply = await send(other, 'POST form', {
        ...ADMIN,
        uid: 'ada',
        displayName: 'a',
        attributes: { name: 'b', digdashMail: 'a@example.org', mail: 'b@example.org' },
      })
      expect([reply.status, reply.body]).toEqual([
        400,
        refusal(
          'ada',
          { parameter: 'attributes', pointer: '/attributes/name', code: 'input_invalid' },
          { parameter: 'attributes', pointer: '/attributes/mail', code: 'input_invalid' },
        ),
      ])
      expect(await contentsOf(other)).toEqual(before)
      await other.close()
    })
  })

  test('names may be limited, and which are secret is for the host to say', async () => {
    const host = await startHost(database, {
      options: {
        password: { hasher: fastHasher() },
        customAttributes: { allowed: ['langChoice', 'pin'], secret: ['pin'] },
      },
    })
    const good = await send(host, 'POST form', { ...ADMIN, uid: 'ada', attributes: { langChoice: 1, pin: CANARY } })
    expect([good.status, good.body]).toEqual([200, done('ada', 'attributes.langChoice', 'attributes.pin')])
    expect(JSON.stringify([await contentsOf(host), await host.audit()])).not.toContain(CANARY)

    const bad = await send(host, 'POST form', { ...ADMIN, uid: 'ada', attributes: { locale: 'fr', timeZone: 1 } })
    expect([bad.status, bad.body]).toEqual([
      400,
      refusal(
        'ada',
        { parameter: 'attributes', pointer: '/attributes/locale', code: 'input_invalid' },
        { parameter: 'attributes', pointer: '/attributes/timeZone', code: 'input_invalid' },
      ),
    ])
    await host.close()
  })

  test('without a key a secret is refused rather than stored in clear', async () => {
    const host = await startHost(database, { options: { encryptionKeys: [], password: { hasher: fastHasher() } } })
    const before = await contentsOf(host)
    const reply = await send(host, 'POST form', { ...ADMIN, uid: 'ada', attributes: { digdashMailPassword: CANARY } })
    expect([reply.status, reply.body]).toEqual([
      400,
      refusal('ada', {
        parameter: 'attributes',
        pointer: '/attributes/digdashMailPassword',
        code: 'encryption_key_missing',
      }),
    ])
    expect(await contentsOf(host)).toEqual(before)
    const removal = await send(host, 'POST form', { ...ADMIN, uid: 'ada', attributes: { digdashMailPassword: null } })
    expect([removal.status, removal.body]).toEqual([200, done('ada')])
    await host.close()
  })
})
