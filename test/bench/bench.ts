import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { DATABASES, type DatabaseName, unavailability } from '../support/databases.ts'
import { type BatchRound, measureBatches } from './batches.ts'
import { type Compiled, compileEarlierServers, compileServers } from './compile.ts'
import { CONTENDERS, type Contender, type ContenderName, start } from './contenders.ts'
import { load } from './load.ts'

const HELP = `Requests a second of PATCH /zato/sso/user, beside the same work written by hand on Express and Knex, and beside
better-auth's update-user (which writes no audit row). The package seals its records and delivers them to a file; table-only
is the package without that, and earlier the package as it was at some commit. POST /updateuser with a super-user's user
and pass makes the same change. Only the ratios mean something: rates are the machine's.

npm run bench -- [options]
  --database <name>    sqlite, mariadb or postgres; may be repeated. Default: all that answer
  --contender <name>   ${Object.keys(CONTENDERS).join(', ')}; may be repeated. Default: all
  --batches            measures batches alone: lines of POST /updateuser/batch beside single POST /updateuser, one after the
                       other. Without it they come last, unless contenders are named
  --against <commit>   measures the package as it was there, too, in the same rounds: HEAD~20, say
  --rounds <n>         rounds of each contender, in turns. Default 7
  --seconds <n>        length of a round. Default 3
  --connections <n>    requests under way at a time. Default 16
  --accounts <n>       accounts whose names are changed. Default 64
  --pool <n>           most connections to MariaDB and PostgreSQL. Default 10
  --profile <dir>      writes a CPU profile of each server there
  --help`

const WARM_UP_SECONDS = 2
const RATIOS = [
  ['package', 'earlier'],
  ['package', 'table-only'],
  ['package', 'hand-written'],
  ['package', 'better-auth'],
  ['updateuser', 'package'],
] as const satisfies readonly (readonly [ContenderName, ContenderName])[]

interface Settings {
  readonly databases: readonly DatabaseName[]
  readonly contenders: readonly ContenderName[]
  readonly measuresBatches: boolean
  /** Commit of `earlier`; null for none. */
  readonly against: string | null
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly accounts: number
  readonly poolSize: number
  readonly profiles: string | null
}

/** What each round of a contender gave. */
interface Measured {
  /** Requests a second. */
  readonly rate: number
  /** Processor time of the server for a request, in microseconds: it suffers less from what else runs. */
  readonly processor: number
}

type Results = ReadonlyMap<ContenderName, readonly Measured[]>

function settingsOf(args: readonly string[]): Settings | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      database: { type: 'string', multiple: true },
      contender: { type: 'string', multiple: true },
      batches: { type: 'boolean', default: false },
      against: { type: 'string' },
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '16' },
      accounts: { type: 'string', default: '64' },
      pool: { type: 'string', default: '10' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return null
  const connections = count('connections', values.connections)
  const accounts = count('accounts', values.accounts)
  if (accounts < 2 * connections) throw new Error('--accounts must be at least twice --connections: each has its own')
  const against = values.against ?? null
  const known = (Object.keys(CONTENDERS) as ContenderName[]).filter((name) => name !== 'earlier' || against !== null)
  return {
    databases: chosen('database', values.database, DATABASES),
    contenders: values.batches ? [] : chosen('contender', values.contender, known),
    measuresBatches: values.batches || values.contender === undefined,
    against,
    rounds: count('rounds', values.rounds),
    seconds: count('seconds', values.seconds),
    connections,
    accounts,
    poolSize: count('pool', values.pool),
    profiles: values.profile === undefined ? null : resolve(values.profile),
  }
}

function count(option: string, text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${option} must be a whole number from 1`)
  return number
}

function chosen<Name extends string>(
  option: string,
  given: string[] | undefined,
  known: readonly Name[],
): readonly Name[] {
  const unknown = given?.find((name) => !known.includes(name as Name))
  if (unknown !== undefined) throw new Error(`--${option} ${unknown}: must be one of ${known.join(', ')}`)
  return given ? known.filter((name) => given.includes(name)) : known
}

/** Rounds of all contenders in turns, beginning with another one each time: what disturbs one disturbs all. */
async function measure(
  database: DatabaseName,
  serverOf: (name: ContenderName) => string,
  settings: Settings,
): Promise<Results> {
  const running: Contender[] = []
  try {
    for (const name of settings.contenders) running.push(await start(name, database, { ...settings, serverOf }))
    const results = new Map(settings.contenders.map((name) => [name, [] as Measured[]]))
    const replies = new Map(settings.contenders.map((name) => [name, 0]))
    for (let round = 0; round <= settings.rounds; round++) {
      const isWarmUp = round === 0
      const seconds = isWarmUp ? WARM_UP_SECONDS : settings.seconds
      const first = round % running.length
      for (const { name, listening, processorTime } of [...running.slice(first), ...running.slice(0, first)]) {
        const before = await processorTime()
        const result = await load(listening, { ...settings, seconds, number: round })
        const processor = ((await processorTime()) - before) / result.replies
        replies.set(name, (replies.get(name) ?? 0) + result.replies)
        if (!isWarmUp) results.get(name)?.push({ rate: result.rate, processor })
      }
    }
    for (const { name, checkTrail } of running) await checkTrail(replies.get(name) ?? 0)
    return results
  } finally {
    for (const { stop } of running) await stop()
  }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = Number.NaN, high = Number.NaN] = [sorted[((sorted.length - 1) / 2) | 0], sorted[middle]]
  return (low + high) / 2
}

/** A contender's figure by another's, round by round. */
function ratio(results: Results, figure: keyof Measured, one: ContenderName, other: ContenderName): string {
  const ours = results.get(one)
  const theirs = results.get(other)
  if (!ours || !theirs) return '-'
  const ratios = ours.map((round, index) => round[figure] / (theirs[index]?.[figure] ?? Number.NaN))
  return spread(ratios, 2)
}

/** The median, and the least and the greatest. */
function spread(ratios: readonly number[], digits: number): string {
  const [middle, least, greatest] = [median(ratios), Math.min(...ratios), Math.max(...ratios)]
  return `${middle.toFixed(digits)} (${least.toFixed(digits)}-${greatest.toFixed(digits)})`
}

function row(database: DatabaseName, results: Results, figure: keyof Measured): readonly string[] {
  const medians = Object.keys(CONTENDERS).map((name) => {
    const measured = results.get(name as ContenderName)
    return measured ? String(Math.round(median(measured.map((round) => round[figure])))) : '-'
  })
  return [database, ...medians, ...RATIOS.map(([one, other]) => ratio(results, figure, one, other))]
}

function printTable(title: string, measured: ReadonlyMap<DatabaseName, Results>, figure: keyof Measured): void {
  const titles = Object.values(CONTENDERS).map((contender) => contender.title)
  const rows = [...measured].map(([database, results]) => row(database, results, figure))
  const titleOf = (name: ContenderName) => (name === 'package' ? 'ours' : CONTENDERS[name].title)
  const ratios = RATIOS.map(([one, other]) => `${titleOf(one)} / ${titleOf(other)}`)
  const whole = [['database', ...titles, ...ratios], ...rows]
  // Without columns of what was not measured.
  const table = whole.map((line) => line.filter((_, column) => rows.some((one) => one[column] !== '-')))
  console.log(`\n${title}; medians, and the ratio's median (least-greatest) of the rounds`)
  for (const line of table) {
    const cells = line.map((cell, column) => {
      const width = Math.max(...table.map((other) => other[column]?.length ?? 0))
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    console.log(cells.join('  '))
  }
}

function printBatches(measured: ReadonlyMap<DatabaseName, readonly BatchRound[]>): void {
  if (measured.size === 0) return
  console.log('\nLines of a batch beside single requests one after the other; medians, and the ratio as above')
  for (const [database, rounds] of measured) {
    const [single, lines] = [rounds.map((round) => round.single), rounds.map((round) => round.lines)]
    const ratios = spread(
      rounds.map((round) => round.lines / round.single),
      1,
    )
    console.log(
      `${database}: ${Math.round(median(single))} requests a second, ${Math.round(median(lines))} lines: ${ratios}`,
    )
  }
}

async function run(settings: Settings): Promise<void> {
  const { rounds, seconds, connections, accounts, poolSize } = settings
  if (settings.profiles !== null) mkdirSync(settings.profiles, { recursive: true })
  console.log(
    `${rounds} rounds of ${seconds} s, ${connections} connections, ${accounts} accounts, pools of ${poolSize} (SQLite: 1), Node ${process.versions.node}`,
  )
  const compiled: Compiled[] = []
  const serverOf = (name: ContenderName) =>
    name === 'earlier'
      ? join(compiled[1]?.directory ?? '', 'package.js')
      : join(compiled[0]?.directory ?? '', `${name}.js`)
  try {
    compiled.push(compileServers())
    if (settings.against !== null) compiled.push(compileEarlierServers(settings.against))
    const measured = new Map<DatabaseName, Results>()
    const batches = new Map<DatabaseName, readonly BatchRound[]>()
    const missing: string[] = []
    for (const database of settings.databases) {
      const fault = await unavailability(database)
      if (fault !== null) {
        missing.push(`${database} was not measured, it does not answer: ${fault}`)
        continue
      }
      console.log(`${database} ...`)
      if (settings.contenders.length > 0) measured.set(database, await measure(database, serverOf, settings))
      if (settings.measuresBatches) batches.set(database, await measureBatches(database, { ...settings, serverOf }))
    }
    if (measured.size > 0) {
      printTable('Requests a second', measured, 'rate')
      printTable("Microseconds of the server's processor a request (less is better)", measured, 'processor')
    }
    printBatches(batches)
    if (missing.length > 0) console.log()
    for (const line of missing) console.log(line)
  } finally {
    for (const { remove } of compiled) remove()
  }
}

/** @returns null where the arguments were help or wrong, and that has been said */
function settingsFrom(args: readonly string[]): Settings | null {
  try {
    const settings = settingsOf(args)
    if (settings === null) console.log(HELP)
    return settings
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${HELP}`)
    process.exitCode = 2
    return null
  }
}

const settings = settingsFrom(process.argv.slice(2))
if (settings !== null) await run(settings)
