import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../../src/cli/apply/engine.ts'
import { remoteTarget, routerUrl } from '../../src/cli/apply/remote.ts'
import type { Target } from '../../src/cli/apply/target.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, PASSWORD, startHost, type TestHost } from '../support/host.ts'
import { codeAt, TOTP_KEY } from '../support/one-time-codes.ts'
import { type Circumstances, cli, type Ran } from './stage.ts'

const name = databases.at(-1)!
const CODE = { actor: { via: 'code', name: 'test' } } as const

describe(`apply to a router: ${name}`, () => {
  let host: TestHost
  let directory: string
  const on = (argv: readonly string[], circumstances: Circumstances = {}): Promise<Ran> =>
    cli(argv, { cwd: directory, signal: new AbortController().signal, ...circumstances })
  const remote = (file: string, ...more: string[]) => ['apply', file, '--url', `${host.url}/account`, ...more]
  const fresh = (file: string, text: string) => {
    writeFileSync(join(directory, file), text)
    return join(directory, file)
  }
  const resultsOf = (file: string): any[] =>
    readFileSync(`${file}.results.ndjson`, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const ADMIN = { env: { SSO_USER: 'admin', SSO_PASSWORD: PASSWORD } }

  beforeAll(async () => {
    host = await startHost(name, { options: { password: { hasher: fastHasher() } } })
    directory = mkdtempSync(join(tmpdir(), 'sso-remote-'))
  })
  afterAll(async () => {
    await host.close()
    rmSync(directory, { recursive: true, force: true })
  })

  test('logs in, applies, tells what the router says, and logs out', async () => {
    const sessions = await host.database.db('sso_session')
    const file = fresh(
      'a.csv',
      'username,display_name,is_locked,roles\nada,"Ada, K",,sales|R\nbob,,maybe,\nnew,New,false,\nnobody,x,,\n',
    )
    const ran = await on(remote(file, '--create'), ADMIN)
    expect(ran).toMatchObject({
      code: 4,
      stdout: `4 records: 3 done, 3 of them with changes, 1 failed.\nResults: ${file}.results.ndjson\n`,
      stderr: 'record 2: is_locked: the cell must be true or false. (input_malformed)\n',
    })
    expect(resultsOf(file).slice(1)).toMatchObject([
      { line: 1, username: 'ada', status: 'ok', changed: ['display_name', 'roles'] },
      { line: 2, status: 'error', errors: [{ code: 'input_malformed' }] },
      { line: 3, username: 'new', created: true },
      { line: 4, username: 'nobody', created: true },
      { totals: { lines: 4, ok: 3, changed: 3, errors: 1, undone: 0 } },
    ])
    expect(await host.database.db('sso_session')).toEqual(sessions)
    const [record] = await host.audit({ cid: `${resultsOf(file)[0].apply.run}-1` })
    expect(record).toMatchObject({ actor_name: 'admin', actor_via: 'ust', target_name: 'ada' })
  })

  test('many records are on their way at once, and what is told comes in their order', async () => {
    const file = fresh(
      'long.csv',
      `username\n${Array.from({ length: 2100 }, (_, index) => `nobody${index}\n`).join('')}`,
    )
    const ran = await on(remote(file), ADMIN)
    expect(ran).toMatchObject({ code: 4, stdout: expect.stringContaining('2,100 records: 0 done, 0 of them') })
    const results = resultsOf(file).slice(1, -1)
    expect(results.map(({ line, username }) => [line, username])).toEqual(
      Array.from({ length: 2100 }, (_, index) => [index + 1, `nobody${index}`]),
    )
    // Not a terminal: lines, and few of them; failures are told at the end, not all.
    const lines = ran.stderr.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^\d+%, [\d,]+ records, [\d,]+\/s, \d+ s left$/)
    expect(lines.filter((line) => line.startsWith('record '))).toHaveLength(20)
    expect(lines.at(-1)).toBe('... and 2080 more')
    expect(ran.stderr).not.toContain('\u001b')
  })

  test('more records than one request takes are several, in one session', async () => {
    const target = await remoteTarget(routerUrl(`${host.url}/account/`, false), {
      ust: null,
      username: async () => 'admin',
      password: async () => PASSWORD,
      totpCode: async () => '',
    })
    expect(target.kinds.get('is_locked')).toBe('boolean')
    const seen: number[] = []
    const counted: Target = {
      ...target,
      run(lines, options) {
        seen.push(options.firstLine)
        return target.run(lines, options)
      },
    }
    const entries = Array.from({ length: 7 }, (_, index) => ({
      line: { username: 'ada', patch: { middle_name: `M${index}` } },
      fault: null,
      bytes: index,
    }))
    const signal = new AbortController().signal
    const options = { mode: 'independent', dryRun: false, key: 'several-requests', firstLine: 1, signal } as const
    const engine = new Engine(counted, Readable.from(entries)[Symbol.asyncIterator](), options, 3)
    const results: unknown[] = []
    for await (const { result, bytes } of engine.run()) results.push([result.line, result.changed, bytes])
    await target.close()
    expect(results).toEqual(entries.map(({ bytes }) => [bytes + 1, ['middle_name'], bytes]))
    expect(seen).toEqual([1, 4, 7])
    expect(engine.counts).toEqual({ lines: 7, ok: 7, changed: 7, errors: 0, undone: 0 })
  })

  test('the password comes from standard input, or a token from the environment', async () => {
    const file = fresh('b.ndjson', '{"username":"ada","first_name":"A"}\n')
    const typed = { stdin: `${PASSWORD}\n` }
    expect((await on(remote(file, '--user', 'admin', '--password-stdin'), typed)).code).toBe(0)
    const env = { SSO_UST: await host.login('admin') }
    const shown = await on(remote(file, '--dry-run'), { env })
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('1 record: 1 would be done, 0 of them') })
    expect(await host.sso.session.verify({ ...CODE, targetUst: env.SSO_UST })).toBe(true)
  })

  test('who is not let in is told so, and nothing is left behind', async () => {
    const file = fresh('c.csv', 'username,first_name\nada,B\n')
    expect(await on(remote(file, '--user', 'admin'), { env: { SSO_PASSWORD: 'wrong' } })).toMatchObject({ code: 3 })
    expect(await on(remote(file), { env: { SSO_UST: 'none' } })).toMatchObject({ code: 3 })
    expect(await on(remote(file, '--user', 'admin'))).toMatchObject({
      code: 2,
      stderr: 'A password is needed: by --password-stdin, in SSO_PASSWORD, or typed on a terminal.\n',
    })
    expect(await on(remote(file))).toMatchObject({ code: 2, stderr: expect.stringContaining('SSO_UST') })
    expect(existsSync(`${file}.results.ndjson`)).toBe(false)

    // Who is no super-user is refused line by line.
    const own = await on(remote(file), { env: { SSO_USER: 'bob', SSO_PASSWORD: PASSWORD } })
    expect(own).toMatchObject({ code: 4, stderr: expect.stringContaining('record 1 (ada): ') })
  })

  test('where a one-time code is needed and nobody can be asked, that is said', async () => {
    const { userId } = { userId: (await host.sso.user.updateuser({ ...CODE, uid: 'bob' })).user.user_id }
    await host.sso.user.setTotpKey({ ...CODE, userId, totpKey: TOTP_KEY })
    await host.sso.user.updateUserById({
      ...CODE,
      userId,
      data: { is_totp_enabled: true },
      totpCode: codeAt(TOTP_KEY, new Date()),
    })
    const file = fresh('d.csv', 'username,first_name\nbob,B\n')
    expect(await on(remote(file), { env: { SSO_USER: 'bob', SSO_PASSWORD: PASSWORD } })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('A one-time code is needed'),
    })
  })
})

describe('a server that goes away', () => {
  let server: Server
  let directory: string
  let answer: (lines: readonly string[], res: ServerResponse) => void
  const base = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const seen: { key: unknown; url: string }[] = []

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sso-remote-'))
    server = createServer((req, res) => {
      if (req.url === '/me/schema') return res.end('{"properties":{"first_name":{"type":"string"}}}')
      seen.push({ key: req.headers['idempotency-key'], url: req.url ?? '' })
      let text = ''
      req.on('data', (chunk) => {
        text += chunk
        answer(text.split('\n').slice(0, -1), res)
      })
      req.on('error', () => {})
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => {
    server.close()
    rmSync(directory, { recursive: true, force: true })
  })

  test('stops the run, which goes on where the results end, under the same key', async () => {
    const file = join(directory, 'users.csv')
    writeFileSync(file, 'username,first_name\na,A\nb,B\nc,C\n')
    const argv = ['apply', file, '--url', base()]
    const around = { cwd: directory, env: { SSO_UST: 'token' }, signal: new AbortController().signal }
    const result = (line: number) =>
      `${JSON.stringify({ line, id: String(line), username: null, status: 'ok', changed: [] })}\n`
    // Nobody knows whether what was sent has been done.
    answer = (_lines, res) => res.socket?.destroy()
    const unanswered = await cli(argv, around)
    expect(unanswered).toMatchObject({ code: 5, stdout: expect.stringContaining('0 records: 0 done') })

    let isCut = false
    answer = (_lines, res) => {
      if (isCut) return
      isCut = true
      res.writeHead(200)
      res.write(`${result(1)}{"line":2,"id"`, () => setTimeout(() => res.socket?.destroy(), 50))
    }
    const stopped = await cli([...argv, '--resume'], around)
    expect(stopped).toMatchObject({ code: 5, stdout: expect.stringContaining('with --resume') })
    expect(stopped.stdout).toContain('1 record: 1 done')

    answer = (lines, res) => {
      if (lines.length < 2) return
      res.end(`${result(2)}${result(3)}{"totals":{"lines":2,"ok":2,"changed":0,"errors":0,"undone":0},"status":"ok"}\n`)
    }
    expect(await cli([...argv, '--resume'], around)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('3 records: 3 done'),
    })
    expect(seen.map(({ url }) => new URL(url, base()).searchParams.get('firstLine'))).toEqual(['1', '1', '2'])
    expect(new Set(seen.map(({ key }) => key)).size).toBe(1)
    const results = readFileSync(`${file}.results.ndjson`, 'utf8').trimEnd().split('\n').slice(1)
    expect(results.map((line) => JSON.parse(line).line)).toEqual([1, 2, 3, undefined])
  })

  test('before anything was sent is a failure', async () => {
    const file = join(directory, 'others.csv')
    writeFileSync(file, 'username\na\n')
    const around = { cwd: directory, env: { SSO_UST: 'token' }, signal: new AbortController().signal }
    const ran = await cli(['apply', file, '--url', 'http://127.0.0.1:1'], around)
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('The router does not answer') })
    expect(existsSync(`${file}.results.ndjson`)).toBe(false)
  })
})

describe('the URL of a router', () => {
  test('may be http on this machine alone, unless that is asked for', () => {
    for (const url of ['http://localhost:3000/x/', 'http://127.0.0.2/x', 'http://[::1]/x', 'https://example.com/x']) {
      expect(routerUrl(url, false).pathname).toBe('/x')
    }
    for (const url of ['http://example.com/', 'http://127.example.com/', 'http://10.0.0.1/', 'http://localhost.x/']) {
      expect(() => routerUrl(url, false)).toThrow('use https, or --insecure')
      expect(routerUrl(url, true).protocol).toBe('http:')
    }
    for (const url of ['users.csv', 'ftp://x/', 'https://a:b@example.com/'])
      expect(() => routerUrl(url, true)).toThrow()
  })
})
