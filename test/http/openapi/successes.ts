import { PASSWORD } from '../../support/host.ts'
import { codeAt, OTHER_TOTP_KEY, TOTP_KEY } from '../../support/one-time-codes.ts'
import type { Person } from '../zato/wire.ts'
import { form, type Request, type Stage } from './stage.ts'

/** Makes a request that succeeds; what it needs is there before it. */
type Case = (stage: Stage, ada: Person) => Request | Promise<Request>

const own: Case = (_, as) => ({ as })
const onUser =
  (body?: object): Case =>
  ({ admin }, { id }) => ({ as: admin, path: { id }, ...(body ? { body } : {}) })
const byId =
  (fields: object = {}): Case =>
  ({ admin }, { id }) => ({ as: admin, body: { user_id: id, ...fields } })
const onSession =
  (fields: object = {}): Case =>
  ({ admin }, { ust }) => ({ body: { current_ust: admin.ust, target_ust: ust, ...fields } })
const withAttribute =
  (fields: object): Case =>
  async ({ host }, as) => {
    const mine = { currentUst: as.ust, currentApp: 'CRM' }
    await host.sso.attributes.set({
      ...mine,
      data: [
        { name: 'one', value: { a: 1 } },
        { name: 'two', value: null },
      ],
    })
    await host.sso.attributes.set({ ...mine, of: 'session', name: 'one', value: 'x', encrypt: true })
    return { as, body: fields }
  }
const withSessionAttribute =
  (fields: object): Case =>
  async (stage, ada) => {
    await withAttribute({})(stage, ada)
    return { body: { current_ust: stage.admin.ust, target_ust: ada.ust, ...fields } }
  }
/** Undoes the lock of an account. */
const locked =
  (sending: object): Case =>
  async ({ host, admin }, { id }) => {
    const actor = { via: 'code', name: 'test' } as const
    await host.sso.user.lockUser({ actor, userId: id })
    const { records } = await host.sso.user.getAudit({ actor, userId: id, limit: 1 })
    return { as: admin, path: { id }, body: { auditId: records[0]!.id }, ...sending }
  }
/** Lines of a batch. */
const lines = (...values: readonly object[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('')
let count = 0
const name = () => `new${++count}`

/** Requests that succeed, at least one for each operation of the document. */
export const SUCCESSES: Readonly<Record<string, readonly Case[]>> = {
  postLogin: [(_, { name: username }) => ({ body: { username, password: PASSWORD } })],
  postUsersBatch: [
    ({ admin }, { name: username, id }) => ({
      as: admin,
      body: lines(
        { username, patch: { display_name: 'Ada' }, grants: { roles: { sales: 'RW' } }, attributes: { one: 1 } },
        { id, patch: { first_name: 'Ada' } },
        { username: name(), create: true, patch: { display_name: 'New' } },
        { username: 'nobody', patch: {} },
        { id, patch: { email: 'none', is_active: true }, grants: { roles: { 'a|b': 'R' } } },
      ),
    }),
    ({ admin }, { id }) => ({ as: admin, query: 'dryRun=true', body: { id, patch: { display_name: 'Other' } } }),
    ({ admin }, { id }) => ({
      as: admin,
      query: 'mode=atomic',
      body: lines({ id, patch: { display_name: 'Other' } }, { username: 'nobody', patch: {} }),
    }),
    (_, ada) => ({
      as: ada,
      headers: { 'Idempotency-Key': 'own-batch-1' },
      body: { id: ada.id, patch: { first_name: 'A' } },
    }),
  ],
  postUpdateuserBatch: [
    ({ admin }, { name: uid }) => ({
      as: admin,
      body: lines({ uid, displayName: 'Ada', roles: ['sales|RW'] }, { uid: 'nobody' }, { uid, displaName: 'x' }, {}),
    }),
    ({ admin }, { name: uid }) => ({
      as: admin,
      query: 'mode=atomic&dryRun=true',
      body: lines({ uid, displayName: 'Ada' }, { uid: 'nobody' }),
    }),
  ],
  postLogout: [own],
  postRenew: [own],
  postPasswordReset: [
    (_, { name: username }) => ({ body: { username } }),
    () => ({ body: { email: 'nobody@example.com' } }),
  ],
  putPasswordReset: [
    async ({ host, mail }, { name }) => ({
      body: { token: await mail.tokenFor(host, name), newPassword: `${PASSWORD}!`, totpCode: '123456' },
    }),
  ],
  postUsersByIdPasswordReset: [onUser()],
  deleteSessions: [({ admin: as }) => ({ as })],
  getMe: [own, (_, as) => ({ as, headers: { 'If-None-Match': '*' } }), ({ admin: as }) => ({ as })],
  patchMe: [
    (_, as) => ({ as, body: { display_name: 'Ada', nickname: null, settings: { a: [1] }, pin: '1234' } }),
    (_, as) => ({ as, body: { display_name: 'Ada' }, query: 'dryRun=true' }),
    (_, as) => ({ as, body: { display_name: 'Ada' }, headers: { Prefer: 'return=minimal', 'If-Match': '*' } }),
  ],
  putMePassword: [(_, as) => ({ as, body: { currentPassword: PASSWORD, newPassword: `${PASSWORD}!` } })],
  getMeSchema: [own],
  getMeSessions: [own],
  deleteMeSessions: [own],
  deleteMeSessionsById: [
    async ({ host }, as) => {
      const { ust } = await host.sso.user.login({ username: as.name, password: PASSWORD, currentApp: 'CRM' })
      const [mine] = await host.sso.session.list({ currentUst: ust, currentApp: 'CRM' })
      return { as: { ...as, ust }, path: { id: mine!.id } }
    },
  ],
  getMeAttributes: [withAttribute({}), own],
  patchMeAttributes: [
    (_, as) => ({ as, body: { lang: 'en', tags: [1, { a: null }], gone: null } }),
    (_, as) => ({ as, body: { lang: 'en' }, query: 'dryRun=true' }),
    (_, as) => ({ as, body: { lang: 'en' }, headers: { Prefer: 'return=minimal' } }),
  ],
  putMeTotp: [
    (_, as) => ({ as, body: {} }),
    ({ clock }, as) => ({ as, body: { totpKey: TOTP_KEY, totpLabel: 'x', totpCode: codeAt(TOTP_KEY, clock.now) } }),
  ],
  postMeTotp: [(_, as) => ({ as, body: { totpCode: '123456' } })],
  deleteMeTotp: [
    async ({ host, person }) => {
      const as = await person()
      await host.sso.user.setTotpKey({ currentUst: as.ust, currentApp: 'CRM', totpKey: OTHER_TOTP_KEY })
      return { as }
    },
  ],
  postUsers: [
    ({ admin: as }) => ({ as, body: { username: name(), email: 'a@example.com', autoApprove: true } }),
    ({ admin: as }) => ({ as, body: { username: name(), password: PASSWORD }, query: 'dryRun=true' }),
  ],
  getUsers: [
    ({ admin: as }) => ({ as }),
    ({ admin: as }) => ({ as, query: 'last_name=x&isNameExact=false&nameOp=or&pageSize=1&curPage=2' }),
  ],
  getUsersById: [onUser()],
  patchUsersById: [
    onUser({
      is_locked: false,
      password_expiry: '2345-12-27T11:22:33Z',
      joined_at: '2020-01-01T00:00:00Z',
      ratio: 0.5,
    }),
  ],
  deleteUsersById: [onUser(), ({ admin: as }, { id }) => ({ as, path: { id }, query: 'dryRun=true' })],
  putUsersByIdPassword: [onUser({ newPassword: `${PASSWORD}!`, expiryDays: 90, mustChange: true })],
  putUsersByIdLock: [onUser()],
  deleteUsersByIdLock: [onUser()],
  putUsersByIdApproval: [onUser({ status: 'rejected' }), onUser({ status: 'approved' })],
  getUsersByIdAudit: [onUser(), ({ admin: as }, { id }) => ({ as, path: { id }, query: 'limit=1' })],
  postUsersByIdRevert: [
    locked({}),
    locked({ query: 'dryRun=true' }),
    locked({ headers: { Prefer: 'return=minimal', 'If-Match': '*' } }),
  ],
  getUsersByIdSchema: [onUser()],
  getUsersByIdSessions: [onUser()],
  deleteUsersByIdSessions: [onUser()],
  getUsersByIdGrants: [onUser()],
  patchUsersByIdGrants: [
    onUser({ roles: { sales: 'RW' }, acls: { a: true, b: null }, groups: {} }),
    ({ admin: as }, { id }) => ({ as, path: { id }, body: { acls: { a: true } }, query: 'dryRun=true' }),
  ],
  getUsersByIdAttributes: [onUser()],
  patchUsersByIdAttributes: [onUser({ lang: 'en' })],
  getOpenapiJson: [() => ({}), () => ({ headers: { 'If-None-Match': '*' } })],

  zatoPostUserLogin: [(_, { name: username }) => ({ body: { username, password: PASSWORD } })],
  zatoPostUserLogout: [own],
  zatoGetUser: [own, byId(), (_, as) => ({ as, headers: { 'If-None-Match': '*' } })],
  zatoPostUser: [
    ({ admin: as }) => ({ as, body: { username: name(), email: 'a@example.com', nickname: 'N', totp_key: TOTP_KEY } }),
    ({ admin: as }) => ({ as, body: { username: name(), is_locked: 'yes' } }),
  ],
  zatoPatchUser: [(_, as) => ({ as, body: { display_name: 'x', nickname: 'y' } }), byId({ is_locked: false })],
  zatoDeleteUser: [byId()],
  zatoGetUserSearch: [
    byId(),
    ({ admin: as }) => ({ as, body: { page_size: 1 } }),
    ({ admin: as }) => ({ as, query: 'cur_page=2' }),
  ],
  zatoPatchUserPassword: [
    (_, as) => ({ as, body: { old_password: PASSWORD, new_password: `${PASSWORD}!` } }),
    byId({ new_password: `${PASSWORD}!`, password_expiry: '90', must_change: 'no' }),
  ],
  zatoPatchUserTotp: [(_, as) => ({ as, body: { totp_key: '', totp_label: '' } })],
  zatoPostUserLock: [byId()],
  zatoDeleteUserLock: [byId()],
  zatoPostUserApprove: [byId()],
  zatoPostUserReject: [byId()],
  zatoGetUserSession: [onSession()],
  zatoPostUserSession: [onSession(), onSession({ target_ust: 'none' })],
  zatoPatchUserSession: [own],
  zatoGetUserSessionList: [own, onSession()],
  zatoPostPasswordReset: [(_, { name: credential }) => ({ body: { credential } })],
  zatoPatchPasswordReset: [async ({ host, mail }, { name }) => ({ body: { token: await mail.tokenFor(host, name) } })],
  zatoDeletePasswordReset: [
    async ({ host, mail, call }, { name }) => {
      const token = await mail.tokenFor(host, name)
      const { reset_key } = (await call('PATCH', '/password/reset', { token })).body
      return { body: { token, reset_key, password: `${PASSWORD}!`, totp_code: null } }
    },
  ],
  zatoGetUserAttr: [
    withAttribute({ name: 'one' }),
    withAttribute({ name: 'none' }),
    withAttribute({ data: ['one', 'two', 'none'] }),
  ],
  zatoPostUserAttr: [(_, as) => ({ as, body: { name: 'new', value: [1], expiration: 60, encrypt: true } })],
  zatoPatchUserAttr: [withAttribute({ name: 'one', value: 5 })],
  zatoPutUserAttr: [
    withAttribute({
      data: [
        { name: 'one', value: 5 },
        { name: 'three', value: 'x' },
      ],
    }),
  ],
  zatoDeleteUserAttr: [withAttribute({ data: ['one', 'none'] })],
  zatoGetUserAttrExists: [withAttribute({ name: 'one' }), withAttribute({ data: ['one', 'none'] })],
  zatoGetUserAttrNames: [withAttribute({})],
  zatoGetSessionAttr: [withSessionAttribute({ name: 'one' }), withSessionAttribute({ data: ['one'], decrypt: false })],
  zatoPostSessionAttr: [onSession({ name: 'new', value: 'x' })],
  zatoPatchSessionAttr: [withSessionAttribute({ name: 'one', value: 'y' })],
  zatoPutSessionAttr: [onSession({ name: 'new', value: 'x' })],
  zatoDeleteSessionAttr: [withSessionAttribute({ name: 'one' })],
  zatoGetSessionAttrExists: [withSessionAttribute({ name: 'one' })],
  zatoGetSessionAttrNames: [withSessionAttribute({})],

  getUpdateuser: [
    (_, { name: uid }) => ({ query: `${form({ uid, roles: '["sales|RW"]', attributes: '{"lang":"en"}' })}&` }),
    (_, { name: uid }) => ({ query: form({ uid }), headers: { Accept: 'text/plain' } }),
    (_, { name: uid }) => ({ query: form({ uid }), headers: { 'If-None-Match': '*' } }),
  ],
  postUpdateuser: [
    (_, { name: uid }) => ({ body: form({ uid, displayName: 'The Name', acls: '["a"]' }) }),
    (_, { name: uid }) => ({
      body: { user: 'admin', pass: PASSWORD, uid, groupacls: ['g'] },
      headers: { 'Content-Type': 'application/json' },
    }),
    (_, { name: uid }) => ({ body: form({ uid }), headers: { Accept: 'text/plain' } }),
  ],
}
