import { existsSync, statSync } from 'node:fs'
import { appendFile, mkdir, mkdtemp, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { jsonLinesSink } from '../../src/audit/json-lines.ts'
import { type JsonLinesProcess, limitFileSize, linesOf, startJsonLines } from '../support/json-lines-process.ts'
import { sealedRecord, sealedRecords, UNHURRIED } from '../support/sealed-records.ts'

let directory: string
let files = 0
const newPath = () => join(directory, `audit-${++files}.jsonl`)
const idsIn = (path: string) => linesOf(path).map(({ id }) => id)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sso-json-lines-'))
})
afterAll(() => rm(directory, { recursive: true }))

function sinkAt(path: string) {
  const sink = jsonLinesSink(path)
  onTestFinished(() => sink.close?.())
  return { ...sink, take: (...ids: number[]) => sink.deliver(sealedRecords(...ids), UNHURRIED) }
}

async function processAt(path: string, options = {}): Promise<JsonLinesProcess> {
  const started = await startJsonLines(path, options)
  onTestFinished(() => void started.child.kill('SIGKILL'))
  return started
}

describe('lines', () => {
  test('ASVS 16.4.1 each record is one line of JSON that no value can break', async () => {
    const path = newPath()
    const breaks = '\n{"id":9}\r\n\u000b\u000c\u0085\u2028\u2029\u001b[2J\u009b2J\u007f'
    const record = sealedRecord(1, {
      user_agent: breaks,
      changes: [{ attribute: 'attributes.deep', from: null, to: { [breaks]: [breaks] } }],
    })
    const sink = sinkAt(path)
    await sink.deliver([record, sealedRecord(2)], UNHURRIED)
    await sink.take(3)
    expect(linesOf(path)).toEqual([record, sealedRecord(2), sealedRecord(3)])
    expect((await readFile(path, 'utf8')).replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028\u2029]/u)
  })

  test.each([0o000, 0o022, 0o077])('the file is for its owner alone, with umask %o', async (mask) => {
    const path = newPath()
    const former = process.umask(mask)
    await sinkAt(path)
      .take(1)
      ?.finally(() => process.umask(former))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('a file that is there is continued, and keeps its mode', async () => {
    const path = newPath()
    await writeFile(path, '{"id":0}\n', { mode: 0o640 })
    await sinkAt(path).take(1)
    await sinkAt(path).take(2)
    expect(idsIn(path)).toEqual([0, 1, 2])
    expect((await stat(path)).mode & 0o777).toBe(0o640)
  })

  test('deliveries that overlap are written one after the other', async () => {
    const path = newPath()
    const sink = sinkAt(path)
    await Promise.all([sink.take(1, 2), sink.take(3), sink.take(4, 5)])
    expect(idsIn(path)).toEqual([1, 2, 3, 4, 5])
  })

  test('a delivery whose time is over before its turn writes nothing', async () => {
    const path = newPath()
    const sink = sinkAt(path)
    const over = new AbortController()
    const [first, late] = [sink.take(1), sink.deliver(sealedRecords(2), over.signal)]
    over.abort(new Error('time is over'))
    await expect(late).rejects.toThrow('time is over')
    await first
    await sink.take(2)
    expect(idsIn(path)).toEqual([1, 2])
  })

  test('a path that cannot be written fails the delivery, and is tried again with the next', async () => {
    const path = join(directory, 'later', 'audit.jsonl')
    const sink = sinkAt(path)
    await expect(sink.take(1)).rejects.toMatchObject({ code: 'ENOENT' })
    await mkdir(join(directory, 'later'))
    await sink.take(1)
    expect(idsIn(path)).toEqual([1])
  })

  test('what can be written to but not mended is written to', async () => {
    await expect(sinkAt('/dev/null').take(1)).resolves.toBeUndefined()
    await expect(sinkAt('/dev/full').take(1)).rejects.toMatchObject({ code: 'ENOSPC' })
  })
})

describe('its name, its options', () => {
  test('are the path unless there is another name', () => {
    expect(jsonLinesSink('logs/audit.jsonl').name).toBe('json-lines:logs/audit.jsonl')
    expect(jsonLinesSink('logs/audit.jsonl', { name: 'lines' })).toMatchObject({ name: 'lines', batchSize: 500 })
  })

  test('a misspelt option is an error', () => {
    const misspelt = { reopenon: null } as object
    expect(() => jsonLinesSink('x', misspelt)).toThrow(
      expect.objectContaining({
        code: 'option_invalid',
        message: 'jsonLinesSink: reopenon is not an option. Did you mean reopenOn?',
      }),
    )
  })
})

describe('rotation', () => {
  test('a file that has been moved away is left alone, without any signal', async () => {
    const path = newPath()
    const sink = sinkAt(path)
    await sink.take(1)
    await rename(path, `${path}.1`)
    await sink.take(2)
    await sink.take(3)
    expect([idsIn(`${path}.1`), idsIn(path)]).toEqual([[1], [2, 3]])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  test('a file that has been put in its place is continued', async () => {
    const path = newPath()
    const sink = sinkAt(path)
    await sink.take(1)
    await writeFile(`${path}.new`, '{"id":0}\n')
    await rename(`${path}.new`, path)
    await sink.take(2)
    expect(idsIn(path)).toEqual([0, 2])
  })

  test('a file that has been deleted is made anew', async () => {
    const path = newPath()
    const sink = sinkAt(path)
    await sink.take(1)
    await rm(path)
    await sink.take(2)
    expect(idsIn(path)).toEqual([2])
  })

  test('a file that has been emptied in its place is begun anew', async () => {
    const path = newPath()
    const sink = sinkAt(path)
    await sink.take(1, 2)
    await truncate(path)
    await sink.take(3)
    expect(idsIn(path)).toEqual([3])
  })

  test('a closed sink opens its file again', async () => {
    const path = newPath()
    const sink = sinkAt(path)
    await sink.take(1)
    await sink.close?.()
    await sink.take(2)
    expect(idsIn(path)).toEqual([1, 2])
  })

  test('SIGHUP opens the file anew at once, and ends the process only where the sink is closed', async () => {
    const path = newPath()
    const { child, deliver, close, endBy } = await processAt(path)
    expect(await deliver([1])).toBeNull()
    for (const rotated of [`${path}.1`, `${path}.2`]) {
      await rename(path, rotated)
      child.kill('SIGHUP')
      await vi.waitFor(() => expect(existsSync(path)).toBe(true), 10_000)
    }
    expect(await deliver([2, 3])).toBeNull()
    expect([idsIn(`${path}.1`), idsIn(`${path}.2`), idsIn(path)]).toEqual([[1], [], [2, 3]])

    expect(await close()).toBeNull()
    expect(await endBy('SIGHUP')).toBe('SIGHUP')
  })

  test('SIGHUP is none of its business with reopenOn: null', async () => {
    const path = newPath()
    const { deliver, endBy } = await processAt(path, { reopenOn: null })
    expect(await deliver([1])).toBeNull()
    expect(await endBy('SIGHUP')).toBe('SIGHUP')
  })
})

describe('half a line', () => {
  // Longer than the blocks that a file is read in, and than two of them.
  test.each([1, 65_536, 200_000])('of %i characters is cut off before the next line', async (length) => {
    const path = newPath()
    await writeFile(path, `{"id":1}\n{"id":2}\n{${'"'.repeat(length - 1)}`)
    const sink = sinkAt(path)
    await sink.take(3)
    await appendFile(path, '{"id":4')
    await sink.take(5)
    expect(idsIn(path)).toEqual([1, 2, 3, 5])
  })

  test('that is all there is is cut off, too', async () => {
    const path = newPath()
    await writeFile(path, '{"id":')
    await sinkAt(path).take(1)
    expect(idsIn(path)).toEqual([1])
  })

  test('of a process that was killed while it wrote is cut off by the next', async () => {
    const path = newPath()
    await sinkAt(path).take(1)
    const CHARACTERS = 8_000_000
    const whole = statSync(path).size
    const killedWhileWriting = async () => {
      const { deliverForEver, endBy } = await processAt(path)
      const before = statSync(path).size
      deliverForEver(2, CHARACTERS)
      const giveUp = Date.now() + 10_000
      while (statSync(path).size === before && Date.now() < giveUp);
      await endBy('SIGKILL')
      return statSync(path).size
    }
    // The write may have been through when the signal came: then once more.
    let isHalf = false
    for (let attempt = 0; attempt < 10 && !isHalf; attempt++) {
      await truncate(path, whole)
      const length = (await killedWhileWriting()) - whole
      isHalf = length % (CHARACTERS + JSON.stringify(sealedRecord(2, { user_agent: '' })).length + 1) !== 0
    }
    expect(isHalf).toBe(true)
    expect(() => linesOf(path)).toThrow('the last line is not whole')

    const { deliver } = await processAt(path)
    expect(await deliver([3])).toBeNull()
    const ids = idsIn(path)
    expect([ids[0], ids.at(-1)]).toEqual([1, 3])
    expect(ids.slice(1, -1).every((id) => id === 2)).toBe(true)
  })
})

describe('a file that cannot grow', () => {
  test('keeps whole lines alone, fails the delivery, and takes the same records when there is room', async () => {
    const path = newPath()
    const { child, deliver } = await processAt(path)
    expect(await deliver([1, 2])).toBeNull()

    // Room for one more line and a half: of the next batch one line would be whole.
    const size = statSync(path).size
    limitFileSize(child.pid!, Math.round(size * 1.75))
    expect(await deliver([3, 4, 5])).toBe('EFBIG')
    expect(idsIn(path)).toEqual([1, 2])
    expect(statSync(path).size).toBe(size)
    expect(await deliver([3, 4, 5])).toBe('EFBIG')
    expect(idsIn(path)).toEqual([1, 2])

    limitFileSize(child.pid!, null)
    expect(await deliver([3, 4, 5])).toBeNull()
    expect(idsIn(path)).toEqual([1, 2, 3, 4, 5])
  })
})
