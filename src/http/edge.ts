import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { newCid } from '../core/callers.ts'
import type { Context } from '../core/context.ts'
import type { Core } from '../core/core.ts'
import { lineFault } from '../core/schema/text.ts'
import { SsoError } from '../errors.ts'

/** What the host's own authentication says of a request. */
export interface HostIdentity {
  /** Id of the account. */
  readonly userId: string | number
  /** Whether he may manage other accounts. Default: what the account says. */
  readonly isSuperUser?: boolean
  /** When he last proved who he is, as far as the host knows: the `rest` dialect asks for it (ASVS 7.5.1). */
  readonly authenticatedAt?: Date
}

/** Where warnings and faults go: `console`, pino, winston and their like. */
export interface Logger {
  /** Something that the host should look at. */
  warn(message: string): void
  /** Something that failed, with what the client is not shown. */
  error(message: string): void
}

/** What the edge needs beside the domain. */
export interface EdgeConfig {
  readonly defaultApp: string
  readonly authenticate:
    | ((req: Request) => HostIdentity | null | undefined | false | Promise<HostIdentity | null | undefined | false>)
    | null
  readonly trustedOrigins: readonly string[]
  /** Whether the `rest` dialect refuses changes without `If-Match`. */
  readonly requiresIfMatch: boolean
  /** Bytes of a request body. */
  readonly bodyLimit: number
  /** Bytes of a line of a batch. */
  readonly lineLimit: number
  readonly correlationId: ((req: Request) => string | undefined) | null
  readonly updateuserMethods: readonly ('GET' | 'POST')[]
  /** What the OpenAPI document says of itself, and the paths that it describes. */
  readonly openapi: {
    readonly title: string
    readonly version: string
    readonly paths: Readonly<Partial<Record<'rest' | 'zato' | 'updateuser', string>>>
  }
  readonly logger: Logger
  readonly now: () => Date
}

/** Everything that a dialect is built from. */
export interface Edge {
  readonly core: Core
  readonly config: EdgeConfig
}

/** How a dialect words a failure. */
export type Fail = (error: SsoError, context: Context, req: Request, res: Response) => void

/** Header that names the application, where the body does not (contract section 8.12). */
export const APP_HEADER = 'X-Zato-SSO-Current-App'
/** Header of the correlation id, in every reply. */
export const CID_HEADER = 'X-Zato-CID'
const LONGEST_CID = 128
const LONGEST_APP = 191

/** Where a request comes from. The address is Express' own: it believes a proxy if the host does (ASVS 4.1.3). */
export function contextOf({ config }: Edge, req: Request, dialect: Context['dialect'], app?: string | null): Context {
  const given = config.correlationId?.(req)
  return {
    cid: given && isRecordable(given, LONGEST_CID) ? given : newCid(),
    app: app === undefined ? appOf(config, req) : app,
    remoteAddr: req.ip ?? null,
    userAgent: req.get('User-Agent') ?? null,
    dialect,
    now: config.now(),
  }
}

function isRecordable(text: string, longest: number): boolean {
  return text.length <= longest && lineFault(text) === null
}

function appOf(config: EdgeConfig, req: Request): string {
  return req.get(APP_HEADER)?.slice(0, LONGEST_APP) ?? config.defaultApp
}

/**
 * Runs one endpoint. Express 4 does not see a rejected promise, Express 5 does: on both, whatever is thrown is worded by
 * the dialect, and nothing of an unforeseen error but the correlation id reaches the client (ASVS 16.5.1).
 */
export function handle(
  edge: Edge,
  dialect: Context['dialect'],
  fail: Fail,
  run: (req: Request, res: Response, context: Context) => Promise<void>,
): RequestHandler {
  return function ssoEndpoint(req, res, next) {
    answer(edge, dialect, fail, run, req, res).catch(next)
  }
}

async function answer(
  edge: Edge,
  dialect: Context['dialect'],
  fail: Fail,
  run: (req: Request, res: Response, context: Context) => Promise<void>,
  req: Request,
  res: Response,
): Promise<void> {
  const context = contextOf(edge, req, dialect)
  res.set(headersOf(context))
  try {
    await edge.core.store.ready()
    await run(req, res, context)
  } catch (error) {
    retryAfter(res, error)
    if (!(error instanceof SsoError) || error.kind === 'fault' || error.kind === 'wiring') {
      await edge.core.hooks.error(error, context)
      fail(new SsoError('internal'), context, req, res)
    } else fail(error, context, req, res)
  }
}

/** Says when it is worth trying again, whatever the dialect (RFC 9110, section 10.2.3). */
export function retryAfter(res: Response, error: unknown): void {
  if (error instanceof SsoError && error.retryAfter !== null) res.set('Retry-After', String(error.retryAfter))
}

/** Headers of every reply: personal data is in most of them, and what is not secret is not worth caching (ASVS 14.3.2). */
export function headersOf({ cid }: Context): Readonly<Record<string, string>> {
  return { 'Cache-Control': 'no-store', [CID_HEADER]: encodeURIComponent(cid) }
}

/** Answers every other method of a path: 405 with `Allow` (ASVS 4.1.4), OPTIONS with what there is. */
export function otherMethods(
  edge: Edge,
  dialect: Context['dialect'],
  allowed: readonly string[],
  fail: Fail,
): RequestHandler {
  const allow = allowed.join(', ')
  return function ssoOtherMethod(req: Request, res: Response, _next: NextFunction) {
    const context = contextOf(edge, req, dialect)
    res.set({ ...headersOf(context), Allow: allow })
    if (req.method === 'OPTIONS') res.status(204).end()
    else fail(new SsoError('method_not_allowed'), context, req, res)
  }
}
