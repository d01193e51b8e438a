import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { isPlainObject } from '../../core/schema/validate.ts'
import { CliError, usageError } from '../failures.ts'
import type { Notation } from './cells.ts'
import { type Column, type Kinds, lineOfCells, lineOfMembers, readHeader } from './columns.ts'
import { CsvCutter, type CsvRecord, LONGEST_RECORD } from './csv.ts'

/** Formats that are applied. */
export const FORMATS = ['csv', 'ndjson', 'json'] as const

/** One of `FORMATS`. */
export type Format = (typeof FORMATS)[number]

/** One record of the input. */
export interface Entry {
  /** A line of `sso.batch.updateUsers`; null where the record cannot be read. */
  readonly line: unknown
  /** What is wrong with it; null if nothing is. */
  readonly fault: string | null
  /** How many bytes of the input end with it. */
  readonly bytes: number
}

/** How records are read. */
export interface Reading {
  readonly format: Format
  readonly delimiter: string
  readonly notation: Notation
  readonly kinds: Kinds
  /** Whether accounts that do not exist are created. */
  readonly create: boolean
}

/** Bytes that an array of JSON may have: it is read as a whole. */
const MOST_JSON_BYTES = 64 * 1024 * 1024

/** The format by the end of a file's name; null for another. */
export function formatOf(file: string): Format | null {
  const [, ending = ''] = /\.(\w+)$/.exec(file) ?? []
  const format = ending.toLowerCase() === 'jsonl' ? 'ndjson' : ending.toLowerCase()
  return FORMATS.find((one) => one === format) ?? null
}

/** A file's bytes. @throws CliError where it cannot be read */
export async function openInput(file: string): Promise<Readable> {
  const handle = await open(file).catch((error) => {
    throw usageError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`, error)
  })
  return handle.createReadStream({ highWaterMark: 65_536 })
}

/**
 * The records of an input, as they are asked for.
 *
 * @throws CliError for a header that is no good, or where the whole is not of its format
 */
export async function* readRecords(input: AsyncIterable<Buffer>, reading: Reading): AsyncGenerator<Entry> {
  if (reading.format === 'csv') yield* csvEntries(input, reading)
  else if (reading.format === 'ndjson') yield* lineEntries(input, reading)
  else yield* arrayEntries(input, reading)
}

async function* csvEntries(input: AsyncIterable<Buffer>, reading: Reading): AsyncGenerator<Entry> {
  const { notation, kinds, delimiter, create } = reading
  const cutter = new CsvCutter(delimiter)
  let header: { readonly names: readonly string[]; readonly columns: readonly Column[] } | null = null
  let bytes = 0
  for await (const { text, isEnd, isForeign } of texts(input)) {
    for (const { record, source } of cutter.push(text, isEnd)) {
      bytes += Buffer.byteLength(source)
      if (!header) {
        header = headerOf(record, kinds)
        if (create && !header.names.includes('username')) throw usageError('--create needs a column username.')
        continue
      }
      const { names, columns } = header
      yield entryOf(bytes, reading, () => {
        if ('fault' in record) throw new Error(record.fault)
        checkEncoding(source, isForeign)
        return lineOfCells(record.cells, names, columns, notation)
      })
    }
  }
  if (!header) throw usageError('There is no header: the first line must name the columns.')
}

function headerOf(record: CsvRecord, kinds: Kinds) {
  if ('fault' in record) throw usageError(`The header cannot be read. ${record.fault}`)
  const names = record.cells.map((name) => name.trim())
  return { names, columns: readHeader(names, kinds) }
}

async function* lineEntries(input: AsyncIterable<Buffer>, reading: Reading): AsyncGenerator<Entry> {
  let rest = ''
  let bytes = 0
  // A line that is longer than any is let go of as it comes.
  let isTooLong = false
  for await (const { text, isEnd, isForeign } of texts(input)) {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    const lines = isEnd && (rest !== '' || isTooLong) ? [...parts, rest] : parts
    for (const line of lines) {
      bytes += Buffer.byteLength(line) + (line === rest && isEnd ? 0 : 1)
      if (line.trim() === '' && !isTooLong) continue
      const wasTooLong = isTooLong || line.length > LONGEST_RECORD
      isTooLong = false
      yield entryOf(bytes, reading, () => {
        if (wasTooLong) throw new Error(`The record is longer than ${LONGEST_RECORD} characters.`)
        checkEncoding(line, isForeign)
        return lineOfValue(parsedJson(line), reading)
      })
    }
    if (rest.length > LONGEST_RECORD) {
      bytes += Buffer.byteLength(rest)
      rest = ''
      isTooLong = true
    }
  }
}

async function* arrayEntries(input: AsyncIterable<Buffer>, reading: Reading): AsyncGenerator<Entry> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MOST_JSON_BYTES) {
      throw usageError(
        `A JSON array is read as a whole, and may have ${MOST_JSON_BYTES / 1024 / 1024} MiB: make it NDJSON, a line for each record.`,
      )
    }
  }
  let records: unknown
  try {
    records = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)))
  } catch (error) {
    throw usageError(`The input is not JSON: ${(error as Error).message}`, error)
  }
  if (!Array.isArray(records)) throw usageError('The input must be a JSON array of records.')
  for (const [index, record] of records.entries()) {
    const bytes = Math.round((size * (index + 1)) / records.length)
    yield entryOf(bytes, reading, () => lineOfValue(record, reading))
  }
}

// Members that a line of `sso.batch.updateUsers` has and a flat record has not.
const MEMBERS_OF_LINES = ['id', 'patch', 'grants', 'attributes', 'ifMatch', 'create']

/** A line as it is, or what a flat record stands for. @throws Error for what is neither */
function lineOfValue(value: unknown, { kinds }: Reading): unknown {
  if (!isPlainObject(value)) throw new Error('The record is not a JSON object.')
  const isLine = MEMBERS_OF_LINES.some((name) => Object.hasOwn(value, name) && !kinds.has(name))
  return isLine ? value : lineOfMembers(value, kinds)
}

function entryOf(bytes: number, { create }: Reading, read: () => unknown): Entry {
  try {
    const line = read()
    return { line: create ? { create, ...(line as object) } : line, fault: null, bytes }
  } catch (error) {
    return { line: null, fault: (error as Error).message, bytes }
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('The record is not JSON.')
  }
}

function checkEncoding(source: string, isForeign: boolean): void {
  if (isForeign && source.includes('\ufffd')) throw new Error('The record is not UTF-8.')
}

/** Text of UTF-8, and whether some of it until now was something else. */
async function* texts(input: AsyncIterable<Buffer>) {
  const decoder = new TextDecoder('utf-8')
  const strict = new TextDecoder('utf-8', { fatal: true })
  let isForeign = false
  const check = (chunk?: Buffer) => {
    try {
      if (!isForeign) strict.decode(chunk, { stream: chunk !== undefined })
    } catch {
      isForeign = true
    }
  }
  for await (const chunk of input) {
    check(chunk)
    yield { text: decoder.decode(chunk, { stream: true }), isEnd: false, isForeign }
  }
  check()
  yield { text: decoder.decode(), isEnd: true, isForeign }
}

/** A delimiter as it was given. @throws CliError for what cannot be one */
export function delimiterOf(given: string): string {
  const delimiter = given === '\\t' || given === 'tab' ? '\t' : given
  if (delimiter.length === 1 && !/["\r\n\\]/.test(delimiter)) return delimiter
  throw new CliError('usage', 'usage', 'A delimiter is one character, or tab.')
}
