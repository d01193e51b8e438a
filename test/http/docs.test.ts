import knexFactory from 'knex'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createSso } from '../../src/index.ts'
import { databases, startHost, type TestHost } from '../support/host.ts'

const { resolve } = vi.hoisted(() => ({ resolve: { isMissing: false } }))

vi.mock('node:module', async (original) => {
  const module = await original<typeof import('node:module')>()
  return {
    ...module,
    createRequire: (from: string) => {
      const required = module.createRequire(from)
      if (!resolve.isMissing) return required
      return Object.assign((name: string) => required(name), {
        resolve: (name: string) => required.resolve(`${name}/that/is/not/installed`),
      })
    },
  }
})

describe.each(['express4', 'express5'] as const)('the page on %s', (version) => {
  let host: TestHost
  beforeAll(async () => {
    host = await startHost(databases[0]!, {
      express: version,
      users: [],
      options: { openapi: { title: 'A & <b>', paths: { rest: '/account' } } },
      before: (app, sso) => {
        app.use('/docs', sso.docs)
        app.use('/deep/:tenant/docs', sso.docs)
      },
    })
  })
  afterAll(() => host.close())

  test.each(['/docs', '/docs/', '/docs?x=1', '/deep/a/docs', '/deep/a/docs/'])('%s', async (path) => {
    const { status, headers, text } = await host.http.get(path)
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringMatching(/^default-src 'none'; script-src 'self';/),
      'cache-control': 'no-store',
    })
    expect(text).toContain('<title>A &amp; &lt;b&gt;</title>')
    expect(text).not.toMatch(/<script>|on\w+=|https?:/)

    const references = [...text.matchAll(/(?:href|src)="(.*?)"/g)].map(([, reference]) => reference!)
    expect(references).toHaveLength(4)
    const types = []
    for (const reference of references) {
      const { pathname } = new URL(reference, host.url + path)
      expect(pathname.startsWith(path.split('?')[0]!)).toBe(true)
      const asset = await host.http.get(pathname)
      expect([asset.status, asset.headers['x-content-type-options']]).toEqual([200, 'nosniff'])
      types.push(asset.headers['content-type']!.split(';')[0]!.replace('application/javascript', 'text/javascript'))
    }
    expect(types.sort()).toEqual(['image/png', 'text/css', 'text/javascript', 'text/javascript'])
  })

  test('the document is beside the page, and is that of the configured paths', async () => {
    const { body } = await host.http.get('/docs/openapi.json')
    expect(body).toEqual(JSON.parse(JSON.stringify(await host.sso.openapi())))
    expect(Object.keys(body.paths)).toContain('/account/me')
    expect((await host.http.get('/docs/start.js')).text).toContain(
      "new URL('openapi.json', document.currentScript.src)",
    )
  })

  test('nothing else of the package is served, and nothing but GET', async () => {
    for (const path of ['/docs/package.json', '/docs/index.html', '/docs/..%2fpackage.json', '/docs/swagger-ui.js']) {
      expect((await host.http.get(path)).status).toBe(404)
    }
    const post = await host.http.post('/docs/')
    expect([post.status, post.headers['allow']]).toEqual([405, 'GET'])
  })
})

test('without swagger-ui-dist, whoever wants the page is told to install it, and nobody else', async () => {
  const db = knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true })
  resolve.isMissing = true
  try {
    const sso = createSso({ db })
    expect(() => sso.docs).toThrow('npm install swagger-ui-dist')
  } finally {
    resolve.isMissing = false
    await db.destroy()
  }
})
