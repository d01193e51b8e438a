import { join } from 'node:path'
import type { Knex } from 'knex'
// In an app of your own: from 'express-sso-users'.
import { createSso, jsonLinesSink, type Options, type Sso } from '../src/index.ts'
import type { BrowserSessions } from './browser-sessions.ts'
import { encryptionKey, type Settings } from './settings.ts'

/** Puts express-sso-users on the app's database and its `members`. */
export function buildSso(db: Knex, settings: Settings, browsers: BrowserSessions): Sso {
  return createSso(ssoOptions(db, settings, browsers))
}

/** The options, which the app has in common with the command line: see sso.config.ts. */
export function ssoOptions(db: Knex, settings: Settings, browsers: BrowserSessions): Options {
  return {
    db,
    apps: ['CRM'],
    users: {
      table: 'members',
      // Attributes on the left, columns on the right. first_name, middle_name and last_name are columns of the same
      // name, and need no line. Attributes without a column are kept in the package's own sso_account.
      columns: {
        user_id: 'id',
        username: 'login',
        password: 'password_hash',
        email: 'mail',
        display_name: 'full_name',
        is_super_user: 'admin',
        is_locked: 'blocked',
        password_expiry: 'password_expires',
      },
    },
    // Who is signed in to this app is signed in to the package's routes, too. What he may do is up to his account.
    authenticate: (req) => req.user && { userId: req.user.user_id },
    // A new password, a lock or a rejection ends the package's sessions; the app's own end with them.
    hooks: {
      onRevoked: ({ target, actor }) => (target ? browsers.end(target.user_id) : browsers.endAllBut(actor.userId)),
    },
    // Whoever closes the terminal ends the app.
    audit: { sinks: [jsonLinesSink(join(settings.dataDirectory, 'audit.jsonl'), { reopenOn: null })] },
    encryptionKeys: [encryptionKey(settings)],
    // The demo's passwords are short, common and the users' own names: not for the package's default, nor for yours.
    ...(settings.hasDemoAccounts ? { password: { minLength: 3, rejectMostCommon: 0, contextWords: null } } : {}),
  }
}
