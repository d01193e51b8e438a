import type { Request } from 'express'
import { LAST_LINE } from '../../core/batch/api.ts'
import type { RawLine } from '../../core/batch/task.ts'
import { SsoError } from '../../errors.ts'
import { mediaType, parsedByHost } from '../body.ts'
import type { QuerySchema } from '../query.ts'

/** Media type of one JSON value a line, in requests and replies. */
export const NDJSON_TYPE = 'application/x-ndjson'
const TYPES = [NDJSON_TYPE, 'application/ndjson', 'application/jsonl']

/** Query parameters of a batch. */
export const BATCH_QUERY: QuerySchema = {
  mode: {
    description: 'Whether each line stands alone, or all of them are done or none.',
    type: 'string',
    enum: ['independent', 'atomic'],
    default: 'independent',
  },
  dryRun: {
    description: 'Undo it all in the end: results say what would change, nothing is kept.',
    type: 'boolean',
  },
  firstLine: {
    description: 'Number of the first line: where a batch of this Idempotency-Key goes on.',
    type: 'integer',
    minimum: 1,
    maximum: LAST_LINE,
    default: 1,
  },
}

/** @throws SsoError `media_type_unsupported` unless the body is lines of JSON that nobody has compressed */
export function checkBatchType(req: Request): void {
  const encoding = req.get('Content-Encoding')?.toLowerCase() ?? 'identity'
  if (TYPES.includes(mediaType(req) ?? '') && encoding === 'identity') return
  throw new SsoError('media_type_unsupported', { message: `The body must be ${NDJSON_TYPE}, not compressed.` })
}

/** Where lines begin and end, and what becomes of them. */
interface Lines {
  /** Number of the first one. */
  readonly first: number
  /** Bytes of a line at most. */
  readonly limit: number
}

const NEWLINE = 0x0a

/**
 * The lines of a request while it arrives. Empty ones are passed over, and count; one that is too long, not UTF-8 or not
 * JSON is an error in its place.
 */
export async function* linesOf(req: Request, { first, limit }: Lines): AsyncGenerator<RawLine, void> {
  let line = first
  let parts: Buffer[] = []
  let length = 0
  const keep = (bytes: Buffer) => {
    length += bytes.length
    // What is too long already is not kept.
    if (length <= limit) parts.push(bytes)
  }
  const take = (): readonly RawLine[] => {
    const value = length > limit ? tooLong(limit) : jsonOf(Buffer.concat(parts))
    parts = []
    length = 0
    return value === undefined ? [] : [{ line, value }]
  }
  for await (const chunk of chunksOf(req)) {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end))
      yield* take()
      line++
      start = end + 1
    }
    keep(chunk.subarray(start))
  }
  // The last line need not end.
  if (length > 0) yield* take()
}

/** What the request carries, piece by piece, or what a parser of the host has made of it. */
function chunksOf(req: Request): AsyncIterable<Buffer> | Iterable<Buffer> {
  if (!req.readableEnded) return req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
  const body = parsedByHost(req)
  if (body.kind === 'text') return [Buffer.from(body.text)]
  throw new Error('express-sso-users: something has parsed the lines of a batch; mount the routers before it')
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** The JSON value of a line; undefined for an empty one. */
function jsonOf(bytes: Buffer): unknown {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    return new SsoError('input_malformed', { message: 'The line is not UTF-8.' })
  }
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return new SsoError('input_malformed', { message: 'The line is not JSON.' })
  }
}

function tooLong(limit: number): SsoError {
  return new SsoError('input_too_large', { message: `The line has more than ${limit} bytes.` })
}
