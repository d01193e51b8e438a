import type { Request, RequestHandler, Response } from 'express'
import { standingOf } from '../core/accounts/rights.ts'
import type { Actor, Context, Credentials } from '../core/context.ts'
import { attempted } from '../core/operation.ts'
import { visible } from '../core/schema/access.ts'
import type { User } from '../core/schema/user.ts'
import { authenticate } from '../core/sessions/gate.ts'
import { SsoError } from '../errors.ts'
import { credentialsIn } from './credentials.ts'
import { contextOf, type Edge } from './edge.ts'
import { sendProblem } from './problem.ts'

/** Who a request was authenticated as: `req.sso`. */
export interface SsoIdentity {
  /** The account, as its owner may see it. */
  readonly user: User
  /** Who asks, and how he proved it. */
  readonly actor: Actor
  /** Where the request comes from. */
  readonly context: Context
}

declare global {
  namespace Express {
    interface Request {
      /** Set by `sso.authenticate()` and the `require` middlewares; null for nobody, absent where none of them ran. */
      sso?: SsoIdentity | null
    }
  }
}

/** Rights that a role can give: read, write, execute. */
export type Right = 'R' | 'W' | 'X'

/** The middlewares for a host's own routes. */
export interface Middleware {
  /** Finds out who asks, by `Authorization: Bearer` or the option `authenticate`, and lets everybody pass. */
  readonly authenticate: () => RequestHandler
  /** 401 unless somebody is authenticated. */
  readonly requireUser: () => RequestHandler
  /** 401, or 403 unless it is a super-user. */
  readonly requireSuperUser: () => RequestHandler
  /** 401, or 403 unless the role was granted with this right. Super-users need the grant, too. */
  readonly requireRole: (role: string, right: Right) => RequestHandler
}

type Check = (identity: SsoIdentity) => boolean | Promise<boolean>

/** The middlewares over one edge; each call of one makes a new handler. */
export function buildMiddleware(edge: Edge): Middleware {
  const { core } = edge

  /** Refuses with the error; without one, lets the request pass with `req.sso` null. */
  const guard = (name: string, refusal: SsoError | null, check: Check | null): RequestHandler => {
    const middleware: RequestHandler = (req, res, next) => {
      const context = contextOf(edge, req, 'middleware')
      const work = async () => {
        await core.store.ready()
        req.sso ??= await identify(edge, req, context, refusal === null)
        if (refusal === null || (req.sso && (await (check?.(req.sso) ?? true)))) return next()
        throw req.sso ? refusal : new SsoError('credentials_missing')
      }
      work().catch((error: unknown) => {
        if (error instanceof SsoError && error.kind !== 'fault' && error.kind !== 'wiring') refuse(res, error, context)
        else next(error)
      })
    }
    // Stack traces of the host read better with a name.
    return Object.defineProperty(middleware, 'name', { value: name })
  }

  return {
    authenticate: () => guard('ssoAuthenticate', null, null),
    requireUser: () => guard('ssoRequireUser', new SsoError('not_allowed'), null),
    requireSuperUser: () =>
      guard('ssoRequireSuperUser', new SsoError('super_user_required'), ({ actor }) => actor.isSuperUser),
    requireRole: (role, right) =>
      guard('ssoRequireRole', new SsoError('not_allowed'), async ({ user }) => {
        const { roles } = await core.store.grantsOf(user.user_id)
        return roles.some((grant) => grant.role === role && grant.rights.includes(right))
      }),
  }
}

/** The identity behind a request; null for nobody. A token that is wrong counts as nobody only where that is allowed. */
async function identify(edge: Edge, req: Request, context: Context, isLenient: boolean): Promise<SsoIdentity | null> {
  try {
    const credentials = await credentialsIn(edge, req)
    return credentials && (await proved(edge, credentials, context))
  } catch (error) {
    if (isLenient && error instanceof SsoError && error.kind === 'refusal') return null
    throw error
  }
}

function proved({ core }: Edge, credentials: Credentials, context: Context): Promise<SsoIdentity | null> {
  return attempted(core, 'authenticate', context, async (attempt) => {
    const { actor, account } = await authenticate(core, credentials, context, attempt)
    if (!account) return null
    const standing = standingOf(actor, account.values.user_id)
    return { user: visible(core.catalogue, account.values, standing), actor, context }
  })
}

/** Problem details (RFC 9457): these routes are the host's and speak no dialect. */
function refuse(res: Response, error: SsoError, context: Context): void {
  res.set('Cache-Control', 'no-store')
  sendProblem(res, error, context)
}
