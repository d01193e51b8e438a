import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { Arrangement, TestHost } from '../support/host.ts'
import { passwordHasher } from './hasher.ts'
import { grantLists, present } from './lists.ts'
import { visible } from './rules.ts'
import type { Account, Entry, World } from './world.ts'

const MODEL = { actor: { via: 'code', name: 'checkpoint' } } as const

/** What of a database is compared: everything but what the package made up. */
export type Contents = Readonly<Record<string, unknown>>

/** What the database should hold. */
export function expectedContents({ accounts, sessions }: World, now: number): Contents {
  const of = (account: Account) => [
    account.id,
    {
      user: visible(account.values, true),
      isPassword: true,
      hasKey: account.values['totp_key'] !== null,
      grants: grantLists(account),
      attributes: Object.entries(present(account.custom, now)).sort(byName),
      rows: Object.keys(account.custom).sort(),
    },
  ]
  const rows = [...sessions.values()].map(({ ust, userId, created, expires, app, history }) => [
    createHash('sha256').update(ust).digest('base64url'),
    // What has expired is not shown any more, but is there until its owner logs in.
    { userId, ...(expires > now ? { created, expires, app, history } : {}) },
  ])
  return {
    accounts: Object.fromEntries([...accounts.values()].map(of)),
    sessions: Object.fromEntries(rows),
  }
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1
}

/** What it does hold. Rows are counted in the tables themselves, values are read by the host's own code. */
export async function foundContents(host: TestHost, arrangement: Arrangement, world: World): Promise<Contents> {
  const { db } = host.database
  const isOwn = arrangement === 'own table'
  const [table, id, hash] = isOwn ? ['sso_user', 'user_id', 'password'] : ['members', 'nr', 'pw_hash']
  const users = await db(table).select(`${id} as id`, `${hash} as hash`)
  const keys = isOwn ? db('sso_user') : db('sso_account')
  const hasKey = new Set((await keys.whereNotNull('totp_key').pluck('user_id')).map(String))
  const customs = await db('sso_attribute').select('user_id', 'name')
  const accounts: Record<string, unknown> = {}
  const opened = new Map<string, unknown>()
  for (const row of users) {
    const userId = String(row.id)
    const { user, grants } = await host.sso.user.getUserDetails({ ...MODEL, userId })
    const attributes = await host.sso.attributes.list({ ...MODEL, userId })
    for (const session of await host.sso.session.list({ ...MODEL, userId })) opened.set(session.id, session)
    const password = world.accounts.get(userId)?.password
    accounts[userId] = {
      user: JSON.parse(JSON.stringify(user)),
      isPassword: password == null ? row.hash !== null : await passwordHasher().verify(row.hash, password),
      hasKey: hasKey.has(userId),
      grants: {
        roles: grants.roles.map(({ role, rights }) => `${role}|${rights}`).sort(),
        acls: [...grants.acls].sort(),
        groups: [...grants.groups].sort(),
      },
      attributes: attributes
        .map(({ name, value, isEncrypted, expirationTime }): [string, unknown] => [
          name,
          { value, isEncrypted, expires: expirationTime?.toISOString() ?? null },
        ])
        .sort(byName),
      rows: customs
        .filter((one) => String(one.user_id) === userId)
        .map((one) => one.name)
        .sort(),
    }
  }
  const sessions = await db('sso_session').select('ust_hash', 'session_id', 'user_id')
  const shown = ({ ust_hash, session_id: sessionId, user_id }: Record<string, string>) => {
    const open = opened.get(String(sessionId)) as Awaited<ReturnType<typeof host.sso.session.list>>[number] | undefined
    const { creationTime, expirationTime, app, stateChanges } = open ?? {}
    const more = open
      ? {
          created: creationTime?.getTime(),
          expires: expirationTime?.getTime(),
          app,
          history: stateChanges?.map(({ source }) => source),
        }
      : {}
    return [ust_hash, { userId: String(user_id), ...more }]
  }
  const orphans = await db('sso_role_grant').whereNotIn('user_id', Object.keys(accounts)).select()
  expect(orphans, 'grants of nobody').toEqual([])
  return { accounts, sessions: Object.fromEntries(sessions.map(shown)) }
}

/** A record with its number. */
export type Numbered = Entry & { readonly id: number }

/** Records of the trail after one of this number; their times are for the sinks to tell, in whose words they are text. */
export async function trailAfter({ database: { db } }: TestHost, id: number): Promise<readonly Numbered[]> {
  const rows = await db('sso_audit').where('id', '>', id).orderBy('id')
  return rows.map(({ seal: _, ...row }) => numbered({ ...row, time: '', changes: JSON.parse(row.changes) }))
}

/** A record as it is compared: its changes in the order of their names. */
export function numbered({ hash: _, ...record }: Numbered & { readonly hash?: string }): Numbered {
  const changes = [...record.changes].sort((one, other) => (one.attribute < other.attribute ? -1 : 1))
  return { ...record, id: Number(record.id), changes }
}
