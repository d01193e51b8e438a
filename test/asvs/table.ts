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

/** What became of the tests of one requirement. */
export interface Verdict {
  readonly id: string
  /** Tests of that id. */
  readonly tests: number
  /** `passed`, or what is wrong. */
  readonly result: string
}

/** Ids that a title begins with: `ASVS 7.2.1, 7.2.2 ...`. */
function idsIn(title: string): string[] {
  const [, ids = ''] = /^ASVS ((?:\d+\.\d+\.\d+(?:, )?)+)/.exec(title) ?? []
  return ids.split(', ').filter(Boolean)
}

/** The results of the tests of each id; ids that only tests have are told, too. */
export function verdicts(report: Report, ids: readonly string[]): readonly Verdict[] {
  const statuses = new Map<string, string[]>(ids.map((id) => [id, []]))
  for (const { ancestorTitles, title, status } of report.testResults.flatMap((file) => file.assertionResults)) {
    for (const id of new Set([...ancestorTitles, title].flatMap(idsIn))) {
      statuses.set(id, [...(statuses.get(id) ?? []), status])
    }
  }
  return [...statuses].map(([id, all]) => ({ id, tests: all.length, result: resultOf(all, ids.includes(id)) }))
}

function resultOf(statuses: readonly string[], isListed: boolean): string {
  if (!isListed) return 'not in the list'
  if (statuses.length === 0) return 'no test'
  const others = statuses.filter((status) => status !== 'passed')
  return others.length === 0 ? 'passed' : `${others.length} ${[...new Set(others)].sort().join(', ')}`
}

/** The table as text. */
export function tableOf(all: readonly Verdict[]): string {
  const lines = all.map(({ id, tests, result }) => `| ${id.padEnd(6)} | ${String(tests).padStart(5)} | ${result} |`)
  return ['| ASVS   | Tests | Result |', '|--------|-------|--------|', ...lines].join('\n')
}

// Run with the path of a report: prints the table, and fails unless every requirement has tests and all of them passed.
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const report = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as Report
  const all = verdicts(
    report,
    ROWS.map(({ id }) => id),
  )
  const wrong = all.filter(({ result }) => result !== 'passed')
  console.log(tableOf(all))
  console.log(`${all.length - wrong.length} requirements of OWASP ASVS 5.0 met, ${wrong.length} not.`)
  if (wrong.length > 0) process.exitCode = 1
}
