import type { Request } from 'express'
import { SsoError } from '../../errors.ts'

const TAG = String.raw`(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"`
const LIST = new RegExp(`^${TAG}(?:[ \\t]*,[ \\t]*${TAG})*$`)

/**
 * Entity tags of `If-Match` (RFC 9110, section 13.1.1); null where there is none. Weak ones are never equal to anything.
 *
 * @throws SsoError `input_malformed`
 */
export function ifMatchOf(req: Request): readonly string[] | null {
  const header = req.get('If-Match')?.trim()
  if (header === undefined) return null
  if (header === '*') return ['*']
  if (!LIST.test(header)) throw new SsoError('input_malformed', { message: 'If-Match is not a list of entity tags.' })
  return header.match(new RegExp(TAG, 'g')) ?? []
}

/**
 * Whether the client has this state already, by `If-None-Match` (RFC 9110, section 13.1.2). Express would not look at it
 * under `Cache-Control: no-cache`, which is for caches, and which `fetch` adds by itself to every condition.
 */
export function isNotModified(req: Request, etag: string): boolean {
  const header = req.get('If-None-Match')?.trim() ?? ''
  if (header === '*') return true
  return LIST.test(header) && header.match(new RegExp(TAG, 'g'))?.some((tag) => tag.replace('W/', '') === etag) === true
}

/** Whether the client wants no more than a confirmation (RFC 7240, `return=minimal`). */
export function wantsMinimal(req: Request): boolean {
  const preferences = (req.get('Prefer') ?? '').split(/[,;]/)
  return preferences.some((preference) => /^\s*return\s*=\s*"?minimal"?\s*$/i.test(preference))
}
