import type { Request, RequestHandler, Response } from 'express'
import type { Call } from '../../core/accounts/operations.ts'
import type { Operation } from '../../core/audit/record.ts'
import type { Context } from '../../core/context.ts'
import { refusedAtTheDoor } from '../../core/operation.ts'
import { checkApp } from '../../core/sessions/gate.ts'
import type { ErrorCode } from '../../errors.ts'
import { BodyReader, jsonObject } from '../body.ts'
import { type Edge, handle } from '../edge.ts'
import { type Exceptions, zatoFail } from './failures.ts'
import { appIn, callerIn, type Input, readInput, requireFields } from './input.ts'

/** One endpoint, given its fields and where the request comes from. */
type Open = (input: Input, context: Context, req: Request, res: Response) => Promise<void>

/** One endpoint, given its fields and who calls, in a context whose application has been checked. */
export type Endpoint = (input: Input, call: Call, res: Response) => Promise<void>

/** What one endpoint does otherwise than the rest. */
export interface Rules {
  /** Codes of its own. */
  readonly exceptions?: Exceptions
  /** Field of the caller's token. Default `ust`. */
  readonly token?: (input: Input) => string
  /** What a missing token is called. Default `input_missing`. */
  readonly missing?: ErrorCode
}

/** Makes Express handlers of endpoints. */
export interface EndpointMaker {
  /** For endpoints that anybody may call. */
  readonly open: (
    required: readonly string[],
    run: Open,
    rules?: {
      /** Codes of its own. */
      readonly exceptions?: Exceptions
      /** How the application is read. Default `appIn`. */
      readonly app?: typeof appIn
    },
  ) => RequestHandler
  /** For endpoints of somebody; the operation is what a refusal is recorded as. */
  readonly endpoint: (
    operation: Operation | ((input: Input) => Operation),
    required: readonly string[],
    run: Endpoint,
    rules?: Rules,
  ) => RequestHandler
}

/** What comes before every endpoint: its fields, the required ones, who calls, the application (contract section 4). */
export function endpointMaker(edge: Edge): EndpointMaker {
  const { core } = edge
  const reader = new BodyReader(edge.config.bodyLimit)

  const open: EndpointMaker['open'] = (required, run, { exceptions = {}, app = appIn } = {}) =>
    handle(edge, 'zato', zatoFail(edge, exceptions), async (req, res, unnamed) => {
      const input = readInput(jsonObject(await reader.read(req, res), req), req)
      requireFields(input, required)
      await run(input, { ...unnamed, app: app(input, req) }, req, res)
    })

  const endpoint: EndpointMaker['endpoint'] = (operation, required, run, { exceptions, token, missing } = {}) =>
    open(
      required,
      async (input, context, req, res) => {
        const name = typeof operation === 'function' ? operation(input) : operation
        const credentials = await refusedAtTheDoor(core, name, context, async () => {
          // A missing token is the first thing to be told, and an unknown application the next (contract section 4).
          const caller = await callerIn(edge, input, req, token?.(input), missing)
          checkApp(core, context)
          return caller
        })
        await run(input, { credentials, context }, res)
      },
      exceptions ? { exceptions } : {},
    )

  return { open, endpoint }
}
