import { Console } from 'node:console'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import pino from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type AuditRecord, type AuditSink, jsonLinesSink, loggerSink } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, startHost, type TestHost } from '../support/host.ts'

const actor = { via: 'code', name: 'test' } as const

/** Remembers what is written to it. */
class Memory extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    done()
  }
}

const RECORD: AuditRecord = {
  cid: 'c1',
  time: '2026-01-02T03:04:05.006Z',
  operation: 'updateuser',
  outcome: 'ok',
  error: null,
  actor_id: '1',
  actor_name: 'admin',
  actor_via: 'password',
  target_id: '2',
  target_name: 'ada',
  app: 'CRM',
  remote_addr: '127.0.0.1',
  user_agent: 'x\n{"cid":"forged"}\r\n\u2028',
  dialect: 'updateuser',
  changes: [{ attribute: 'attributes.deep', from: null, to: { a: { b: { c: ['\n', '\u2029'] } } } }],
}

describe('jsonLinesSink', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sso-sinks-'))
  })
  afterAll(() => rm(directory, { recursive: true }))

  test('each record is one line of JSON that no value can break', async () => {
    const path = join(directory, 'lines.log')
    const sink = jsonLinesSink(path)
    await sink(RECORD)
    await sink({ ...RECORD, cid: 'c2' })
    const text = await readFile(path, 'utf8')
    expect(text.endsWith('\n')).toBe(true)
    const lines = text.trimEnd().split(/\r\n|\r|\n/)
    expect(lines.map((line) => JSON.parse(line))).toEqual([RECORD, { ...RECORD, cid: 'c2' }])
  })

  test('the file is for its owner alone, whatever the umask', async () => {
    const path = join(directory, 'mode.log')
    const umask = process.umask(0)
    await jsonLinesSink(path)(RECORD)
    process.umask(umask)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('a file that is there is continued', async () => {
    const path = join(directory, 'more.log')
    await jsonLinesSink(path)(RECORD)
    await jsonLinesSink(path)(RECORD)
    expect((await readFile(path, 'utf8')).trimEnd().split('\n')).toHaveLength(2)
  })

  test('a path that cannot be written is an error of the sink', async () => {
    await expect(jsonLinesSink(join(directory, 'no', 'such', 'place'))(RECORD)).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })
})

describe('loggerSink', () => {
  test('pino gets the record as an object, on one line', async () => {
    const memory = new Memory()
    await loggerSink(pino({ base: null, timestamp: false }, memory))(RECORD)
    expect(memory.text.trimEnd().split('\n')).toHaveLength(1)
    expect(JSON.parse(memory.text)).toEqual({ level: 30, audit: RECORD, msg: 'audit updateuser ok' })
  })

  test('the console gets the whole record, on one line', async () => {
    const memory = new Memory()
    await loggerSink(new Console({ stdout: memory, stderr: memory }))(RECORD)
    expect(memory.text.trimEnd().split('\n')).toHaveLength(1)
    const [, json] = /^(.*) audit updateuser ok\n$/s.exec(memory.text) ?? []
    expect(JSON.parse(json ?? 'null')).toEqual({ audit: RECORD })
  })

  test('the logger keeps its this', async () => {
    class Logger {
      readonly lines: unknown[] = []
      info(object: object, message?: string): void {
        this.lines.push([object, message])
      }
    }
    const logger = new Logger()
    await loggerSink(logger)(RECORD)
    expect(logger.lines).toEqual([[{ audit: RECORD }, 'audit updateuser ok']])
  })
})

describe.each(databases)('sinks of a host on %s', (database) => {
  let host: TestHost
  const faults: unknown[] = []
  afterEach(() => host.close())

  async function start(...sinks: AuditSink[]): Promise<string> {
    faults.length = 0
    host = await startHost(database, {
      options: {
        password: { hasher: fastHasher() },
        audit: { sinks },
        hooks: { onError: (error) => void faults.push(error) },
      },
    })
    await host.sso.flush()
    faults.length = 0
    const { user } = await host.sso.user.updateuser({ actor, uid: 'ada' })
    await host.sso.flush()
    faults.length = 0
    return user.user_id
  }
  const rename = (userId: string, display_name: string) =>
    host.sso.user.updateUserById({ actor, userId, data: { display_name } })

  test('a sink gets what is in the table, refusals too, after the commit', async () => {
    const seen: [string, string, number][] = []
    const userId = await start(async ({ cid, operation, outcome }) => {
      seen.push([operation, outcome, (await host?.audit({ cid }))?.length ?? 0])
    })
    seen.length = 0
    await rename(userId, 'x')
    await rename(userId, 'x')
    await expect(rename('nobody', 'x')).rejects.toThrow()
    await host.sso.flush()
    expect(seen).toEqual([
      ['update_user_by_id', 'ok', 1],
      ['update_user_by_id', 'unchanged', 1],
      ['update_user_by_id', 'denied', 1],
    ])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('sink broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('sink broken'))],
  ])('a sink that %s fails nothing, and others go on', async (_, broken) => {
    const seen: string[] = []
    const userId = await start(broken, ({ cid }) => void seen.push(cid))
    seen.length = 0
    const first = await rename(userId, 'one')
    const second = await rename(userId, 'two')
    await host.sso.flush()
    expect([first.changed, second.changed]).toEqual([['display_name'], ['display_name']])
    expect(seen).toHaveLength(2)
    expect(faults.map((error) => (error as Error).message)).toEqual(['sink broken', 'sink broken'])
    expect(await host.audit({ operation: 'update_user_by_id', outcome: 'ok' })).toHaveLength(2)
  })

  test('a slow sink holds up neither the update nor the other sinks, and gets every record in order', async () => {
    const slow: string[] = []
    const quick: string[] = []
    let isHeld = false
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const nameIn = ({ changes }: AuditRecord) => String(changes[0]?.to)
    const userId = await start(
      async (record) => {
        if (isHeld) await gate
        slow.push(nameIn(record))
      },
      (record) => void quick.push(nameIn(record)),
    )
    slow.length = 0
    quick.length = 0
    isHeld = true

    const names = ['one', 'two', 'three', 'four']
    for (const name of names) expect((await rename(userId, name)).changed).toEqual(['display_name'])
    let isFlushed = false
    const flushed = host.sso.flush().then(() => {
      isFlushed = true
    })
    await rename(userId, 'after the flush began')
    expect([slow, quick.slice(0, 4), isFlushed]).toEqual([[], names, false])

    release()
    await flushed
    expect(slow.slice(0, 4)).toEqual(names)
    await host.sso.flush()
    expect(slow).toEqual([...names, 'after the flush began'])
    expect(quick).toEqual(slow)
  })

  test('an update that is rolled back reaches no sink', async () => {
    const seen: string[] = []
    const userId = await start(({ outcome }) => void seen.push(outcome))
    seen.length = 0
    await host.database.db.schema.renameTable('sso_role_grant', 'sso_elsewhere')
    await expect(
      host.sso.user.updateuser({ actor, uid: 'ada', displayName: 'rolled back', roles: ['a|R'] }),
    ).rejects.toThrow()
    await host.database.db.schema.renameTable('sso_elsewhere', 'sso_role_grant')
    await host.sso.flush()
    expect(seen).toEqual(['failed'])
    expect((await host.sso.user.getUserById({ actor, userId })).display_name).toBe('')
  })

  test('without sinks there is nothing to wait for', async () => {
    await start()
    await expect(host.sso.flush()).resolves.toBeUndefined()
  })
})
