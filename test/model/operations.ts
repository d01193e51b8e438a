import type { Values } from './world.ts'

/** Whose words a call is in. */
export type Channel = 'code' | 'zato' | 'rest' | 'updateuser'

/** Who calls, and by what he would prove it. */
export type Caller =
  | { readonly via: 'nobody' }
  | { readonly via: 'code' }
  | { readonly via: 'ust'; readonly ust: string }
  | { readonly via: 'host'; readonly userId: string }
  | { readonly via: 'password'; readonly username: string; readonly password: string }

/** What goes wrong beneath a call: in the host's hook, or in the so-manieth statement of its transaction. */
export type Fault =
  | { readonly at: 'hook'; readonly isRefusal: boolean }
  | { readonly at: 'statement'; readonly how: 'deadlock' | 'broken' | 'killed'; readonly number: number }

/** An entity tag, and what the account looked like to everybody when it had it. */
export interface Tagged {
  readonly etag: string
  readonly shown: string
}

/** A custom attribute to be written. */
export interface CustomItem {
  readonly name: string
  readonly value?: unknown
  readonly expiration?: number
  readonly encrypt?: boolean
}

/** On which terms something is changed. */
export interface Terms {
  readonly ifMatch: Tagged | '*' | null
  readonly isDryRun: boolean
  /** Sent along in the `rest` dialect. */
  readonly currentPassword: string | null
}

interface OnAccount {
  /** Null for the caller's own. */
  readonly userId: string | null
}

type Each<Kind extends string, Rest = unknown> = Kind extends string ? { readonly kind: Kind } & Rest : never

interface Login {
  readonly username: string
  readonly password: string
  readonly newPassword: string | null
}

interface NewPassword extends OnAccount, Terms {
  readonly old: string | null
  readonly new: string
  readonly days: number | null
  readonly mustChange: boolean | null
}

interface Creation extends Terms {
  readonly data: Values
  readonly autoApprove: boolean
  readonly isSuper: boolean
}

interface Customs extends OnAccount, Terms {
  readonly mode: 'create' | 'update' | 'set' | 'merge' | 'remove'
  readonly items: readonly CustomItem[]
}

interface Updateuser {
  readonly uid: string
  readonly parameters: Values
  readonly isGet: boolean
}

interface EndOfSession extends OnAccount {
  /** Which session is meant; its id is what is sent. Null for one that there is not. */
  readonly ust: string | null
}

interface Reversal extends Terms {
  readonly userId: string
  /** Correlation id of the record that is to be undone; null for a record that there is not. */
  readonly record: string | null
}

/** What is asked for. */
export type Request =
  | Each<'login', Login>
  | Each<'logout' | 'renew'>
  | Each<'get' | 'list sessions' | 'end sessions', OnAccount>
  | Each<'update', OnAccount & Terms & { readonly data: Values }>
  | Each<'password', NewPassword>
  | Each<'lock' | 'unlock' | 'approve' | 'reject' | 'delete', Terms & { readonly userId: string }>
  | Each<'create', Creation>
  | Each<'grants', Terms & { readonly userId: string; readonly patch: Values }>
  | Each<'attributes', Customs>
  | Each<'updateuser', Updateuser>
  | Each<'end session', EndOfSession>
  | Each<'verify session', { readonly ust: string }>
  | Each<'revert', Reversal>

/** One operation. */
export type Operation = Request & {
  readonly channel: Channel
  readonly caller: Caller
  readonly app: string
  readonly fault: Fault | null
}

/** The operation of one kind. */
export type Of<Kind extends Request['kind']> = Extract<Operation, { kind: Kind }>

/** What came of an operation, or should have. */
export interface Reply {
  /** Code of the error; null for success. */
  readonly error: string | null
  /** Names of what differs now, sorted. */
  readonly changed?: readonly string[]
  /** The account, as the caller sees it. */
  readonly user?: Values
  /** Whatever else it says. */
  readonly says?: unknown
}

/** What only the package can know. */
export interface Learned {
  /** Id of a new account. */
  readonly userId?: string
  /** Token of a new session. */
  readonly ust?: string
}

/** Text of an operation for people, on one line. */
export function describe(operation: Operation): string {
  return JSON.stringify(operation)
}
