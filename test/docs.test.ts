import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const ENTRY = new URL('../src/index.ts', import.meta.url).pathname

/** Paths of everything that a module exports, and of every member of it, that has no docstring. */
function undocumented(entry: string): string[] {
  const program = ts.createProgram([entry], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    allowImportingTsExtensions: true,
    resolveJsonModule: true,
    noEmit: true,
    strict: true,
    types: [],
  })
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!
  const missing: string[] = []

  const isDocumented = (symbol: ts.Symbol) =>
    symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0

  function look(node: ts.Node, path: string): void {
    const holdsMembers = ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node) || ts.isClassDeclaration(node)
    if (!holdsMembers) {
      // Bodies hold nothing that a caller sees.
      if (!ts.isBlock(node)) ts.forEachChild(node, (child) => look(child, path))
      return
    }
    for (const member of node.members) {
      const isPrivate = member.name && ts.isPrivateIdentifier(member.name)
      const flags = ts.getCombinedModifierFlags(member)
      if (!member.name || isPrivate || flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) continue
      const symbol = checker.getSymbolAtLocation(member.name)!
      // `?: never` marks what may not be given; there is nothing to say of it.
      const isForbidden = ts.isPropertySignature(member) && member.type?.kind === ts.SyntaxKind.NeverKeyword
      if (!isForbidden && !isDocumented(symbol)) missing.push(`${path}.${symbol.name}`)
      ts.forEachChild(member, (child) => look(child, `${path}.${symbol.name}`))
    }
  }

  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
    if (!isDocumented(symbol)) missing.push(symbol.name)
    // The error table's rows are documented by their own messages.
    for (const declaration of symbol.declarations ?? []) {
      if (!ts.isVariableDeclaration(declaration)) look(declaration, symbol.name)
    }
  }
  return missing.sort()
}

test('everything that the package exports has a docstring, down to the members of its types', () => {
  expect(undocumented(ENTRY)).toEqual([])
})

test('an export, a member, a nested member and a parameter without a docstring are found', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sso-docs-'))
  const file = join(directory, 'sample.ts')
  writeFileSync(
    file,
    `/** Documented. */
    export interface Known {
      /** Documented. */
      readonly told: string
      readonly untold: string
      /** Documented. */
      readonly nested?: { readonly deep: number }
      /** Documented. */
      run(input: { readonly argument: string }): void
      readonly excluded?: never
    }
    export function bare(): void {}
    /** Documented. */
    export type Pair = { readonly left: string } & Known
    /** Documented. */
    export class Thing {
      #hidden = 1
      private alsoHidden = 2
      shown = this.#hidden + this.alsoHidden
    }`,
  )
  try {
    expect(undocumented(file)).toEqual([
      'Known.nested.deep',
      'Known.run.argument',
      'Known.untold',
      'Pair.left',
      'Thing.shown',
      'bare',
    ])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
