import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Knex } from 'knex'
import type { Sso } from '../src/index.ts'
import { fillMembers } from './accounts.ts'
import { buildApp } from './app.ts'
import { buildBrowserSessions } from './browser-sessions.ts'
import { curlLines } from './curl-lines.ts'
import { createMembers, openDatabase } from './database.ts'
import { readSettings, type Settings, StartRefused } from './settings.ts'
import { buildSso } from './sso.ts'

const LONGEST_STOP_MS = 5000
const SWEEP_MS = 50

async function start(): Promise<void> {
  // The database, the key and the audit trail are files that nobody else on this machine has to read.
  process.umask(0o077)
  const settings = await readSettings(process.env)
  const db = openDatabase(settings)
  await createMembers(db)
  const browsers = buildBrowserSessions()
  const sso = buildSso(db, settings, browsers)
  // Without it the first request would do the same; but a table that does not fit is better heard of now.
  await sso.ready()
  const news = await fillMembers(db, sso, settings)

  const server = createServer(buildApp(db, sso, browsers))
  const base = await listen(server, settings)
  stopOnSignals(server, sso, db)
  if (settings.hasDemoAccounts) console.log(curlLines(base, new Date()))
  if (news !== null) console.log(news)
  console.log(`Listening at ${base}`)
}

function listen(server: Server, { host, port }: Settings): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE'
      reject(isTaken ? new StartRefused(`Port ${port} of ${host} is taken. Set PORT to another.`) : error)
    })
    server.listen(port, host, () => {
      const { address, family, port: taken } = server.address() as AddressInfo
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`)
    })
  })
}

/** Answers what has been asked, lets the audit sinks finish, and only then closes the database. */
function stopOnSignals(server: Server, sso: Sso, db: Knex): void {
  let isStopping = false
  const stop = () => {
    // A terminal's Ctrl-C reaches the process twice: by itself and through the runner.
    if (isStopping) return
    isStopping = true
    // A connection that has had its answer would be kept open for the next request.
    const sweeping = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
    const impatience = setTimeout(() => server.closeAllConnections(), LONGEST_STOP_MS)
    server.close(async () => {
      clearInterval(sweeping)
      clearTimeout(impatience)
      await sso.close()
      await db.destroy()
    })
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

start().catch((error: unknown) => {
  console.error(error instanceof StartRefused ? error.message : error)
  process.exit(1)
})
