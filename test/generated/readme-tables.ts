import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import ts from 'typescript'
import auditSchema from '#schemas/audit-record.json' with { type: 'json' }
import optionsSchema from '#schemas/options.json' with { type: 'json' }
import restSchema from '#schemas/rest.json' with { type: 'json' }
import updateuserSchema from '#schemas/updateuser.json' with { type: 'json' }
import userSchema from '#schemas/user.json' with { type: 'json' }
import { buildProgram } from '../../src/cli/program.ts'
import { accessMatrix } from '../../src/core/schema/access.ts'
import { buildCatalogue } from '../../src/core/schema/catalogue.ts'
import { ERRORS, type ErrorCode } from '../../src/errors.ts'
import { isBatch } from '../../src/http/rest/endpoint.ts'
import { REST_ROUTES } from '../../src/http/rest/router.ts'
import { UPDATEUSER } from '../../src/http/updateuser/failures.ts'
import { ENDPOINTS } from '../../src/http/zato/endpoints.ts'
import { ZATO } from '../../src/http/zato/failures.ts'
import { ROWS } from '../asvs/rows.ts'

/** The README's generated tables by the name in their markers. */
export const TABLES: Readonly<Record<string, () => string>> = {
  versions,
  functions,
  'rest endpoints': restEndpoints,
  'zato endpoints': zatoEndpoints,
  'updateuser parameters': updateuserParameters,
  options,
  access,
  errors,
  'audit record': auditRecord,
  commands,
  asvs,
}

/** The README with every generated table in its place. @throws Error for a marker without a table, or the reverse */
export function withTables(readme: string): string {
  const markers = [...readme.matchAll(/^<!-- begin ([a-z ]+) -->$/gm)].map(([, name]) => name)
  const [wanted, found] = [Object.keys(TABLES).sort().join(), markers.sort().join()]
  if (wanted !== found) throw new Error(`the README has markers for: ${found}; there are tables for: ${wanted}`)

  let text = readme
  for (const [name, table] of Object.entries(TABLES)) {
    const [begin, end] = [`<!-- begin ${name} -->\n`, `<!-- end ${name} -->`]
    const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
    if (to < from) throw new Error(`the README has no end marker for ${name}`)
    text = `${text.slice(0, from)}\n${table()}\n${text.slice(to)}`
  }
  return text
}

function rows(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...body.map(line), ''].join('\n')
}

const code = (text: unknown) => `\`${text}\``
const list = (names: readonly string[]) => names.map(code).join(', ')

/** Usage and description of each command, as its help has them. */
function commands(): string {
  const visit = (command: Command, words: readonly string[]): string[][] =>
    command.commands.flatMap((sub) => {
      const path = [...words, sub.name()]
      if (sub.commands.length > 0) return visit(sub, path)
      const given = sub.registeredArguments.map((argument) => {
        const name = argument.name().toUpperCase()
        return argument.required ? name : `[${name}]`
      })
      const options = sub.options.map(({ flags, mandatory }) => (mandatory ? flags : `[${flags}]`))
      return [[code([...path, ...given, ...options].join(' ')), sub.description()]]
    })
  const nothing = new PassThrough()
  const io = { stdin: nothing, stdout: nothing, stderr: nothing, env: {}, cwd: '', userName: '' }
  const program = buildProgram({ ...io, takeInterrupts: () => new AbortController().signal })
  return rows(['`npx express-sso-users …`', ''], visit(program, []))
}

function versions(): string {
  const { engines, peerDependencies, peerDependenciesMeta, devDependencies } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  const peers = Object.entries(peerDependencies as Record<string, string>).map(([name, range]) => {
    const isOptional = peerDependenciesMeta[name]?.optional === true
    return [code(name), code(range), isOptional ? 'if you use it' : 'yours']
  })
  const drivers = [
    ['SQLite', 'better-sqlite3'],
    ['MariaDB, MySQL', 'mysql2'],
    ['PostgreSQL', 'pg'],
  ].map(([database, name = '']) => [`${database}: ${code(name)}`, code(devDependencies[name]), 'tested with these'])
  return rows(
    ['', 'Versions', ''],
    [['Node.js', code(engines.node), 'ESM; `require` works, too'], ...peers, ...drivers],
  )
}

/** Names and first sentences of the functions, from their docstrings. */
function functions(): string {
  return rows(
    ['Function', 'What it does'],
    [
      ...membersOf('core/users.ts', 'UserApi', 'sso.user'),
      ...membersOf('core/totp/api.ts', 'TotpApi', 'sso.user'),
      ...membersOf('core/resets/api.ts', 'ResetApi', 'sso.user'),
      ...membersOf('core/revert/api.ts', 'RevertApi', 'sso.user'),
      ...membersOf('core/sessions/api.ts', 'SessionApi', 'sso.session'),
      ...membersOf('core/attributes/api.ts', 'AttributesApi', 'sso.attributes'),
      ...membersOf('core/batch/api.ts', 'BatchApi', 'sso.batch'),
      ...membersOf('core/audit/api.ts', 'AuditApi', 'sso.audit'),
    ],
  )
}

function membersOf(file: string, name: string, prefix: string): string[][] {
  const path = new URL(`../../src/${file}`, import.meta.url)
  const source = ts.createSourceFile(file, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
  const api = source.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  ) as ts.InterfaceDeclaration
  return api.members.map((member) => {
    const [comment] = ts.getJSDocCommentsAndTags(member)
    const text = ts.getTextOfJSDocComment((comment as ts.JSDoc).comment) ?? ''
    return [code(`${prefix}.${(member.name as ts.Identifier).text}`), text.replace(/\s+/g, ' ').trim()]
  })
}

interface Node {
  readonly type?: string | readonly string[]
  readonly 'x-type'?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Node[]
  readonly items?: Node
  readonly additionalProperties?: boolean | Node
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
}

function restEndpoints(): string {
  const { $defs } = restSchema as { $defs: Readonly<Record<string, Node>> }
  const body = REST_ROUTES.map((route) => {
    const { method, path, summary, body: name, query = {} } = route
    const { properties = {}, required = [], additionalProperties } = (name && $defs[name]) || {}
    const members = Object.keys(properties).map((member) =>
      required.includes(member) ? `**${code(member)}**` : code(member),
    )
    const parameters = Object.keys(query).filter((parameter) => parameter !== 'dryRun')
    if (isBatch(route)) members.unshift('[lines](#many-changes-in-one-request)')
    else if (name && additionalProperties !== false) members.unshift('attributes')
    const queried = parameters.length > 0 ? [`?${parameters.map(code).join(', ')}`] : []
    return [code(`${method.toUpperCase()} ${path}`), summary, [...members, ...queried].join(', ')]
  })
  return rows(['', '', 'Body (**required**), ?query'], body)
}

const IN_EVERY_BODY = ['current_app', 'ust']

function zatoEndpoints(): string {
  const body = ENDPOINTS.map(({ method, path, schema, does, who, replies = '' }) => {
    const text = readFileSync(new URL(`../../schemas/${schema}.json`, import.meta.url), 'utf8')
    const { properties = {}, required = [] } = JSON.parse(text) as Node
    const fields = Object.keys(properties)
      .filter((name) => !IN_EVERY_BODY.includes(name))
      .map((name) => (required.includes(name) ? `**${code(name)}**` : code(name)))
    return [code(`${method} ${path}`), does, who, fields.join(', '), replies]
  })
  const planned = PLANNED.map(([endpoint, does]) => [code(endpoint), does, '*still to come*', '', ''])
  return rows(['', '', 'Who', 'Fields (**required**)', 'Reply, beside the envelope'], [...body, ...planned])
}

// What Zato has beside them; the wire contract's list, without what is there.
const PLANNED = [
  ['POST /user/signup', 'Signs a new user up'],
  ['PATCH /user/signup', 'Confirms a sign-up'],
  ['GET /user/linked', 'Reads linked credentials'],
  ['POST /user/linked', 'Links credentials'],
  ['DELETE /user/linked', 'Deletes a link'],
] as const

function updateuserParameters(): string {
  const body = Object.entries(updateuserSchema.properties).map(([name, { description }]) => [code(name), description])
  return rows(['Parameter', 'Meaning'], body)
}

function options(): string {
  return rows(['Option', 'Type', 'Default', 'Meaning'], optionRows(optionsSchema as Node, ''))
}

function optionRows({ properties = {}, required = [] }: Node, prefix: string): string[][] {
  return Object.entries(properties).flatMap(([name, node]) => {
    const path = `${prefix}${name}`
    if (node.properties && name !== 'hasher' && name !== 'attributes') return optionRows(node, `${path}.`)
    const [meaning = '', told] = (node.description ?? '').split(/ Default: /)
    const fallback =
      node.default === undefined ? '' : code(typeof node.default === 'string' ? node.default : written(node))
    const isRequired = required.includes(name)
    return [
      [code(path), code(typeOf(node)), isRequired ? '**required**' : (told?.replace(/\.$/, '') ?? fallback), meaning],
    ]
  })
}

const written = (node: Node) => JSON.stringify(node.default).replaceAll(',', ', ')

function typeOf(node: Node): string {
  if (node['x-type'] === 'knex') return 'Knex'
  if (node['x-type'] === 'functions') return 'function or list'
  if (node['x-type']) return node['x-type']
  if (node.anyOf) return node.anyOf.map(typeOf).join(' or ')
  if (node.const !== undefined) return String(node.const)
  if (node.enum) return node.enum.join(' or ')
  const types = ([] as string[]).concat(node.type ?? [])
  return types.map((type) => (type === 'array' ? `list of ${typeOf(node.items ?? {})}` : type)).join(' or ')
}

function access(): string {
  const properties = userSchema.properties as Readonly<Record<string, Node>>
  const body = accessMatrix(buildCatalogue(undefined)).map(
    ({ attribute, editableBy, readableBy, nullable, secret }) => [
      code(attribute),
      audience(editableBy),
      audience(readableBy),
      nullable ? 'yes' : '',
      secret ? 'yes' : '',
      properties[attribute]?.description ?? '',
    ],
  )
  return rows(['Attribute', 'Changed by', 'Read by', 'null', 'Secret', 'Meaning'], body)
}

function audience(name: string): string {
  return { self: 'self, super-users', super_user: 'super-users', nobody: '' }[name] as string
}

function errors(): string {
  const body = (Object.keys(ERRORS) as ErrorCode[]).map((name) => {
    const zato = ZATO[name]
    const { status, message } = ERRORS[name]
    const worded = 'sub' in zato ? `${zato.http} ${code(zato.sub)}` : `${zato.http} ${code(zato.details)}`
    return [code(name), message, String(status), worded, String(UPDATEUSER[name])]
  })
  return rows(['`code`', 'Meaning', '`status`', 'Zato', 'updateuser'], body)
}

function auditRecord(): string {
  const properties = auditSchema.properties as Readonly<Record<string, Node>>
  const body = Object.entries(properties).map(([name, { description = '', enum: values }]) => {
    const shown =
      values && name !== 'error' ? ` One of ${list(values.filter((value) => value !== null) as string[])}.` : ''
    return [code(name), description + shown]
  })
  return rows(['Field', 'Meaning'], body)
}

function asvs(): string {
  const body = ROWS.map(({ id, level, here, by }) => [id, String(level), here, by || 'always so'])
  return rows(['ASVS', 'Level', 'Here', 'By'], body)
}
