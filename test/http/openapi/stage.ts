import type { Options } from '../../../src/index.ts'
import type { DatabaseName } from '../../support/databases.ts'
import { PASSWORD } from '../../support/host.ts'
import { type Mailbox, mailbox } from '../../support/mailbox.ts'
import { HOST_ATTRIBUTES } from '../../support/stores.ts'
import { type FullReply, type Person, type Place, send, startWire, type Wire } from '../zato/wire.ts'
import { type Described, Judge, operationsOf } from './judge.ts'

/** A request to an operation. */
export interface Request {
  readonly as?: Person | { readonly ust: string }
  /** Values of the path's parameters. */
  readonly path?: Readonly<Record<string, string>>
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Text is sent as it is. */
  readonly body?: unknown
}

/** A host whose dialects are all described, and requests to its operations. */
export interface Stage extends Wire {
  readonly judge: Judge
  readonly mail: Mailbox
  readonly operations: readonly Described[]
  /** Sends a request; the document must be right about the reply. */
  readonly request: (id: string, request?: Request) => Promise<FullReply & { readonly faults: readonly string[] }>
}

export const MOUNTS = { rest: '/account', zato: '/zato/sso', updateuser: '/ddenterpriseapi' }

/** Where this run takes place: each database, and both arrangements and versions of Express among them. */
export function placeOf(database: DatabaseName): Place {
  return database === 'mariadb'
    ? { database, arrangement: 'host table', express: 'express4' }
    : { database, arrangement: 'own table', express: 'express5' }
}

export async function startStage(place: Place, options: Partial<Options> = {}): Promise<Stage> {
  const mail = mailbox()
  const wire = await startWire(place, {
    hooks: { onPasswordReset: mail.take },
    attributes: HOST_ATTRIBUTES,
    openapi: { paths: MOUNTS },
    updateuser: { attributes: { login: 'username' } },
    ...options,
  })
  const document = await wire.host.sso.openapi()
  const judge = new Judge(document)
  const operations = operationsOf(document)

  const request: Stage['request'] = async (id, { as, path = {}, query, headers = {}, body } = {}) => {
    const described = operations.find((operation) => operation.id === id)
    if (!described) throw new Error(`there is no operation ${id}`)
    const [type] = Object.keys(described.operation.requestBody?.content ?? {})
    const filled = described.path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(path[name] ?? 'none'))
    const reply = await send(wire.host, described.method, query === undefined ? filled : `${filled}?${query}`, {
      headers: {
        ...(as ? { Authorization: `Bearer ${as.ust}` } : {}),
        ...(described.operation.tags.includes('zato') ? { 'X-Zato-SSO-Current-App': 'CRM' } : {}),
        ...(body === undefined ? {} : { 'Content-Type': String(type) }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { ...reply, faults: judge.faults(described, reply) }
  }

  return { ...wire, judge, mail, operations, request }
}

/** Parameters of updateuser as a form, by the super-user. */
export function form(parameters: Readonly<Record<string, string>>): string {
  return new URLSearchParams({ user: 'admin', pass: PASSWORD, ...parameters }).toString()
}
