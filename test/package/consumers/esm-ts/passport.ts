// A host with Passport: its strategies are ours.
import { createSso } from 'express-sso-users'
import type { Knex } from 'knex'
import passport from 'passport'

declare const db: Knex

const sso = createSso({
  db,
  authenticate: (req) => req.user && { userId: (req.user as { id: number }).id },
})
passport.use(sso.passport.ust())
passport.use('local', sso.passport.password({ usernameField: 'login' }))
