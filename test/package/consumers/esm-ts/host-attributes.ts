// A program that declares its attributes once: nothing here runs, it compiles, or the declarations are wrong.
import type { Request } from 'express'
import { createSso, type UserPatch } from 'express-sso-users'
import type { Knex } from 'knex'

declare module 'express-sso-users' {
  interface HostAttributes {
    nickname: string | null
    points: number
  }
}

declare const db: Knex
declare const req: Request

const sso = createSso({ db, hooks: { beforeUpdate: ({ patch }) => ({ ...patch, points: (patch.points ?? 0) + 1 }) } })
export const nickname: string | null | undefined = req.sso?.user.nickname
export const patch: UserPatch = { nickname: null, points: 1 }
sso.user.updateCurrentUser({ currentUst: '', currentApp: 'CRM', data: patch })
// @ts-expect-error a number
export const wrong: UserPatch = { points: '1' }
// @ts-expect-error not nullable
export const none: UserPatch = { points: null }
// @ts-expect-error no such attribute
export const unknown: UserPatch = { nick_name: '' }
