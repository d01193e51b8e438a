import type { Knex } from 'knex'
import { createSso, type Options, type Sso } from '../../../src/index.ts'
import { type Call, NAME } from './protocol.ts'
import { settings } from './serve.ts'

const PASSWORD = 'correct horse battery'

/** The package on a database. Passwords are not what is measured: they need no strong hash here. */
export function openSso(db: Knex, audit: NonNullable<Options['audit']> = {}): Sso {
  const hasher = {
    hash: async (password: string) => `plain ${password}`,
    verify: async () => true,
    isOutdated: () => false,
  }
  return createSso({ db, apps: ['CRM'], password: { hasher }, audit })
}

/** Creates accounts, logs each in, and returns how each one's name is changed. */
export async function createAccounts({ user, ready }: Sso): Promise<readonly Call[]> {
  await ready()
  const calls: Call[] = []
  for (let number = 1; number <= settings.accounts; number++) {
    const username = `user${number}`
    await user.createUser({
      actor: { via: 'code', name: 'bench' },
      autoApprove: true,
      data: { username, password: PASSWORD, display_name: `User ${number}`, email: `${username}@example.com` },
    })
    const { ust } = await user.login({ username, password: PASSWORD, currentApp: 'CRM' })
    calls.push({
      method: 'PATCH',
      path: '/zato/sso/user',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ust, current_app: 'CRM', display_name: NAME }),
    })
  }
  return calls
}
