import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/** Servers that have been compiled. */
export interface Compiled {
  /** Where they are. */
  readonly directory: string
  readonly remove: () => void
}

/**
 * Compiles the servers, and with them the package, the way the package is built. A loader that compiles as it goes adds
 * code of its own to every function, which would be measured, too.
 *
 * @param root the checkout to compile; this one by default
 */
export function compileServers(root: string = ROOT): Compiled {
  // Beside the packages that it imports.
  const output = join(ROOT, 'node_modules', `.bench-${process.pid}-${basename(root)}`)
  mkdirSync(output)
  const remove = () => rmSync(output, { recursive: true, force: true })
  try {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
    const project = join(root, 'test/bench/tsconfig.json')
    execFileSync(process.execPath, [compiler, '-p', project, '--outDir', output], { stdio: 'inherit' })
    copyFileSync(join(root, 'package.json'), join(output, 'package.json'))
  } catch (error) {
    remove()
    throw error
  }
  return { directory: join(output, 'test/bench/servers'), remove }
}

/** Compiles the servers of an earlier commit, with the packages that are installed here. */
export function compileEarlierServers(commit: string): Compiled {
  const checkout = mkdtempSync(join(tmpdir(), 'sso-bench-'))
  try {
    const paths = ['src', 'schemas', 'test/bench', 'test/support', 'tsconfig.json', 'package.json']
    const archive = execFileSync('git', ['archive', commit, ...paths], { cwd: ROOT, maxBuffer: 2 ** 28 })
    execFileSync('tar', ['-x', '-C', checkout], { input: archive })
    symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
    return compileServers(checkout)
  } finally {
    rmSync(checkout, { recursive: true, force: true })
  }
}
