import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')

/**
 * Compiles the servers, and with them the package, the way the package is built. A loader that compiles as it goes adds
 * code of its own to every function, which would be measured, too.
 *
 * @returns the directory of the servers, and what removes it
 */
export function compileServers(): { directory: string; remove: () => void } {
  // Beside the packages that it imports.
  const output = join(ROOT, 'node_modules', `.bench-${process.pid}`)
  mkdirSync(output)
  const remove = () => rmSync(output, { recursive: true, force: true })
  try {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
    const project = join(import.meta.dirname, 'tsconfig.json')
    execFileSync(process.execPath, [compiler, '-p', project, '--outDir', output], { stdio: 'inherit' })
    copyFileSync(join(ROOT, 'package.json'), join(output, 'package.json'))
  } catch (error) {
    remove()
    throw error
  }
  return { directory: join(output, 'test/bench/servers'), remove }
}
