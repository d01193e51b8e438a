import type { Request, RequestHandler, Router } from 'express'
import type { Knex } from 'knex'
import { expectTypeOf } from 'vitest'
import {
  type Actor,
  type AuditRecord,
  type Change,
  type Context,
  createSso,
  ERRORS,
  type ErrorCode,
  type Hooks,
  type HostIdentity,
  jsonLinesSink,
  type LoginResult,
  loggerSink,
  type Options,
  type Readiness,
  SsoError,
  type SsoIdentity,
  type TotpKeyResult,
  type UpdateResult,
  type User,
  type UserPatch,
  zatoCompat,
} from '../src/index.ts'

// Compiled by `npm run types`, never run: a line that stops being an error under @ts-expect-error is an error itself.

declare const db: Knex
declare const sso: ReturnType<typeof createSso>
const app = { currentApp: 'CRM' }
const own = { currentUst: 'ust', ...app }
const code = { actor: { via: 'code', name: 'import' } } as const

export function options(): void {
  createSso({ db })
  createSso({ db, ...zatoCompat() })
  createSso({ db, apps: ['CRM'], users: { table: 'members', columns: { username: 'login', email: false } } })
  createSso({ db, audit: { sinks: [jsonLinesSink('audit.log'), loggerSink(console), (record) => void record.cid] } })
  createSso({ db, password: { validate: async () => {}, expiryDays: null } })
  createSso({ db, users: { table: 'members', defaults: ({ username }) => ({ slug: username }) } })

  // @ts-expect-error the database is required
  createSso({})
  // @ts-expect-error a misspelt option
  createSso({ db, app: ['CRM'] })
  // @ts-expect-error a misspelt option within another
  createSso({ db, session: { lifetime: 60 } })
  // @ts-expect-error a wrong type
  createSso({ db, apps: 'CRM' })
  // @ts-expect-error a column is text or false
  createSso({ db, users: { table: 'members', columns: { email: true } } })
  // @ts-expect-error the table must be named
  createSso({ db, users: { columns: {} } })
  // @ts-expect-error only these two methods
  createSso({ db, updateuser: { methods: ['PUT'] } })
  // @ts-expect-error there is no such permission
  createSso({ db, updateuser: { permissions: { passwords: 'acl' } } })

  expectTypeOf<Options['apps']>().toEqualTypeOf<readonly string[] | undefined>()
  expectTypeOf<Parameters<typeof createSso>>().toEqualTypeOf<[options: Options]>()
}

export function authentication(): void {
  createSso({ db, authenticate: () => null })
  createSso({ db, authenticate: () => undefined })
  createSso({ db, authenticate: async (req) => ({ userId: req.get('X-User') ?? '', isSuperUser: false }) })
  createSso({ db, authenticate: () => ({ userId: 7 }) })
  // @ts-expect-error the id is called userId
  createSso({ db, authenticate: () => ({ id: 7 }) })
  // @ts-expect-error true says nothing of who it is
  createSso({ db, authenticate: () => true })
  expectTypeOf<HostIdentity['userId']>().toEqualTypeOf<string | number>()
}

export function hooks(): void {
  createSso({ db, hooks: { beforeUpdate: () => {} } })
  createSso({ db, hooks: { beforeUpdate: async () => {} } })
  createSso({ db, hooks: { beforeUpdate: [async () => {}, ({ patch }) => ({ ...patch, display_name: null })] } })
  createSso({ db, hooks: { authorizeUpdate: async () => {} } })
  createSso({ db, hooks: { authorizeUpdate: ({ actor }) => (actor.isSuperUser ? undefined : ['display_name']) } })
  createSso({
    db,
    hooks: { withinUpdate: async ({ target }, trx) => void (await trx('log').insert({ id: target.user_id })) },
  })
  createSso({ db, hooks: { afterUpdate: () => {}, onDenied: async () => {}, onError: () => {} } })

  // Hooks that are declared elsewhere, and say that they return nothing.
  const nothing = (_change: unknown): void => {}
  const nothingLater = async (_change: unknown): Promise<void> => {}
  createSso({
    db,
    hooks: { authorizeUpdate: nothing, beforeUpdate: nothing, withinUpdate: nothing, afterUpdate: nothing },
  })
  createSso({
    db,
    hooks: { authorizeUpdate: nothingLater, beforeUpdate: [nothing, nothingLater], afterUpdate: nothingLater },
  })

  // @ts-expect-error a boolean means nothing: to stop, throw
  createSso({ db, hooks: { beforeUpdate: () => false } })
  // @ts-expect-error names, not a boolean
  createSso({ db, hooks: { authorizeUpdate: () => true } })
  // @ts-expect-error there is no such phase
  createSso({ db, hooks: { beforeUpdte: () => {} } })
  createSso({
    db,
    hooks: {
      afterUpdate: (change) => {
        // @ts-expect-error what was committed cannot be changed
        change.changes = []
      },
    },
  })

  type Of<Name extends keyof Hooks> = Extract<NonNullable<Hooks<Knex.Transaction>[Name]>, (...args: never) => unknown>
  expectTypeOf<Parameters<Of<'withinUpdate'>>>().toEqualTypeOf<[change: Change, trx: Knex.Transaction]>()
  expectTypeOf<Parameters<Of<'onError'>>>().toEqualTypeOf<[error: unknown, context: Context | null]>()
  expectTypeOf<Change['before']>().toEqualTypeOf<User | null>()
  expectTypeOf<Change['after']>().toEqualTypeOf<User | null>()
}

export function patches(): void {
  const nullable: UserPatch = {
    email: null,
    display_name: null,
    first_name: null,
    middle_name: null,
    last_name: null,
    totp_key: null,
    totp_label: null,
    password_expiry: null,
  }
  const times: UserPatch[] = [{ password_expiry: new Date() }, { password_expiry: '2345-12-27T11:22:33' }]
  // @ts-expect-error a username is not nullable
  const noName: UserPatch = { username: null }
  // @ts-expect-error a boolean is not nullable
  const noLock: UserPatch = { is_locked: null }
  // @ts-expect-error a status is not nullable
  const noStatus: UserPatch = { approval_status: null }
  // @ts-expect-error one of three
  const otherStatus: UserPatch = { approval_status: 'approve' }
  // @ts-expect-error an absent key is left out: undefined is no value
  const notGiven: UserPatch = { email: undefined }
  // @ts-expect-error nobody edits it
  const promoted: UserPatch = { is_super_user: true }
  // @ts-expect-error passwords have an operation of their own
  const password: UserPatch = { password: 'clear' }
  void [nullable, times, noName, noLock, noStatus, otherStatus, notGiven, promoted, password]

  expectTypeOf<User>().not.toHaveProperty('password')
  expectTypeOf<User>().not.toHaveProperty('totp_key')
  expectTypeOf<User['user_id']>().toEqualTypeOf<string>()
  // What only super-users read may be absent.
  expectTypeOf<User['is_locked']>().toEqualTypeOf<boolean | undefined>()
}

export async function functions(): Promise<void> {
  expectTypeOf(await sso.user.login({ username: 'ada', password: 'clear', ...app })).toEqualTypeOf<LoginResult>()
  expectTypeOf(await sso.user.getCurrentUser(own)).toEqualTypeOf<User>()
  expectTypeOf(await sso.user.updateCurrentUser({ ...own, data: {} })).toEqualTypeOf<UpdateResult>()
  expectTypeOf(await sso.user.updateUserById({ ...code, userId: 7, data: {} })).toEqualTypeOf<UpdateResult>()
  expectTypeOf(await sso.user.setTotpKey({ ...own, totpKey: null })).toEqualTypeOf<TotpKeyResult>()
  expectTypeOf(await sso.user.validateTotpCode({ ...code, username: 'ada', code: '123456' })).toEqualTypeOf<{
    readonly isValid: boolean
  }>()
  expectTypeOf(await sso.user.deleteUserById({ ...own, userId: 'id' })).toEqualTypeOf<void>()
  expectTypeOf(await sso.ready()).toEqualTypeOf<Readiness>()
  await sso.user.updateCurrentUser({ actor: { via: 'host', userId: 7 }, data: { email: null } })
  await sso.user.updateuser({ ...code, uid: 'ada', roles: ['sales|R'], attributes: { langChoice: '1' } })
  await sso.user.updateuser({ user: 'admin', pass: 'clear', uid: 'ada', displayName: 'Ada' })
  await sso.user.createUser({ ...code, data: { username: 'ada' } })
  await sso.user.createSuperUser({ data: { username: 'ada', password: 'clear' } })

  // @ts-expect-error neither currentUst nor actor
  await sso.user.updateCurrentUser({ data: {} })
  // @ts-expect-error both of them
  await sso.user.updateCurrentUser({ ...own, ...code, data: {} })
  // @ts-expect-error a way of proof that only requests have
  await sso.user.updateCurrentUser({ actor: { via: 'ust', name: 'x' }, data: {} })
  // @ts-expect-error code has a name
  await sso.user.updateCurrentUser({ actor: { via: 'code' }, data: {} })
  // @ts-expect-error whose account?
  await sso.user.updateUserById({ ...code, data: {} })
  // @ts-expect-error functions take the names of the seed in camelCase
  await sso.user.updateCurrentUser({ current_ust: 'ust', current_app: 'CRM', data: {} })
  // @ts-expect-error a new account has a username
  await sso.user.createUser({ ...code, data: { email: null } })
  // @ts-expect-error no function gives super-user rights by a patch
  await sso.user.createUser({ ...code, data: { username: 'ada', is_super_user: true } })
}

export function requests(req: Request): void {
  expectTypeOf(req.sso).toEqualTypeOf<SsoIdentity | null | undefined>()
  // @ts-expect-error nobody may be there
  void req.sso.user
  if (req.sso) expectTypeOf(req.sso).toEqualTypeOf<SsoIdentity>()
  expectTypeOf<SsoIdentity['actor']>().toEqualTypeOf<Actor>()

  expectTypeOf(sso.zato).toEqualTypeOf<Router>()
  expectTypeOf(sso.updateuser).toEqualTypeOf<Router>()
  expectTypeOf(sso.requireRole('sales', 'R')).toEqualTypeOf<RequestHandler>()
  // @ts-expect-error one of R, W, X
  sso.requireRole('sales', 'RW')
}

export function errors(error: unknown): void {
  if (!(error instanceof SsoError)) return
  expectTypeOf(error.code).toEqualTypeOf<ErrorCode>()
  expectTypeOf(ERRORS[error.code].status).toExtend<number>()
  expectTypeOf<AuditRecord['error']>().toEqualTypeOf<ErrorCode | null>()
  // @ts-expect-error there is no such code
  void new SsoError('no_such_code')
}
