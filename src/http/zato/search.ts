import type { RequestHandler } from 'express'
import type { Core } from '../../core/core.ts'
import { searchUsers } from '../../core/search/search.ts'
import type { EndpointMaker, Rules } from './endpoint.ts'
import { UNTOLD_SESSIONS } from './endpoints.ts'
import { booleanIn, integerIn } from './input.ts'
import { foundFields, sendOk } from './output.ts'

const PLAIN: Rules = { exceptions: UNTOLD_SESSIONS }

const CRITERIA = [
  'user_id',
  'username',
  'email',
  'display_name',
  'first_name',
  'middle_name',
  'last_name',
  'sign_up_status',
  'approval_status',
]

/** GET /user/search (contract section 8.10). */
export function searchEndpoint(core: Core, endpoint: EndpointMaker['endpoint']): RequestHandler {
  return endpoint(
    'search_users',
    [],
    async (input, call, res) => {
      const { fields } = input
      const { users, ...page } = await searchUsers(core, {
        ...call,
        search: {
          criteria: Object.fromEntries(
            CRITERIA.filter((name) => fields.has(name)).map((name) => [name, fields.get(name)]),
          ),
          nameOp: fields.get('name_op'),
          isNameExact: booleanIn(input, 'is_name_exact') ?? undefined,
          paginate: booleanIn(input, 'paginate') ?? undefined,
          curPage: integerIn(input, 'cur_page') ?? undefined,
          pageSize: integerIn(input, 'page_size') ?? undefined,
        },
      })
      sendOk(res, call.context, {
        total: page.total,
        num_pages: page.numPages,
        page_size: page.pageSize,
        cur_page: page.curPage,
        has_prev_page: page.hasPrevPage,
        has_next_page: page.hasNextPage,
        prev_page: page.prevPage ?? 0,
        next_page: page.nextPage,
        result: users.map((user) => foundFields(core.catalogue, user)),
      })
    },
    PLAIN,
  )
}
