import { searchUsers } from '../../core/search/search.ts'
import type { ParameterSchema } from '../query.ts'
import type { Route } from './endpoint.ts'

const text = (description: string): ParameterSchema => ({ description, type: 'string' })
const name = text('Name, or part of it, in any case.')

const CRITERIA: Readonly<Record<string, ParameterSchema>> = {
  username: text('The whole name, compared as at login.'),
  email: text('The whole address, as it is stored.'),
  display_name: name,
  first_name: name,
  middle_name: name,
  last_name: name,
  sign_up_status: text('Exactly this status.'),
  approval_status: text('Exactly this status.'),
}

/** Accounts that match, in pages. */
export const SEARCH_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/users',
    operation: 'search_users',
    summary: 'Accounts that match, in pages; super-users only.',
    query: {
      ...CRITERIA,
      nameOp: {
        description: 'Whether all names must match, or one of them.',
        type: 'string',
        enum: ['and', 'or'],
        default: 'and',
      },
      isNameExact: {
        description: 'Whether names must match as a whole, or contain what is searched for.',
        type: 'boolean',
        default: true,
      },
      curPage: { description: 'Number of the page, from 1.', type: 'integer', minimum: 1, default: 1 },
      pageSize: { description: 'Accounts on a page, as many as are allowed at most.', type: 'integer', minimum: 1 },
    },
    reply: 'UserPage',
    async run(call, { core, query }) {
      const criteria = Object.fromEntries(Object.entries(query).filter(([name]) => Object.hasOwn(CRITERIA, name)))
      const { nameOp, isNameExact, curPage, pageSize } = query
      const search = { criteria, nameOp, isNameExact, curPage, pageSize, paginate: undefined }
      return { body: await searchUsers(core, { ...call, search }) }
    },
  },
]
