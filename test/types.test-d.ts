import type { Request, RequestHandler, Router } from 'express'
import type { Knex } from 'knex'
import { expectTypeOf } from 'vitest'
import {
  type AccountDetails,
  type Actor,
  type AttributesSchema,
  type AuditRecord,
  type Change,
  type Context,
  type CreatedUser,
  createSso,
  ERRORS,
  type ErrorCode,
  type Hooks,
  type HostIdentity,
  jsonLinesSink,
  type LoginResult,
  loggerSink,
  type NewUser,
  type Options,
  type Readiness,
  type Sso,
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

const attributes = {
  properties: {
    nickname: { type: ['string', 'null'], maxLength: 20, 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    points: { type: 'integer', default: 0, 'x-sso': { editableBy: 'super_user', readableBy: 'super_user' } },
    team: { type: ['string', 'null'], enum: ['sales', null], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    joined: { type: ['string', 'null'], format: 'date-time', 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    settings: { type: ['object', 'array'], 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    staff_no: { type: 'string', 'x-sso': { readableBy: 'self' } },
    pin: { type: ['string', 'null'], 'x-sso': { editableBy: 'self', secret: true } },
    display_name: { type: 'string' },
    middle_name: { 'x-sso': { editableBy: 'nobody' } },
    last_name: { 'x-sso': { readableBy: 'super_user' } },
    approval_status: { enum: ['approved', 'rejected'] },
  },
} as const

export async function attributesOfASchema(): Promise<void> {
  const typed = createSso({ db, attributes })
  expectTypeOf(typed).toEqualTypeOf<Sso<typeof attributes>>()
  const user = await typed.user.getCurrentUser(own)
  expectTypeOf(user).toEqualTypeOf<User<typeof attributes>>()
  expectTypeOf(user.nickname).toEqualTypeOf<string | null>()
  expectTypeOf(user.points).toEqualTypeOf<number | undefined>()
  expectTypeOf(user.team).toEqualTypeOf<'sales' | null>()
  expectTypeOf(user.joined).toEqualTypeOf<Date | null>()
  expectTypeOf(user.settings).toEqualTypeOf<Readonly<Record<string, unknown>> | readonly unknown[]>()
  expectTypeOf(user.staff_no).toEqualTypeOf<string>()
  expectTypeOf(user).not.toHaveProperty('pin')
  // Our own are as narrow as the host makes them, and otherwise as they were.
  expectTypeOf(user.display_name).toEqualTypeOf<string>()
  expectTypeOf(user.middle_name).toEqualTypeOf<string | null>()
  expectTypeOf(user.last_name).toEqualTypeOf<string | null | undefined>()
  expectTypeOf(user.approval_status).toEqualTypeOf<'approved' | 'rejected' | undefined>()
  expectTypeOf(user.email).toEqualTypeOf<string | null>()

  const update = (data: UserPatch<typeof attributes>) => typed.user.updateCurrentUser({ ...own, data })
  await update({ nickname: null, points: 1, team: 'sales', joined: '2030-01-01T00:00:00Z', settings: {}, pin: '1234' })
  await update({ joined: new Date(), settings: [], display_name: 'Ada', last_name: null, approval_status: 'approved' })
  // @ts-expect-error a wrong type
  await update({ points: '1' })
  // @ts-expect-error not nullable
  await update({ points: null })
  // @ts-expect-error no longer nullable
  await update({ display_name: null })
  // @ts-expect-error no such value
  await update({ team: 'support' })
  // @ts-expect-error no longer such a value
  await update({ approval_status: 'before_decision' })
  // @ts-expect-error nobody edits it
  await update({ staff_no: '7' })
  // @ts-expect-error nobody edits it any more
  await update({ middle_name: 'Augusta' })
  // @ts-expect-error no such attribute
  await update({ nick_name: 'ada' })
  // @ts-expect-error passwords have an operation of their own
  await update({ password: 'clear' })

  const inline = createSso({
    db,
    attributes: { properties: { nickname: { type: ['string', 'null'], 'x-sso': { readableBy: 'self' } } } },
    hooks: { afterUpdate: ({ after }) => void expectTypeOf(after!.nickname).toEqualTypeOf<string | null>() },
  })
  expectTypeOf((await inline.user.getCurrentUser(own)).nickname).toEqualTypeOf<string | null>()

  const loaded: AttributesSchema = attributes
  expectTypeOf(await createSso({ db, attributes: loaded }).user.getCurrentUser(own)).toEqualTypeOf<User>()
}

interface Attributes {
  nickname: string | null
  points: number
  joined: Date | null
  display_name: string
  user_id: `m${number}`
}

export async function attributesOfATypeArgument(): Promise<void> {
  const typed = createSso<Attributes>({
    db,
    attributes,
    hooks: {
      beforeUpdate: ({ patch, before }) => {
        expectTypeOf(patch.nickname).toEqualTypeOf<string | null | undefined>()
        expectTypeOf(before).toEqualTypeOf<User<Attributes> | null>()
        return { ...patch, points: 1 }
      },
      withinUpdate: (change, trx) => {
        expectTypeOf(change).toEqualTypeOf<Change<Attributes>>()
        expectTypeOf(trx).toEqualTypeOf<Knex.Transaction>()
      },
      afterUpdate: [({ after }) => void expectTypeOf(after!.points).toEqualTypeOf<number>()],
    },
  })
  // @ts-expect-error a wrong type from a hook
  createSso<Attributes>({ db, hooks: { beforeUpdate: () => ({ points: '1' }) } })
  // @ts-expect-error null from a hook where nothing is nullable
  createSso<Attributes>({ db, hooks: { beforeUpdate: async ({ patch }) => ({ ...patch, display_name: null }) } })
  // @ts-expect-error a misspelt option
  createSso<Attributes>({ db, app: ['CRM'] })

  expectTypeOf(typed).toEqualTypeOf<Sso<Attributes>>()
  const data: UserPatch<Attributes> = { nickname: null, points: 1, joined: '2030-01-01T00:00:00Z', email: null }
  expectTypeOf(await typed.user.updateCurrentUser({ ...own, data })).toEqualTypeOf<UpdateResult<Attributes>>()
  expectTypeOf(await typed.user.getUserDetails(own)).toEqualTypeOf<AccountDetails<Attributes>>()
  expectTypeOf(await typed.user.setTotpKey(own)).toEqualTypeOf<TotpKeyResult<Attributes>>()
  const { user } = await typed.user.login({ username: 'ada', password: 'clear', ...app })
  expectTypeOf(user.points).toEqualTypeOf<number>()
  expectTypeOf(user.joined).toEqualTypeOf<Date | null>()
  expectTypeOf(user.display_name).toEqualTypeOf<string>()
  expectTypeOf(user.user_id).toEqualTypeOf<`m${number}`>()
  expectTypeOf(user.is_locked).toEqualTypeOf<boolean | undefined>()

  const created = await typed.user.createUser({ ...code, data: { username: 'ada', password: 'clear', points: 1 } })
  expectTypeOf(created).toEqualTypeOf<CreatedUser<Attributes>>()
  const newUser: NewUser<Attributes> = { username: 'ada', nickname: 'ada' }
  await typed.user.createSuperUser({ data: newUser })
  // @ts-expect-error a wrong type
  await typed.user.createUser({ ...code, data: { username: 'ada', points: 'many' } })
  // @ts-expect-error not nullable
  await typed.user.updateCurrentUser({ ...own, data: { points: null } })
  // @ts-expect-error no such attribute
  await typed.user.updateUserById({ ...code, userId: 7, data: { score: 1 } })
  // @ts-expect-error nobody edits it
  await typed.user.updateUserById({ ...code, userId: 7, data: { user_id: 'm8' } })
  // @ts-expect-error passwords have an operation of their own
  await typed.user.updateCurrentUser({ ...own, data: { password: 'clear' } })
  // @ts-expect-error the host declared nothing here
  await sso.user.updateCurrentUser({ ...own, data: { nickname: 'ada' } })
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
