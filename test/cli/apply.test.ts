import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../support/host.ts'
import { type Circumstances, type Ran, type Stage, setStage } from './stage.ts'

const OPTIONS = `
  attributes: { properties: {
    nickname: { type: ['string', 'null'], maxLength: 50, 'x-sso': { editableBy: 'super_user', readableBy: 'super_user' } },
    points: { type: ['integer', 'null'], 'x-sso': { editableBy: 'super_user', readableBy: 'super_user' } },
    ratio: { type: ['number', 'null'], 'x-sso': { editableBy: 'super_user', readableBy: 'super_user' } },
    joined_at: { type: ['string', 'null'], format: 'date-time', 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    settings: { type: ['object', 'array', 'null'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
  } },`

/** Values that a text of cells may lose. */
const ODD = [
  '',
  null,
  '\\N',
  '\\E',
  '\\\\N',
  ' x ',
  'a,b;c',
  'say "hi"',
  '=HYPERLINK("x")',
  '+1',
  '-1',
  '@x',
  'ü😀',
  '007',
]

describe.each(databases)('apply and export: %s', (name) => {
  let stage: Stage
  let count = 0
  const on = (argv: readonly string[], circumstances: Circumstances = {}): Promise<Ran> =>
    stage.cli(argv, { signal: new AbortController().signal, ...circumstances })
  const fresh = (text: string, ending = 'csv') => stage.file(`input${++count}.${ending}`, text)
  const resultsOf = (file: string): any[] =>
    readFileSync(`${file}.results.ndjson`, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const exported = async (...argv: string[]) => (await on(['export', ...argv])).stdout
  const columns = async (names: string, ...argv: string[]) =>
    (await exported('--columns', names, ...argv)).trimEnd().split('\n').slice(1)

  beforeAll(async () => {
    stage = await setStage(name, OPTIONS)
    expect((await on(['migrate'])).code).toBe(0)
    const people = ['ada', 'bob', 'eve'].map((username) => `${username},approved\n`).join('')
    const made = await on(['apply', fresh(`username,approval_status\n${people}`), '--create'])
    expect(made).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('3 records: 3 done, 3 of them with changes'),
    })
  })
  afterAll(() => stage.close())

  test('records that fail are told of and kept, and the others are done', async () => {
    const file = fresh(
      'username,email,is_locked,roles\nada,ada@example.com,,sales|RW\nbob,nonsense,,\neve,,perhaps,\nnobody,,,\nada,,,\n',
    )
    const ran = await on(['apply', file])
    expect(ran.code).toBe(4)
    expect(ran.stdout).toBe(`5 records: 2 done, 1 of them with changes, 3 failed.\nResults: ${file}.results.ndjson\n`)
    expect(ran.stderr.split('\n')).toEqual([
      'record 2 (bob): email: The value must match format "email". (email_invalid)',
      'record 3: is_locked: the cell must be true or false. (input_malformed)',
      'record 4 (nobody): There is no such user. (user_unknown)',
      '',
    ])
    const [header, ...results] = resultsOf(file)
    expect(header.apply).toMatchObject({
      run: expect.stringMatching(/^apply-/),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      bytes: readFileSync(file).length,
      mode: 'independent',
      dryRun: false,
    })
    const id = expect.any(String)
    expect(results).toEqual([
      { line: 1, id, username: 'ada', status: 'ok', changed: ['email', 'roles'] },
      {
        line: 2,
        id,
        username: 'bob',
        status: 'error',
        changed: [],
        errors: [{ pointer: '/patch/email', code: 'email_invalid', message: 'The value must match format "email".' }],
      },
      {
        line: 3,
        id: null,
        username: null,
        status: 'error',
        changed: [],
        errors: [{ pointer: '', code: 'input_malformed', message: 'is_locked: the cell must be true or false.' }],
      },
      {
        line: 4,
        id: null,
        username: 'nobody',
        status: 'error',
        changed: [],
        errors: [{ pointer: '', code: 'user_unknown', message: 'There is no such user.' }],
      },
      { line: 5, id, username: 'ada', status: 'ok', changed: [] },
      { totals: { lines: 5, ok: 2, changed: 1, errors: 3, undone: 0 }, status: 'error' },
    ])
    const [record] = await stage.audit({ cid: `${header.apply.run}-1` })
    expect(record).toMatchObject({ actor_name: 'cli:tester', actor_via: 'code', target_name: 'ada' })
  })

  test('a dry run shows what would change, account by account, and changes nothing', async () => {
    const before = await exported()
    const file = fresh(
      'username,display_name,email,is_locked,password,attributes.theme,groups\n' +
        'ada,Ada,\\N,,tangerine lampshade 4711,dark,staff\nbob,,,false,,,\nnew,,,true,,,\nbob,,x,,,,\n',
    )
    const ran = await on(['apply', file, '--dry-run', '--create'])
    expect(ran).toMatchObject({ code: 4, stderr: expect.stringMatching(/^record 4 \(bob\): .*email_invalid\)\n$/) })
    const shown = ran.stdout.replaceAll(/, id [^)]+/g, ', id …')
    expect(shown).toBe(`ada (record 1, id …)
  password: [redacted] -> [redacted]
  display_name: "" -> "Ada"
  email: "ada@example.com" -> null
  attributes.theme: null -> "dark"
  groups: [] -> ["staff"]
new (record 3, new)
  is_locked: true
4 records: 3 would be done, 2 of them with changes, 1 failed.
`)
    expect(ran.stdout).not.toContain('4711')
    expect(existsSync(`${file}.results.ndjson`)).toBe(false)
    expect(await exported()).toBe(before)

    const asJson = await on(['apply', file, '--dry-run', '--create', '--json'])
    const events = asJson.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(events.map(({ line }) => line)).toEqual([1, 2, 3, 4, undefined])
    expect(events[2]).toMatchObject({ created: true, changes: expect.any(Array) })
    expect(events[4]).toMatchObject({ totals: { lines: 4, ok: 3, errors: 1 }, status: 'error', dryRun: true })
    expect(asJson).toMatchObject({ code: 4, stderr: '' })
  })

  test('atomic: all or none; what would have been done is told apart', async () => {
    const text = 'username,last_name\nada,King\nnobody,X\n'
    const file = fresh(text)
    const ran = await on(['apply', file, '--mode', 'atomic'])
    expect(ran).toMatchObject({ code: 4, stdout: expect.stringContaining('1 failed, 1 not done because of those.') })
    expect(resultsOf(file).slice(1)).toMatchObject([
      { status: 'undone' },
      { status: 'error' },
      { totals: { undone: 1 } },
    ])
    expect(await columns('last_name', '--username', 'ada')).toEqual(['\\N'])
    const good = fresh(text.replace('nobody', 'bob'))
    expect((await on(['apply', good, '--mode', 'atomic'])).code).toBe(0)
    expect(await columns('username,last_name', '--last-name', 'king')).toEqual(['ada,King'])
  })

  test('a run goes on after its last result, and does nothing twice', async () => {
    const text = `username,first_name\n${['ada', 'bob', 'eve', 'nobody', 'ada'].map((who, n) => `${who},N${n}\n`).join('')}`
    const file = fresh(text)
    expect((await on(['apply', file])).code).toBe(4)
    const whole = readFileSync(`${file}.results.ndjson`, 'utf8').split('\n')
    const { run } = JSON.parse(whole[0]!).apply
    const records = await stage.audit()
    const names = await columns('username,first_name')

    // As after a kill: three results were committed whose lines are not there, one of them half.
    writeFileSync(`${file}.results.ndjson`, `${whole.slice(0, 3).join('\n')}\n${whole[3]!.slice(0, 20)}`)
    const again = await on(['apply', file, '--resume'])
    expect(again).toMatchObject({ code: 4, stdout: expect.stringContaining('5 records: 4 done') })
    const results = resultsOf(file)
    expect(results[0].apply.run).toBe(run)
    expect(results.slice(1).map(({ line, status, repeated }) => [line, status, repeated])).toEqual([
      [1, 'ok', undefined],
      [2, 'ok', undefined],
      [3, 'ok', true],
      [4, 'error', true],
      [5, 'ok', true],
      [undefined, 'error', undefined],
    ])
    const since = (await stage.audit()).slice(records.length)
    expect(since.filter(({ outcome }) => outcome === 'ok')).toEqual([])
    expect(await columns('username,first_name')).toEqual(names)

    expect(await on(['apply', file, '--resume'])).toMatchObject({
      code: 4,
      stderr: 'That run is at its end already.\n',
      stdout: expect.stringContaining('5 records: 4 done'),
    })
  })

  test('a run that is stopped says how to go on, and goes on', async () => {
    const people = Array.from({ length: 420 }, (_, index) => `${['ada', 'bob', 'eve'][index % 3]},M${index}\n`)
    const file = fresh(`username,middle_name\n${people.join('')}`)
    const interrupt = new AbortController()
    // The signal comes while the first results are written.
    const watch = setInterval(() => {
      if (existsSync(`${file}.results.ndjson`) && resultsTo(file) > 1) interrupt.abort('SIGTERM')
    }, 1)
    const stopped = await on(['apply', file], { signal: interrupt.signal }).finally(() => clearInterval(watch))
    expect(stopped).toMatchObject({ code: 143, stdout: expect.stringContaining('with --resume') })
    const done = resultsOf(file).slice(1, -1)
    expect(done.length).toBeGreaterThan(0)
    expect(done.length).toBeLessThan(420)
    expect(resultsOf(file).at(-1)).toMatchObject({ status: 'error', error: { code: 'interrupted' } })

    expect(await on(['apply', file, '--resume'])).toMatchObject({ code: 0 })
    const results = resultsOf(file).slice(1, -1)
    expect(results.map(({ line }) => line)).toEqual(people.map((_, index) => index + 1))
    expect(results.filter(({ changed }) => changed.length === 1)).toHaveLength(420)
    const { run } = resultsOf(file)[0].apply
    const records = (await stage.audit()).filter(({ cid }) => cid.startsWith(`${run}-`))
    expect(records).toHaveLength(420)
    expect(await columns('middle_name', '--username', 'ada')).toEqual(['M417'])
  })

  test('what is exported is applied unchanged, and to an empty database the same again', async () => {
    const people = ODD.map((value, index) => ({
      username: `odd${String(index).padStart(2, '0')}`,
      display_name: value,
      nickname: ODD[(index + 1) % ODD.length],
      email: index % 3 === 0 ? `odd${index}@example.com` : null,
      is_locked: index % 2 === 0,
      points: index % 4 === 0 ? null : index - 5,
      ratio: index / 8,
      joined_at: index % 2 === 0 ? null : '2026-01-02T03:04:05.678Z',
      settings: index % 2 === 0 ? null : { list: [null, 'x'], text: value ?? '' },
      roles: index % 2 === 0 ? [] : ['sales|RW', 'a;b|X'],
      acls: index % 3 === 0 ? ['\\N'] : [],
      groups: ['[x]'].slice(index % 2),
      'attributes.odd value': value ?? ['null'],
      ...(index === 3 ? { 'attributes.number': 0.1 } : {}),
    }))
    const text = people.map((one) => JSON.stringify(one)).join('\n')
    expect(await on(['apply', fresh(text, 'ndjson'), '--create'])).toMatchObject({ code: 0, stderr: '' })

    const other = await setStage(name, OPTIONS)
    try {
      await other.cli(['migrate'])
      for (const [ending, options] of [
        ['csv', []],
        ['csv', ['--delimiter', ';', '--null', 'NULL']],
        ['ndjson', []],
      ] as const) {
        const out = join(stage.directory, `out${++count}.${ending}`)
        expect(await on(['export', '--out', out, ...options])).toMatchObject({ code: 0, stdout: '' })
        const first = readFileSync(out, 'utf8')
        const unchanged = await on(['apply', out, ...options])
        expect(unchanged).toMatchObject({ code: 0, stderr: '' })
        expect(unchanged.stdout).toMatch(/^(\d+) records: \1 done, 0 of them with changes, 0 failed\./)
        expect(await exported('--format', ending, ...options)).toBe(first)

        await other.database.db('sso_user').delete()
        for (const table of ['sso_role_grant', 'sso_acl_grant', 'sso_attribute'])
          await other.database.db(table).delete()
        const made = await other.cli(['apply', out, ...options, '--create', '--results', `${out}.2`], {
          signal: new AbortController().signal,
        })
        expect(made).toMatchObject({ code: 0, stderr: '' })
        const same = await other.cli(['export', '--format', ending, ...options], {
          signal: new AbortController().signal,
        })
        expect(same.stdout).toBe(first)
      }
    } finally {
      await other.close()
    }
  })

  test('an export has the accounts and the columns that are asked for', async () => {
    await on(['apply', fresh('username,approval_status\nbob,rejected\n')])
    expect(await exported('--approval-status', 'rejected', '--columns', 'user_id,username,attributes.theme')).toMatch(
      /^user_id,username,attributes\.theme\n\w+,bob,\n$/,
    )
    expect(await exported('--username', 'bob', '--json', '--columns', 'username,is_active,acls')).toBe(
      '{"username":"bob","is_active":true,"acls":[]}\n',
    )
    expect(await on(['export', '--columns', 'username,emial'])).toMatchObject({
      code: 2,
      stderr: '--columns: there is no emial to be read: perhaps email is meant.\n',
    })
    expect((await on(['export', '--columns', 'password'])).code).toBe(2)
    expect((await on(['export', '--columns', 'acls,acls'])).code).toBe(2)
    expect((await on(['export', '--approval-status', 'perhaps'])).code).toBe(3)
  })
})

/** Lines of the results that are there yet. */
function resultsTo(file: string): number {
  return readFileSync(`${file}.results.ndjson`, 'utf8').split('\n').length - 1
}
