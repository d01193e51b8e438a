import { Console } from 'node:console'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jsonLinesSink, loggerSink, type SealedRecord } from '../../src/index.ts'

/** Remembers what is written to it. */
class Memory extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    done()
  }
}

const RECORD: SealedRecord = {
  id: 1,
  hash: 'aGFzaA',
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
