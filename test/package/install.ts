import { type ExecFileOptions, execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import own from '../../package.json' with { type: 'json' }

const run = promisify(execFile)

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Majors of Express that hosts use, with the declarations that belong to them. */
export const EXPRESS_PACKAGES = {
  express4: [`express@${own.devDependencies.express4.replace('npm:express@', '')}`, '@types/express@4'],
  express5: [`express@${own.devDependencies.express}`, '@types/express@5'],
} as const

export type ExpressName = keyof typeof EXPRESS_PACKAGES

/** Compilers that hosts use. */
export const COMPILERS = { 'TypeScript 5.9': 'typescript59', 'TypeScript 6.0': 'typescript60' } as const

/** Versions of Node beside the one that the tests run on: the oldest that `engines` allows, and the later even ones. */
export const OTHER_NODES = ['20.19.0', '22', '24'] as const

/** The package as it is published, and hosts that have installed it. */
export interface Installation {
  /** Paths in the tarball. */
  readonly contents: readonly string[]
  /** Where the host with this Express is; the consumers are folders in it. */
  readonly hosts: Readonly<Record<ExpressName, string>>
  /** Executables by version. */
  readonly nodes: Readonly<Record<string, string>>
  readonly remove: () => void
}

/** Packs the package once and installs it into a host for each Express, and the other versions of Node beside them. */
export async function install(): Promise<Installation> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'sso-package-')))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    return { ...(await installIn(directory)), remove }
  } catch (error) {
    remove()
    throw error
  }
}

async function installIn(directory: string): Promise<Omit<Installation, 'remove'>> {
  const { tarball, contents } = await pack(directory)
  const hosts = { express4: join(directory, 'express4'), express5: join(directory, 'express5') }
  const [nodes] = await Promise.all([
    installNodes(join(directory, 'nodes')),
    installHost(hosts.express4, tarball, EXPRESS_PACKAGES.express4),
    installHost(hosts.express5, tarball, EXPRESS_PACKAGES.express5),
  ])
  return { contents, hosts, nodes }
}

/** Packs a copy, so that `prepack` builds there and not under the feet of whoever uses `dist` meanwhile. */
async function pack(directory: string): Promise<{ tarball: string; contents: readonly string[] }> {
  const copy = join(directory, 'checkout')
  const needed = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'LICENSE', 'README.md', 'CHANGELOG.md']
  for (const path of [...needed, 'src', 'schemas']) cpSync(join(ROOT, path), join(copy, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  const stdout = await npm(copy, ['pack', '--json', '--pack-destination', directory])
  // `prepack` prints, too.
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [{ filename: string; files: { path: string }[] }]
  return { tarball: join(directory, packed.filename), contents: packed.files.map(({ path }) => path) }
}

/** What hosts use beside Express, in the versions of this checkout. */
const OF_HOSTS = [
  'knex',
  'mysql2',
  'pg',
  'passport',
  'passport-jwt',
  'jsonwebtoken',
  '@types/node',
  '@types/passport',
  '@types/passport-jwt',
  '@types/jsonwebtoken',
] as const

async function installHost(directory: string, tarball: string, express: readonly string[]): Promise<void> {
  await installInto(directory, [
    tarball,
    ...express,
    ...OF_HOSTS.map((name) => `${name}@${own.devDependencies[name]}`),
    'typescript59@npm:typescript@~5.9',
    'typescript60@npm:typescript@~6.0',
  ])
  // The host's driver, not part of the package: built once, with this checkout.
  symlinkSync(join(ROOT, 'node_modules', 'better-sqlite3'), join(directory, 'node_modules', 'better-sqlite3'))
  cpSync(fileURLToPath(new URL('consumers', import.meta.url)), directory, { recursive: true })
}

/** The npm package `node` only runs a script that installs one of these. */
async function installNodes(directory: string): Promise<Record<string, string>> {
  const { platform, arch } = process
  const name = `${platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'}-${platform}-${arch}`
  await installInto(
    directory,
    OTHER_NODES.map((version) => `node${version}@npm:${name}@${version}`),
  )
  const path = (version: string) => join(directory, 'node_modules', `node${version}`, 'bin', 'node')
  return Object.fromEntries(OTHER_NODES.map((version) => [version, path(version)]))
}

async function installInto(directory: string, packages: readonly string[]): Promise<void> {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ private: true }))
  await npm(directory, ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock', ...packages])
}

/** Runs npm as if from a shell: under `npm test`, its own variables would point it at this checkout. */
async function npm(directory: string, args: readonly string[]): Promise<string> {
  const ofTheTestRun = /^(INIT_CWD|npm_(package|lifecycle)_.*|npm_command|npm_config_local_prefix)$/
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ofTheTestRun.test(name)))
  return output('npm', args, { cwd: directory, env })
}

/** What a program prints; rejects with all of it if the program fails. */
async function output(program: string, args: readonly string[], options: ExecFileOptions): Promise<string> {
  try {
    return (await run(program, args, { ...options, encoding: 'utf8' })).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

/** Compiles a project of a TypeScript consumer, `esm-ts/tsconfig.json` say; rejects with what the compiler says. */
export async function compile(host: string, compiler: string, project: string): Promise<void> {
  const tsc = join(host, 'node_modules', compiler, 'bin', 'tsc')
  await output(process.execPath, [tsc, '-p', project], { cwd: host })
}
