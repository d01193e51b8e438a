import { inspect } from 'node:util'
import { issue, SsoError } from '../errors.ts'
import type { AttributeChange, Operation } from './audit/record.ts'
import type { Actor, Context } from './context.ts'
import type { HostAttributes, User, UserPatch } from './schema/user.ts'

/** What is about to be done. */
export interface ProposedChange<Attrs extends object = HostAttributes> {
  /** What was asked for. */
  readonly operation: Operation
  /** Who asks, and how he proved it. */
  readonly actor: Actor
  /** The account as it is, without secrets; null where one is being created. */
  readonly before: User<Attrs> | null
  /**
   * Attributes to be changed. In `authorizeUpdate` not yet validated, and with all else that was asked for: `password`
   * (as `[redacted]`), `roles`, `acls`, `groups`, and custom attributes as `attributes.` and their name.
   */
  readonly patch: UserPatch<Attrs> & Readonly<Record<string, unknown>>
  /** Where the request comes from. */
  readonly context: Context
  /** Whether nothing of it will be kept. */
  readonly isDryRun: boolean
}

/** What was done, or is being done in the transaction. */
export interface Change<Attrs extends object = HostAttributes> {
  /** What was asked for. */
  readonly operation: Operation
  /** Who asked, and how he proved it. */
  readonly actor: Actor
  /** The account. */
  readonly target: {
    /** Its id. */
    readonly user_id: string
    /** Its username, after the change. */
    readonly username: string
  }
  /** The account before, without secrets; null if it was created. */
  readonly before: User<Attrs> | null
  /** The account after, without secrets; null if it was deleted. */
  readonly after: User<Attrs> | null
  /** What differs; secrets are `[redacted]`. */
  readonly changes: readonly AttributeChange[]
  /** Where the request comes from. */
  readonly context: Context
  /** Whether the transaction will be rolled back, whatever comes of it. */
  readonly isDryRun: boolean
  /** Number of the audit record that it undoes; absent for anything but `revert_change`. */
  readonly reverts?: number
}

/** A refused attempt. */
export interface Denial {
  /** What was asked for. */
  readonly operation: Operation
  /** Who asked; null if nobody was proved. */
  readonly actor: Actor | null
  /** The account that it was about, as far as it was found. */
  readonly target: {
    /** Its id. */
    readonly id: string | null
    /** Its username. */
    readonly name: string | null
  } | null
  /** Where the request comes from. */
  readonly context: Context
}

/** Sessions of an account that were ended: of the package, and by right of any other that the host keeps. */
export interface Revocation {
  /** What ended them. */
  readonly operation: Operation
  /** Who did. */
  readonly actor: Actor
  /** The account whose sessions they were; null for everybody's: the sessions of all accounts were ended. */
  readonly target: {
    /** Its id. */
    readonly user_id: string
    /** Its username. */
    readonly username: string
  } | null
  /** Whether the session that asked goes on: its owner has changed his own account, or has ended all others. */
  readonly keepsCurrent: boolean
  /** Where the request comes from. */
  readonly context: Context
}

/** A reset of a password that has been begun, and the token that its owner is to be sent. */
export interface PasswordReset<Attrs extends object = HostAttributes> {
  /** The account, without secrets. Send the token to the address that is in here, never to one that somebody typed. */
  readonly user: User<Attrs>
  /** 256 random bits, base64url, which whoever has it may set the password by. It is nowhere else: not stored, not logged. */
  readonly token: string
  /** When it expires. */
  readonly expires: Date
  /** Whether somebody asked for it himself, or a super-user began it. */
  readonly operation: Extract<Operation, 'request_password_reset' | 'start_password_reset'>
  /** Where the request comes from. */
  readonly context: Context
}

type Awaitable<T> = T | Promise<T>
/** Hooks that return nothing say so in many ways: undefined, void, and promises of either. */
type Optional<T> = Awaitable<T | undefined> | Awaitable<void>
type OneOrMany<T> = T | readonly T[]

/** Functions of the host that take part in a change. Each may be one function or a list, which is run in order. */
export interface Hooks<Transaction = unknown, Attrs extends object = HostAttributes> {
  /**
   * Sees the account and the names in the patch before the values are validated. May return the names that remain
   * allowed, or throw: 403, audited as denied.
   */
  readonly authorizeUpdate?: OneOrMany<(change: ProposedChange<Attrs>) => Optional<readonly string[]>>
  /**
   * Outside the transaction. May return a new patch, which is authorised and validated again, or throw: nothing is
   * written. An error with a `status` from 400 to 499 is answered as a refusal with its message, any other as a fault.
   */
  readonly beforeUpdate?: OneOrMany<(change: ProposedChange<Attrs>) => Optional<UserPatch<Attrs>>>
  /** In the transaction, after the package's own writes. Throwing rolls back. May run again when a deadlock is retried. */
  readonly withinUpdate?: OneOrMany<(change: Change<Attrs>, trx: Transaction) => Awaitable<void>>
  /** After the commit. What it throws goes to `onError`; the reply stays a success. */
  readonly afterUpdate?: OneOrMany<(change: Change<Attrs>) => Awaitable<void>>
  /** After the sessions of an account have been ended: to end the host's own, or to void its tokens (ASVS 7.4.2, 7.4.3). */
  readonly onRevoked?: OneOrMany<(revocation: Revocation) => Awaitable<void>>
  /**
   * After a reset of a password has been begun: to send its token. Without this hook there is none. What it throws goes to
   * `onError`, unless it has the token in it.
   */
  readonly onPasswordReset?: OneOrMany<(reset: PasswordReset<Attrs>) => Awaitable<void>>
  /** After a refusal has been recorded. */
  readonly onDenied?: OneOrMany<(denial: Denial, error: SsoError) => Awaitable<void>>
  /** Anything unforeseen, with the error that the client is not shown. Default: `logger.error`. */
  readonly onError?: OneOrMany<(error: unknown, context: Context | null) => Awaitable<void>>
}

/** Runs the host's hooks. A closed list of phases; the phase is the name. */
export interface HookRunner {
  readonly authorize: (change: ProposedChange) => Promise<void>
  /** The patch that the hooks leave; the same object if they changed nothing. */
  readonly before: (change: ProposedChange) => Promise<Readonly<Record<string, unknown>>>
  readonly within: (change: Change, native: unknown) => Promise<void>
  readonly after: (change: Change) => Promise<void>
  readonly revoked: (revocation: Revocation) => Promise<void>
  /** Whether there is a hook that sends tokens. */
  readonly sendsResets: boolean
  readonly passwordReset: (reset: PasswordReset) => Promise<void>
  readonly denied: (denial: Denial, error: SsoError) => Promise<void>
  readonly error: (error: unknown, context: Context | null) => Promise<void>
}

/** @param log takes an error that no `onError` hook takes */
export function buildHooks(hooks: Hooks<never>, log: (error: unknown, context: Context | null) => void): HookRunner {
  const [authorize, before, within, after, revoked, resets, denied, failed] = [
    list(hooks.authorizeUpdate),
    list(hooks.beforeUpdate),
    list(hooks.withinUpdate),
    list(hooks.afterUpdate),
    list(hooks.onRevoked),
    list(hooks.onPasswordReset),
    list(hooks.onDenied),
    list(hooks.onError),
  ]

  const report = async (error: unknown, context: Context | null) => {
    if (failed.length === 0) log(error, context)
    for (const hook of failed) {
      try {
        await hook(error, context)
      } catch (fault) {
        log(fault, context)
      }
    }
  }

  return {
    async authorize(change) {
      for (const hook of authorize) {
        let allowed: readonly string[] | undefined
        try {
          allowed = ((await hook(change)) as readonly string[] | null | undefined) ?? undefined
        } catch (error) {
          if (error instanceof SsoError) throw error
          if (!isClientError(error)) await report(error, change.context)
          throw refusal(error)
        }
        const forbidden = allowed && Object.keys(change.patch).filter((name) => !allowed.includes(name))
        if (forbidden && forbidden.length > 0) {
          throw new SsoError('attribute_forbidden', {
            message: `Not allowed: ${forbidden.join(', ')}.`,
            issues: forbidden.map((name) => issue(name, 'attribute_forbidden')),
          })
        }
      }
    },

    async before(change) {
      // A patch that is not replaced is not checked again, so it must not be changed in place.
      let patch: Readonly<Record<string, unknown>> = Object.freeze(change.patch)
      for (const hook of before) {
        try {
          patch = ((await hook({ ...change, patch })) as Readonly<Record<string, unknown>> | undefined) ?? patch
        } catch (error) {
          throw isClientError(error) ? refusal(error) : error
        }
      }
      return patch
    },

    async within(change, native) {
      for (const hook of within) {
        try {
          await hook(change, native as never)
        } catch (error) {
          throw isClientError(error) ? refusal(error) : error
        }
      }
    },

    async after(change) {
      for (const hook of after) {
        try {
          await hook(change)
        } catch (error) {
          await report(error, change.context)
        }
      }
    },

    async revoked(revocation) {
      for (const hook of revoked) {
        try {
          await hook(revocation)
        } catch (error) {
          await report(error, revocation.context)
        }
      }
    },

    sendsResets: resets.length > 0,

    async passwordReset(reset) {
      for (const hook of resets) {
        try {
          await hook(reset)
        } catch (error) {
          await report(withoutToken(error, reset.token), reset.context)
        }
      }
    },

    async denied(denial, error) {
      for (const hook of denied) {
        try {
          await hook(denial, error)
        } catch (fault) {
          await report(fault, denial.context)
        }
      }
    },

    error: report,
  }
}

/** An error that is fit for a log: programs that send mail like to quote it (ASVS 16.2.5). */
function withoutToken(error: unknown, token: string): unknown {
  const isFit = !inspect(error, { depth: 10, maxStringLength: null, maxArrayLength: null }).includes(token)
  return isFit ? error : new Error('onPasswordReset has failed with an error that has the token in it')
}

function list<T>(hook: OneOrMany<T> | undefined): readonly T[] {
  if (hook === undefined) return []
  return Array.isArray(hook) ? hook : [hook as T]
}

/** Errors that say "the client's fault" the way Express' own do; others must not read as a refusal. */
function isClientError(error: unknown): boolean {
  if (error instanceof SsoError) return false
  const { status, statusCode } = (error ?? {}) as { status?: unknown; statusCode?: unknown }
  const number = Number(status ?? statusCode)
  return number >= 400 && number < 500
}

function refusal(error: unknown): SsoError {
  const { message, expose } = (error ?? {}) as { message?: string; expose?: boolean }
  const shown = isClientError(error) && expose !== false && typeof message === 'string' && message !== ''
  return new SsoError('hook_refused', { cause: error, ...(shown ? { message } : {}) })
}
