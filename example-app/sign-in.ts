import { createHash, randomBytes } from 'node:crypto'
import { type RequestHandler, Router } from 'express'
import session from 'express-session'
import type { Knex } from 'knex'
import passport from 'passport'
import type { Sso } from '../src/index.ts'
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
  /** Changes with the password, so that a new password signs out every other browser. */
  readonly stamp: string
}

/** The app's own log-in: Passport, with a session cookie. */
export interface SignIn {
  /** Knows from the cookie who is signed in: `req.user`. */
  readonly recognise: RequestHandler
  /** Takes `username` and `password` from a form. */
  readonly check: RequestHandler
}

export function buildSignIn(db: Knex, sso: Sso): SignIn {
  const authenticator = new passport.Passport()
  // The package knows the account, its hash, and whether it is locked; Passport knows sessions.
  authenticator.use(sso.passport.password())

  authenticator.serializeUser<Remembered>((user, done) => {
    findMember(db, user.user_id).then(
      (member) => (member ? done(null, { userId: member.id, stamp: stampOf(member) }) : done(new Error('no member'))),
      done,
    )
  })
  authenticator.deserializeUser<Remembered>(({ userId, stamp }, done) => {
    findMember(db, userId).then(
      (member) => done(null, member && stampOf(member) === stamp ? { user_id: member.id } : false),
      done,
    )
  })

  const recognise = Router().use(
    session({
      name: 'example.sid',
      // Sessions are kept in memory and end with the process, so their secret may, too. Yours will have a store.
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

function stampOf({ password_hash }: Member): string {
  return createHash('sha256').update(`stamp ${password_hash}`).digest('base64url')
}
