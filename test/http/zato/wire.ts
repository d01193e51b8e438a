import { type IncomingHttpHeaders, request } from 'node:http'
import { expect, onTestFinished, TestRunner } from 'vitest'
import type { NewUser, Options } from '../../../src/index.ts'
import type { DatabaseName } from '../../support/databases.ts'
import { fastHasher } from '../../support/fast-hasher.ts'
import {
  ARRANGEMENTS,
  type Arrangement,
  type AuditRow,
  databases,
  type EXPRESS,
  HOST_COLUMNS,
  type HostSettings,
  type IdType,
  idOf,
  PASSWORD,
  startHost,
  type TestHost,
} from '../../support/host.ts'
import { codeAt } from '../../support/one-time-codes.ts'

/** Where the main rows of the contract are tried: every database, both arrangements, both versions of Express. */
export interface Place {
  readonly database: DatabaseName
  readonly arrangement: Arrangement
  readonly express: keyof typeof EXPRESS
  /** Of ids in the host's table. */
  readonly idType?: IdType
}

export const PLACES: readonly Place[] = databases.flatMap((database, row) =>
  ARRANGEMENTS.map((arrangement, column) => ({
    database,
    arrangement,
    // Alternating, so that each version meets each arrangement without trying all of them on each database.
    express: (row + column) % 2 === 0 ? ('express5' as const) : ('express4' as const),
  })),
)

/** Name of a place for `describe.each`. */
export const PLACE = '$database, $arrangement, $express'

/** Our own table under Express 5, on each database. */
export const DATABASE_PLACES: readonly Place[] = databases.map((database) => ({
  database,
  arrangement: 'own table',
  express: 'express5',
}))

/** The time of every test, unless it turns the clock. */
export const START = new Date('2031-05-06T07:08:09.000Z')
/** The same as Zato writes it. */
export const START_TEXT = '2031-05-06T07:08:09'
export const MINUTE = 60_000
export const DAY = 24 * 60 * MINUTE

/** So many users of tests that are over are left alone. */
const MOST_PAST = 8

export const later = (milliseconds: number) => new Date(START.getTime() + milliseconds)

/** Correlation ids as section 1 has them. */
export const CID = expect.stringMatching(/^[0-9a-f]{24}$/)

/** What of a reply every test compares. */
export interface Reply {
  readonly status: number
  readonly body: any
}

export interface FullReply extends Reply {
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export const ok = (fields: object = {}): Reply => ({
  status: 200,
  body: { status: 'ok', cid: CID, sub_status: [], ...fields },
})

export const warned = (code: string, fields: object = {}): Reply => ({
  status: 200,
  body: { status: 'warning', cid: CID, sub_status: [code], ...fields },
})

/** @param details lines that name attributes, where the reply has them */
export const refused = (code: string, ...details: readonly unknown[]): Reply => ({
  status: 403,
  body: { status: 'error', cid: CID, sub_status: [code], ...(details.length > 0 ? { details } : {}) },
})

/** An application that is not configured: the one error with HTTP status 200 (section 4). */
export const appRefused = (code: string): Reply => ({
  status: 200,
  body: { status: 'error', cid: CID, sub_status: [code] },
})

export const badRequest = (message?: unknown): Reply => ({
  status: 400,
  body: { result: 'Error', cid: CID, details: 'Bad request', ...(message === undefined ? {} : { message }) },
})

/** How a request is sent, beside its fields. */
export interface Sending {
  readonly headers?: Readonly<Record<string, string>>
  /** Everything after the question mark. */
  readonly query?: string
}

/** Sends a request exactly as it is given; HTTP clients correct too much. */
export function send(
  host: TestHost,
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Readonly<Record<string, string>>; body?: string | Buffer } = {},
): Promise<FullReply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
    const outgoing = request(host.url + path, { method, headers: { ...length, ...headers }, agent: false }, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk) => chunks.push(chunk))
      reply.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const isJson = reply.headers['content-type']?.startsWith('application/json')
        resolve({
          status: reply.statusCode ?? 0,
          headers: reply.headers,
          text,
          body: isJson && text !== '' ? JSON.parse(text) : text,
        })
      })
    })
    outgoing.on('error', reject)
    if (body !== undefined) outgoing.write(body)
    outgoing.end()
  })
}

/** A regular user of one test. */
export interface Person {
  readonly name: string
  readonly id: string
  readonly ust: string
}

/** What a request did: the reply, the columns of one account, other rows, the audit trail. */
export interface Outcome {
  readonly reply: Reply
  /** New values of the account's changed columns by attribute, times as ISO text; the hash as `[hash]`. */
  readonly account: Readonly<Record<string, unknown>>
  /** Rows elsewhere that came, went or changed: `+ sso_session`. */
  readonly elsewhere: readonly string[]
  readonly audit: readonly object[]
}

/** A host, a clock that stands still, and ways to speak Zato to them. */
export interface Wire {
  readonly host: TestHost
  readonly clock: { now: Date }
  readonly admin: Person
  /** Sends fields as JSON, with `current_app` unless they say otherwise; undefined leaves a field out. */
  readonly call: (method: string, path: string, fields?: object, sending?: Sending) => Promise<FullReply>
  /** A new, approved user with a session, then changed by the host's own code. */
  readonly person: (state?: Readonly<Record<string, unknown>>, data?: Partial<NewUser>) => Promise<Person>
  /** Does something and tells what it did to this account and to everything else. */
  readonly observe: (name: string, act: () => Promise<FullReply>) => Promise<Outcome>
  /** One account's columns by attribute, as they are stored. */
  readonly stored: (name: string) => Promise<Readonly<Record<string, unknown>>>
}

export async function startWire(
  place: Place,
  options: Partial<Options> = {},
  before?: HostSettings['before'],
): Promise<Wire> {
  const clock = { now: START }
  const { password, ...others } = options
  const host = await startHost(place.database, {
    arrangement: place.arrangement,
    express: place.express,
    ...(place.idType ? { idType: place.idType } : {}),
    users: [],
    options: { now: () => clock.now, password: { hasher: fastHasher(), ...password }, ...others },
    ...(before ? { before } : {}),
  })
  const admin = { name: 'admin', id: await idOf(host, 'admin'), ust: await host.login('admin') }
  let count = 0
  const past: string[] = []

  const call: Wire['call'] = (method, path, fields = {}, { headers = {}, query } = {}) =>
    send(host, method, `/zato/sso${path}${query === undefined ? '' : `?${query}`}`, {
      headers,
      body: JSON.stringify({ current_app: 'CRM', ...fields }),
    })

  return {
    host,
    clock,
    admin,
    call,
    stored: (username) => accountOf(host, { username }),

    async person(state = {}, data = {}) {
      if (past.length >= MOST_PAST) await forget(host, await tablesOf(host), past.splice(0))
      const username = data.username ?? `user${++count}`
      const actor = { via: 'code', name: 'setup' } as const
      const { user_id } = await host.sso.user.createUser({
        actor,
        autoApprove: true,
        data: { password: PASSWORD, ...data, username },
      })
      if (TestRunner.getCurrentTest()) onTestFinished(() => void past.push(user_id))
      const ust = await host.login(username, data.password)
      if (Object.keys(state).length > 0) {
        const { now } = clock
        // Codes are switched on by one of them; those of the test's own time stay unused.
        if (state['is_totp_enabled']) clock.now = new Date(now.getTime() - DAY)
        const totpCode = state['is_totp_enabled'] ? { totpCode: codeAt(String(state['totp_key']), clock.now) } : {}
        const sessions = await host.database.db('sso_session')
        await host.sso.user.updateUserById({ actor, userId: user_id, data: state, ...totpCode })
        clock.now = now
        // As where a host locks in its own table, without us: the gate alone is in the way.
        const kept = await host.database.db('sso_session').pluck('ust_hash')
        const ended = sessions.filter(({ ust_hash }) => !kept.includes(ust_hash))
        if (ended.length > 0) await host.database.db('sso_session').insert(ended)
      }
      return { name: username, id: user_id, ust }
    },

    async observe(username, act) {
      const account = await accountOf(host, { username })
      const id = String(account['user_id'])
      const [rows, trail] = [await rowsOf(host), await trailOf(host)]
      const reply = await act()
      const after = 'user_id' in account ? await accountOf(host, { user_id: id }) : {}
      const audit = await trail()
      // What the client can quote is what the trail is searched by.
      expect(audit.map(({ cid }) => cid)).toEqual(audit.map(() => reply.body.cid ?? reply.headers['x-zato-cid']))
      return {
        reply: { status: reply.status, body: reply.body },
        account: changedIn(account, after),
        elsewhere: difference(rows, await rowsOf(host), id),
        audit: audit.map(summary),
      }
    },
  }
}

/** Deletes users whose tests are over: every observation reads whoever is there. */
async function forget({ database: { db } }: TestHost, tables: readonly string[], ids: readonly string[]) {
  for (const table of tables) {
    if (table === 'members') await db(table).whereIn('nr', ids).delete()
    // What a session has goes with it.
    else if (table !== 'sso_session_attribute') await db(table).whereIn('user_id', ids).delete()
  }
}

/** An audit record without what is random, and without what `recordsWhere` checks. */
function summary(row: Awaited<ReturnType<TestHost['audit']>>[number]): object {
  const { operation, outcome, error, actor_name, actor_via, target_name, changes } = row
  return { operation, outcome, error, actor: actor_name, via: actor_via, target: target_name, changes }
}

/** An expected audit record. */
export function record(
  operation: string,
  outcome: string,
  {
    error = null,
    actor = null,
    via = actor === null ? null : 'ust',
    target = null,
    changes = [],
  }: {
    error?: string | null
    actor?: string | null
    via?: string | null
    target?: string | null
    changes?: readonly object[]
  } = {},
): object {
  return { operation, outcome, error, actor, via, target, changes }
}

/** A change in an audit record. */
export const change = (attribute: string, from: unknown, to: unknown) => ({ attribute, from, to })

/** What a request that was refused before anybody was asked for did: nothing. */
export const untouched = { account: {}, elsewhere: [] }

const OWN_TABLES = [
  'sso_session',
  'sso_attribute',
  'sso_session_attribute',
  'sso_password_reset',
  'sso_role_grant',
  'sso_acl_grant',
]

/** Gives what is recorded from now on; the trail of a whole file is long. */
export async function trailOf({ database: { db } }: TestHost): Promise<() => Promise<readonly AuditRow[]>> {
  const latest = await db('sso_audit').max('id as id').first()
  return async () => {
    const rows = await db('sso_audit')
      .where('id', '>', latest?.id ?? 0)
      .orderBy('id')
    return rows.map((row) => ({ ...row, changes: JSON.parse(row.changes) }))
  }
}

const tablesByHost = new WeakMap<TestHost, readonly string[]>()

/** Tables that there are on this host, but for the audit trail. */
async function tablesOf(host: TestHost): Promise<readonly string[]> {
  const known = tablesByHost.get(host)
  if (known) return known
  const tables: string[] = []
  for (const table of ['sso_user', 'members', 'sso_account', ...OWN_TABLES]) {
    if (await host.database.db.schema.hasTable(table)) tables.push(table)
  }
  tablesByHost.set(host, tables)
  return tables
}

/** One row as JSON, of columns of these names. */
const AS_TEXT: Readonly<Record<DatabaseName, (columns: readonly string[]) => string>> = {
  sqlite: (columns) => `json_object(${columns.map((name) => `'${name}', ${name}`).join()})`,
  // A text: mysql2 would read what is JSON.
  mariadb: (columns) => `concat(json_object(${columns.map((name) => `'${name}', ${name}`).join()}))`,
  postgres: () => 'to_jsonb(one)::text',
}

const readingByHost = new WeakMap<TestHost, string>()

/** The statement that reads all of them at once: a request is looked at from both sides, thousands of times. */
async function readingOf(host: TestHost): Promise<string> {
  const known = readingByHost.get(host)
  if (known) return known
  const { db, name } = host.database
  const parts: string[] = []
  for (const table of await tablesOf(host)) {
    const columns = Object.keys(await db(table).columnInfo())
    parts.push(`select '${table}' as place, ${AS_TEXT[name](columns)} as content from ${table} as one`)
  }
  const reading = parts.join(' union all ')
  readingByHost.set(host, reading)
  return reading
}

/** All rows of all tables but the audit trail, as text. */
export async function rowsOf(host: TestHost): Promise<ReadonlyMap<string, readonly string[]>> {
  const { db, name } = host.database
  const answer = await db.raw(await readingOf(host))
  const found: readonly { place: string; content: string }[] =
    name === 'postgres' ? answer.rows : name === 'mariadb' ? answer[0] : answer
  const rows = new Map<string, string[]>((await tablesOf(host)).map((table) => [table, []]))
  for (const { place, content } of found) rows.get(place)?.push(content)
  for (const one of rows.values()) one.sort()
  return rows
}

function difference(
  before: ReadonlyMap<string, readonly string[]>,
  after: ReadonlyMap<string, readonly string[]>,
  id: string,
): string[] {
  const lines: string[] = []
  for (const [table, rows] of after) {
    const [old, now] = [new Set(before.get(table)), new Set(rows)]
    const isAccount = (row: string) => {
      const { nr, user_id } = JSON.parse(row)
      return !OWN_TABLES.includes(table) && String(nr ?? user_id) === id
    }
    for (const row of old) if (!now.has(row) && !isAccount(row)) lines.push(`- ${table}`)
    for (const row of now) if (!old.has(row) && !isAccount(row)) lines.push(`+ ${table}`)
  }
  return lines
}

/** An account's columns by attribute, found by one of them; nothing if there is no such account. */
async function accountOf(
  host: TestHost,
  by: { readonly username: string } | { readonly user_id: string },
): Promise<Readonly<Record<string, unknown>>> {
  const { db, name } = host.database
  if ((await tablesOf(host)).includes('sso_user')) {
    const row = await db('sso_user').where(by).first()
    if (!row) return {}
    const { row_version: _, username_key: __, extra: ___, email_key: ____, ...columns } = row
    return plain(columns, name)
  }
  const row = await db('members')
    .where('username' in by ? { login: by.username } : { nr: by.user_id })
    .first()
  if (!row) return {}
  const side = (await db('sso_account').where({ user_id: row.nr }).first()) ?? {}
  const named = Object.entries(HOST_COLUMNS).map(([attribute, column]) => [attribute, row[column]])
  const { extra: _, user_id: __, ...columns } = side
  // What the host's table has a column for is read from there alone.
  return plain({ ...columns, ...Object.fromEntries(named) }, name)
}

const BOOLEANS = ['password_is_set', 'password_must_change', 'totp_is_proved']

/** Stored values in one form, whatever the driver makes of them. */
function plain(row: Readonly<Record<string, unknown>>, database: DatabaseName): Record<string, unknown> {
  const entries = Object.entries(row).map(([name, value]): [string, unknown] => {
    if (value === null || value === undefined) return [name, null]
    if (name.startsWith('is_') || BOOLEANS.includes(name)) return [name, Boolean(value)]
    if (value instanceof Date) return [name, timeOf(value, database).toISOString()]
    return [name, name === 'totp_last_step' ? Number(value) : value]
  })
  return Object.fromEntries(entries)
}

/** mysql2 takes what is stored for local time; the package stores UTC. */
function timeOf(value: Date, database: DatabaseName): Date {
  if (database !== 'mariadb') return value
  const parts = [value.getFullYear(), value.getMonth(), value.getDate()] as const
  return new Date(Date.UTC(...parts, value.getHours(), value.getMinutes(), value.getSeconds(), value.getMilliseconds()))
}

const HASH = /^\$(fast|argon2id)\$/

function changedIn(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  const changed = names.filter((name) => (before[name] ?? null) !== (after[name] ?? null)).sort()
  // Upper-cased shadows exist in our own table only; they have a test of their own.
  const relevant = changed.filter((name) => !name.endsWith('_upper'))
  return Object.fromEntries(
    relevant.map((name) => {
      const value = after[name] ?? null
      return [name, name === 'password' && HASH.test(String(value)) ? '[hash]' : value]
    }),
  )
}
