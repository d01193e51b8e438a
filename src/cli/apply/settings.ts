import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { usageError } from '../failures.ts'
import { checkNotation, type Notation } from './cells.ts'
import { delimiterOf, type Format, formatOf, openInput } from './records.ts'
import { routerUrl } from './remote.ts'
import type { RunSettings } from './results-file.ts'

/** Options of `apply`, as they come. */
export interface ApplyOptions {
  readonly format?: Format
  readonly delimiter: string
  readonly empty: string
  readonly null: string
  readonly mode: 'independent' | 'atomic'
  readonly create?: boolean
  readonly dryRun?: boolean
  readonly results?: string
  readonly overwrite?: boolean
  readonly resume?: boolean
  readonly url?: string
  readonly user?: string
  readonly passwordStdin?: boolean
  readonly insecure?: boolean
}

/** What `apply` is to do, checked. */
export interface Task {
  /** Path of the input; null for standard input. */
  readonly file: string | null
  readonly format: Format
  readonly delimiter: string
  readonly notation: Notation
  readonly settings: RunSettings
  /** Of the file of results; null where none is kept. */
  readonly results: string | null
  /** What that file is called to whoever reads of it. */
  readonly resultsName: string | null
  /** URL of a router; null for a database. */
  readonly url: URL | null
}

const EMPTY: Readonly<Record<string, Notation['empty']>> = { leave: 'leave', null: 'null', '': 'text' }

/** @param file as it was given: a path, or `-` @throws CliError for options that do not go together */
export async function taskOf(file: string, resolve: (path: string) => string, options: ApplyOptions): Promise<Task> {
  const isStdin = file === '-'
  const format = options.format ?? formatOf(file)
  if (!format) throw usageError('The format cannot be told from the name: give --format csv, ndjson or json.')
  const empty = EMPTY[options.empty]
  if (empty === undefined) throw usageError('--empty is leave, null, or the empty text.')
  const notation = { empty, none: options.null }
  checkNotation(notation)
  const { mode, dryRun = false, create = false, resume = false, overwrite = false } = options
  if (resume && dryRun) throw usageError('A dry run does nothing that could be gone on with: leave out --resume.')
  if (resume && overwrite) throw usageError('Either --resume or --overwrite.')
  if (resume && isStdin) throw usageError('Standard input cannot be read again: --resume needs a file.')
  if (isStdin && options.passwordStdin)
    throw usageError('Standard input has the records: it cannot have the password, too.')

  const delimiter = delimiterOf(options.delimiter)
  const url = options.url === undefined ? null : routerUrl(options.url, options.insecure ?? false)
  const path = isStdin ? null : resolve(file)
  const settings = {
    ...(path === null ? { sha256: null, bytes: null } : await identityOf(path)),
    mode,
    dryRun,
    create,
    format,
    delimiter,
    empty: options.empty,
    null: options.null,
    url: url?.href ?? null,
  }
  const resultsName = options.results ?? (isStdin || dryRun ? null : `${file}.results.ndjson`)
  const results = resultsName === null ? null : resolve(resultsName)
  if (results !== null && results === path) throw usageError('The results would overwrite the input.')
  if (resume && results === null) throw usageError('There is no file of results to go on from.')
  return { file: path, format, delimiter, notation, settings, results, resultsName, url }
}

/** What a file is known by again. */
async function identityOf(path: string): Promise<Pick<RunSettings, 'sha256' | 'bytes'>> {
  const hash = createHash('sha256')
  let bytes = 0
  const input = await openInput(path)
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      hash.update(chunk)
      bytes += chunk.length
    }
  } catch (error) {
    throw usageError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`, error)
  }
  if (!(await stat(path)).isFile()) throw usageError(`${path} can be read only once: give it as standard input, -.`)
  return { sha256: hash.digest('hex'), bytes }
}
