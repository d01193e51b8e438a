import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { contentsOf } from '../../support/contents.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import { databases, EXPRESS, startHost, type TestHost } from '../../support/host.ts'
import { ADMIN, done, encoded, PATH, refusal, send } from './wire.ts'

const CHANGE = { ...ADMIN, uid: 'ada', displayName: 'changed' }
const NOT_ALLOWED = refusal(null, { parameter: null, pointer: '', code: 'method_not_allowed' })

describe.each(databases)('methods of updateuser on %s', (database) => {
  describe.each(Object.keys(EXPRESS) as (keyof typeof EXPRESS)[])('under %s', (version) => {
    let host: TestHost
    let postOnly: TestHost
    const warnings: string[] = []

    beforeAll(async () => {
      const logger = { warn: (text: string) => void warnings.push(text), error: () => {} }
      host = await startHost(database, { express: version, options: { logger, password: { hasher: fastHasher() } } })
      postOnly = await startHost(database, {
        express: version,
        options: { updateuser: { methods: ['POST'] }, password: { hasher: fastHasher() } },
      })
    })
    afterAll(async () => {
      await host.close()
      await postOnly.close()
    })

    test.each(['put', 'patch', 'delete'] as const)(
      'ASVS 4.1.4 %s changes nothing, however it is worded',
      async (method) => {
        const before = await contentsOf(host)
        for (const reply of [
          await host.http[method](`${PATH}?${encoded(CHANGE)}`),
          await host.http[method](PATH).type('form').send(encoded(CHANGE)),
          await host.http[method](PATH).send(CHANGE),
        ]) {
          expect([reply.status, reply.body]).toEqual([405, NOT_ALLOWED])
          expect(reply.headers['allow']).toBe('GET, POST')
        }
        expect(await contentsOf(host)).toEqual(before)
        expect(await host.audit({ operation: 'updateuser' })).toEqual([])
      },
    )

    test('HEAD changes nothing, although GET would', async () => {
      const before = await contentsOf(host)
      const reply = await host.http.head(`${PATH}?${encoded(CHANGE)}`)
      expect([reply.status, reply.text, reply.headers['allow']]).toEqual([405, undefined, 'GET, POST'])
      expect(await contentsOf(host)).toEqual(before)
      expect(await host.audit({ operation: 'updateuser' })).toEqual([])
    })

    test('ASVS 4.1.4 OPTIONS says what there is', async () => {
      const reply = await host.http.options(PATH)
      expect([reply.status, reply.text, reply.headers['allow']]).toEqual([204, '', 'GET, POST'])
    })

    test("methods: ['POST'] leaves only that", async () => {
      const before = await contentsOf(postOnly)
      const get = await send(postOnly, 'GET', CHANGE)
      expect([get.status, get.body, get.headers['allow']]).toEqual([405, NOT_ALLOWED, 'POST'])
      expect(get.headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
      expect((await postOnly.http.head(`${PATH}?${encoded(CHANGE)}`)).status).toBe(405)
      expect(await contentsOf(postOnly)).toEqual(before)

      const post = await send(postOnly, 'POST form', CHANGE)
      expect([post.status, post.body]).toEqual([200, done('ada', 'display_name')])
    })

    test('the log says once that a GET carries passwords, and says it of no POST', async () => {
      warnings.length = 0
      await send(host, 'POST form', { ...ADMIN, uid: 'ada' })
      expect(warnings).toEqual([])
      await send(host, 'GET', { ...ADMIN, uid: 'ada' })
      await send(host, 'GET', { ...ADMIN, uid: 'ada' })
      expect(warnings).toEqual([
        'updateuser: a GET carries passwords in its URL, which proxies and browsers keep; POST does not',
      ])
    })
  })
})
