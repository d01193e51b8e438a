import { readFileSync } from 'node:fs'
import { withTables } from './readme-tables.ts'
import { userTypes } from './user-types.ts'

/** A file of which all or some is generated, and its text as it should be. */
export interface GeneratedFile {
  readonly path: URL
  readonly text: string
}

/** Every generated file. What is written by hand between generated parts is taken from the file itself. */
export function generatedFiles(): readonly GeneratedFile[] {
  const readme = new URL('../../README.md', import.meta.url)
  return [
    { path: new URL('../../src/core/schema/user.gen.ts', import.meta.url), text: userTypes() },
    { path: readme, text: withTables(readFileSync(readme, 'utf8')) },
  ]
}
