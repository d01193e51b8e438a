import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import Sqlite from 'better-sqlite3'
import express from 'express'
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import { type Call, NAME } from './protocol.ts'
import { PRAGMAS, serve, settings } from './serve.ts'

// Its session is a cookie, its change of a name POST /update-user. It writes no audit row and opens no transaction, so
// it does less than the others.

const ORIGIN = 'http://127.0.0.1'

const auth = betterAuth({
  baseURL: ORIGIN,
  secret: 'a secret for the bench and for nothing else',
  database: connect(),
  emailAndPassword: {
    enabled: true,
    // Passwords are not what is measured: they need no strong hash here.
    password: { hash: async (password) => `plain ${password}`, verify: async () => true },
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: 'error' },
})

function connect() {
  const { database, config, poolSize } = settings
  if (database === 'mariadb') {
    return createPool({ uri: config.connection as string, connectionLimit: poolSize, timezone: 'Z' })
  }
  if (database === 'postgres') return new pg.Pool({ connectionString: config.connection as string, max: poolSize })
  const file = new Sqlite((config.connection as { filename: string }).filename)
  for (const pragma of PRAGMAS) file.pragma(pragma)
  return file
}

const { runMigrations } = await getMigrations(auth.options)
await runMigrations()

const calls: Call[] = []
for (let number = 1; number <= settings.accounts; number++) {
  const { headers } = await auth.api.signUpEmail({
    body: { name: `User ${number}`, email: `user${number}@example.com`, password: 'correct horse battery' },
    returnHeaders: true,
  })
  const cookie = headers.getSetCookie().map((set) => set.split(';')[0])
  calls.push({
    method: 'POST',
    path: '/api/auth/update-user',
    headers: { 'content-type': 'application/json', origin: ORIGIN, cookie: cookie.join('; ') },
    body: JSON.stringify({ name: NAME }),
  })
}

const app = express()
app.all('/api/auth/*splat', toNodeHandler(auth))
serve(app, calls)
