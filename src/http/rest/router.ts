import { type ErrorRequestHandler, Router } from 'express'
import { SsoError } from '../../errors.ts'
import { contextOf, type Edge, headersOf, otherMethods } from '../edge.ts'
import { ACCOUNT_ROUTES } from './accounts.ts'
import { ATTRIBUTE_ROUTES } from './attributes.ts'
import { BATCH_ROUTES } from './batch.ts'
import { DESCRIPTION_ROUTES } from './description.ts'
import { type Describe, type Route, restHandler } from './endpoint.ts'
import { restFail } from './failures.ts'
import { GRANT_ROUTES } from './grants.ts'
import { RESET_ROUTES } from './resets.ts'
import { SEARCH_ROUTES } from './search.ts'
import { SESSION_ROUTES } from './sessions.ts'
import { TOTP_ROUTES } from './totp.ts'

/** Every route of the dialect. */
export const REST_ROUTES: readonly Route[] = [
  ...SESSION_ROUTES,
  ...RESET_ROUTES,
  ...SEARCH_ROUTES,
  ...BATCH_ROUTES,
  ...ACCOUNT_ROUTES,
  ...TOTP_ROUTES,
  ...GRANT_ROUTES,
  ...ATTRIBUTE_ROUTES,
  ...DESCRIPTION_ROUTES,
]

/** The `rest` dialect, for new clients: a plain router, for any mount point. */
export function restRouter(edge: Edge, describe: Describe): Router {
  const router = Router({ caseSensitive: true })
  const fail = restFail(edge)

  for (const path of new Set(REST_ROUTES.map((route) => route.path))) {
    const routes = REST_ROUTES.filter((route) => route.path === path)
    const mounted = router.route(path)
    for (const route of routes) mounted[route.method](restHandler(edge, route, describe))
    const methods = routes.map(({ method }) => method.toUpperCase())
    mounted.all(otherMethods(edge, 'rest', methods, fail))
  }

  // Express gives up on a path that is not well-formed before any route sees it.
  const badPath: ErrorRequestHandler = function ssoBadPath(error, req, res, next) {
    if (!(error instanceof URIError)) return next(error)
    const context = contextOf(edge, req, 'rest')
    res.set(headersOf(context))
    fail(new SsoError('input_malformed', { message: 'The path is not well-formed.' }), context, req, res)
  }
  router.use(badPath)
  return router
}
