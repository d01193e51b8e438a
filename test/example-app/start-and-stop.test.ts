import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openDatabase } from '../../example-app/database.ts'
import { readSettings, StartRefused } from '../../example-app/settings.ts'
import { createExample, type Example, logIn, runApp, send } from './example.ts'

describe('the start and the end of the example app', () => {
  let example: Example

  beforeEach(async () => {
    example = await createExample('sqlite')
  })
  afterEach(() => example.drop())

  test('ASVS 6.3.2 it refuses HOST=0.0.0.0 with demo accounts, and says what to do', async () => {
    const exit = await runApp({ HOST: '0.0.0.0', EXAMPLE_DATA_DIR: example.dataDirectory })

    expect(exit).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr:
        'HOST=0.0.0.0 can be reached from other machines, and the demo accounts have well-known passwords (admin/admin).\n' +
        'Either leave HOST unset, or set DEMO_ACCOUNTS=no to start without them.\n',
    })
    expect(readdirSync(example.dataDirectory)).toEqual([])
  })

  test('ASVS 6.3.2 it refuses other hosts while demo accounts are left in the database', async () => {
    const app = await example.start()
    await app.end('SIGTERM')

    const environment = { HOST: '0.0.0.0', DEMO_ACCOUNTS: 'no', EXAMPLE_DATA_DIR: example.dataDirectory }
    expect(await runApp(environment)).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr:
        'HOST=0.0.0.0 can be reached from other machines, and this database has demo accounts in it: admin, myuser, thename.\n' +
        'Set EXAMPLE_DATA_DIR or DATABASE_URL to an empty database, or delete these accounts.\n',
    })
  })

  test('without demo accounts it makes one super-user, whose password must be changed and is not a short one', async () => {
    const app = await example.start({ HOST: '0.0.0.0', DEMO_ACCOUNTS: 'no' })
    const base = app.base.replace('0.0.0.0', '127.0.0.1')
    const password = /password (\S+),/.exec(app.output)?.[1] as string
    const login = (body: object) => send(base, 'POST', '/zato/sso/user/login', { current_app: 'CRM', ...body })
    const admin = { username: 'admin', password }

    expect(await example.db('members').pluck('login')).toEqual(['admin'])
    expect((await login(admin)).body.sub_status).toEqual(['E003007'])
    expect((await login({ ...admin, new_password: 'admin' })).body.sub_status).toEqual(['E003002'])
    expect((await login({ ...admin, new_password: 'a longer one' })).body.status).toBe('ok')
    expect(await logIn(base, 'admin', 'a longer one')).toEqual(expect.any(String))
    expect(app.output).not.toContain('curl')
  })

  test('a second start keeps what the first one left', async () => {
    const first = await example.start()
    const ust = await logIn(first.base, 'thename')
    await send(first.base, 'PATCH', '/zato/sso/user', { ust, current_app: 'CRM', display_name: 'Kept' })
    await send(first.base, 'GET', '/ddenterpriseapi/updateuser?user=admin&pass=admin&uid=thename&password=mdp')
    const key = readFileSync(join(example.dataDirectory, 'encryption.key'), 'utf8')
    await first.end('SIGTERM')
    const [member, audit] = [await example.member('thename'), await example.audit()]

    await example.start()

    expect(await example.member('thename')).toEqual(member)
    expect(await example.audit()).toEqual(audit)
    expect(readFileSync(join(example.dataDirectory, 'encryption.key'), 'utf8')).toBe(key)
    expect(Buffer.from(key, 'base64')).toHaveLength(32)
  })

  test('its files are its owner’s alone, and git ignores them', async () => {
    await example.start()
    // The trail is delivered when there is time for it.
    const files = await vi.waitFor(() => {
      const found = readdirSync(example.dataDirectory)
      expect(found).toEqual(expect.arrayContaining(['audit.jsonl', 'encryption.key', 'members.sqlite']))
      return found
    }, 20_000)
    for (const file of files) {
      expect([file, statSync(join(example.dataDirectory, file)).mode & 0o077]).toEqual([file, 0])
      // Fails unless the path is ignored.
      execFileSync('git', ['check-ignore', '-q', `example-app/${file}`], { cwd: join(import.meta.dirname, '../..') })
    }
  })

  test('what was answered is on the disk before the answer: SQLite’s log is written through', async () => {
    await example.start()
    expect(await example.db.raw('pragma journal_mode')).toEqual([{ journal_mode: 'wal' }])
    expect(await example.db.raw('pragma synchronous')).toEqual([{ synchronous: 2 }])
  })

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s lets it answer what it was asked and ends it with success',
    async (signal) => {
      const app = await example.start()
      const ust = await logIn(app.base, 'thename')
      const values = Array.from({ length: 20 }, (_, number) => `Name ${number}`)
      const answers = values.map((display_name) =>
        send(app.base, 'PATCH', '/zato/sso/user', { ust, current_app: 'CRM', display_name }),
      )
      // Connections that are open are answered; the others are turned away.
      await Promise.any(answers)
      const exit = await app.end(signal)

      const settled = await Promise.allSettled(answers)
      const done = settled.filter((answer) => answer.status === 'fulfilled' && answer.value.body.status === 'ok')
      expect(done.length).toBeGreaterThan(0)
      expect(exit).toEqual(expect.objectContaining({ code: 0, signal: null, stderr: '' }))
      expect(await example.audit({ operation: 'update_current_user', outcome: 'ok' })).toHaveLength(done.length)
    },
  )

  test('a port that is taken is said in one line', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    const exit = await runApp({ PORT: String(port), EXAMPLE_DATA_DIR: example.dataDirectory })
    other.close()
    expect(exit).toEqual({
      code: 1,
      signal: null,
      stdout: '',
      stderr: `Port ${port} of 127.0.0.1 is taken. Set PORT to another.\n`,
    })
  })
})

describe('the settings of the example app', () => {
  const EXAMPLE_DATA_DIR = tmpdir()

  test.each(['', '127.0.0.1', 'localhost', '127.0.0.2', '::1'])('HOST=%j reaches only this machine', async (HOST) => {
    expect(await readSettings({ HOST, EXAMPLE_DATA_DIR })).toEqual({
      host: HOST || '127.0.0.1',
      port: 3000,
      databaseUrl: null,
      dataDirectory: EXAMPLE_DATA_DIR,
      hasDemoAccounts: true,
      isLoopback: true,
    })
  })

  test.each(['0.0.0.0', '::', '10.1.2.3', '::ffff:10.1.2.3'])(
    'ASVS 6.3.2 HOST=%s takes no demo accounts',
    async (HOST) => {
      await expect(readSettings({ HOST, EXAMPLE_DATA_DIR })).rejects.toThrow(StartRefused)
      const settings = await readSettings({ HOST, EXAMPLE_DATA_DIR, DEMO_ACCOUNTS: 'no' })
      expect([settings.hasDemoAccounts, settings.isLoopback]).toEqual([false, false])
    },
  )

  test.each(['80a', '65536', '-1', '1e3', ' 80'])('PORT=%j is refused with what a port is', async (PORT) => {
    const message = `PORT=${PORT} is not a port: it must be a number from 0 to 65535 (0 takes any free one).`
    await expect(readSettings({ PORT, EXAMPLE_DATA_DIR })).rejects.toThrow(new StartRefused(message))
  })

  test('DATABASE_URL of an unknown kind is refused, and not repeated: it may hold a password', async () => {
    const settings = await readSettings({ DATABASE_URL: 'oracle://scott:tiger@localhost', EXAMPLE_DATA_DIR })
    const message = 'DATABASE_URL must begin with mysql: or postgres:. Leave it unset for SQLite.'
    expect(() => openDatabase(settings)).toThrow(new StartRefused(message))
  })
})
