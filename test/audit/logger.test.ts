import { Console } from 'node:console'
import { Writable } from 'node:stream'
import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { loggerSink } from '../../src/audit/logger.ts'
import { sealedRecord, UNHURRIED } from '../support/sealed-records.ts'

/** Remembers what is written to it. */
class Memory extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    done()
  }
}

const RECORD = sealedRecord(1, {
  user_agent: 'x\n{"cid":"forged"}\r\n\u2028',
  changes: [{ attribute: 'attributes.deep', from: null, to: { a: { b: { c: ['\n', '\u2029'] } } } }],
})
const OTHER = sealedRecord(2, { operation: 'login', outcome: 'denied' })

const MESSAGES = ['audit updateuser ok', 'audit login denied']
const linesIn = ({ text }: Memory) => text.trimEnd().split('\n')

/** A logger of its own make. */
class Logger {
  readonly lines: [object, string | undefined][] = []
  info(object: object, message?: string): void {
    if (this.lines.length === 2) throw new Error('no room for more')
    this.lines.push([object, message])
  }
}

describe('loggerSink', () => {
  test('pino gets each record as an object, on one line', async () => {
    const memory = new Memory()
    await loggerSink(pino({ base: null, timestamp: false }, memory)).deliver([RECORD, OTHER], UNHURRIED)
    expect(linesIn(memory).map((line) => JSON.parse(line))).toEqual([
      { level: 30, audit: RECORD, msg: MESSAGES[0] },
      { level: 30, audit: OTHER, msg: MESSAGES[1] },
    ])
  })

  test('the console gets each record whole, on one line', async () => {
    const memory = new Memory()
    await loggerSink(new Console({ stdout: memory, stderr: memory })).deliver([RECORD, OTHER], UNHURRIED)
    const found = linesIn(memory).map((line) => /^(\{.*\}) (audit .*)$/.exec(line))
    expect(found.map((match) => match?.[2])).toEqual(MESSAGES)
    expect(found.map((match) => JSON.parse(match?.[1] ?? 'null'))).toEqual([{ audit: RECORD }, { audit: OTHER }])
  })

  test('the logger keeps its this, and a logger that throws fails the delivery', async () => {
    const logger = new Logger()
    const sink = loggerSink(logger)
    await sink.deliver([RECORD, OTHER], UNHURRIED)
    expect(logger.lines).toEqual([
      [{ audit: RECORD }, MESSAGES[0]],
      [{ audit: OTHER }, MESSAGES[1]],
    ])
    expect(() => sink.deliver([RECORD], UNHURRIED)).toThrow('no room for more')
  })

  test('a delivery whose time is over logs nothing more', () => {
    const logger = new Logger()
    expect(() => loggerSink(logger).deliver([RECORD], AbortSignal.abort())).toThrow('aborted')
    expect(logger.lines).toEqual([])
  })

  test('its name is logger unless there is another; a misspelt option is an error', () => {
    expect(loggerSink(console).name).toBe('logger')
    expect(loggerSink(console, { name: 'pino' }).name).toBe('pino')
    const misspelt = { nane: 'pino' } as object
    expect(() => loggerSink(console, misspelt)).toThrow('loggerSink: nane is not an option. Did you mean name?')
  })
})
