import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express5, { type Express } from 'express'
import express4 from 'express4'
import request from 'supertest'
import { inject } from 'vitest'
import { createSso, type Options, type Sso } from '../../src/index.ts'
import { type Canaries, canaries, listening, listenToFunctions, listenToRequests } from './canaries.ts'
import { emptied } from './contents.ts'
import { createDatabase, type DatabaseName, type TestDatabase } from './databases.ts'
import { type Arrangement, createMembers, ENCRYPTION_KEY, HOST_COLUMNS, type IdType, PASSWORD } from './members.ts'
import { OTHER_TOTP_KEY, TOTP_KEY } from './one-time-codes.ts'

export {
  ARRANGEMENTS,
  type Arrangement,
  createMembers,
  ENCRYPTION_KEY,
  HOST_COLUMNS,
  type IdType,
  PASSWORD,
} from './members.ts'

/** Looked for in all that every host tells; tokens, and keys that the package makes, are, too. */
const SECRETS = {
  password: PASSWORD,
  'encryption key': ENCRYPTION_KEY,
  'TOTP key': TOTP_KEY,
  'other TOTP key': OTHER_TOTP_KEY,
} as const

/** The databases that answer. */
export const databases: readonly DatabaseName[] = inject('databases')

/** Versions of Express by name. */
export const EXPRESS: Readonly<Record<'express4' | 'express5', () => Express>> = {
  express4: express4 as unknown as () => Express,
  express5: express5,
}

/** A host app with the package in it, on a database of its own. */
export interface TestHost {
  readonly sso: Sso
  readonly app: Express
  readonly database: TestDatabase
  /** Where the app listens, for requests that supertest will not send as they are. */
  readonly url: string
  /** Requests against the app. */
  readonly http: ReturnType<typeof request>
  /** A session of this user's. */
  readonly login: (username: string, password?: string) => Promise<string>
  /** Rows of the audit trail, oldest first. */
  readonly audit: (where?: Readonly<Record<string, unknown>>) => Promise<readonly AuditRow[]>
  /**
   * Secrets, and what was told. Passwords, tokens and keys that tests of every host share are in it; a test adds its own.
   */
  readonly canaries: Canaries
  /** Ends the host. @throws Error if it has told a secret: in the audit trail, to a sink, the log, in an error, a URL */
  readonly close: () => Promise<void>
}

export interface AuditRow {
  readonly id: number
  readonly seal: number | null
  readonly cid: string
  readonly operation: string
  readonly outcome: string
  readonly error: string | null
  readonly actor_id: string | null
  readonly actor_name: string | null
  readonly actor_via: string | null
  readonly target_id: string | null
  readonly target_name: string | null
  readonly app: string | null
  readonly remote_addr: string | null
  readonly user_agent: string | null
  readonly dialect: string
  readonly changes: readonly { readonly attribute: string; readonly from: unknown; readonly to: unknown }[]
}

export interface HostSettings {
  readonly arrangement?: Arrangement
  readonly idType?: IdType
  readonly express?: keyof typeof EXPRESS
  readonly options?: Partial<Options>
  /** One to be emptied and used again: making one costs more than most tests. Whoever made it drops it. */
  readonly database?: TestDatabase | undefined
  /** What else the host does with its database before the package comes. */
  readonly prepare?: (database: TestDatabase) => Promise<void>
  /** What the host mounts before the routers. */
  readonly before?: (app: Express, sso: Sso) => void
  /** Users to create: super-user `admin`, regular users `ada` and `bob` by default. */
  readonly users?: readonly string[]
}

/** Starts a host: `/zato/sso` and `/ddenterpriseapi` on a fresh database, with accounts in it. */
export async function startHost(name: DatabaseName, settings: HostSettings = {}): Promise<TestHost> {
  const { arrangement = 'own table', idType = 'integer', users = ['ada', 'bob'] } = settings
  const database = settings.database ?? (await createDatabase(name))
  const isUsed = settings.database !== undefined && (await emptied(settings.database))
  if (arrangement === 'host table' && !isUsed) await createMembers(database, idType)
  await settings.prepare?.(database)
  const watched = canaries()
  for (const [kind, secret] of Object.entries(SECRETS)) watched.add(kind, secret)
  const options: Options = {
    db: database.db,
    apps: ['CRM', 'Shop'],
    encryptionKeys: [ENCRYPTION_KEY],
    logger: { warn: () => {}, error: (message) => process.stderr.write(`${message}\n`) },
    ...(arrangement === 'host table' ? { users: { table: 'members', columns: HOST_COLUMNS } } : {}),
    // Tests that are not about it send wrong passwords as often as they like.
    throttle: { enabled: false },
    ...settings.options,
  }
  const sso = createSso(listening(options, watched))
  listenToFunctions(sso, watched)
  await sso.ready()
  await sso.user.createSuperUser({ data: { username: 'admin', password: PASSWORD } })
  for (const username of users) {
    await sso.user.createUser({
      actor: { via: 'code', name: 'setup' },
      autoApprove: true,
      data: { username, password: PASSWORD },
    })
  }

  const app = EXPRESS[settings.express ?? 'express5']()
  settings.before?.(app, sso)
  app.use('/zato/sso', sso.zato)
  app.use('/ddenterpriseapi', sso.updateuser)
  app.use('/account', sso.rest)
  // One listening server: supertest would otherwise open a port for every request.
  const server = createServer(listenToRequests(app, watched))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  return {
    sso,
    app,
    database,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    http: request(server),
    login: async (username, password = PASSWORD) =>
      (await sso.user.login({ username, password, currentApp: 'CRM' })).ust,
    audit: async (where = {}) => {
      const rows = await database.db('sso_audit').where(where).orderBy('id')
      return rows.map((row) => ({ ...row, changes: JSON.parse(row.changes) }))
    },
    canaries: watched,
    close: async () => {
      await new Promise((resolve) => server.close(resolve))
      await sso.close()
      const trail = `${options.tablePrefix ?? 'sso_'}audit`
      if (await database.db.schema.hasTable(trail)) {
        for (const row of await database.db(trail)) watched.tell('audit', row)
      }
      if (!settings.database) await database.drop()
      const leaks = watched.leaks()
      if (leaks.length > 0) throw new Error(`Secrets were told.\n${leaks.join('\n')}`)
    },
  }
}

/** Id of a user. */
export async function idOf({ sso }: TestHost, username: string): Promise<string> {
  const found = await sso.user.updateuser({ actor: { via: 'code', name: 'test' }, uid: username })
  return found.user.user_id
}
