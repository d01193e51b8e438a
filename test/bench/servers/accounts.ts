import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { type AuditSink, createSso, jsonLinesSink, type Options, type Sso } from '../../../src/index.ts'
import { type Call, FORM, NAME } from './protocol.ts'
import { settings } from './serve.ts'

const PASSWORD = 'correct horse battery'

// Where passwords are not what is measured: they need no strong hash there.
const hasher = {
  hash: async (password: string) => `plain ${password}`,
  verify: async () => true,
  isOutdated: () => false,
}

/** The package on a database. */
export function openSso(
  db: Knex,
  audit: NonNullable<Options['audit']> = {},
  password: NonNullable<Options['password']> = { hasher },
): Sso {
  return createSso({ db, apps: ['CRM'], password, audit })
}

/** A file that is gone with the process. */
export function fileSink(): AuditSink {
  const directory = mkdtempSync(join(tmpdir(), 'sso-bench-'))
  process.once('exit', () => rmSync(directory, { recursive: true }))
  return jsonLinesSink(join(directory, 'audit.log'))
}

/** Creates accounts, logs each in, and returns how each one's name is changed. */
export async function createAccounts(sso: Sso): Promise<readonly Call[]> {
  const calls: Call[] = []
  for (const username of await createUsers(sso, PASSWORD)) {
    const { ust } = await sso.user.login({ username, password: PASSWORD, currentApp: 'CRM' })
    calls.push({
      method: 'PATCH',
      path: '/zato/sso/user',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ust, current_app: 'CRM', display_name: NAME }),
    })
  }
  return calls
}

/** Creates accounts, and a super-user, and returns how he changes each one's name as scripts of DigDash do. */
export async function createTargets(sso: Sso): Promise<readonly Call[]> {
  const usernames = await createUsers(sso)
  const admin = { user: 'admin', pass: PASSWORD }
  await sso.user.createSuperUser({ data: { username: admin.user, password: admin.pass } })
  return usernames.map((uid) => ({
    method: 'POST',
    path: '/ddenterpriseapi/updateuser',
    headers: { 'content-type': FORM },
    body: `${new URLSearchParams({ ...admin, uid })}&displayName=${NAME}`,
  }))
}

async function createUsers({ user, ready }: Sso, password?: string): Promise<readonly string[]> {
  await ready()
  const usernames = Array.from({ length: settings.accounts }, (_, index) => `user${index + 1}`)
  for (const [index, username] of usernames.entries()) {
    await user.createUser({
      actor: { via: 'code', name: 'bench' },
      autoApprove: true,
      data: {
        username,
        display_name: `User ${index + 1}`,
        email: `${username}@example.com`,
        ...(password === undefined ? {} : { password }),
      },
    })
  }
  return usernames
}
