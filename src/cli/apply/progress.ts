import type { Ora } from 'ora'
import type { Io } from '../io.ts'
import { print } from '../output.ts'

/** How far something has come. */
export interface Position {
  /** Records that are done. */
  readonly records: number
  /** Bytes of the input that are. */
  readonly bytes: number
}

/** Tells how far a run has come: a bar on a terminal, now and then a line elsewhere. */
export interface Progress {
  /** Notes where it is; cheap. */
  readonly update: (position: Position) => void
  /** Takes the bar away, and lets the cursor be seen. */
  readonly stop: () => Promise<void>
}

const QUIET: Progress = { update: () => {}, stop: async () => {} }
const BAR_INTERVAL_MS = 100
const RECORDS_PER_LINE = 10_000
const FEWEST_RECORDS_PER_LINE = 1000
const LONGEST_BAR = 30

/**
 * @param total bytes of the input; null where nobody knows
 * @param start where the run goes on from
 * @param now milliseconds
 */
export async function progressOf(
  { stderr }: Io,
  { total, start, isQuiet }: { readonly total: number | null; readonly start: Position; readonly isQuiet: boolean },
  now: () => number = () => performance.now(),
): Promise<Progress> {
  if (isQuiet) return QUIET
  const course = new Course(total, start, now)
  if (!stderr.isTTY) return lines(course, (line) => void print(stderr, `${line}\n`))
  // Only a terminal needs it.
  const { default: ora } = await import('ora')
  // Discarding what is typed would take Ctrl-C for text.
  const spinner = ora({
    stream: stderr as NodeJS.WritableStream,
    isEnabled: true,
    discardStdin: false,
    spinner: 'line',
  })
  return bar(course, spinner, () => stderr.columns || 80, now)
}

function bar(course: Course, spinner: Ora, columns: () => number, now: () => number): Progress {
  let drawn = Number.NEGATIVE_INFINITY
  spinner.start(course.barLine(columns() - 4))
  return {
    update(position) {
      course.position = position
      if (now() - drawn < BAR_INTERVAL_MS) return
      drawn = now()
      spinner.text = course.barLine(columns() - 4)
    },
    async stop() {
      spinner.stop()
    },
  }
}

function lines(course: Course, write: (line: string) => void): Progress {
  const mark = () => ({ tenth: course.tenth, thousands: course.tenThousands, records: course.position.records })
  let told = mark()
  return {
    update(position) {
      course.position = position
      const { tenth, thousands, records } = mark()
      const isNews = tenth !== told.tenth || thousands !== told.thousands
      if (!isNews || records - told.records < FEWEST_RECORDS_PER_LINE) return
      told = mark()
      write(course.line())
    },
    stop: async () => {},
  }
}

/** Where a run is, how fast it is, and when it will be at its end. */
class Course {
  position: Position
  readonly #total: number | null
  readonly #start: Position
  readonly #now: () => number
  readonly #began: number

  constructor(total: number | null, start: Position, now: () => number) {
    this.#total = total
    this.#start = start
    this.#now = now
    this.#began = now()
    this.position = start
  }

  /** Part of the input that is done; null where nobody knows. */
  get #part(): number | null {
    if (this.#total === null) return null
    return this.#total === 0 ? 1 : Math.min(1, this.position.bytes / this.#total)
  }

  get tenth(): number {
    return Math.floor((this.#part ?? 0) * 10)
  }

  get tenThousands(): number {
    return Math.floor(this.position.records / RECORDS_PER_LINE)
  }

  /** One line of a log. */
  line(): string {
    return this.#facts().join(', ')
  }

  /** One line of a terminal, as wide as that is at most. */
  barLine(columns: number): string {
    const facts = this.#facts().join('  ')
    const part = this.#part
    const length = Math.min(LONGEST_BAR, columns - facts.length - 4)
    if (part === null || length < 5) return facts.slice(0, Math.max(0, columns))
    const done = Math.floor(part * length)
    return `[${'#'.repeat(done)}${'-'.repeat(length - done)}] ${facts}`
  }

  #facts(): readonly string[] {
    const { records, bytes } = this.position
    const seconds = (this.#now() - this.#began) / 1000
    const rate = seconds > 0 ? (records - this.#start.records) / seconds : 0
    const speed = seconds > 0 ? (bytes - this.#start.bytes) / seconds : 0
    const part = this.#part
    const left = this.#total === null || speed <= 0 ? null : (this.#total - bytes) / speed
    return [
      ...(part === null ? [] : [`${Math.floor(part * 100)}%`]),
      `${records.toLocaleString('en')} records`,
      `${Math.round(rate).toLocaleString('en')}/s`,
      ...(left === null ? [] : [`${duration(left)} left`]),
    ]
  }
}

/** A time that is about as long. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  return whole < 3600
    ? `${Math.ceil(whole / 60)} min`
    : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
