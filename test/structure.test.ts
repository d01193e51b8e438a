import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean)
const sources = tracked.filter((path) => /^src\/.+\.ts$/.test(path))
const tests = tracked.filter((path) => /^test\/.+\.[cm]?[jt]s$/.test(path))

const read = (path: string) => readFileSync(`${ROOT}${path}`, 'utf8')

/** Lines that match, as `path:number: text`. */
function linesOf(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  )
}

function parsed(path: string): ts.SourceFile {
  return ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest)
}

test('the repository has files to examine', () => {
  expect(tracked).toEqual(expect.arrayContaining(['package.json', 'package-lock.json', 'src/index.ts', 'README.md']))
  expect(sources.length).toBeGreaterThan(40)
  expect(tests).toContain('test/structure.test.ts')
})

describe('nothing belongs to one machine', () => {
  test('no file has an absolute path into a home or a workplace', () => {
    const places = ['root', 'work', 'farm', 'home', 'Users'].join('|')
    expect(linesOf(tracked, new RegExp(`(^|[^\\w.~/-])/(${places})/`))).toEqual([])
  })

  test('no file names a package registry, the lock file least of all', () => {
    expect(linesOf(tracked, new RegExp(['registry', 'npmjs', 'org'].join('\\.')))).toEqual([])
    expect(linesOf(['package-lock.json'], /"resolved"/)).toEqual([])
  })
})

test('the lock file names the packages of every platform, or npm ci refuses it elsewhere', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }
  const folders = Object.entries(packages)
  const missing = folders.flatMap(([path, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies).flatMap(([name, version]) =>
      folders.some(([other, locked]) => other.endsWith(`node_modules/${name}`) && locked.version)
        ? []
        : [`${path}: ${name}@${version}`],
    ),
  )
  expect(missing).toEqual([])
})

interface LockedPackage {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

describe('the source stays readable', () => {
  test('no file is longer than 300 lines', () => {
    const long = sources.filter((path) => read(path).trimEnd().split('\n').length > 300)
    expect(long).toEqual([])
  })

  test('nothing is called by a name that says nothing', () => {
    const banned = ['util', 'utils', 'helper', 'helpers', 'common', 'misc', 'manager']
    const words = (name: string) => name.split(/[^A-Za-z]+|(?<=[a-z])(?=[A-Z])/).map((word) => word.toLowerCase())
    const isBanned = (name: string) => words(name).some((word) => banned.includes(word))

    const paths = tracked.filter(isBanned)
    const declared = [...sources, ...tests].flatMap((path) =>
      declaredNames(parsed(path)).flatMap((name) => (isBanned(name) ? [`${path}: ${name}`] : [])),
    )
    expect([...paths, ...declared]).toEqual([])
  })

  test('the entry exports by name, one by one, and does nothing else', () => {
    const entry = parsed('src/index.ts')
    const others = entry.statements.filter(
      (statement) =>
        !ts.isExportDeclaration(statement) ||
        statement.moduleSpecifier === undefined ||
        statement.exportClause === undefined ||
        !ts.isNamedExports(statement.exportClause),
    )
    expect(others.map((statement) => statement.getText(entry))).toEqual([])
  })

  test('no module waits while it is loaded, so that require() can load it', () => {
    expect(sources.filter((path) => waitsOnLoading(parsed(path)))).toEqual([])
  })
})

test('the lists of passwords, megabytes of them, are loaded when they are needed', () => {
  expect(linesOf(sources, /import\('@zxcvbn-ts\//)).not.toEqual([])
  expect(linesOf(sources, /from '@zxcvbn-ts\//).filter((line) => !/: import type /.test(line))).toEqual([])
})

test('no test is left out, put off, or run alone', () => {
  const [left, off] = [
    ['skip', 'skipIf', 'todo', 'only', 'fails'],
    ['xit', 'xtest', 'xdescribe'],
  ]
  const pattern = new RegExp(`\\.(${left.join('|')})\\s*(\\(|\\.|\`)|\\b(${off.join('|')})\\(`)
  expect(linesOf(tests, pattern)).toEqual([])
})

/** Names of the file, its functions, classes and types. */
function declaredNames(file: ts.SourceFile): string[] {
  const names: string[] = [basename(file.fileName)]
  const visit = (node: ts.Node): void => {
    const isNamed =
      ts.isFunctionDeclaration(node) ||
      ts.isClassDeclaration(node) ||
      ts.isInterfaceDeclaration(node) ||
      ts.isTypeAliasDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      (ts.isVariableDeclaration(node) && node.initializer !== undefined && isFunction(node.initializer))
    if (isNamed && node.name && ts.isIdentifier(node.name)) names.push(node.name.text)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return names
}

function isFunction(node: ts.Node): boolean {
  return ts.isArrowFunction(node) || ts.isFunctionExpression(node)
}

/** Whether there is an `await` outside of every function. */
function waitsOnLoading(file: ts.SourceFile): boolean {
  const visit = (node: ts.Node): boolean => {
    if (ts.isFunctionLike(node)) return false
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true
    return ts.forEachChild(node, visit) ?? false
  }
  return visit(file)
}
