import express, { type Request, type RequestHandler, type Response, Router } from 'express'
import { type Caller, type Sso, SsoError, type SsoIdentity, type UserPatch } from '../src/index.ts'
import { PROFILE_FIELDS, type ProfileField, profilePage, signInPage } from './pages.ts'
import type { SignIn } from './sign-in.ts'

/** The pages: sign in, see and change one's own account, sign out. */
export function profileRoutes(sso: Sso, signIn: SignIn): Router {
  const router = Router()
  const form = express.urlencoded({ extended: false, limit: '10kb' })

  /** Shows the account as it is now, with what there is to say of the last attempt. */
  const show = async (identity: SsoIdentity, res: Response, message: string | null) => {
    res.send(profilePage(await sso.user.getUserDetails(callerOf(identity)), message))
  }

  /** A change of one's own account: who is not signed in, or comes from another site, is refused by requireUser. */
  const change = (path: string, done: string, apply: (caller: Caller, req: Request) => Promise<unknown>) => {
    router.post(path, sso.requireUser(), form, async (req, res) => {
      const identity = req.sso as SsoIdentity
      try {
        await apply(callerOf(identity), req)
      } catch (error) {
        if (!(error instanceof SsoError) || error.status >= 500) throw error
        return show(identity, res.status(error.status), error.message)
      }
      res.redirect(303, `/?${done}`)
    })
  }

  router.get('/', sso.authenticate(), async (req, res) => {
    if (!req.sso) return res.redirect('/sign-in')
    const done = Object.keys(req.query)[0]
    await show(req.sso, res, done === 'saved' ? 'Saved.' : done === 'changed' ? 'The password was changed.' : null)
  })

  router.get('/sign-in', (req, res) => {
    res.send(signInPage('refused' in req.query ? 'The username or the password is not right.' : null))
  })
  router.post('/sign-in', sameOrigin, form, signIn.check)
  router.post('/sign-out', sameOrigin, (req, res, next) => {
    req.logout((error) => (error ? next(error) : res.redirect(303, '/sign-in')))
  })

  change('/profile', 'saved', (caller, { body }) =>
    sso.user.updateCurrentUser({ ...caller, data: profileIn(body ?? {}) }),
  )
  change('/password', 'changed', async (caller, req) => {
    const { old, new: next } = (req.body ?? {}) as Readonly<Record<string, unknown>>
    await sso.user.changePassword({ ...caller, oldPassword: String(old ?? ''), newPassword: String(next ?? '') })
    await signInAgain(req)
  })
  return router
}

/** Whom the package is to take for the actor: the account that its own middleware has authenticated. */
function callerOf({ user, context }: SsoIdentity): Caller {
  return {
    actor: { via: 'host', userId: user.user_id },
    cid: context.cid,
    ...(context.app === null ? {} : { currentApp: context.app }),
    ...(context.remoteAddr === null ? {} : { remoteAddr: context.remoteAddr }),
    ...(context.userAgent === null ? {} : { userAgent: context.userAgent }),
  }
}

/**
 * The fields that were sent: a form cannot send null, so an empty one stands for it. A field that was not sent is left
 * out of the patch, and its column as it is.
 */
function profileIn(body: Readonly<Record<string, unknown>>): UserPatch {
  const names = Object.keys(PROFILE_FIELDS) as ProfileField[]
  const sent = names.filter((name) => typeof body[name] === 'string')
  return Object.fromEntries(sent.map((name) => [name, body[name] || null]))
}

/** A new password ends every session of the app, this one, too; whoever has just set it stays signed in. */
function signInAgain(req: Request): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!req.user) return resolve()
    req.login(req.user, (error) => (error ? reject(error) : resolve()))
  })
}

/** Another site must not sign a visitor in or out either. Every browser of this decade sends one of the two headers. */
const sameOrigin: RequestHandler = (req, res, next) => {
  const site = req.get('Sec-Fetch-Site')
  const [, host] = (req.get('Origin') ?? '').split('://')
  if (site === undefined ? host !== undefined && host === req.get('Host') : site === 'same-origin') return next()
  res.status(403).send('This form must be sent from its own page.')
}
