import type { Request } from 'express'
import type { ReadParameters } from '../../core/batch/updateuser-lines.ts'
import { nearest } from '../../core/schema/nearest.ts'
import { isPrototypeName, textFault } from '../../core/schema/text.ts'
import { type Issue, issue, SsoError } from '../../errors.ts'
import { type Body, jsonObject, mediaType } from '../body.ts'

/** What a request says. */
export interface Parameters {
  /** Values by name; lists and objects are read from their JSON. */
  readonly values: ReadonlyMap<string, unknown>
  /** Each parameter that is unknown, repeated or malformed; to be reported with whatever else is wrong. */
  readonly faults: readonly Issue[]
}

const TEXTS = ['user', 'pass', 'uid', 'password', 'displayName']
const LISTS = ['roles', 'rolesnoselected', 'acls', 'aclsnoselected', 'groupacls', 'groupaclsnoselected']
/** Names of all parameters. */
export const NAMES: readonly string[] = [...TEXTS, ...LISTS, 'attributes']
const MOST_PARAMETERS = 200
const REPEATED = 'The parameter is there twice.'

/** @throws SsoError `input_invalid` for more parameters than there can be */
export function fromQuery(query: string): Parameters {
  return readPairs([...new URLSearchParams(query)])
}

/** A form or a JSON object. @throws SsoError `media_type_unsupported`, or as `fromQuery` */
export function fromBody(body: Body, req: Request): Parameters {
  const type = mediaType(req)
  if (type === 'application/x-www-form-urlencoded') {
    if (body.kind === 'form') return readPairs(Object.entries(body.fields), formFault)
    return fromQuery(body.kind === 'text' ? body.text : '')
  }
  if (type === 'application/json' || type?.endsWith('+json')) return readPairs(Object.entries(jsonObject(body, req)))
  if (body.kind === 'none') return { values: new Map(), faults: [] }
  throw new SsoError('media_type_unsupported', {
    message: 'The body must be application/x-www-form-urlencoded or application/json.',
  })
}

/** One line of a batch; who performs it is no part of it. */
export function fromLine(line: Readonly<Record<string, unknown>>): ReadParameters {
  const entries = Object.entries(line)
  if (entries.length > MOST_PARAMETERS) {
    return {
      parameters: {},
      faults: [issue('uid', 'input_invalid', `There are more than ${MOST_PARAMETERS} parameters.`)],
    }
  }
  const { values, faults } = readPairs(entries)
  const twice: readonly string[] = ['user', 'pass'].filter((name) => values.has(name))
  return {
    parameters: Object.fromEntries([...values].filter(([name]) => !twice.includes(name))),
    faults: [...faults, ...twice.map((name) => issue(name, 'input_invalid', 'It comes once, as Basic or Bearer.'))],
  }
}

function readPairs(
  pairs: readonly (readonly [string, unknown])[],
  valueFault: (name: string, value: unknown) => string | null = faultOfValue,
): Parameters {
  if (pairs.length > MOST_PARAMETERS) {
    throw new SsoError('input_invalid', { message: `There are more than ${MOST_PARAMETERS} parameters.` })
  }
  const values = new Map<string, unknown>()
  const faults: Issue[] = []
  for (const [name, value] of pairs) {
    // The trailing "&" of the page's own example.
    if (name === '' && value === '') continue
    const fault = nameFault(name, values) ?? valueFault(name, value)
    if (fault) faults.push(issue(shownName(name), 'input_invalid', fault))
    else values.set(name, readValue(name, value, faults))
  }
  return { values, faults }
}

/**
 * A name as errors have it. What does not look like one may be anything, secrets included: `curl -d` sends JSON as a form
 * whose one name is all of it (ASVS 16.2.5).
 */
function shownName(name: string): string {
  return /^\w{1,50}$/.test(name) && !isPrototypeName(name) ? name : '(name)'
}

function nameFault(name: string, seen: Parameters['values']): string | null {
  if (name.trimStart().startsWith('{')) return 'This is JSON: it needs Content-Type: application/json.'
  if (!NAMES.includes(name)) return `There is no such parameter; the nearest is ${nearest(name, NAMES)}.`
  return seen.has(name) ? REPEATED : null
}

function faultOfValue(name: string, value: unknown): string | null {
  if (typeof value === 'string') return textFault(value)
  return TEXTS.includes(name) ? 'The value must be text.' : null
}

/** A form holds text; a parser of the host makes a list of what is there twice, and objects of names in brackets. */
function formFault(name: string, value: unknown): string | null {
  if (Array.isArray(value)) return REPEATED
  return typeof value === 'string' ? faultOfValue(name, value) : 'The value must be text.'
}

function readValue(name: string, value: unknown, faults: Issue[]): unknown {
  if (TEXTS.includes(name) || typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    faults.push(issue(name, 'input_invalid', 'The value is not JSON.'))
    return undefined
  }
}
