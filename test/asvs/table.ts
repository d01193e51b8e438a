import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { ROWS } from './rows.ts'

/** What of vitest's JSON report is read. */
export interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[]
      readonly title: string
      readonly status: string
    }[]
  }[]
}

/** What became of one test of a requirement, wherever and however often it ran; or what became of its tests: none. */
export interface Verdict {
  readonly id: string
  /** What the test says; empty where there is none. */
  readonly test: string
  /** How often it ran, on each database and so on. */
  readonly runs: number
  /** `passed`, or what is wrong. */
  readonly result: string
}

/** Ids that a title begins with: `ASVS 7.2.1, 7.2.2 ...`. */
function idsIn(title: string): string[] {
  const [, ids = ''] = /^ASVS ((?:\d+\.\d+\.\d+(?:, )?)+)/.exec(title) ?? []
  return ids.split(', ').filter(Boolean)
}

/** The results of each test of each id, in the order of the ids; ids that only tests have are told, too. */
export function verdicts(report: Report, ids: readonly string[]): readonly Verdict[] {
  const statuses = new Map<string, Map<string, string[]>>(ids.map((id) => [id, new Map()]))
  for (const { ancestorTitles, title, status } of report.testResults.flatMap((file) => file.assertionResults)) {
    // The innermost says most.
    const titles = [...ancestorTitles, title]
    for (const [id, test] of new Map(titles.flatMap((one) => idsIn(one).map((id) => [id, said(one)] as const)))) {
      const tests = statuses.get(id) ?? new Map<string, string[]>()
      statuses.set(id, tests.set(test, [...(tests.get(test) ?? []), status]))
    }
  }
  return [...statuses].flatMap(([id, tests]) => {
    if (tests.size === 0) return [{ id, test: '', runs: 0, result: 'no test' }]
    return [...tests].map(([test, all]) => {
      return { id, test, runs: all.length, result: resultOf(all, ids.includes(id)) }
    })
  })
}

/** A title without its ids. */
function said(title: string): string {
  return title.replace(/^ASVS [\d., ]+:?\s*/, '')
}

function resultOf(statuses: readonly string[], isListed: boolean): string {
  if (!isListed) return 'not in the list'
  const others = statuses.filter((status) => status !== 'passed')
  return others.length === 0 ? 'passed' : `${others.length} ${[...new Set(others)].sort().join(', ')}`
}

/** The table as text. */
export function tableOf(all: readonly Verdict[]): string {
  const rows = [['ASVS', 'Test', 'Runs', 'Result'], ...all.map((one) => [one.id, one.test, `${one.runs}`, one.result])]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}

// Run with the path of a report: prints the table, and fails unless every requirement has tests and all of them passed.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const report = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as Report
  const all = verdicts(
    report,
    ROWS.map(({ id }) => id),
  )
  const wrong = new Set(all.filter(({ result }) => result !== 'passed').map(({ id }) => id))
  const met = new Set(all.map(({ id }) => id).filter((id) => !wrong.has(id)))
  console.log(tableOf(all))
  console.log(`${met.size} requirements of OWASP ASVS 5.0 met, ${wrong.size} not.`)
  if (wrong.size > 0) process.exitCode = 1
}
