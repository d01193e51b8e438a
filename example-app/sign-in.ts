import { randomBytes } from 'node:crypto'
import { type RequestHandler, Router } from 'express'
import session from 'express-session'
import type { Knex } from 'knex'
import passport from 'passport'
import type { Sso } from '../src/index.ts'
import type { BrowserSessions } from './browser-sessions.ts'
import type { Member } from './database.ts'

declare global {
  namespace Express {
    /** Who is signed in to the app: `req.user`. */
    interface User {
      readonly user_id: string
    }
  }
}

/** What the cookie's session keeps. */
interface Remembered {
  readonly userId: string
}

/** The app's own log-in: Passport, with a session cookie. */
export interface SignIn {
  /** Knows from the cookie who is signed in: `req.user`. */
  readonly recognise: RequestHandler
  /** Takes `username` and `password` from a form. */
  readonly check: RequestHandler
}

export function buildSignIn(db: Knex, sso: Sso, { store }: BrowserSessions): SignIn {
  const authenticator = new passport.Passport()
  // The package knows the account, its hash, and whether it is locked; Passport knows sessions.
  authenticator.use(sso.passport.password())

  authenticator.serializeUser<Remembered>((user, done) => done(null, { userId: user.user_id }))
  authenticator.deserializeUser<Remembered>(({ userId }, done) => {
    findMember(db, userId).then((member) => done(null, member ? { user_id: member.id } : false), done)
  })

  const recognise = Router().use(
    session({
      name: 'example.sid',
      store,
      // Sessions end with the process, so their secret may, too.
      secret: randomBytes(32).toString('base64'),
      resave: false,
      saveUninitialized: false,
      cookie: { httpOnly: true, sameSite: 'lax', secure: 'auto' },
    }),
    authenticator.session(),
  )
  return {
    recognise,
    check: authenticator.authenticate('sso-password', { successRedirect: '/', failureRedirect: '/sign-in?refused' }),
  }
}

function findMember(db: Knex, id: string): Promise<Member | undefined> {
  return db<Member>('members').where({ id }).first()
}
