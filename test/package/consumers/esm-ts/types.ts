// Nothing here runs: it compiles, or the declarations are wrong.
import type { Request, Router } from 'express'
import {
  type AuditRecord,
  createSso,
  ERRORS,
  type ErrorCode,
  type Hooks,
  jsonLinesSink,
  type Options,
  SsoError,
  type SsoIdentity,
  type UpdateResult,
  type User,
  zatoCompat,
} from 'express-sso-users'
import type { Knex } from 'knex'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<_T extends true>(): void {}

declare const db: Knex
declare const req: Request

// Options: every name is known, no value is `any`.
export const minimal: Options = { db }
export const compatible = createSso({ ...zatoCompat(), db, apps: ['CRM'] })
// @ts-expect-error db is required
export const without: Options = {}
// @ts-expect-error there is no option of this name
createSso({ db, aps: ['CRM'] })
// @ts-expect-error a list of names
createSso({ db, apps: 'CRM' })
createSso({ db, audit: { sinks: [jsonLinesSink('audit.log'), (record: AuditRecord) => void record.cid] } })
createSso({ db, authenticate: (req) => holds<Equal<typeof req, Request>>() ?? { userId: 1, isSuperUser: false } })

// Hooks: what they are given is typed without an annotation.
createSso({
  db,
  hooks: {
    beforeUpdate: [
      ({ patch, before }) => {
        holds<Equal<typeof before, User | null>>()
        return { ...patch, display_name: 'Ada' }
      },
    ],
    withinUpdate: async ({ target, changes }, trx) => {
      holds<Equal<typeof trx, Knex.Transaction>>()
      holds<Equal<(typeof changes)[number]['attribute'], string>>()
      await trx('members').where({ id: target.user_id }).update({ seen: true })
    },
    onDenied: (_denial, error) => holds<Equal<typeof error, SsoError>>(),
    // @ts-expect-error there is no phase of this name
    beforeUpdte: () => {},
  },
})
// @ts-expect-error a hook is a function
export const wrong: Hooks = { afterUpdate: true }

// Routers, middlewares and what they leave on the request.
const sso = createSso({ db })
holds<Equal<typeof sso.zato, Router>>()
holds<Equal<typeof sso.updateuser, Router>>()
holds<Equal<typeof req.sso, SsoIdentity | null | undefined>>()
sso.requireRole('sales', 'R')
// @ts-expect-error rights are R, W and X
sso.requireRole('sales', 'Z')
// @ts-expect-error this host has no Passport, so its requests have no user
export const nobody = req.user

// Functions.
const result = sso.user.updateCurrentUser({ currentUst: '', currentApp: 'CRM', data: { middle_name: null } })
holds<Equal<Awaited<typeof result>, UpdateResult>>()
// @ts-expect-error nobody may change this one
sso.user.updateCurrentUser({ currentUst: '', currentApp: 'CRM', data: { user_id: '1' } })
// @ts-expect-error someone must be asking
sso.user.updateCurrentUser({ data: {} })

// Errors.
try {
  await result
} catch (error) {
  if (error instanceof SsoError) {
    holds<Equal<typeof error.code, ErrorCode>>()
    ERRORS[error.code].status satisfies number
  }
}
