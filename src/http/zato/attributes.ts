import type { RequestHandler } from 'express'
import type { CustomEdit } from '../../core/attributes/edits.ts'
import { readEdits, readNames, readRemoval } from '../../core/attributes/input.ts'
import type { AttributesOf } from '../../core/attributes/owner.ts'
import { readAttributes } from '../../core/attributes/read.ts'
import type { AttributeDetails } from '../../core/attributes/values.ts'
import { writeAttributes } from '../../core/attributes/write.ts'
import type { Operation } from '../../core/audit/record.ts'
import type { Core } from '../../core/core.ts'
import { isPlainObject } from '../../core/schema/validate.ts'
import { SsoError } from '../../errors.ts'
import type { EndpointMaker, Rules } from './endpoint.ts'
import { booleanIn, hasId, type Input, idIn, integerIn } from './input.ts'
import { isoformat, sendOk } from './output.ts'

/** Endpoints on attributes of users and of sessions (contract section 8.14), by path and method. */
export function attributeRoutes(
  core: Core,
  endpoint: EndpointMaker['endpoint'],
): Record<string, Record<string, RequestHandler>> {
  return {
    ...routesOf(core, endpoint, '/user/attr', USER),
    ...routesOf(core, endpoint, '/session/attr', SESSION),
  }
}

/** Whose attributes an endpoint is about, and how requests say so. */
interface Owners {
  readonly of: (input: Input, items: readonly Input[]) => AttributesOf
  readonly read: Operation
  readonly write: Operation
  readonly rules: Rules
}

const USER: Owners = {
  of(input, items) {
    const holder = hasId(input) ? input : items.find(hasId)
    return { kind: 'account', target: holder ? { by: 'id', userId: idIn(holder) } : { by: 'self' } }
  },
  read: 'get_attributes',
  write: 'set_attributes',
  rules: {},
}

const SESSION: Owners = {
  of({ fields }) {
    // A token that is none names no session: the core says so.
    const token = fields.get('target_ust')
    return { kind: 'session', ust: typeof token === 'string' ? token : '' }
  },
  read: 'get_session_attributes',
  write: 'set_session_attributes',
  rules: { token: () => 'current_ust', missing: 'session_unknown' },
}

function routesOf(core: Core, endpoint: EndpointMaker['endpoint'], path: string, owners: Owners) {
  const { of, rules } = owners

  const writing = (mode: CustomEdit['mode']) =>
    endpoint(
      owners.write,
      [],
      async (input, call, res) => {
        const { isMany, items } = itemsIn(input)
        await writeAttributes(core, {
          ...call,
          of: of(input, items),
          edits() {
            if (owners === USER) checkOneOwner(input, items)
            const read = items.map((item) => attributeIn(mode, item, input))
            return readEdits(mode, isMany ? { data: read } : (read[0] ?? {}), call.context.now)
          },
        })
        sendOk(res, call.context)
      },
      rules,
    )

  /** Reads those that are named, and answers with what it makes of the names and the attributes that there are. */
  const reading = (answer: (names: readonly string[], found: Found) => Record<string, unknown>, decrypts: boolean) =>
    endpoint(
      owners.read,
      [],
      async (input, call, res) => {
        const sent = namesIn(input)
        const decrypt = decrypts && (booleanIn(input, 'decrypt') ?? true)
        const attributes = await readAttributes(core, {
          ...call,
          of: of(input, []),
          decrypt,
          names: () => readNames(sent),
        })
        const found = new Map(attributes.map((attribute) => [attribute.name, attribute]))
        sendOk(res, call.context, answer([...new Set(readNames(sent))], found))
      },
      rules,
    )

  return {
    [path]: {
      get: reading(details, true),
      post: writing('create'),
      patch: writing('update'),
      put: writing('set'),
      delete: endpoint(
        owners.write,
        [],
        async (input, call, res) => {
          const sent = namesIn(input)
          await writeAttributes(core, { ...call, of: of(input, []), edits: () => readRemoval(sent) })
          sendOk(res, call.context)
        },
        rules,
      ),
    },

    [`${path}/exists`]: { get: reading(existence, false) },

    [`${path}/names`]: {
      get: endpoint(
        owners.read,
        [],
        async (input, call, res) => {
          const attributes = await readAttributes(core, { ...call, of: of(input, []), decrypt: false })
          sendOk(res, call.context, { result: attributes.map(({ name }) => name) })
        },
        rules,
      ),
    },
  }
}

type Found = ReadonlyMap<string, AttributeDetails>

/** One name is answered flat, several as a list in their order. */
function details(names: readonly string[], found: Found): Record<string, unknown> {
  const [name, ...others] = names
  if (name !== undefined && others.length === 0) return shown(found.get(name)) ?? { found: false }
  return { result: names.map((name) => shown(found.get(name)) ?? { found: false, name }) }
}

function shown(attribute: AttributeDetails | undefined): Record<string, unknown> | null {
  if (!attribute) return null
  const { name, creationTime, lastModified, expirationTime, isEncrypted } = attribute
  return {
    found: true,
    name,
    ...('value' in attribute ? { value: attribute.value } : {}),
    creation_time: isoformat(creationTime),
    last_modified: isoformat(lastModified),
    expiration_time: expirationTime ? isoformat(expirationTime) : NEVER,
    is_encrypted: isEncrypted,
  }
}

const NEVER = '9999-12-31T00:00:00'

function existence(names: readonly string[], found: Found): Record<string, unknown> {
  const [name, ...others] = names
  const isOne = name !== undefined && others.length === 0
  return { result: isOne ? found.has(name) : Object.fromEntries(names.map((name) => [name, found.has(name)])) }
}

/** The name, or the names of `data`; a name wins. What is neither is refused where the names are read. */
function namesIn({ fields }: Input): unknown {
  const [name, data] = [fields.get('name') ?? '', fields.get('data') || []]
  return name === '' ? data : [name]
}

/** What is to be written, each item as an input of its own: the fields themselves, or the objects of `data`. */
function itemsIn(input: Input): { isMany: boolean; items: readonly Input[] } {
  const [name, data] = [input.fields.get('name') ?? '', input.fields.get('data')]
  if (name !== '') return { isMany: false, items: [input] }
  const items = (Array.isArray(data) ? data : []).map((item: unknown) => {
    const body = isPlainObject(item) ? item : {}
    return { body, fields: new Map(Object.entries(body)) }
  })
  return { isMany: true, items }
}

/** All items of one call are written to one user, whom an item need not name. @throws SsoError `input_invalid` */
function checkOneOwner(input: Input, items: readonly Input[]): void {
  const own = hasId(input) ? idIn(input) : null
  const ids = new Set(items.map((item) => (hasId(item) ? idIn(item) : own)))
  if (own !== null) ids.add(own)
  if (ids.size > 1) throw new SsoError('input_invalid', { message: 'One call changes the attributes of one user.' })
}

/** An item in the core's words; what it lacks of `expiration` and `encrypt` the request may have. */
function attributeIn(mode: CustomEdit['mode'], item: Input, input: Input): Record<string, unknown> {
  const value = item.fields.get('value')
  // To Zato an update with nothing in it leaves the value as it is.
  const isLeft = mode === 'update' && (value === null || value === '')
  // 0 stands for none.
  const expiration = (integerIn(item, 'expiration') ?? integerIn(input, 'expiration')) || undefined
  const encrypt = booleanIn(item, 'encrypt') ?? booleanIn(input, 'encrypt') ?? undefined
  return {
    name: item.fields.get('name'),
    ...(isLeft || value === undefined ? {} : { value }),
    ...(expiration === undefined ? {} : { expiration }),
    ...(encrypt === undefined ? {} : { encrypt }),
  }
}
