import { tagOf } from '../../core/accounts/demands.ts'
import { readMerge } from '../../core/attributes/input.ts'
import type { AttributesOf } from '../../core/attributes/owner.ts'
import { readAttributes } from '../../core/attributes/read.ts'
import { type AttributeDetails, visibleDetails } from '../../core/attributes/values.ts'
import { writeAttributes } from '../../core/attributes/write.ts'
import { changed, DRY_RUN, type Reply, type RestRequest, type Route, type Run, type TagOf } from './endpoint.ts'

type Whose = (request: RestRequest) => Extract<AttributesOf, { kind: 'account' }>['target']

const own: Whose = () => ({ by: 'self' })
const byId: Whose = ({ id }) => ({ by: 'id', userId: id })

const tag: TagOf = async (core, { values }, reads, { now }) =>
  tagOfAttributes(visibleDetails(core, await reads.customAttributesOf({ kind: 'account', id: values.user_id }, now)))

/** Custom attributes of accounts: values by name. */
export const ATTRIBUTE_ROUTES: readonly Route[] = (
  [
    ['/me/attributes', own, 'The own custom attributes', 'own custom attributes'],
    [
      '/users/:id/attributes',
      byId,
      'Custom attributes of an account; super-users everybody’s',
      'custom attributes of an account',
    ],
  ] as const
).flatMap(([path, whose, what, patched]): Route[] => [
  {
    method: 'get',
    path,
    operation: 'get_attributes',
    summary: `${what}, by name.`,
    reply: 'Attributes',
    run: read(whose),
  },
  {
    method: 'patch',
    path,
    operation: 'set_attributes',
    summary: `Changes ${patched}: null removes one, objects are merged.`,
    body: 'Attributes',
    query: DRY_RUN,
    tag,
    reply: 'AttributesUpdate',
    run: write(whose),
  },
])

function read(whose: Whose): Run {
  return async (call, request) => {
    const of = { kind: 'account', target: whose(request) } as const
    const attributes = await readAttributes(request.core, { ...call, of, decrypt: true })
    return { headers: { ETag: tagOfAttributes(attributes) }, body: valuesOf(attributes) }
  }
}

function write(whose: Whose): Run {
  return async (call, request): Promise<Reply> => {
    const { core, body, context, demands } = request
    let attributes: readonly AttributeDetails[] = []
    const inspect: typeof demands.inspect = async (reads, id) => {
      attributes = visibleDetails(core, await reads.customAttributesOf({ kind: 'account', id }, context.now))
    }
    const result = await writeAttributes(core, {
      ...call,
      of: { kind: 'account', target: whose(request) },
      edits: () => readMerge(body),
      demands: { ...demands, inspect },
    })
    return changed(tagOfAttributes(attributes), { attributes: valuesOf(attributes), changed: result.changed }, request)
  }
}

function valuesOf(attributes: readonly AttributeDetails[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value] as const])),
  )
}

/** What is encrypted differs by its times alone: not even the hash of a secret leaves. */
function tagOfAttributes(attributes: readonly AttributeDetails[]): string {
  return tagOf(attributes.map(({ isEncrypted, value, ...others }) => [others, isEncrypted ? null : value]))
}
