import type { ErrorRequestHandler, Express, RequestHandler } from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fastHasher } from '../../support/fast-hasher.ts'
import { EXPRESS, PASSWORD, startHost, type TestHost } from '../../support/host.ts'
import { done, PATH } from './wire.ts'

const CANARY = 'canary-in-the-url'
const QUERY = `user=admin&pass=${encodeURIComponent(PASSWORD)}&uid=ada&password=${CANARY}&attributes={"x":"${CANARY}"}&`

/** Everything of a request that a logger, an error handler or a route could write down. */
function seenIn(req: Parameters<RequestHandler>[0]): string {
  // Before the getters, which parse the URL anew.
  const parsed = ['_parsedUrl', '_parsedOriginalUrl'].map((name) => JSON.stringify((req as any)[name] ?? null))
  const { url, originalUrl, query, params, baseUrl, path, body } = req
  return decodeURIComponent(JSON.stringify({ parsed, url, originalUrl, query, params, baseUrl, path, body }))
}

describe.each(Object.keys(EXPRESS) as (keyof typeof EXPRESS)[])(
  'ASVS 14.2.1 secrets in the URL of a GET under %s',
  (version) => {
    let host: TestHost
    const seen: { finished: string[]; missed: string[]; failed: string[] } = { finished: [], missed: [], failed: [] }

    beforeAll(async () => {
      host = await startHost('sqlite', {
        express: version,
        options: { password: { hasher: fastHasher() } },
        before: (app: Express) => {
          // As a logger would: the URL is looked at when the reply has gone.
          app.use((req, res, next) => {
            res.on('finish', () => seen.finished.push(seenIn(req)))
            next()
          })
        },
      })
      const atFailure: RequestHandler = () => {
        throw new Error('the next route fails')
      }
      const onError: ErrorRequestHandler = (_error, req, res, _next) => {
        seen.failed.push(seenIn(req))
        res.status(500).send('failed')
      }
      host.app.use('/ddenterpriseapi/updateuser/failing', atFailure)
      host.app.use((req, res) => {
        seen.missed.push(seenIn(req))
        res.status(404).json({ url: req.url, originalUrl: req.originalUrl, query: req.query })
      })
      host.app.use(onError)
    })
    afterAll(() => host.close())

    const expectClean = (texts: string[]) => {
      expect(texts.length).toBeGreaterThan(0)
      for (const text of texts.splice(0)) {
        expect(text).not.toContain(CANARY)
        expect(text).not.toContain(PASSWORD)
        expect(text).toContain('uid=ada')
      }
    }

    test('a logger that looks when the reply has gone sees none', async () => {
      const reply = await host.http.get(`${PATH}?${QUERY}`)
      expect([reply.status, reply.body]).toEqual([200, done('ada', 'password', 'attributes.x')])
      expect(reply.headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
      expectClean(seen.finished)
    })

    test.each([
      ['wrong credentials', QUERY.replace('user=admin', 'user=nobody'), 401],
      ['an unknown parameter', `${QUERY}nonsense=1`, 400],
      ['a misspelt secret', `${QUERY}passwrd=${CANARY}&Password=${CANARY}&pass[]=${CANARY}`, 400],
      ['a repeated secret', `${QUERY}password=${CANARY}`, 400],
      ['an encoded name', QUERY.replace('password=', 'p%61ssword='), 200],
    ])('neither does it after %s', async (_, query, status) => {
      const reply = await host.http.get(`${PATH}?${query}`)
      expect(reply.status).toBe(status)
      expect(reply.headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
      expectClean(seen.finished)
    })

    test.each([
      ['put', 405],
      ['delete', 405],
      ['options', 204],
      ['head', 405],
      ['post', 400],
    ] as const)('nor after %s with a query', async (method, status) => {
      const reply = await host.http[method](`${PATH}?${QUERY}`)
      expect(reply.status).toBe(status)
      expect(reply.headers).toMatchObject({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
      expectClean(seen.finished)
    })

    test.each(['/other', '/', '/batch/x', 's', '2'])(
      'the next route of the host, at updateuser%s, sees none',
      async (end) => {
        const reply = await host.http.get(`${PATH}${end === '/' ? '/more/' : end}?${QUERY}`)
        expect(reply.status).toBe(404)
        expectClean(seen.missed)
        expectClean(seen.finished)
      },
    )

    test('nor at a path of another case', async () => {
      const reply = await host.http.get(`/ddenterpriseapi/UpdateUser?${QUERY}`)
      expect(reply.status).toBe(404)
      expectClean(seen.missed)
      expectClean(seen.finished)
    })

    test('nor does an error handler', async () => {
      const reply = await host.http.get(`${PATH}/failing?${QUERY}`)
      expect(reply.status).toBe(500)
      expectClean(seen.failed)
      expectClean(seen.finished)
    })

    test("what is not secret is left as it was, and the host's other routes lose nothing", async () => {
      const ours = await host.http.get(`${PATH}/x?a=1+2%20&b[c]=%C3%A9&d=1&d=2&pass=x`)
      expect(ours.body.originalUrl).toBe(`${PATH}/x?a=1+2%20&b[c]=%C3%A9&d=1&d=2`)
      expect(ours.body.query).toMatchObject({ a: '1 2 ', d: ['1', '2'] })

      const other = await host.http.get('/ddenterpriseapi/products?attributes=colour&password=x&tag[]=a')
      expect(other.body.originalUrl).toBe('/ddenterpriseapi/products?attributes=colour&password=x&tag[]=a')
      expect(other.body.query).toMatchObject({ attributes: 'colour', password: 'x' })
      expect(other.headers).not.toHaveProperty('referrer-policy')
      seen.missed.length = 0
      seen.finished.length = 0
    })

    test('a body is not left on the request, either', async () => {
      const reply = await host.http.post(PATH).type('form').send(QUERY)
      expect(reply.status).toBe(200)
      const [text] = seen.finished.splice(0)
      expect(text).not.toContain(CANARY)
      expect(text).not.toContain(PASSWORD)
    })
  },
)
