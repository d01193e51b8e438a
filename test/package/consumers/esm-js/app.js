import express from 'express'
import { createSso } from 'express-sso-users'
import knex from 'knex'

const db = knex(JSON.parse(process.env.DATABASE))
const updates = []

const sso = createSso({
  db,
  hooks: {
    afterUpdate: ({ target, changes }) => {
      for (const { attribute } of changes) updates.push(`${target.username}.${attribute}`)
    },
  },
})

await sso.ready()
const { password } = process.env
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
const [plain, parsed] = servers.map((server) => server.address().port)
console.log(JSON.stringify({ node: process.version, ports: { plain, parsed } }))

process.stdin.resume().on('end', () => {
  for (const server of servers) server.close()
  db.destroy()
})

function host(...parsers) {
  const app = express()
  for (const parser of parsers) app.use(parser)
  app.use('/a/b/zato/sso', sso.zato)
  app.use('/a/b/ddenterpriseapi', sso.updateuser)
  app.get('/a/b/whoami', sso.requireUser(), (req, res) => {
    res.json({ username: req.sso.user.username, via: req.sso.actor.via })
  })
  app.get('/a/b/updates', (_req, res) => {
    res.json(updates)
  })
  return app
}

function listen(app) {
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () => resolve(server))
  })
}
