import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { generatedFiles } from './files.ts'
import { TABLES, withTables } from './readme-tables.ts'

describe('what is generated is up to date; `npm run generate` writes it', () => {
  test.each(generatedFiles().map(({ path, text }) => ({ name: basename(path.pathname), path, text })))(
    '$name',
    ({ path, text }) => {
      expect(readFileSync(path, 'utf8')).toBe(text)
    },
  )
})

test('a table is replaced whole, and what is around it stays', () => {
  const marked = (inside: string) =>
    Object.keys(TABLES)
      .map((name) => `Before ${name}.\n\n<!-- begin ${name} -->\n${inside}<!-- end ${name} -->\n\nAfter it.\n`)
      .join('\n')
  const written = withTables(marked('\nwas here\n\n'))
  expect(written).toBe(withTables(written))
  expect(written).toBe(withTables(marked('')))
  expect(written).not.toContain('was here')
  expect(written.match(/^After it\.$/gm)).toHaveLength(Object.keys(TABLES).length)
})

test('a README that lacks a table, or has a marker for none, is an error', () => {
  expect(() => withTables('')).toThrow('the README has markers for: ;')
  expect(() => withTables('<!-- begin nosuch -->\n<!-- end nosuch -->\n')).toThrow('markers for: nosuch;')
})
