import { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express'
import { type UpdateuserParameters, updateuser } from '../../core/accounts/updateuser.ts'
import type { Credentials } from '../../core/context.ts'
import { refusedAtTheDoor } from '../../core/operation.ts'
import { bearerToken } from '../../core/sessions/tokens.ts'
import { type Issue, issue, issuesError, SsoError } from '../../errors.ts'
import { BodyReader } from '../body.ts'
import { basicOf, isFromAnotherSite } from '../credentials.ts'
import { type Edge, type EdgeConfig, handle, otherMethods } from '../edge.ts'
import { queryOf } from '../query.ts'
import { batchHandler } from './batch.ts'
import { updateuserFail, wantsText } from './failures.ts'
import { fromBody, fromQuery, type Parameters } from './parameters.ts'

const RAW_QUERY = Symbol('query of an updateuser request')

type Scrubbed = Request & { [RAW_QUERY]?: string }

/** The `updateuser` dialect (contract `updateuser`): a plain router, for any mount point. */
export function updateuserRouter(edge: Edge): Router {
  const { core, config } = edge
  const router = Router({ caseSensitive: true })
  const reader = new BodyReader(config.bodyLimit)
  const fail = updateuserFail(core)
  const warnOfGet = once(
    config,
    'updateuser: a GET carries passwords in its URL, which proxies and browsers keep; POST does not',
  )

  const endpoint = handle(edge, 'updateuser', fail, async (req, res, context) => {
    const query = (req as Scrubbed)[RAW_QUERY] ?? ''
    let parameters: Parameters
    if (req.method === 'GET') {
      warnOfGet()
      parameters = fromQuery(query)
    } else {
      if (query !== '') throw new SsoError('input_malformed', { message: 'A POST takes its parameters in the body.' })
      parameters = fromBody(await reader.read(req, res), req)
    }
    const { values, faults } = parameters
    const uid = values.get('uid')
    res.locals['ssoUid'] = uid
    const credentials = credentialsOf(parameters, req)
    // Browsers add Basic by themselves.
    if (basicOf(req) && isFromAnotherSite(req, config.trustedOrigins)) {
      await refusedAtTheDoor(core, 'updateuser', context, () => Promise.reject(new SsoError('cross_site')))
    }
    if (typeof uid !== 'string' || uid === '') {
      const named = faults.some(({ attribute }) => attribute === 'uid')
      throw oneError(named ? faults : [...faults, issue('uid', 'input_missing')])
    }

    const given = Object.fromEntries([...values].filter(([name]) => name !== 'user' && name !== 'pass'))
    const { changed } = await updateuser(core, {
      credentials,
      context,
      parameters: given as unknown as UpdateuserParameters,
      faults,
    })

    if (wantsText(req)) res.status(200).type('text/plain').send('OK\n')
    else res.status(200).json({ cid: context.cid, status: 'ok', uid, changed })
  })

  router.use(scrubQuery)
  const route = router.route('/updateuser')
  // Express would answer HEAD with the handler of GET, and a HEAD must not change anything.
  route.head(otherMethods(edge, 'updateuser', config.updateuserMethods, fail))
  if (config.updateuserMethods.includes('GET')) route.get(endpoint)
  if (config.updateuserMethods.includes('POST')) route.post(endpoint)
  route.all(otherMethods(edge, 'updateuser', config.updateuserMethods, fail))
  if (config.updateuserMethods.includes('POST')) {
    const batch = router.route('/updateuser/batch')
    batch.post(batchHandler(edge, fail, (req) => (req as Scrubbed)[RAW_QUERY] ?? ''))
    batch.all(otherMethods(edge, 'updateuser', ['POST'], fail))
  }
  return router
}

/**
 * `user` and `pass`, Basic, or Bearer, and only one of them. The host's cookies count for nothing here.
 *
 * @throws SsoError `credentials_ambiguous`, `credentials_missing`, or the faults that may be why there are none
 */
function credentialsOf({ values, faults }: Parameters, req: Request): Credentials {
  const [username, password] = [values.get('user'), values.get('pass')]
  const areFaulty = faults.some(({ attribute }) => attribute === 'user' || attribute === 'pass')
  const named = username !== undefined || password !== undefined || areFaulty
  const [basic, bearer] = [basicOf(req), bearerToken(req.get('Authorization'))]
  if (named && (basic || bearer !== null)) throw new SsoError('credentials_ambiguous')
  if (basic) return { via: 'password', ...basic }
  if (bearer !== null) return { via: 'ust', ust: bearer }
  const areThere = typeof username === 'string' && typeof password === 'string' && !areFaulty
  if (areThere) return { via: 'password', username, password }
  throw faults.length > 0 ? oneError(faults) : new SsoError('credentials_missing')
}

function oneError(faults: readonly Issue[]): SsoError {
  const [first, ...others] = faults
  return first ? issuesError([first, ...others]) : new SsoError('input_invalid')
}

const OUR_PATH = /^\/updateuser/i
// Misspelt ones are secret all the same.
const SECRET = /^(pass|attributes)/i

/**
 * Takes secrets out of the URL before anything downstream can see them: a logger, an error handler, the host's next
 * route (ASVS 14.2.1). Paths that only look like ours are scrubbed, too: whoever sent them meant us.
 */
const scrubQuery: RequestHandler = function ssoScrubQuery(req: Scrubbed, res: Response, next: NextFunction) {
  const query = queryOf(req)
  if (query === '' || !OUR_PATH.test(req.path)) return next()
  req[RAW_QUERY] = query
  // Byte for byte what it was, without the secrets: the host's own routes may come next.
  const kept = query
    .split('&')
    .filter((pair) => ![...new URLSearchParams(pair).keys()].some((name) => SECRET.test(name)))
  const rest = kept.length > 0 ? `?${kept.join('&')}` : ''
  const parsed = req as { query?: unknown; _parsedUrl?: unknown; _parsedOriginalUrl?: unknown }
  req.originalUrl = pathOf(req.originalUrl) + rest
  req.url = pathOf(req.url) + rest
  delete parsed._parsedUrl
  delete parsed._parsedOriginalUrl
  // Express 4 has parsed the query already; Express 5 parses the scrubbed one anew.
  if (Object.hasOwn(req, 'query')) {
    parsed.query = Object.fromEntries(Object.entries(req.query).filter(([name]) => !SECRET.test(name)))
  }
  res.set({ 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' })
  next()
}

function pathOf(url: string): string {
  return url.split('?')[0] ?? url
}

function once({ logger }: EdgeConfig, message: string): () => void {
  let isSaid = false
  return () => {
    if (!isSaid) logger.warn(message)
    isSaid = true
  }
}
