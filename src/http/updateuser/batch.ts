import type { RequestHandler } from 'express'
import type { BatchEvent } from '../../core/batch/results.ts'
import { updateuserTask } from '../../core/batch/updateuser-lines.ts'
import type { Core } from '../../core/core.ts'
import { refusedAtTheDoor } from '../../core/operation.ts'
import { bearerToken } from '../../core/sessions/tokens.ts'
import { SsoError } from '../../errors.ts'
import { BATCH_QUERY, checkBatchType } from '../batch/input.ts'
import { type Batch, type BatchTraits, streamBatch } from '../batch/stream.ts'
import { basicOf, isFromAnotherSite } from '../credentials.ts'
import { type Edge, type Fail, handle } from '../edge.ts'
import { queryParser } from '../query.ts'
import { errorsOf } from './failures.ts'
import { fromLine } from './parameters.ts'

const OPERATION = 'updateuser'

/**
 * `POST /updateuser/batch`: one JSON object of parameters a line; who performs it is proved once (contract `updateuser`,
 * "Batches").
 *
 * @param queryFor the query string as it was sent, secrets included
 */
export function batchHandler(
  edge: Edge,
  fail: Fail,
  queryFor: (req: Parameters<RequestHandler>[0]) => string,
): RequestHandler {
  const { core, config } = edge
  const readQuery = queryParser(BATCH_QUERY)
  const word = wordedFor(core)
  return handle(edge, 'updateuser', fail, async (req, res, context) => {
    const query = readQuery(queryFor(req))
    checkBatchType(req)
    const [basic, bearer] = [basicOf(req), bearerToken(req.get('Authorization'))]
    if (!basic && bearer === null) throw new SsoError('credentials_missing')
    // Browsers add Basic by themselves.
    if (basic && isFromAnotherSite(req, config.trustedOrigins)) {
      await refusedAtTheDoor(core, OPERATION, context, () => Promise.reject(new SsoError('cross_site')))
    }
    const credentials = basic ? ({ via: 'password', ...basic } as const) : ({ via: 'ust', ust: bearer ?? '' } as const)
    await streamBatch(edge, req, res, { operation: OPERATION, credentials, context, query, read, word })

    function read(...[raw, call]: Parameters<Batch['read']>) {
      return updateuserTask(core, raw, call, fromLine)
    }
  })
}

/** Words results in the operation's names. */
function wordedFor(core: Core) {
  return (event: BatchEvent, { cid, mode, isDryRun }: BatchTraits): object => {
    if (event.kind === 'totals') {
      const { status, lines, ok, changed, errors, undone, error } = event
      return {
        cid,
        status,
        mode,
        dryRun: isDryRun,
        totals: { lines, ok, changed, errors, undone },
        ...(error ? { errors: errorsOf(core, error) } : {}),
      }
    }
    const { line, uid, status, changed, isRepeated, error } = event
    return {
      line,
      uid,
      status,
      changed,
      ...(isRepeated ? { repeated: true } : {}),
      ...(error ? { errors: errorsOf(core, error) } : {}),
    }
  }
}
