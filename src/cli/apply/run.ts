import { randomUUID } from 'node:crypto'
import { Ended, EXIT, failureOf } from '../failures.ts'
import type { Io } from '../io.ts'
import type { Output } from '../output.ts'
import { diffLines } from './diff.ts'
import { Engine } from './engine.ts'
import { type Progress, progressOf } from './progress.ts'
import { type Entry, openInput, readRecords } from './records.ts'
import { type Counts, failureLine, noCounts, type ResultLine, type TotalsLine } from './results.ts'
import { discardResults, ResultsFile, type RunHeader, readResults } from './results-file.ts'
import type { Task } from './settings.ts'
import type { Target } from './target.ts'

/** What a run needs beside its task. */
export interface Surroundings {
  readonly io: Io
  readonly output: Output
  readonly target: Target
  readonly signal: AbortSignal
  readonly overwrite: boolean
  readonly resume: boolean
}

// What is told of at once; the file has all of them.
const MOST_FAILURES = 20

/** Applies the records of a task, and tells how it came out. @throws Ended, CliError */
export async function apply(task: Task, around: Surroundings): Promise<void> {
  const { settings, results: path } = task
  const { target, signal, output } = around
  const earlier = around.resume && path !== null ? await readResults(path, settings) : null
  const header: RunHeader = earlier?.header ?? {
    run: `apply-${randomUUID()}`,
    startedAt: new Date().toISOString(),
    ...settings,
  }
  const done = earlier?.counts ?? noCounts()
  if (earlier?.isDone) {
    await output.note('That run is at its end already.')
    return conclude(task, around, header, { counts: done, failures: [], stop: null })
  }

  const source = await inputOf(task, around)
  try {
    const entries = readRecords(source, { ...task, kinds: target.kinds, create: settings.create })
    const start = await skip(entries, done.lines)
    const engine = new Engine(target, entries, {
      mode: settings.mode,
      dryRun: settings.dryRun,
      key: header.run,
      firstLine: done.lines + 1,
      signal,
    })
    await engine.prime()
    const file = await fileOf(path, header, earlier !== null, around.overwrite)
    const progress = await progressOf(around.io, {
      total: settings.bytes,
      start: { records: done.lines, bytes: start },
      // Where a dry run shows its findings, a bar would be in between.
      isQuiet: output.isJson || (settings.dryRun && around.io.stdout.isTTY === true),
    })
    const outcome = await pull(engine, { task, around, file, progress, done })
    if (outcome.stop instanceof Error && engine.counts.lines === 0 && earlier === null && isRefusal(outcome.stop)) {
      if (path !== null) await discardResults(path)
      throw outcome.stop
    }
    await conclude(task, around, header, outcome)
  } finally {
    source.destroy()
  }
}

/** What came of a run. */
interface Outcome {
  readonly counts: Counts
  readonly failures: readonly ResultLine[]
  /** What ended it early; null if nothing did. */
  readonly stop: Error | NonNullable<TotalsLine['error']> | 'interrupted' | null
}

async function pull(
  engine: Engine,
  run: {
    readonly task: Task
    readonly around: Surroundings
    readonly file: ResultsFile | null
    readonly progress: Progress
    readonly done: Counts
  },
): Promise<Outcome> {
  const { task, around, file, progress, done } = run
  const failures: ResultLine[] = []
  let thrown: Error | null = null
  try {
    for await (const { result, bytes } of engine.run()) {
      await file?.add(result)
      progress.update({ records: done.lines + engine.counts.lines, bytes })
      if (result.status === 'error' && failures.length < MOST_FAILURES) failures.push(result)
      if (around.output.isJson) await around.output.item(result, '')
      else if (task.settings.dryRun) await tell(around, diffLines(result))
    }
  } catch (error) {
    thrown = error as Error
  } finally {
    await progress.stop()
  }
  const counts = sum(done, engine.counts)
  const isInterrupted = around.signal.aborted && !engine.isAtEnd
  const stop = thrown ?? (isInterrupted ? 'interrupted' : (engine.error ?? null))
  const end = stop === null ? null : errorOf(stop)
  await file?.add(totalsOf(counts, end)).catch((error) => {
    thrown ??= error as Error
  })
  await file?.close()
  return { counts, failures, stop: thrown ?? stop }
}

/** Tells how it came out, and ends with what says so. @throws Ended */
async function conclude(task: Task, around: Surroundings, header: RunHeader, outcome: Outcome): Promise<void> {
  const { output, signal } = around
  const { counts, failures, stop } = outcome
  for (const failure of failures) await output.note(failureLine(failure))
  const more = counts.errors - failures.length
  if (failures.length === MOST_FAILURES && more > 0) await output.note(`... and ${more} more`)

  const end = stop === null ? null : errorOf(stop)
  const canResume = stop !== null && task.results !== null && !task.settings.dryRun
  const value = { ...totalsOf(counts, end), run: header.run, dryRun: task.settings.dryRun, results: task.resultsName }
  await output.result(value, [
    summary(counts, task.settings.dryRun),
    ...(task.resultsName === null ? [] : [`Results: ${task.resultsName}`]),
    ...(end === null ? [] : [`It was stopped before its end: ${end.message}`]),
    ...(canResume ? ['To go on from there, give the same command with --resume.'] : []),
  ])
  if (stop === 'interrupted') throw new Ended(signal.reason === 'SIGTERM' ? 'terminated' : 'interrupted')
  if (stop !== null) throw new Ended('stopped')
  if (counts.errors + counts.undone > 0) throw new Ended('findings')
}

function summary({ lines, ok, changed, errors, undone }: Counts, isDryRun: boolean): string {
  const parts = [
    `${ok.toLocaleString('en')} ${isDryRun ? 'would be done' : 'done'}`,
    `${changed.toLocaleString('en')} of them with changes`,
    `${errors.toLocaleString('en')} failed`,
    ...(undone > 0 ? [`${undone.toLocaleString('en')} not done because of those`] : []),
  ]
  return `${lines.toLocaleString('en')} ${lines === 1 ? 'record' : 'records'}: ${parts.join(', ')}.`
}

function totalsOf(counts: Counts, error: TotalsLine['error'] | null): TotalsLine {
  const isDone = !error && counts.errors + counts.undone === 0
  return { totals: counts, status: isDone ? 'ok' : 'error', ...(error ? { error } : {}) }
}

function errorOf(stop: NonNullable<Outcome['stop']>): NonNullable<TotalsLine['error']> {
  if (stop === 'interrupted') return { code: 'interrupted', message: 'It was interrupted.' }
  if (!(stop instanceof Error)) return stop
  const { code, message } = failureOf(stop)
  return { code, message }
}

/** Whether nothing can have been done. A connection that has broken is no refusal: what was sent may have arrived. */
function isRefusal(error: Error): boolean {
  const { exitCode } = failureOf(error)
  return exitCode === EXIT.refused || exitCode === EXIT.usage
}

function sum(a: Counts, b: Counts): Counts {
  const names = Object.keys(a) as (keyof Counts)[]
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as Counts
}

async function inputOf({ file }: Task, { io, signal }: Surroundings) {
  if (file !== null) return openInput(file)
  // Nobody waits for what may never come.
  signal.addEventListener('abort', () => io.stdin.destroy(), { once: true })
  return io.stdin
}

/** Reads what was done before; where it ends. */
async function skip(entries: AsyncIterator<Entry>, records: number): Promise<number> {
  let bytes = 0
  for (let skipped = 0; skipped < records; skipped++) {
    const { value, done } = await entries.next()
    if (done) break
    bytes = value.bytes
  }
  return bytes
}

function fileOf(path: string | null, header: RunHeader, isResumed: boolean, overwrite: boolean) {
  if (path === null) return null
  return isResumed ? ResultsFile.resume(path) : ResultsFile.create(path, header, overwrite)
}

async function tell({ output }: Surroundings, lines: readonly string[]): Promise<void> {
  for (const line of lines) await output.item({}, line)
}
