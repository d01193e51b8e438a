import { expect, test } from 'vitest'
import optionsSchema from '#schemas/options.json' with { type: 'json' }
import { ROWS } from './rows.ts'
import { tableOf, verdicts } from './table.ts'

const report = (...tests: readonly (readonly [string[], string, string])[]) => ({
  testResults: [
    { assertionResults: tests.map(([ancestorTitles, title, status]) => ({ ancestorTitles, title, status })) },
  ],
})

test('a requirement is met by tests that begin with its id, all of which passed', () => {
  const seen = report(
    [['on sqlite'], 'ASVS 1.1.1, 1.1.10: a name', 'passed'],
    [['on sqlite', 'ASVS 1.1.2 a group'], 'of tests', 'passed'],
    [['ASVS 1.1.2: another'], 'ASVS 1.1.3 of tests', 'failed'],
    [['on mariadb', 'ASVS 1.1.3 of a group'], 'ASVS 1.1.3 of tests', 'passed'],
    [['on postgres'], 'ASVS 1.1.3: of tests', 'passed'],
    [[], 'ASVS 1.1.4', 'pending'],
    [[], 'of ASVS 1.1.5', 'passed'],
    [[], 'ASVS 1.1.6 unheard of', 'passed'],
  )
  const ids = ['1.1.1', '1.1.2', '1.1.3', '1.1.4', '1.1.5', '1.1.10']
  const all = verdicts(seen, ids)
  expect(all).toEqual([
    { id: '1.1.1', test: 'a name', runs: 1, result: 'passed' },
    { id: '1.1.2', test: 'a group', runs: 1, result: 'passed' },
    { id: '1.1.2', test: 'another', runs: 1, result: '1 failed' },
    { id: '1.1.3', test: 'of tests', runs: 3, result: '1 failed' },
    { id: '1.1.4', test: '', runs: 1, result: '1 pending' },
    { id: '1.1.5', test: '', runs: 0, result: 'no test' },
    { id: '1.1.10', test: 'a name', runs: 1, result: 'passed' },
    { id: '1.1.6', test: 'unheard of', runs: 1, result: 'not in the list' },
  ])
  expect(tableOf(all)).toMatch(/^\| ASVS {3}\| Test {7}\| Runs \| Result {10}\|\n/)
  expect(tableOf(all)).toContain('\n| 1.1.2  | another    | 1    | 1 failed        |\n')
})

test('the list is in order, and says of each what holds', () => {
  const number = (id: string) => id.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0)
  const ids = ROWS.map(({ id }) => id)
  expect(ids).toEqual([...new Set(ids)].sort((one, other) => number(one) - number(other)))
  expect(ROWS.filter(({ id, here }) => !/^\d+\.\d+\.\d+$/.test(id) || here === '')).toEqual([])
})

test('the options that it names are options', () => {
  const pathsIn = ({ properties = {} }: Node, prefix = ''): string[] =>
    Object.entries(properties).flatMap(([name, node]) => [`${prefix}${name}`, ...pathsIn(node, `${prefix}${name}.`)])
  const named = ROWS.flatMap(({ by }) => by.match(/(?<=`)[\w.]+(?=`)/g) ?? []).filter((name) => name !== 'sso_audit')
  expect(named.length).toBeGreaterThan(40)
  expect(pathsIn(optionsSchema as Node)).toEqual(expect.arrayContaining(named))
})

interface Node {
  readonly properties?: Readonly<Record<string, Node>>
}
