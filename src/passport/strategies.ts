import type { Request } from 'express'
import PassportStrategy from 'passport-strategy'
import type { Context, Credentials } from '../core/context.ts'
import type { Core } from '../core/core.ts'
import { attempted } from '../core/operation.ts'
import { visible } from '../core/schema/access.ts'
import type { User } from '../core/schema/user.ts'
import { authenticate } from '../core/sessions/gate.ts'
import { bearerToken } from '../core/sessions/tokens.ts'
import { SsoError } from '../errors.ts'

/** How a strategy reaches the domain; `createSso` provides it as `sso.passport`. */
export interface PassportPort {
  readonly core: Core
  readonly contextOf: (req: Request) => Context
}

/**
 * What `passport.use` takes. Not Passport's own type: its declarations give every Express request a `user`, `login` and
 * `logout`, which a host without Passport does not have.
 */
export interface Strategy {
  /** Name that `passport.authenticate` knows it by. */
  readonly name: string
  /** Called by Passport. */
  authenticate(req: Request, options?: unknown): void
}

/** Passport strategies; `passport.use(sso.passport.ust())`. */
export interface Strategies {
  /** By session token, `Authorization: Bearer UST`. Name: `sso-ust`. */
  readonly ust: () => Strategy
  /** By `username` and `password` of the request body, which the host must have parsed. Name: `sso-password`. */
  readonly password: (options?: PasswordFields) => Strategy
}

/** Names of the body's fields. */
export interface PasswordFields {
  /** Default `username`. */
  readonly usernameField?: string
  /** Default `password`. */
  readonly passwordField?: string
}

/** Strategies over one core; each call of one makes a new strategy. */
export function buildStrategies(port: PassportPort): Strategies {
  return {
    ust: () => new SsoStrategy('sso-ust', port, tokenOf),
    password: ({ usernameField = 'username', passwordField = 'password' } = {}) =>
      new SsoStrategy('sso-password', port, (req) => namedIn(req, usernameField, passwordField)),
  }
}

class SsoStrategy extends PassportStrategy.Strategy implements Strategy {
  readonly name: string
  // Not #private: Passport works on copies made with Object.create, which have no private fields.
  private readonly port: PassportPort
  private readonly credentialsOf: (req: Request) => Credentials | null

  constructor(name: string, port: PassportPort, credentialsOf: (req: Request) => Credentials | null) {
    super()
    this.name = name
    this.port = port
    this.credentialsOf = credentialsOf
  }

  /** Called by Passport, on a copy of the strategy that carries `success`, `fail` and `error`. */
  override authenticate(req: Request): void {
    const credentials = this.credentialsOf(req)
    if (!credentials) {
      this.refuse(new SsoError('credentials_missing'), req)
      return
    }
    this.prove(req, credentials).then(
      (user) => this.success(user),
      (error: unknown) => {
        if (error instanceof SsoError && error.kind === 'refusal') this.refuse(error, req)
        else this.error(error as Error)
      },
    )
  }

  /** Text becomes a WWW-Authenticate header, an object is for the host's own callback alone. */
  private refuse({ code, message, status, retryAfter }: SsoError, { res }: Request): void {
    if (retryAfter !== null) res?.set('Retry-After', String(retryAfter))
    if (this.name !== 'sso-ust') this.fail({ message }, status)
    else this.fail(code === 'credentials_missing' ? 'Bearer' : 'Bearer error="invalid_token"', status)
  }

  private prove(req: Request, credentials: Credentials): Promise<User> {
    const { core, contextOf } = this.port
    const context = contextOf(req)
    return attempted(core, 'authenticate', context, async (attempt) => {
      await core.store.ready()
      const { account, actor } = await authenticate(core, credentials, context, attempt, { isLogin: true })
      if (!account) throw new SsoError('credentials_invalid')
      return visible(core.catalogue, account.values, { isSelf: true, isSuperUser: actor.isSuperUser })
    })
  }
}

function tokenOf(req: Request): Credentials | null {
  const ust = bearerToken(req.get('Authorization'))
  return ust === null ? null : { via: 'ust', ust }
}

function namedIn(req: Request, usernameField: string, passwordField: string): Credentials | null {
  const body = (req.body ?? {}) as Readonly<Record<string, unknown>>
  const [username, password] = [body[usernameField], body[passwordField]]
  return typeof username === 'string' && typeof password === 'string' ? { via: 'password', username, password } : null
}
