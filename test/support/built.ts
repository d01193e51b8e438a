import { execFile } from 'node:child_process'
import { cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/**
 * Builds the package into a directory, so that nobody's `dist` is touched.
 *
 * @param directory an empty one, which gets `node_modules`, too
 * @returns path of the command line's program
 */
export async function buildInto(directory: string): Promise<string> {
  for (const path of ['package.json', 'schemas'])
    cpSync(join(PROJECT, path), join(directory, path), { recursive: true })
  symlinkSync(join(PROJECT, 'node_modules'), join(directory, 'node_modules'))
  const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc')
  // Types are checked elsewhere.
  const options = ['--noCheck', '--declaration', 'false', '--outDir', join(directory, 'dist')]
  await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', ...options], { cwd: PROJECT })
  return join(directory, 'dist', 'cli', 'bin.js')
}
