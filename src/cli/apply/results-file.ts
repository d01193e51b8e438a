import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync, type WriteStream } from 'node:fs'
import { rm, truncate } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import { onOneLine } from '../../audit/one-line.ts'
import { CliError, usageError } from '../failures.ts'
import { type Counts, count, noCounts, type ResultLine, type Told } from './results.ts'

/** What a run is made from. Whatever is resumed must be made from the same. */
export interface RunSettings {
  /** Of the input; null where it is standard input, which cannot be read again. */
  readonly sha256: string | null
  readonly bytes: number | null
  readonly mode: 'independent' | 'atomic'
  readonly dryRun: boolean
  readonly create: boolean
  readonly format: string
  readonly delimiter: string
  readonly empty: string
  readonly null: string
  /** URL of a router; null for a database. */
  readonly url: string | null
}

/** The first line of a results file. */
export interface RunHeader extends RunSettings {
  /** Names the run to the batch, which does no line of it twice. */
  readonly run: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** How far a run has come. */
export interface Progressed {
  readonly header: RunHeader
  /** Results that are there. */
  readonly counts: Counts
  /** Whether it has come to its end. */
  readonly isDone: boolean
}

/** The file that a run keeps its results in: a header, a line for each record, the totals. */
export class ResultsFile {
  readonly #stream: WriteStream
  #error: Error | null = null

  private constructor(stream: WriteStream) {
    this.#stream = stream
    stream.on('error', (error) => {
      this.#error = error
    })
  }

  /** Begins a file. @throws CliError if it is there and not to be overwritten */
  static async create(path: string, header: RunHeader, overwrite: boolean): Promise<ResultsFile> {
    if (!overwrite && existsSync(path)) {
      throw usageError(`${path} is there already: go on with --resume, or begin anew with --overwrite.`)
    }
    const file = await ResultsFile.#open(path, overwrite ? 'w' : 'wx')
    await file.#write({ apply: header })
    return file
  }

  /** Goes on with a file whose end `readResults` has made good. */
  static resume(path: string): Promise<ResultsFile> {
    return ResultsFile.#open(path, 'a')
  }

  static async #open(path: string, flags: string): Promise<ResultsFile> {
    const stream = createWriteStream(path, { flags })
    await once(stream, 'open').catch((error) => {
      throw usageError(`${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`, error)
    })
    return new ResultsFile(stream)
  }

  /** Adds a result or the totals, and waits while the disk is slower. @throws CliError if it cannot be written */
  add(told: Told): Promise<void> {
    return this.#write(told)
  }

  /** Ends it: everything is written. */
  async close(): Promise<void> {
    this.#stream.end()
    await finished(this.#stream).catch(() => {})
    this.#check()
  }

  async #write(value: object): Promise<void> {
    this.#check()
    if (!this.#stream.write(`${onOneLine(value)}\n`)) await once(this.#stream, 'drain').catch(() => {})
    this.#check()
  }

  #check(): void {
    if (this.#error) {
      throw new CliError(
        'stopped',
        'results_unwritable',
        `Results cannot be written: ${this.#error.message}`,
        this.#error,
      )
    }
  }
}

/** Takes a file away that holds no result. */
export async function discardResults(path: string): Promise<void> {
  await rm(path, { force: true })
}

/**
 * Reads how far a run has come, and cuts off what stands behind the last result: a line that was not written to its end,
 * totals of a run that was stopped; all results of an atomic run that has not come to its end, which counts as a whole.
 *
 * @throws CliError for a file that is none of `apply`, or that is about another input or made with other options
 */
export async function readResults(path: string, settings: RunSettings): Promise<Progressed> {
  if (!existsSync(path)) throw usageError(`There is no ${path} to go on from.`)
  let header: RunHeader | null = null
  let counts = noCounts()
  let isDone = false
  // Where the header, and where the results end.
  const ends = { header: 0, results: 0 }
  for await (const { text, end } of wholeLines(path)) {
    if (!header) {
      header = headerOf(text, path)
      compare(header, settings, path)
      ends.header = end
      ends.results = end
      continue
    }
    const told = parsed(text, path) as Told
    if ('totals' in told) isDone = told.error === undefined
    else {
      addResult(counts, told, path)
      ends.results = end
    }
  }
  if (!header) throw usageError(`${path} has no header: begin anew with --overwrite.`)
  const isUndone = settings.mode === 'atomic' && !(isDone && counts.errors + counts.undone === 0)
  if (isUndone) {
    counts = noCounts()
    isDone = false
  }
  if (!isDone) await truncate(path, isUndone ? ends.header : ends.results)
  return { header, counts, isDone }
}

function addResult(counts: Counts, result: ResultLine, path: string): void {
  if (result.line !== counts.lines + 1) throw foreign(path)
  count(counts, result)
}

function headerOf(text: string, path: string): RunHeader {
  const { apply } = parsed(text, path) as { apply?: RunHeader }
  if (typeof apply?.run !== 'string') throw foreign(path)
  return apply
}

function compare(header: RunHeader, settings: RunSettings, path: string): void {
  if (header.sha256 !== settings.sha256) throw usageError(`${path} is about another input.`)
  const names = Object.keys(settings) as (keyof RunSettings)[]
  const others = names.filter((name) => header[name] !== settings[name])
  if (others.length === 0) return
  throw usageError(`${path} is of a run with other options: ${others.join(', ')}.`)
}

function parsed(text: string, path: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {}
  throw foreign(path)
}

function foreign(path: string) {
  return usageError(`${path} is not a file of results: begin anew with --overwrite, or name another with --results.`)
}

/** Lines that have an end, and where that is. */
async function* wholeLines(path: string): AsyncGenerator<{ readonly text: string; readonly end: number }> {
  let rest = Buffer.alloc(0)
  let end = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10)) {
      end += at + 1
      yield { text: data.toString('utf8', 0, at), end }
      data = data.subarray(at + 1)
    }
    rest = data as typeof rest
  }
}
