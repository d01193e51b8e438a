import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { BlockList, isIPv6 } from 'node:net'
import { join } from 'node:path'

/** What the environment says. */
export interface Settings {
  readonly host: string
  readonly port: number
  /** Null for SQLite in the data directory. */
  readonly databaseUrl: string | null
  /** Where the SQLite file, the encryption key and the copy of the audit trail are. */
  readonly dataDirectory: string
  /** Whether there are accounts whose passwords everybody knows, and a password policy that lets them be. */
  readonly hasDemoAccounts: boolean
  /** Whether nobody but this machine can reach the app. */
  readonly isLoopback: boolean
}

/** A start that was refused on purpose: the message says what to do, a stack trace would not. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
}

/** @throws StartRefused for demo accounts that others could reach, and for settings that are no settings */
export async function readSettings(environment: NodeJS.ProcessEnv): Promise<Settings> {
  // An empty HOST would listen on every interface.
  const host = environment['HOST'] || '127.0.0.1'
  const hasDemoAccounts = environment['DEMO_ACCOUNTS'] !== 'no'
  const isLoopback = await reachesOnlyThisMachine(host)
  if (hasDemoAccounts && !isLoopback) {
    throw new StartRefused(
      `HOST=${host} can be reached from other machines, and the demo accounts have well-known passwords (admin/admin).\n` +
        'Either leave HOST unset, or set DEMO_ACCOUNTS=no to start without them.',
    )
  }

  const dataDirectory = environment['EXAMPLE_DATA_DIR'] || import.meta.dirname
  mkdirSync(dataDirectory, { recursive: true, mode: 0o700 })
  return {
    host,
    port: portOf(environment['PORT'] || '3000'),
    databaseUrl: environment['DATABASE_URL'] || null,
    dataDirectory,
    hasDemoAccounts,
    isLoopback,
  }
}

/** The key of secret attributes: made at the first start, and lost with its file. Keep yours where your secrets are. */
export function encryptionKey({ dataDirectory }: Settings): string {
  const path = join(dataDirectory, 'encryption.key')
  try {
    // `wx` fails where there is a file: a second process never replaces the key of the first.
    writeFileSync(path, `${randomBytes(32).toString('base64')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(path, 'utf8').trim()
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

async function reachesOnlyThisMachine(host: string): Promise<boolean> {
  try {
    const addresses = await lookup(host, { all: true })
    return addresses.every(({ address }) => LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'))
  } catch {
    throw new StartRefused(`HOST=${host} is not an address of this machine, nor a name of one.`)
  }
}

function portOf(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new StartRefused(`PORT=${text} is not a port: it must be a number from 0 to 65535 (0 takes any free one).`)
}
