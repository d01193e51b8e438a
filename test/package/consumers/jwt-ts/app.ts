// An app as somebody wrote it who had only the README: a table of people with integer keys and columns of its own
// names, a password hash of its own, JSON Web Tokens by Passport, and attributes of its own.
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createSso, type User } from 'express-sso-users'
import jwt from 'jsonwebtoken'
import knex, { type Knex } from 'knex'
import passport from 'passport'
import { ExtractJwt, Strategy } from 'passport-jwt'

const inMemory = { client: 'better-sqlite3', connection: { filename: ':memory:' }, useNullAsDefault: true }
const { DATABASE, JWT_SECRET = randomBytes(32).toString('hex'), password = 'analytical engine' } = process.env
const db = knex(DATABASE ? (JSON.parse(DATABASE) as Knex.Config) : inMemory)

interface Person {
  person_no: number
  handle: string
  secret_hash: string
}

const hasher = {
  hash: async (password: string) => {
    const salt = randomBytes(16).toString('hex')
    return `${salt}$${scryptSync(password, salt, 32).toString('hex')}`
  },
  verify: async (hash: string, password: string) => {
    const [salt = '', key = ''] = hash.split('$')
    return timingSafeEqual(scryptSync(password, salt, 32), Buffer.from(key, 'hex'))
  },
  isOutdated: () => false,
}

await db.schema.createTable('people', (table) => {
  table.increments('person_no')
  table.string('handle', 80).notNullable().unique()
  table.string('secret_hash', 200).notNullable()
  table.boolean('is_admin').notNullable().defaultTo(false)
  table.string('mail', 254)
  table.string('shown_as', 191)
  table.string('nick', 40)
  table.integer('seats').notNullable().defaultTo(1)
  table.string('iban', 34)
})
await db.schema.createTable('nicknames', (table) => {
  table.integer('person_no').notNullable()
  table.string('nick', 40)
})
await db('people').insert([
  {
    handle: 'ada',
    secret_hash: await hasher.hash(password),
    mail: 'ada@example.com',
    nick: 'Countess',
    is_admin: false,
  },
  { handle: 'bob', secret_hash: await hasher.hash(password), mail: null, nick: null, is_admin: true },
])

const attributes = {
  properties: {
    nickname: { type: ['string', 'null'], maxLength: 40, 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    seats: { type: 'integer', minimum: 1, 'x-sso': { editableBy: 'super_user', readableBy: 'self' } },
    iban: {
      type: ['string', 'null'],
      maxLength: 34,
      'x-sso': { editableBy: 'self', readableBy: 'self', reauth: true },
    },
    // There is no column for this one.
    theme: {
      type: ['string', 'null'],
      enum: ['light', 'dark', null],
      'x-sso': { editableBy: 'self', readableBy: 'self' },
    },
  },
} as const

declare module 'express-sso-users' {
  interface HostAttributes {
    readonly properties: typeof attributes.properties
  }
}

const bearer = { jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(), secretOrKey: JWT_SECRET }
passport.use(new Strategy(bearer, (claims, done) => done(null, claims)))

const sso = createSso({
  db,
  users: {
    table: 'people',
    columns: {
      user_id: 'person_no',
      username: 'handle',
      password: 'secret_hash',
      is_super_user: 'is_admin',
      email: 'mail',
      display_name: 'shown_as',
      nickname: 'nick',
    },
  },
  attributes,
  password: { hasher },
  authenticate: (req) =>
    new Promise((resolve, reject) => {
      const decide = (error: unknown, claims: { sub: string; iat: number } | false) =>
        error ? reject(error) : resolve(claims && { userId: claims.sub, authenticatedAt: new Date(claims.iat * 1000) })
      passport.authenticate('jwt', { session: false }, decide)(req, req.res, reject)
    }),
  hooks: {
    beforeUpdate: ({ patch }) => {
      const nickname: string | null | undefined = patch.nickname
      if (nickname === 'admin') throw Object.assign(new Error('That name is ours.'), { status: 422 })
    },
    withinUpdate: async ({ target, before, after }, trx) => {
      if (!after || before?.nickname === after.nickname) return
      await trx('nicknames').insert({ person_no: Number(target.user_id), nick: after.nickname })
    },
  },
})
await sso.ready()

const app = express()
app.use(express.json())
app.post('/login', async (req, res) => {
  const { username, password } = req.body as { username: string; password: string }
  const person = await db<Person>('people').where({ handle: username }).first()
  if (!person || !(await hasher.verify(person.secret_hash, password))) return void res.sendStatus(401)
  res.json({ token: jwt.sign({}, JWT_SECRET, { subject: String(person.person_no), expiresIn: '1h' }) })
})
app.use('/a/b', sso.rest)
app.use('/a/zato/sso', sso.zato)
app.get('/whoami', sso.requireUser(), (req, res) => {
  const nickname: string | null | undefined = req.sso?.user.nickname
  const theme: 'light' | 'dark' | null | undefined = req.sso?.user.theme
  // @ts-expect-error a number
  const seats: string | undefined = req.sso?.user.seats
  res.json({ nickname, theme, seats, via: req.sso?.actor.via })
})
app.get('/nicknames', sso.requireSuperUser(), async (_req, res) => {
  res.json(await db('nicknames').select('person_no', 'nick'))
})

const billing = { actor: { via: 'code', name: 'billing' }, userId: 1 } as const
const { user } = await sso.user.updateUserById({ ...billing, data: { seats: 2, theme: 'light' } })
export const ada: User<typeof attributes> = user
export const seats: number = user.seats
export const mistakes = [
  // @ts-expect-error a number
  () => sso.user.updateUserById({ ...billing, data: { seats: 'two' } }),
  // @ts-expect-error not nullable
  () => sso.user.updateUserById({ ...billing, data: { seats: null } }),
  // @ts-expect-error neither light nor dark
  () => sso.user.updateUserById({ ...billing, data: { theme: 'blue' } }),
  // @ts-expect-error that is the column, not the attribute
  () => sso.user.updateUserById({ ...billing, data: { nick: 'Ada' } }),
]

const server = app.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ node: process.version, ports: { app: port } }))
})
process.stdin.resume().on('end', () => {
  server.close()
  void db.destroy()
})
