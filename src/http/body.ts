import express, { type Request, type RequestHandler, type Response } from 'express'
import { SsoError } from '../errors.ts'

/** What a request carried, as far as it has been read. */
export type Body =
  | { readonly kind: 'none' }
  /** The bytes as text. */
  | { readonly kind: 'text'; readonly text: string }
  /** A body parser of the host has read JSON. */
  | { readonly kind: 'json'; readonly value: unknown }
  /** A body parser of the host has read a form. */
  | { readonly kind: 'form'; readonly fields: Readonly<Record<string, unknown>> }

/** Reads bodies up to a size, whether or not the host's own parsers have been there first. */
export class BodyReader {
  readonly #raw: RequestHandler

  /** @param limit in bytes */
  constructor(limit: number) {
    this.#raw = express.raw({ type: () => true, limit })
  }

  /** @throws SsoError `input_malformed`, `input_too_large`, `media_type_unsupported` */
  async read(req: Request, res: Response): Promise<Body> {
    if (!hasBody(req)) return { kind: 'none' }
    const kept = (req as { rawBody?: unknown }).rawBody
    if (Buffer.isBuffer(kept)) return { kind: 'text', text: decode(kept) }
    return req.readableEnded ? parsedByHost(req) : { kind: 'text', text: decode(await this.#bytes(req, res)) }
  }

  #bytes(req: Request, res: Response): Promise<Buffer> {
    const before: unknown = req.body
    return new Promise((resolve, reject) => {
      this.#raw(req, res, (error?: unknown) => {
        const body: unknown = req.body
        // Whoever comes after finds the request as it came: no secrets of the body on it.
        req.body = before
        if (error) reject(bodyError(error))
        else resolve(Buffer.isBuffer(body) ? body : Buffer.alloc(0))
      })
    })
  }
}

function hasBody(req: Request): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
}

/** The media type without its parameters; null if there is none. */
export function mediaType(req: Request): string | null {
  return req.get('Content-Type')?.split(';')[0]?.trim().toLowerCase() ?? null
}

/** What a body parser of the host has left. @throws Error where it has left nothing */
export function parsedByHost(req: Request): Body {
  const body: unknown = req.body
  if (Buffer.isBuffer(body)) return { kind: 'text', text: decode(body) }
  if (typeof body === 'string') return { kind: 'text', text: body }
  if (body === undefined || body === null) {
    throw new Error(
      'express-sso-users: something has read the request body and left nothing in req.body; mount the routers before it',
    )
  }
  if (mediaType(req) === 'application/x-www-form-urlencoded') {
    return { kind: 'form', fields: body as Readonly<Record<string, unknown>> }
  }
  return { kind: 'json', value: body }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new SsoError('input_malformed', { message: 'The request body is not UTF-8.' })
  }
}

function bodyError(error: unknown): unknown {
  const { type = '', status } = (error ?? {}) as { type?: string; status?: number }
  if (type === 'entity.too.large') return new SsoError('input_too_large')
  if (type === 'encoding.unsupported') return new SsoError('media_type_unsupported')
  return status !== undefined && status < 500 ? new SsoError('input_malformed') : error
}

/** An object from a body that is JSON whatever its Content-Type says; empty bodies are empty objects. */
export function jsonObject(body: Body, req: Request): Readonly<Record<string, unknown>> {
  switch (body.kind) {
    case 'none':
      return {}
    case 'json':
      return objectOf(body.value)
    case 'text':
      return body.text.trim() === '' ? {} : objectOf(parse(body.text))
    case 'form':
      return objectOf(parse(unparsedForm(body.fields, req)))
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SsoError('input_malformed')
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SsoError('input_malformed')
  return value as Readonly<Record<string, unknown>>
}

const JSON_STRING = /"(?:[^"\\]|\\.)*"/g

/**
 * JSON that was sent as a form, which is what `curl -d` does, and that the host's form parser took apart. It can be put
 * together again unless a `+` may have been lost: the parser makes it a space.
 *
 * @throws SsoError `input_malformed` where the text cannot be known for certain
 */
function unparsedForm(fields: Readonly<Record<string, unknown>>, req: Request): string {
  const pairs = Object.entries(fields)
  const isFlat = pairs.every(([, value]) => typeof value === 'string')
  const text = pairs.map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join('&')
  const isWhole = Buffer.byteLength(text) === Number(req.headers['content-length'])
  const isCertain = !text.match(JSON_STRING)?.some((string) => string.includes(' '))
  if (isFlat && isWhole && isCertain) return text
  throw new SsoError('input_malformed', {
    message:
      'The body was read as a form before it came here. Send Content-Type: application/json, or mount the router before express.urlencoded().',
  })
}
