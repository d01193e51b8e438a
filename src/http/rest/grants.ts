import { tagOf } from '../../core/accounts/demands.ts'
import { readDetails } from '../../core/accounts/read.ts'
import { grantMap, updateGrants } from '../../core/grants/patch.ts'
import type { Grants } from '../../core/store.ts'
import { changed, DRY_RUN, type Reply, type Route } from './endpoint.ts'

/** Roles, ACLs and groups of an account. */
export const GRANT_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/users/:id/grants',
    operation: 'get_user',
    summary: 'Roles with their rights, ACLs and groups of an account.',
    reply: 'Grants',
    run: async (call, { core, id }) => shown((await readDetails(core, { ...call, userId: id })).grants),
  },
  {
    method: 'patch',
    path: '/users/:id/grants',
    operation: 'update_grants',
    summary: 'Gives and takes roles, ACLs and groups: null takes away; super-users only.',
    body: 'GrantsPatch',
    query: DRY_RUN,
    tag: async (_core, { values }, reads) => tagOf(grantMap(await reads.grantsOf(values.user_id))),
    reply: 'GrantsUpdate',
    async run(call, { core, id, body, demands }) {
      let grants: Grants = { roles: [], acls: [], groups: [] }
      const inspect: typeof demands.inspect = async (reads, userId) => {
        grants = await reads.grantsOf(userId)
      }
      const result = await updateGrants(core, {
        ...call,
        userId: id,
        patch: body,
        demands: { ...demands, inspect },
      })
      const map = grantMap(grants)
      return changed(tagOf(map), { ...map, changed: result.changed }, { demands })
    },
  },
]

function shown(grants: Grants): Reply & { body: object } {
  const map = grantMap(grants)
  return { headers: { ETag: tagOf(map) }, body: map }
}
