import { createAccount } from '../../core/accounts/create.ts'
import * as accounts from '../../core/accounts/operations.ts'
import { readAccount, readForm } from '../../core/accounts/read.ts'
import { deleteAccount } from '../../core/accounts/remove.ts'
import { MOST_AUDIT_RECORDS, readAudit } from '../../core/audit/read.ts'
import { revertChange } from '../../core/revert/revert.ts'
import { DRY_RUN, type RestRequest, type Route, type Run, tagOfAccount, updated } from './endpoint.ts'
import type { RequestBody } from './request.ts'

/** Accounts: one's own at `/me`, everybody's at `/users`. */
export const ACCOUNT_ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/me',
    operation: 'get_user',
    summary: 'The own account, with its ETag.',
    reply: 'User',
    run: async (call, { core }) => shown(await readAccount(core, { ...call, userId: null })),
  },
  {
    method: 'patch',
    path: '/me',
    operation: 'update_current_user',
    summary: 'Changes the own account: what the patch does not name stays, null empties.',
    body: 'UserPatch',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    run: async (call, request) =>
      updated(await accounts.updateCurrentUser(request.core, { ...call, ...changeOf(request.body) }), request),
  },
  {
    method: 'put',
    path: '/me/password',
    operation: 'change_password',
    summary: 'Sets the own password and ends the other sessions.',
    body: 'OwnPassword',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    run: async (call, request) =>
      updated(
        await accounts.changePassword(request.core, { ...call, ...passwordOf(request.body), userId: null }),
        request,
      ),
  },
  {
    method: 'get',
    path: '/me/schema',
    operation: 'get_user',
    summary: 'What the caller may change on his own account, as JSON Schema.',
    reply: 'Form',
    run: async (call, { core }) => ({ body: await readForm(core, { ...call, userId: null }) }),
  },
  {
    method: 'post',
    path: '/users',
    operation: 'create_user',
    summary: 'Creates a regular account; super-users only.',
    body: 'NewUser',
    query: DRY_RUN,
    reply: 'CreatedUser',
    status: 201,
    async run(call, { core, body, demands, baseUrl }) {
      const { autoApprove = false } = body as { autoApprove?: boolean }
      const created = await createAccount(core, { ...call, operation: 'create_user', ...changeOf(body), autoApprove })
      if (demands.isDryRun) return { status: 200, body: { user: created.user, dryRun: true } }
      const { headers, body: user } = shown(created)
      return {
        headers: { ...headers, Location: `${baseUrl}/users/${encodeURIComponent(created.user.user_id)}` },
        body: user,
      }
    },
  },
  {
    method: 'get',
    path: '/users/:id',
    operation: 'get_user',
    summary: 'An account, with its ETag; super-users everybody’s.',
    reply: 'User',
    run: async (call, { core, id }) => shown(await readAccount(core, { ...call, userId: id })),
  },
  {
    method: 'patch',
    path: '/users/:id',
    operation: 'update_user_by_id',
    summary: 'Changes an account; super-users everybody’s.',
    body: 'UserPatch',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    async run(call, request) {
      const { core, id, body } = request
      return updated(await accounts.updateUserById(core, { ...call, userId: id, ...changeOf(body) }), request)
    },
  },
  {
    method: 'delete',
    path: '/users/:id',
    operation: 'delete_user',
    summary: 'Deletes an account, never the own one; super-users only.',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: null,
    async run(call, { core, id, demands }) {
      await deleteAccount(core, { ...call, userId: id })
      return demands.isDryRun ? { body: { dryRun: true } } : {}
    },
  },
  {
    method: 'put',
    path: '/users/:id/password',
    operation: 'change_password',
    summary: 'Sets a password; super-users everybody’s.',
    body: 'Password',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    run: async (call, request) =>
      updated(
        await accounts.changePassword(request.core, { ...call, ...passwordOf(request.body), userId: request.id }),
        request,
      ),
  },
  {
    method: 'put',
    path: '/users/:id/lock',
    operation: 'lock_user',
    summary: 'Locks an account: it can neither log in nor use its sessions; super-users only.',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    run: onAccount(() => accounts.lockUser),
  },
  {
    method: 'delete',
    path: '/users/:id/lock',
    operation: 'unlock_user',
    summary: 'Unlocks an account; super-users only.',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    run: onAccount(() => accounts.unlockUser),
  },
  {
    method: 'put',
    path: '/users/:id/approval',
    operation: 'approve_user',
    summary: 'Lets an account in, or keeps it out; super-users only.',
    body: 'Approval',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    run: onAccount(({ body }) => (body['status'] === 'approved' ? accounts.approveUser : accounts.rejectUser)),
  },
  {
    method: 'get',
    path: '/users/:id/audit',
    operation: 'read_audit',
    summary: 'What was done and tried on an account, the latest first; super-users only.',
    query: {
      before: {
        description: 'Only records before the one of this number: `next` of the page before.',
        type: 'integer',
        minimum: 1,
      },
      limit: {
        description: 'Records of the page.',
        type: 'integer',
        minimum: 1,
        maximum: MOST_AUDIT_RECORDS,
        default: 50,
      },
    },
    reply: 'AuditPage',
    async run(call, { core, id, query }) {
      const { before = null, limit = 50 } = query as { before?: number; limit?: number }
      return { body: await readAudit(core, { ...call, userId: id, before, limit }) }
    },
  },
  {
    method: 'post',
    path: '/users/:id/revert',
    operation: 'revert_change',
    summary: 'Undoes a change that the audit trail has recorded, as a whole or not at all; super-users only.',
    body: 'Revert',
    query: DRY_RUN,
    tag: tagOfAccount,
    reply: 'UserUpdate',
    async run(call, request) {
      const { auditId } = request.body as { auditId: number }
      return updated(await revertChange(request.core, { ...call, userId: request.id, auditId }), request)
    },
  },
  {
    method: 'get',
    path: '/users/:id/schema',
    operation: 'get_user',
    summary: 'What the caller may change on this account, as JSON Schema.',
    reply: 'Form',
    run: async (call, { core, id }) => ({ body: await readForm(core, { ...call, userId: id }) }),
  },
]

/** Runs an operation that needs no more than the account in the path. */
function onAccount(operationFor: (request: RestRequest) => typeof accounts.lockUser): Run {
  return async (call, request) => {
    const operation = operationFor(request)
    return updated(await operation(request.core, { ...call, userId: request.id }), request)
  }
}

function shown({ user, etag }: { user: object; etag: string }) {
  return { headers: { ETag: etag }, body: user }
}

// Members of a body that are about the request rather than the account.
const NO_ATTRIBUTES = ['currentPassword', 'autoApprove', 'totpCode']

function changeOf(body: RequestBody) {
  const data = Object.fromEntries(Object.entries(body).filter(([name]) => !NO_ATTRIBUTES.includes(name)))
  const { totpCode } = body as { totpCode?: string }
  return { data, totpCode: totpCode || null }
}

function passwordOf(body: RequestBody) {
  const {
    currentPassword = null,
    newPassword,
    expiryDays = null,
    mustChange = null,
  } = body as {
    currentPassword?: string
    newPassword: string
    expiryDays?: number
    mustChange?: boolean
  }
  return { oldPassword: currentPassword, newPassword, expiryDays, mustChange }
}
