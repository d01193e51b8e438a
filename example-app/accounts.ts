import { randomBytes } from 'node:crypto'
import type { Knex } from 'knex'
import type { Sso } from '../src/index.ts'
import type { Member } from './database.ts'
import { type Settings, StartRefused } from './settings.ts'

/** Accounts to try things with. Their ids are how a later start recognises them. */
export const DEMO_MEMBERS = [
  { id: 'zusradmin', login: 'admin', password: 'admin', admin: true },
  { id: 'zusrthename', login: 'thename', password: 'thename', first_name: 'Thea', last_name: 'Name' },
  {
    id: 'zusr4q51jwtsdh9s298315h4at6t1n',
    login: 'myuser',
    password: 'myuser',
    full_name: 'My User',
    first_name: 'My',
    middle_name: 'Middle',
    last_name: 'User',
    department: 'Support',
  },
] as const

const BY_THE_APP = { via: 'code', name: 'example-app' } as const

/** Fills an empty database. What it returns is to be shown once, and is not stored. */
export async function fillMembers(db: Knex, sso: Sso, settings: Settings): Promise<string | null> {
  if (settings.hasDemoAccounts) {
    await createDemoMembers(db, sso)
    return null
  }
  await refuseReachableDemoMembers(db, settings)
  return createFirstSuperUser(db, sso)
}

/** Rows of the app's own making, as if they had been there for years; passwords and roles through the package. */
async function createDemoMembers(db: Knex, sso: Sso): Promise<void> {
  const isEmpty = (await db<Member>('members').first('id')) === undefined
  if (isEmpty) await db('members').insert(DEMO_MEMBERS.map(({ password, ...row }) => ({ ...BLANK, ...row })))

  for (const { id, login, password } of DEMO_MEMBERS) {
    const member = await db<Member>('members').where({ id }).first()
    // Set already, or deleted by whoever plays with the demo.
    if (!member || member.password_hash !== null) continue
    await sso.user.changePassword({ actor: BY_THE_APP, userId: id, newPassword: password })
    // A role for the curl lines to take away.
    if (login === 'thename') await sso.user.updateuser({ actor: BY_THE_APP, uid: login, roles: ['roleidtoremove|R'] })
  }
}

// One INSERT of many rows needs the same columns in each.
const BLANK = {
  full_name: null,
  first_name: null,
  middle_name: null,
  last_name: null,
  admin: false,
  department: 'Sales',
}

/** An earlier start may have left them in this database. */
async function refuseReachableDemoMembers(db: Knex, { isLoopback, host }: Settings): Promise<void> {
  const ids = DEMO_MEMBERS.map(({ id }) => id)
  const found = await db<Member>('members').whereIn('id', ids).orderBy('login')
  if (isLoopback || found.length === 0) return
  throw new StartRefused(
    `HOST=${host} can be reached from other machines, and this database has demo accounts in it: ` +
      `${found.map(({ login }) => login).join(', ')}.\n` +
      'Set EXAMPLE_DATA_DIR or DATABASE_URL to an empty database, or delete these accounts.',
  )
}

/** Somebody must be able to create the other accounts. His password works once: to log in and set another. */
async function createFirstSuperUser(db: Knex, sso: Sso): Promise<string | null> {
  if (await db<Member>('members').first('id')) return null
  const password = randomBytes(12).toString('base64url')
  await sso.user.createSuperUser({
    by: BY_THE_APP.name,
    data: { username: 'admin', password, password_must_change: true },
  })
  return `Created the super-user admin with the password ${password}, which the first login must change (new_password).`
}
