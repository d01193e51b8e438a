import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { Knex } from 'knex'
import type { Sso } from '../src/index.ts'
import type { BrowserSessions } from './browser-sessions.ts'
import { listMembers } from './database.ts'
import { messagePage } from './pages.ts'
import { profileRoutes } from './profile.ts'
import { buildSignIn } from './sign-in.ts'

/** The app: its own pages and routes, and the package's routers among them. */
export function buildApp(db: Knex, sso: Sso, browsers: BrowserSessions): Express {
  const app = express()
  app.disable('x-powered-by')
  const signIn = buildSignIn(db, sso, browsers)

  // Before the routers, so that their option `authenticate` finds req.user.
  app.use(signIn.recognise)

  app.use('/account', sso.rest)
  app.use('/zato/sso', sso.zato)
  app.use('/ddenterpriseapi', sso.updateuser)

  // Routes of the app that the package guards, by session token (Authorization: Bearer) or by the app's own cookie.
  app.get('/reports', sso.requireUser(), sso.requireRole('roleid1', 'R'), (req, res) => {
    res.json({ reader: req.sso?.user.username, reports: ['turnover', 'forecast'] })
  })
  app.get('/members', sso.requireSuperUser(), async (_req, res) => {
    res.json(await listMembers(db))
  })
  app.get('/members/:id', sso.requireSuperUser(), async (req, res) => {
    const actor = { via: 'code', name: 'example-app' } as const
    res.json(await sso.user.getUserDetails({ actor, userId: String(req.params['id']) }))
  })

  app.use(pageHeaders, profileRoutes(sso, signIn))
  app.use(nothingHere)
  app.use(somethingBroke)
  return app
}

/** Nothing but the pages themselves: no scripts, no frames, no other site's forms. */
const pageHeaders: RequestHandler = (_req, res, next) => {
  res.set({
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    'Referrer-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
  })
  next()
}

const nothingHere: RequestHandler = (_req, res) => {
  res.status(404).send(messagePage('Not found', 'There is no such page.'))
}

/** Express' own handler would show the stack trace. Four parameters are how Express knows what this is. */
const somethingBroke: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) return next(error)
  const { status } = error as { status?: unknown }
  const isClientError = typeof status === 'number' && status >= 400 && status < 500
  if (!isClientError) console.error(error)
  res.status(isClientError ? status : 500).send(messagePage('Error', 'The request could not be answered.'))
}
