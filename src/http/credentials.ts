import type { Request } from 'express'
import type { Credentials } from '../core/context.ts'
import { bearerToken, isUst } from '../core/sessions/tokens.ts'
import { SsoError } from '../errors.ts'
import type { Edge } from './edge.ts'

/** Name and password of `Authorization: Basic`; null if there is none. @throws SsoError `input_malformed` */
export function basicOf(req: Request): { username: string; password: string } | null {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]*) *$/i.exec(req.get('Authorization') ?? '')?.[1]
  if (encoded === undefined) return null
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw new SsoError('input_malformed', { message: 'The Authorization header is malformed.' })
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/**
 * Credentials from the host's own authentication; null if it knows nobody. Where the browser adds them by itself, a
 * change must come from the same site.
 *
 * @throws SsoError `cross_site`
 */
export async function hostCredentials({ config }: Edge, req: Request): Promise<Credentials | null> {
  const identity = (await config.authenticate?.(req)) || null
  if (!identity) return null
  if (changes(req) && isAmbient(req) && !isSameSite(req, config.trustedOrigins)) throw new SsoError('cross_site')
  const { userId, isSuperUser, authenticatedAt } = identity
  return { via: 'host', userId: String(userId), isSuperUser, authenticatedAt }
}

/**
 * Who sent a request, by its headers: a session token, or whatever the host's own authentication makes of it. A Bearer
 * token that does not have the form of ours is the host's, if the host knows it.
 *
 * @returns null for nobody
 * @throws SsoError `cross_site`
 */
export async function credentialsIn(edge: Edge, req: Request): Promise<Credentials | null> {
  const ust = ustOf(req)
  if (ust !== null) return { via: 'ust', ust }
  const bearer = bearerToken(req.get('Authorization'))
  const host = await hostCredentials(edge, req)
  return host ?? (bearer === null ? null : { via: 'ust', ust: bearer })
}

/** The token of an `Authorization: Bearer` header that has the form of ours; null for any other. Proves nothing yet. */
export function ustOf(req: Request): string | null {
  const token = bearerToken(req.get('Authorization'))
  return token !== null && isUst(token) ? token : null
}

function changes({ method }: Request): boolean {
  return method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS'
}

/** Browsers add cookies, Basic, Digest and Negotiate by themselves; any other scheme a script must have added. */
function isAmbient(req: Request): boolean {
  const scheme = /^([A-Za-z]+) /.exec(req.get('Authorization') ?? '')?.[1]?.toLowerCase()
  return scheme === undefined || ['basic', 'digest', 'negotiate', 'ntlm'].includes(scheme)
}

/**
 * Whether a browser says that another site has made it send this. Scripts, which say nothing, are not meant.
 *
 * @param trusted origins that may
 */
export function isFromAnotherSite(req: Request, trusted: readonly string[]): boolean {
  const isKnown = req.get('Sec-Fetch-Site') !== undefined || req.get('Origin') !== undefined
  return isKnown && !isSameSite(req, trusted)
}

/** Sec-Fetch-Site where the browser sends it, else Origin against Host. Without either, it is not known: no. */
function isSameSite(req: Request, trusted: readonly string[]): boolean {
  const origin = req.get('Origin')
  if (origin !== undefined && trusted.includes(origin)) return true
  const site = req.get('Sec-Fetch-Site')
  if (site !== undefined) return site === 'same-origin' || site === 'same-site' || site === 'none'
  if (origin === undefined) return false
  try {
    return new URL(origin).host === req.get('Host')
  } catch {
    return false
  }
}
