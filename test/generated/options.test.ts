import { readFileSync } from 'node:fs'
import knexFactory, { type Knex } from 'knex'
import ts from 'typescript'
import { afterAll, expect, test } from 'vitest'
import optionsSchema from '#schemas/options.json' with { type: 'json' }
import { resolveOptions } from '../../src/resolve-options.ts'

const db: Knex = knexFactory({ client: 'better-sqlite3', connection: { filename: ':memory:' }, useNullAsDefault: true })

afterAll(() => db.destroy())

const SCHEMA = optionsSchema as Node

interface Node {
  readonly description?: string
  readonly default?: unknown
  readonly 'x-type'?: string
  readonly properties?: Readonly<Record<string, Node>>
}

// Their members are types of their own, or words for what JSON cannot say.
const WHOLE = ['hooks', 'attributes', 'password.hasher', 'inform', 'updateuser.permissions', 'logger']
const WORDS = ['any', 'console']

function pathsOf({ properties = {} }: Node, prefix = ''): string[] {
  return Object.entries(properties).flatMap(([name, node]) => {
    const path = `${prefix}${name}`
    return [path, ...(WHOLE.includes(path) ? [] : pathsOf(node, `${path}.`))]
  })
}

function membersOf(node: ts.Node, prefix = ''): string[] {
  const members = ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node) ? node.members : []
  return members.flatMap((member) => {
    if (!ts.isPropertySignature(member) || !member.type) return []
    const path = `${prefix}${member.name.getText()}`
    return [path, ...membersOf(member.type, `${path}.`)]
  })
}

test('the type Options and its schema have the same options', () => {
  const file = new URL('../../src/options.ts', import.meta.url)
  const source = ts.createSourceFile('options.ts', readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
  const type = source.statements.find((node) => ts.isInterfaceDeclaration(node) && node.name.text === 'Options')
  expect(membersOf(type!).sort()).toEqual(pathsOf(SCHEMA).sort())
})

test('the defaults that the schema tells are those that are used', () => {
  const defaults = ({ properties = {} }: Node): object =>
    Object.fromEntries(
      Object.entries(properties).flatMap(([name, node]): [string, unknown][] => {
        // A host's table is not a default.
        if (name === 'users') return []
        const within = defaults(node)
        if (Object.keys(within).length > 0) return [[name, within]]
        const isTold = node.default !== undefined && !WORDS.includes(node.default as string)
        return isTold ? [[name, node.default]] : []
      }),
    )
  const comparable = (config: object) => JSON.parse(JSON.stringify({ ...config, store: null }))
  const told = defaults(SCHEMA)
  expect(Object.keys(told)).toContain('session')
  expect(comparable(resolveOptions({ ...told, db }))).toEqual(comparable(resolveOptions({ db })))
})
