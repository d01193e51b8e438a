import type { Request, RequestHandler, Response } from 'express'
import { checkTag, type Demands, tagOfUser } from '../../core/accounts/demands.ts'
import type { Call } from '../../core/accounts/operations.ts'
import type { UpdateResult } from '../../core/accounts/update.ts'
import type { Operation } from '../../core/audit/record.ts'
import type { Context, Credentials } from '../../core/context.ts'
import type { Core } from '../../core/core.ts'
import { refusedAtTheDoor } from '../../core/operation.ts'
import type { Account, Reads } from '../../core/store.ts'
import { SsoError } from '../../errors.ts'
import { checkBatchType } from '../batch/input.ts'
import { type Batch, streamBatch } from '../batch/stream.ts'
import { BodyReader } from '../body.ts'
import { credentialsIn, ustOf } from '../credentials.ts'
import { type Edge, handle } from '../edge.ts'
import { type Query, type QuerySchema, queryOf, queryParser } from '../query.ts'
import { restFail } from './failures.ts'
import { ifMatchOf, isNotModified, wantsMinimal } from './preconditions.ts'
import { type BodyName, bodyParser, type RequestBody } from './request.ts'

/** A request that has been read. */
export interface RestRequest {
  readonly core: Core
  readonly context: Context
  /** Id in the path; empty where the path has none. */
  readonly id: string
  readonly body: RequestBody
  readonly query: Query
  /** What every change demands: what `If-Match` says, a fresh proof for what needs one, a dry run if it is asked for. */
  readonly demands: Demands
  /** URL of the router. */
  readonly baseUrl: string
  readonly describe: Describe
  /** Session token of the `Authorization` header, which proves nothing yet; null without one of our form. */
  readonly ust: string | null
}

/** Makes the OpenAPI document for this router's URL. */
export type Describe = (baseUrl: string) => object

/** What an endpoint answers. */
export interface Reply {
  /** Default 200, or 204 without a body. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object
  /** The outcome of a change: `Prefer: return=minimal` does without it. */
  readonly isChange?: boolean
}

/** The entity tag of a resource of an account, in the transaction. */
export type TagOf = (core: Core, account: Account, reads: Reads, context: Context) => string | Promise<string>

/** One endpoint, as the router mounts it and the OpenAPI document describes it. */
export interface Endpoint {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** Path in Express' words: `/users/:id`. */
  readonly path: string
  /** What the audit trail calls it; null for what is never refused and not worth a record. */
  readonly operation: Operation | null
  /** What it does, for people. */
  readonly summary: string
  /** Name of the request body's schema; none where there is no body. */
  readonly body?: BodyName
  /** Query parameters; none are accepted where there are none. */
  readonly query?: QuerySchema
  /** Entity tag of what it changes, where it has one: what `If-Match` is compared with, under the lock. */
  readonly tag?: TagOf
  /** Name of the reply's schema; null where there is no body. */
  readonly reply: BodyName | null
  /** Status of the reply where it is not 200, or 204 without a body. */
  readonly status?: number
}

/** Runs an endpoint for a caller. */
export type Run = (call: Call, request: RestRequest) => Promise<Reply>

/** Runs an endpoint that anybody may call. */
export type RunOpen = (request: RestRequest) => Promise<Reply>

/** An endpoint and what it does: for a caller, for anybody, or with each line of a batch. */
export type Route = Endpoint &
  (
    | { readonly operation: Operation; readonly run: Run }
    | { readonly runOpen: RunOpen }
    | ({ readonly operation: Operation; readonly read: ReadLine } & Pick<Batch, 'word'>)
  )

/** Reads a line of a batch. */
export type ReadLine = (core: Core, ...line: Parameters<Batch['read']>) => ReturnType<Batch['read']>

/** Whether it reads lines and answers each. */
export function isBatch(route: Route): route is Extract<Route, { readonly read: ReadLine }> {
  return 'read' in route
}

/** Whether only somebody who is known may call it. */
export function needsCaller(route: Route): boolean {
  return !('runOpen' in route)
}

/** Every change can be tried first. */
export const DRY_RUN: QuerySchema = {
  dryRun: {
    description: 'Undo it all in the end: the reply says what would change, nothing is kept.',
    type: 'boolean',
  },
}

/** Makes an Express handler of a route. */
export function restHandler(edge: Edge, route: Route, describe: Describe): RequestHandler {
  const { core } = edge
  const reader = new BodyReader(edge.config.bodyLimit)
  const readBody = route.body && !isBatch(route) ? bodyParser(reader, route.body, route.method === 'patch') : null
  const readQuery = queryParser(route.query ?? {})

  return handle(edge, 'rest', restFail(edge), async (req, res, context) => {
    const query = readQuery(queryOf(req))
    if (isBatch(route)) return runBatch(edge, route, req, res, context, query)
    const precondition = preconditionOf(edge, route, req, context)
    const body = readBody ? await readBody(req, res) : {}
    const { currentPassword: password = null } = body
    const request: RestRequest = {
      core,
      context,
      id: String(req.params['id'] ?? ''),
      body,
      query,
      demands: {
        precondition,
        reauth: { password: password as string | null },
        isDryRun: query['dryRun'] === true,
        merges: true,
        readsBack: true,
      },
      baseUrl: req.baseUrl,
      describe,
      ust: ustOf(req),
    }
    if ('runOpen' in route) return send(req, res, route, await route.runOpen(request))

    const credentials = await callerOf(edge, route, req, context)
    send(req, res, route, await route.run({ credentials, context, demands: request.demands }, request))
  })
}

/** @throws SsoError `credentials_missing`, `cross_site` */
async function callerOf(
  edge: Edge,
  { operation }: { readonly operation: Operation },
  req: Request,
  context: Context,
): Promise<Credentials> {
  const credentials = await refusedAtTheDoor(edge.core, operation, context, () => credentialsIn(edge, req))
  if (!credentials) throw new SsoError('credentials_missing')
  return credentials
}

async function runBatch(
  edge: Edge,
  route: Extract<Route, { readonly read: ReadLine }>,
  req: Request,
  res: Response,
  context: Context,
  query: Query,
): Promise<void> {
  checkBatchType(req)
  if (ifMatchOf(req) !== null) {
    throw new SsoError('input_malformed', { message: 'If-Match means nothing here: each line has its own ifMatch.' })
  }
  const credentials = await callerOf(edge, route, req, context)
  const { operation, read, word } = route
  await streamBatch(edge, req, res, {
    operation,
    credentials,
    context,
    query,
    read: (...line) => read(edge.core, ...line),
    word,
  })
}

/** @throws SsoError `precondition_required`, `input_malformed` where there is nothing that a tag could be compared with */
function preconditionOf(
  { core, config }: Edge,
  { method, tag }: Route,
  req: Request,
  context: Context,
): Demands['precondition'] {
  const wanted = ifMatchOf(req)
  if (!tag) {
    if (wanted === null || method === 'get') return undefined
    throw new SsoError('input_malformed', { message: 'If-Match means nothing here: the resource has no ETag.' })
  }
  if (wanted === null && config.requiresIfMatch) throw new SsoError('precondition_required')
  return wanted === null
    ? undefined
    : async (account, reads) => checkTag(wanted, await tag(core, account, reads, context))
}

function send(req: Request, res: Response, route: Endpoint, { status, headers = {}, body, isChange }: Reply): void {
  res.set(headers)
  if (isChange && wantsMinimal(req)) res.status(204).set('Preference-Applied', 'return=minimal').end()
  else if (route.method === 'get' && headers['ETag'] !== undefined && isNotModified(req, headers['ETag'])) {
    res.status(304).end()
  } else if (body === undefined) res.status(status ?? 204).end()
  else res.status(status ?? route.status ?? 200).json(body)
}

/** The tag of an account. */
export const tagOfAccount: TagOf = (core, { values }) => tagOfUser(core, values)

/** The reply to a change of something that has this tag now. */
export function changed(
  etag: string,
  body: object,
  { demands }: Pick<RestRequest, 'demands'>,
): Required<Omit<Reply, 'status'>> {
  return {
    // What was not kept has no tag that could be compared with anything.
    headers: demands.isDryRun ? {} : { ETag: etag },
    body: { ...body, ...(demands.isDryRun ? { dryRun: true } : {}) },
    isChange: true,
  }
}

/** The reply to a change of an account. */
export function updated({ user, changed: names, etag }: UpdateResult, request: Pick<RestRequest, 'demands'>) {
  return changed(etag, { user, changed: names }, request)
}
