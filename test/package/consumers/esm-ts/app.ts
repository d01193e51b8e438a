import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express, type RequestHandler } from 'express'
import { type Change, createSso, type Options, type Sso } from 'express-sso-users'
import knex, { type Knex } from 'knex'

const db: Knex = knex(JSON.parse(process.env['DATABASE'] ?? '{}') as Knex.Config)
const updates: string[] = []

const options: Options = {
  db,
  hooks: {
    afterUpdate: ({ target, changes }: Change) => {
      for (const { attribute } of changes) updates.push(`${target.username}.${attribute}`)
    },
  },
}
const sso: Sso = createSso(options)

await sso.ready()
const password = process.env['password'] ?? ''
await sso.user.createSuperUser({ data: { username: 'admin', password } })
for (const username of ['ada', 'bob']) {
  await sso.user.createUser({
    actor: { via: 'code', name: 'consumer' },
    autoApprove: true,
    data: { username, password },
  })
}
updates.length = 0

const servers = [await listen(host()), await listen(host(express.json(), express.urlencoded({ extended: true })))]
const [plain, parsed] = servers.map((server) => (server.address() as AddressInfo).port)
console.log(JSON.stringify({ node: process.version, ports: { plain, parsed } }))

process.stdin.resume().on('end', () => {
  for (const server of servers) server.close()
  void db.destroy()
})

function host(...parsers: RequestHandler[]): Express {
  const app = express()
  for (const parser of parsers) app.use(parser)
  app.use('/a/b/zato/sso', sso.zato)
  app.use('/a/b/ddenterpriseapi', sso.updateuser)
  app.get('/a/b/whoami', sso.requireUser(), (req, res) => {
    res.json({ username: req.sso?.user.username, via: req.sso?.actor.via })
  })
  app.get('/a/b/updates', (_req, res) => {
    res.json(updates)
  })
  return app
}

function listen(app: Express): Promise<Server> {
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () => resolve(server))
  })
}
