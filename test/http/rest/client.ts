import { expect } from 'vitest'
import type { Options } from '../../../src/index.ts'
import type { HostSettings } from '../../support/host.ts'
import { CID, type FullReply, type Person, type Place, startWire, send as transmit, type Wire } from '../zato/wire.ts'

/** How a request is sent. */
export interface Sending {
  readonly as?: Pick<Person, 'ust'>
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A host, and ways to speak the rest dialect to it. */
export interface Client extends Wire {
  readonly send: (method: string, path: string, sending?: Sending) => Promise<FullReply>
  /** Entity tag of an account as its owner reads it. */
  readonly tagOf: (person: Person) => Promise<string>
}

export async function startClient(
  place: Place,
  options: Partial<Options> = {},
  before?: HostSettings['before'],
): Promise<Client> {
  const wire = await startWire(place, options, before)
  const send: Client['send'] = async (method, path, { as, body, headers = {} } = {}) => {
    const reply = await transmit(wire.host, method, `/account${path}`, {
      headers: {
        ...(as ? { Authorization: `Bearer ${as.ust}` } : {}),
        ...(body === undefined ? {} : { 'Content-Type': 'application/merge-patch+json' }),
        ...(body !== undefined && method !== 'PATCH' ? { 'Content-Type': 'application/json' } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const isProblem = reply.headers['content-type']?.startsWith('application/problem+json')
    return isProblem ? { ...reply, body: JSON.parse(reply.text) } : reply
  }
  return { ...wire, send, tagOf: async (as) => String((await send('GET', '/me', { as })).headers.etag) }
}

/** A refusal, with the pointer and code of every offending member. */
export function problem(status: number, code: string, ...errors: readonly (readonly [string, string])[]) {
  return expect.objectContaining({
    status,
    body: {
      type: 'about:blank',
      title: expect.any(String),
      status,
      code,
      cid: CID,
      errors: errors.map(([pointer, code]) => ({ pointer, code, message: expect.any(String) })),
    },
  })
}
