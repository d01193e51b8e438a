import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  customFromText,
  customToText,
  fromText,
  listFromText,
  listToText,
  type Notation,
  readCell,
  USUAL_NOTATION,
  writeCell,
} from '../../src/cli/apply/cells.ts'
import type { Kinds } from '../../src/cli/apply/columns.ts'
import { CsvCutter, csvLine, LONGEST_RECORD } from '../../src/cli/apply/csv.ts'
import { type Entry, type Format, readRecords } from '../../src/cli/apply/records.ts'
import type { AttributeKind } from '../../src/core/schema/catalogue.ts'

const KINDS: Kinds = new Map<string, AttributeKind>([
  ['username', 'text'],
  ['display_name', 'text'],
  ['email', 'text'],
  ['is_locked', 'boolean'],
  ['points', 'integer'],
  ['ratio', 'number'],
  ['joined_at', 'datetime'],
  ['settings', 'json'],
])

interface Input {
  readonly format?: Format
  readonly delimiter?: string
  readonly notation?: Notation
  readonly create?: boolean
  /** Bytes of a chunk. */
  readonly chunk?: number
}

async function read(text: string | Buffer, input: Input = {}): Promise<Entry[]> {
  const { format = 'csv', delimiter = ',', notation = USUAL_NOTATION, create = false, chunk = 7 } = input
  const bytes = Buffer.from(text as string)
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, index) =>
    bytes.subarray(index * chunk, (index + 1) * chunk),
  )
  const entries: Entry[] = []
  const reading = { format, delimiter, notation, kinds: KINDS, create }
  for await (const entry of readRecords(Readable.from(chunks), reading)) entries.push(entry)
  return entries
}

const linesOf = async (text: string | Buffer, input?: Input) => (await read(text, input)).map(({ line }) => line)
const faultsOf = async (text: string | Buffer, input?: Input) => (await read(text, input)).map(({ fault }) => fault)

describe('CSV', () => {
  test('what is written is read again, however it is cut into chunks', () => {
    const cell = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('"', ',', ';', '\r\n', '\n', '\r', '', ' x ', '=1+1'),
    )
    const table = fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 5 })
    fc.assert(
      fc.property(table, fc.constantFrom(',', ';', '\t'), fc.integer({ min: 1, max: 9 }), (rows, delimiter, size) => {
        const text = rows.map((row) => csvLine(row, delimiter)).join('')
        const cutter = new CsvCutter(delimiter)
        const found: unknown[] = []
        let source = ''
        for (let at = 0; at < text.length || at === 0; at += size) {
          for (const cut of cutter.push(text.slice(at, at + size), at + size >= text.length)) {
            found.push(cut.record)
            source += cut.source
          }
        }
        expect(found).toEqual(rows.map((cells) => ({ cells })))
        expect(source).toBe(text)
      }),
      { numRuns: 500 },
    )
  })

  test('a byte order mark, CRLF, empty lines and a missing end of the last line are no matter', async () => {
    expect(await linesOf('\ufeffusername,display_name\r\n\r\nada,"Ada\r\n""K"""\r\n\nbob,Bob')).toEqual([
      { username: 'ada', patch: { display_name: 'Ada\r\n"K"' } },
      { username: 'bob', patch: { display_name: 'Bob' } },
    ])
  })

  test('values are of the type that their attribute has', async () => {
    const header = 'username,is_locked,points,ratio,joined_at,settings,display_name'
    const cells = 'ada,TRUE,-12,1.5e3,2026-01-02 03:04,"{""a"":[1]}",007'
    expect(await linesOf(`${header}\n${cells}\n`)).toEqual([
      {
        username: 'ada',
        patch: {
          is_locked: true,
          points: -12,
          ratio: 1500,
          joined_at: '2026-01-02 03:04',
          settings: { a: [1] },
          display_name: '007',
        },
      },
    ])
  })

  test.each([
    ['is_locked', 'yes', 'true or false'],
    ['points', '1.5', 'an integer'],
    ['points', '9007199254740993', 'an integer'],
    ['ratio', '0x10', 'a number'],
    ['joined_at', '31.12.2026', 'an ISO 8601 date and time'],
    ['settings', '{a:1}', 'JSON'],
    ['acls', '[5]', 'a list of text'],
  ])('%s cannot be %s: the record fails, and the next one is read', async (name, cell, must) => {
    const [bad, good] = await read(`username,${name}\nada,${cell}\nbob,\n`)
    expect(bad).toMatchObject({ line: null, fault: `${name}: the cell must be ${must}.` })
    expect(good).toMatchObject({ line: { username: 'bob', patch: {} }, fault: null })
  })

  test('an empty cell leaves, \\N is NULL, \\E the empty text, and text that looks like them is text', async () => {
    const text = 'username,display_name,email\na,,\\N\nb,\\E,\\\\N\nc,\\\\E,\\\\\\N\nd,"",x\\N\n'
    expect(await linesOf(text)).toEqual([
      { username: 'a', patch: { email: null } },
      { username: 'b', patch: { display_name: '', email: '\\N' } },
      { username: 'c', patch: { display_name: '\\E', email: '\\\\N' } },
      { username: 'd', patch: { email: 'x\\N' } },
    ])
    const others = { empty: 'null', none: 'NULL' } as const
    expect(await linesOf('username,display_name,email\na,,NULL\nb,\\NULL,\\N\n', { notation: others })).toEqual([
      { username: 'a', patch: { display_name: null, email: null } },
      { username: 'b', patch: { display_name: 'NULL', email: '\\N' } },
    ])
    expect(await linesOf('username,display_name\na,\n', { notation: { ...others, empty: 'text' } })).toEqual([
      { username: 'a', patch: { display_name: '' } },
    ])
  })

  test('a cell of a list is the whole list; custom attributes are JSON or text', async () => {
    const text =
      'username,roles,acls,groups,attributes.theme,attributes.code,attributes.old,password\n' +
      'ada,sales|RW; hr|R,"[""a;b""]",\\N,dark,007,\\N,pass word\nbob,,,,"""true""","[1,null]",,\n'
    expect(await linesOf(text)).toEqual([
      {
        username: 'ada',
        patch: {},
        grants: { roles: ['sales|RW', 'hr|R'], acls: ['a;b'], groups: [] },
        attributes: { theme: 'dark', code: '007', old: null },
        password: 'pass word',
      },
      { username: 'bob', patch: {}, attributes: { theme: 'true', code: [1, null] } },
    ])
  })

  test('user_id is the key where it is there, and the username then one to be set', async () => {
    expect(await linesOf('username,user_id\nada,7\n,8\n')).toEqual([
      { id: '7', patch: { username: 'ada' } },
      { id: '8', patch: {} },
    ])
    expect(await faultsOf('user_id,email\n,x\n')).toEqual(['Nothing says whose account is meant.'])
    expect(await linesOf('username\nada\n', { create: true })).toEqual([{ create: true, username: 'ada', patch: {} }])
  })

  test.each([
    ['username,emial\n', 'There is no attribute emial: perhaps email is meant.'],
    ['username,email,email\n', 'The column email is there twice.'],
    ['email\n', 'There must be a column user_id or username, which says whose account is meant.'],
    ['username,\n', 'There is no attribute without a name: perhaps '],
    ['"username\n', 'The header cannot be read. A quote is not closed.'],
    ['', 'There is no header: the first line must name the columns.'],
  ])('the header %j is refused before anything is done', async (text, message) => {
    await expect(read(text)).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining(message) })
  })

  test('a record that cannot be read is one record, whatever it is', async () => {
    const text = 'username,email\n"a"b,c\nx,5" y\nb\nc,d,e\n\u00e9,ok\n"open,x\ny,z\n'
    expect(await faultsOf(text)).toEqual([
      'Something stands behind a closing quote.',
      'There is a quote within a cell that does not begin with one.',
      'The header has 2 cells, the record 1.',
      'The header has 2 cells, the record 3.',
      null,
      'A quote is not closed.',
      null,
    ])
    const latin1 = Buffer.from('username,email\n\xe9,a\nb,c\n', 'latin1')
    expect(await faultsOf(latin1)).toEqual(['The record is not UTF-8.', null])
    expect(await faultsOf('username,email\n\ufffd,a\n')).toEqual([null])
    const long = `username,email\n"${'x'.repeat(10)}\n${'y'.repeat(LONGEST_RECORD)}\nb,c\n`
    expect(await faultsOf(long, { chunk: 65_536 })).toEqual([
      expect.stringContaining('a quote may not be closed'),
      'The header has 2 cells, the record 1.',
      null,
    ])
  })

  test('each record says where in the input it ends', async () => {
    const text = 'username,email\r\nä,"b\n"\r\n\r\nc,d'
    const ends = [Buffer.byteLength('username,email\r\nä,"b\n"\r\n'), Buffer.byteLength(text)]
    expect((await read(text)).map(({ bytes }) => bytes)).toEqual(ends)
  })
})

describe('NDJSON and JSON', () => {
  const records = [
    { username: 'ada', is_locked: true, roles: ['sales|RW'], acls: null, 'attributes.theme': 'dark', email: null },
    { user_id: 7, display_name: '\\N', password: 'x' },
    { id: '7', grants: { roles: { hr: null } } },
    { username: 'bob', patch: { email: 'b@example.com' }, create: false },
    { username: 'eve', emial: 'typo' },
  ]
  const lines = [
    {
      username: 'ada',
      patch: { is_locked: true, email: null },
      grants: { roles: ['sales|RW'], acls: [] },
      attributes: { theme: 'dark' },
    },
    { id: '7', patch: { display_name: '\\N' }, password: 'x' },
    { id: '7', grants: { roles: { hr: null } } },
    { username: 'bob', patch: { email: 'b@example.com' }, create: false },
    { username: 'eve', patch: { emial: 'typo' } },
  ]

  test('records are flat, or lines of a batch', async () => {
    const text = `\ufeff${records.map((record) => JSON.stringify(record)).join('\n\n')}`
    expect(await linesOf(text, { format: 'ndjson' })).toEqual(lines)
    expect(await linesOf(JSON.stringify(records), { format: 'json' })).toEqual(lines)
    const created = await linesOf(text, { format: 'ndjson', create: true })
    expect(created.map((line) => (line as { create: boolean }).create)).toEqual([true, true, true, false, true])
  })

  test('what is no record fails, and the next one is read', async () => {
    const text = `{"username":\n5\nnull\n[]\n{"email":"x"}\n{"username":5}\n{"username":"a"}\n${'x'.repeat(LONGEST_RECORD + 1)}\n{"username":"b"}`
    expect(await faultsOf(text, { format: 'ndjson', chunk: 65_536 })).toEqual([
      'The record is not JSON.',
      'The record is not a JSON object.',
      'The record is not a JSON object.',
      'The record is not a JSON object.',
      'Nothing says whose account is meant.',
      'username must be text.',
      null,
      `The record is longer than ${LONGEST_RECORD} characters.`,
      null,
    ])
  })

  test('what is no array of JSON is refused as a whole, and so is one that is too large', async () => {
    const reads = (text: string | Buffer) => read(text, { format: 'json', chunk: 4 * 1024 * 1024 })
    await expect(reads('{"username":"ada"}')).rejects.toMatchObject({ exitCode: 2, message: /must be a JSON array/ })
    await expect(reads('[{]')).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('is not JSON') })
    await expect(reads(Buffer.alloc(65 * 1024 * 1024, 32))).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('make it NDJSON'),
    })
  })
})

describe('what an export writes in a cell', () => {
  const odd = fc.constantFrom(
    '',
    '\\N',
    '\\E',
    '\\\\N',
    '\\',
    'NULL',
    '\\NULL',
    '-',
    'true',
    '1',
    '1.0',
    '1e5',
    '"x"',
    '[',
  )
  const text = fc.oneof(odd, fc.string({ unit: 'binary' }))
  const notation = fc.constantFrom<Notation>(
    USUAL_NOTATION,
    { empty: 'leave', none: 'NULL' },
    { empty: 'leave', none: '-' },
  )

  test('is the same text, NULL or empty text again', () => {
    fc.assert(
      fc.property(fc.option(text), notation, (value, how) => {
        expect(readCell(writeCell(value, how), how)).toBe(value)
      }),
    )
  })

  test('is the same custom attribute again', () => {
    const value = fc.oneof(
      text,
      fc.jsonValue().filter((json) => json !== null),
    )
    fc.assert(
      fc.property(value, notation, (json, how) => {
        const cell = readCell(writeCell(customToText(json), how), how)
        expect(customFromText(cell as string)).toEqual(JSON.parse(JSON.stringify(json)))
      }),
    )
    expect(customFromText('12345678901234567890')).toBe('12345678901234567890')
  })

  test('is the same list again', () => {
    const id = text.map((one) => one.replaceAll('|', '').trim()).filter((one) => one !== '')
    fc.assert(
      fc.property(fc.array(id, { maxLength: 4 }), notation, (ids, how) => {
        const cell = listToText(ids, how)
        expect(cell === null ? [] : listFromText(cell)).toEqual(ids)
        // No list is taken for a marker.
        if (cell !== null) expect(readCell(cell, how)).toBe(cell)
      }),
    )
  })

  test('is the same value of each kind', () => {
    expect(fromText('boolean', 'false')).toBe(false)
    expect(fromText('integer', '+5')).toBe(5)
    expect(fromText('json', 'null')).toBe(null)
  })
})
