import { createHash, randomBytes } from 'node:crypto'
import express from 'express'
import { createAccounts, openSso } from './accounts.ts'
import { openDatabase, serve, settings } from './serve.ts'

// The same endpoint as an engineer would write it for this one app: Express and Knex, on the same tables, with the same
// checks on the way and the same rows at the end. Only what a session may do to its own account, only the profile.

const db = openDatabase()
const calls = await createAccounts(openSso(db, { relay: false }))

/** Longest value of each attribute that a user may change. */
const EDITABLE = new Map([
  ['display_name', 191],
  ['first_name', 191],
  ['middle_name', 191],
  ['last_name', 191],
  ['email', 254],
])
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

interface Found {
  readonly user_id: string
  readonly username: string
  readonly row_version: number
  readonly is_locked: boolean | number
  readonly approval_status: string
  readonly sign_up_status: string
  readonly password_expiry: Date | string | null
  readonly expiration_time: Date | string
  readonly [attribute: string]: unknown
}

const app = express()
app.use(express.json())

app.patch('/zato/sso/user', async (req, res) => {
  const cid = randomBytes(12).toString('hex')
  const refuse = (status: number, code: string) =>
    void res.status(status).json({ status: 'error', cid, sub_status: [code] })
  const body: unknown = req.body
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return refuse(400, 'E008002')
  const { ust, current_app: currentApp, ...data } = body as Record<string, unknown>
  if (currentApp !== 'CRM') return refuse(200, 'E004001')
  if (typeof ust !== 'string') return refuse(400, 'E008003')

  const now = new Date()
  const user: Found | undefined = await db('sso_session as s')
    .join('sso_user as u', 'u.user_id', 's.user_id')
    .where('s.ust_hash', createHash('sha256').update(ust).digest('base64url'))
    .first(
      's.expiration_time',
      'u.user_id',
      'u.username',
      'u.row_version',
      'u.is_locked',
      'u.approval_status',
      'u.sign_up_status',
      'u.password_expiry',
      ...[...EDITABLE.keys()].map((name) => `u.${name}`),
    )
  if (!user || new Date(user.expiration_time) <= now || user.approval_status !== 'approved')
    return refuse(403, 'E007001')
  if (user.is_locked) return refuse(403, 'E005002')
  if (user.sign_up_status !== 'final') return refuse(403, 'E005003')
  if (user.password_expiry !== null && new Date(user.password_expiry) < now) return refuse(403, 'E003004')

  const columns: Record<string, string | null> = {}
  const changes: { attribute: string; from: unknown; to: unknown }[] = []
  for (const [name, value] of Object.entries(data)) {
    const longest = EDITABLE.get(name)
    if (longest === undefined) continue
    if (value !== null) {
      if (typeof value !== 'string' || value.length > longest || CONTROL.test(value)) return refuse(403, 'E008002')
      if (name === 'email' && !EMAIL.test(value)) return refuse(403, 'E002001')
    }
    const to = value === null ? null : value.normalize('NFC')
    if (to === user[name]) continue
    columns[name] = to
    if (name !== 'email') columns[`${name}_upper`] = to?.toUpperCase() ?? null
    changes.push({ attribute: name, from: user[name], to })
  }

  const isWritten = await db.transaction(async (trx) => {
    if (changes.length > 0) {
      const touched = await trx('sso_user')
        .where({ user_id: user.user_id, row_version: user.row_version })
        .update({ ...columns, row_version: user.row_version + 1 })
      if (touched === 0) return false
    }
    await trx('sso_audit').insert({
      cid,
      time: databaseTime(now),
      operation: 'update_current_user',
      outcome: changes.length > 0 ? 'ok' : 'unchanged',
      error: null,
      actor_id: user.user_id,
      actor_name: user.username,
      actor_via: 'ust',
      target_id: user.user_id,
      target_name: user.username,
      app: currentApp,
      remote_addr: req.ip,
      user_agent: req.get('User-Agent') ?? null,
      dialect: 'zato',
      changes: JSON.stringify(changes),
    })
    return true
  })
  if (!isWritten) return refuse(409, 'E008002')
  res.json({ status: 'ok', cid, sub_status: [] })
})

/** Times are text in SQLite and DATETIME without a zone in MariaDB. */
function databaseTime(time: Date): string {
  const iso = time.toISOString()
  return settings.database === 'mariadb' ? iso.slice(0, 23).replace('T', ' ') : iso
}

serve(app, calls)
