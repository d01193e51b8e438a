import { PASSWORD } from '../../support/host.ts'
import { codeAt, OTHER_TOTP_KEY, TOTP_KEY, wrongCodeAt } from '../../support/one-time-codes.ts'
import type { Person } from '../zato/wire.ts'
import { form, type Request, type Stage } from './stage.ts'

type Make = (stage: Stage, ada: Person) => Request | Promise<Request>
type Row = readonly [id: string, expected: string, make: Make]

const as =
  (body: unknown = {}): Make =>
  (_, ada) => ({ as: ada, body })
const asAdmin =
  (body: unknown = {}): Make =>
  ({ admin }) => ({ as: admin, body })
const nobody: Make = () => ({ as: { ust: 'x'.repeat(43) } })
const ZATO_OPERATIONS = ['zatoGetUserSession', 'zatoPostUserSession'] as const
const pair = (current: (stage: Stage, ada: Person) => string, target: unknown, fields: object = {}): Make => {
  return (stage, ada) => ({ body: { current_ust: current(stage, ada), target_ust: target, ...fields } })
}
const ofAdmin = ({ admin }: Stage) => admin.ust
const ofAda = (_: Stage, { ust }: Person) => ust
/** A session of somebody who may not use it any more. */
const lockedPair = async ({ admin, person }: Stage, fields: object = {}): Promise<Request> => ({
  body: { current_ust: admin.ust, target_ust: (await person({ is_locked: true })).ust, ...fields },
})

/** Asks to undo the latest record of an operation, after a lock that has been undone already. */
const revertLatest =
  (operation: string): Make =>
  async ({ host, admin }, { id }) => {
    const on = { actor: { via: 'code', name: 'test' }, userId: id } as const
    await host.sso.user.lockUser(on)
    await host.sso.user.unlockUser(on)
    const { records } = await host.sso.user.getAudit(on)
    const auditId = records.find((record) => record.operation === operation)!.id
    return { as: admin, path: { id }, body: { auditId } }
  }

/** Requests that are refused, with the status and the code that the dialect has for it. */
export const REFUSALS: readonly Row[] = [
  // Rest: what a request may lack, whatever it is about.
  ['getMe', '401 credentials_missing', () => ({})],
  ['getMe', '401 session_unknown', nobody],
  ['getMe', '403 app_invalid', (_, ada) => ({ as: ada, headers: { 'X-Zato-SSO-Current-App': 'none' } })],
  ['getMe', '403 account_locked', async ({ person }) => ({ as: await person({ is_locked: true }) })],
  ['getMe', '400 input_malformed', (_, ada) => ({ as: ada, headers: { 'If-Match': 'none' } })],
  ['getMe', '422 attribute_unknown', (_, ada) => ({ as: ada, query: 'fields=x' })],
  // Batches: what they are refused with as a whole.
  ['postUsersBatch', '401 credentials_missing', () => ({ body: {} })],
  ['postUsersBatch', '401 session_unknown', () => ({ as: { ust: 'x'.repeat(43) }, body: {} })],
  ['postUsersBatch', '403 account_locked', async ({ person }) => ({ as: await person({ is_locked: true }), body: {} })],
  [
    'postUsersBatch',
    '415 media_type_unsupported',
    (_, ada) => ({ as: ada, headers: { 'Content-Type': 'text/plain' } }),
  ],
  ['postUsersBatch', '422 input_invalid', (_, ada) => ({ as: ada, body: {}, query: 'mode=all' })],
  ['postUsersBatch', '422 input_invalid', (_, ada) => ({ as: ada, body: {}, headers: { 'Idempotency-Key': 'short' } })],
  ['postUsersBatch', '422 attribute_unknown', (_, ada) => ({ as: ada, body: {}, query: 'dry=true' })],
  ['postUsersBatch', '400 input_malformed', (_, ada) => ({ as: ada, body: {}, headers: { 'If-Match': '*' } })],
  ['postUpdateuserBatch', '401 credentials_missing', () => ({ body: {} })],
  ['postUpdateuserBatch', '401 session_unknown', () => ({ as: { ust: 'x'.repeat(43) }, body: {} })],
  [
    'postUpdateuserBatch',
    '401 credentials_invalid',
    () => ({ body: {}, headers: { Authorization: `Basic ${Buffer.from('admin:wrong').toString('base64')}` } }),
  ],
  [
    'postUpdateuserBatch',
    '415 media_type_unsupported',
    (_, ada) => ({ as: ada, headers: { 'Content-Type': 'application/json' } }),
  ],
  ['postUpdateuserBatch', '400 input_invalid', (_, ada) => ({ as: ada, body: {}, query: 'mode=all' })],
  ['getOpenapiJson', '422 attribute_unknown', () => ({ query: 'format=yaml' })],
  ['getOpenapiJson', '400 input_malformed', () => ({ headers: { 'If-Match': 'none' } })],
  ['getUsersById', '404 user_unknown', ({ admin }) => ({ as: admin, path: { id: '999999' } })],
  ['getUsersById', '403 super_user_required', (_, ada) => ({ as: ada, path: { id: '999999' } })],
  ['getUsersByIdAudit', '422 input_invalid', ({ admin }, { id }) => ({ as: admin, path: { id }, query: 'limit=101' })],
  [
    'postUsersByIdRevert',
    '404 audit_record_unknown',
    ({ admin }, { id }) => ({ as: admin, path: { id }, body: { auditId: 999_999 } }),
  ],
  ['postUsersByIdRevert', '422 change_irrevocable', revertLatest('login')],
  ['postUsersByIdRevert', '409 change_superseded', revertLatest('lock_user')],
  [
    'postUsersByIdRevert',
    '403 super_user_required',
    (_, ada) => ({ as: ada, path: { id: ada.id }, body: { auditId: 1 } }),
  ],
  ['postLogin', '401 credentials_invalid', () => ({ body: { username: 'none', password: 'none' } })],
  ['postPasswordReset', '422 input_invalid', () => ({ body: {} })],
  ['postPasswordReset', '422 input_invalid', () => ({ body: { username: 'none', email: 'none' } })],
  [
    'postPasswordReset',
    '403 app_invalid',
    () => ({ body: { username: 'x' }, headers: { 'X-Zato-SSO-Current-App': '-' } }),
  ],
  ['putPasswordReset', '401 reset_token_invalid', () => ({ body: { token: 'none', newPassword: PASSWORD } })],
  ['putPasswordReset', '400 input_missing', () => ({ body: { newPassword: PASSWORD } })],
  [
    'putPasswordReset',
    '422 password_too_short',
    async ({ host, mail }, { name }) => ({ body: { token: await mail.tokenFor(host, name), newPassword: 'short' } }),
  ],
  [
    'putPasswordReset',
    '401 totp_missing',
    async ({ clock, host, mail }, ada) => {
      const key = { currentUst: ada.ust, currentApp: 'CRM', totpKey: TOTP_KEY, totpCode: codeAt(TOTP_KEY, clock.now) }
      await host.sso.user.setTotpKey(key)
      await host.sso.user.updateCurrentUser({
        ...key,
        data: { is_totp_enabled: true },
        totpCode: codeAt(TOTP_KEY, clock.now, 1),
      })
      return { body: { token: await mail.tokenFor(host, ada.name), newPassword: `${PASSWORD}!` } }
    },
  ],
  [
    'postUsersByIdPasswordReset',
    '409 operation_invalid',
    async ({ host, admin }, { id }) => {
      await host.sso.user.lockUser({ actor: { via: 'code', name: 'test' }, userId: id })
      return { as: admin, path: { id } }
    },
  ],
  ['postUsersByIdPasswordReset', '403 super_user_required', (_, ada) => ({ as: ada, path: { id: ada.id } })],
  ['deleteSessions', '403 super_user_required', as()],
  ['postLogin', '400 input_missing', () => ({ body: { username: 'none' } })],
  ['postLogin', '415 media_type_unsupported', () => ({ body: '{}', headers: { 'Content-Type': 'text/plain' } })],
  [
    'patchMe',
    '415 media_type_unsupported',
    (_, ada) => ({ as: ada, body: '{}', headers: { 'Content-Type': 'text/xml' } }),
  ],
  ['patchMe', '413 input_too_large', as({ display_name: 'x'.repeat(110_000) })],
  ['patchMe', '400 input_malformed', as('[]')],
  ['patchMe', '422 nothing_to_update', as()],
  ['patchMe', '403 attribute_forbidden', as({ is_locked: false })],
  ['patchMe', '422 attribute_unknown', as({ shoe_size: 42 })],
  ['patchMe', '409 username_taken', as({ username: 'admin' })],
  [
    'patchMe',
    '412 precondition_failed',
    (_, ada) => ({ as: ada, body: { display_name: 'x' }, headers: { 'If-Match': '"x"' } }),
  ],
  ['patchMe', '401 credentials_invalid', as({ email: 'a@example.com', currentPassword: 'wrong' })],
  ['putMePassword', '422 password_too_short', as({ currentPassword: PASSWORD, newPassword: 'short' })],
  ['putUsersByIdLock', '409 operation_invalid', ({ admin }) => ({ as: admin, path: { id: admin.id } })],
  ['getUsers', '403 super_user_required', (_, ada) => ({ as: ada })],
  ['getUsers', '422 input_invalid', ({ admin }) => ({ as: admin, query: 'curPage=0' })],
  ['postUsers', '403 super_user_required', as({ username: 'eve' })],
  ['deleteUsersById', '409 operation_invalid', ({ admin }) => ({ as: admin, path: { id: admin.id } })],
  ['deleteMeSessionsById', '404 session_missing', (_, ada) => ({ as: ada, path: { id: 'none' } })],
  [
    'patchUsersByIdGrants',
    '422 input_invalid',
    ({ admin }, { id }) => ({ as: admin, path: { id }, body: { acls: { a: false } } }),
  ],
  ['patchMeAttributes', '422 input_invalid', as({ ['n'.repeat(192)]: 1 })],
  ['putMeTotp', '422 input_invalid', as({ totpKey: 'not base32' })],
  [
    'putMeTotp',
    '401 totp_invalid',
    ({ clock }, ada) => ({ as: ada, body: { totpKey: TOTP_KEY, totpCode: wrongCodeAt(TOTP_KEY, clock.now) } }),
  ],

  // Zato: the envelope of every endpoint (contract sections 4 and 6).
  ['zatoPostUserLogin', '400 Bad request', () => ({ body: { username: 'none' } })],
  ['zatoPostUserLogin', '403 E005001', () => ({ body: { username: 'none', password: 'none' } })],
  ['zatoPostUserLogin', '200 E004001', () => ({ body: { username: 'none', password: 'none', current_app: 'none' } })],
  ['zatoGetUser', '200 E004001', (_, ada) => ({ as: ada, body: { current_app: 'none' } })],
  ['zatoGetUser', '403 E007001', nobody],
  ['zatoGetUser', '400 Bad request', as('{')],
  ['zatoGetUser', '413 Request body too large', as('x'.repeat(110_000))],
  [
    'zatoGetUser',
    '415 Unsupported content encoding',
    (_, ada) => ({ as: ada, body: '{}', headers: { 'Content-Encoding': 'x' } }),
  ],
  ['zatoPostUser', '403 E001002', asAdmin({ username: 'admin' })],
  ['zatoPostUser', '403 E005001', as({ username: 'eve' })],
  ['zatoPatchUser', '403 E008003', as()],
  ['zatoPatchUser', '403 E008002', (_, ada) => ({ as: ada, body: { user_id: '999999', display_name: 'x' } })],
  ['zatoDeleteUser', '403 E008001', ({ admin }) => ({ as: admin, body: { user_id: admin.id } })],
  ['zatoDeleteUser', '403 E001100', asAdmin({ user_id: '999999' })],
  [
    'zatoPatchUserPassword',
    '403 E003002',
    ({ admin }, { id }) => ({ as: admin, body: { user_id: id, new_password: 'x' } }),
  ],
  ['zatoPostUserApprove', '403 E008002', (_, ada) => ({ as: ada, body: { user_id: ada.id } })],

  // Section 8.15.
  ['zatoPostPasswordReset', '400 Bad request', () => ({ body: {} })],
  ['zatoPostPasswordReset', '200 E004001', () => ({ body: { credential: 'none', current_app: 'none' } })],
  ['zatoPatchPasswordReset', '403 E010001', () => ({ body: { token: 'none' } })],
  ['zatoDeletePasswordReset', '403 E010001', () => ({ body: { token: 'x', reset_key: 'gAAA', password: PASSWORD } })],
  ['zatoDeletePasswordReset', '400 Bad request', () => ({ query: 'token=none', body: { password: PASSWORD } })],

  // Section 8.8.
  ['zatoPatchUserTotp', '400 Bad request', as({ totp_key: TOTP_KEY })],
  ['zatoPatchUserTotp', '400 Bad request', as({ totp_label: '' })],
  ['zatoPatchUserTotp', '403 E008002', as({ totp_key: 'not base32', totp_label: '' })],
  ['zatoPatchUserTotp', '403 E008002', as({ totp_key: TOTP_KEY, totp_label: 5 })],
  ['zatoPatchUserTotp', '403 E008002', as({ totp_key: '', totp_label: '', user_id: '999999' })],
  ['zatoPatchUserTotp', '403 E001100', asAdmin({ totp_key: '', totp_label: '', user_id: '999999' })],
  [
    'zatoPatchUserTotp',
    '403 E005001',
    ({ clock }, ada) => ({
      as: ada,
      body: { totp_key: TOTP_KEY, totp_label: '', totp_code: codeAt(OTHER_TOTP_KEY, clock.now) },
    }),
  ],

  // Section 8.10.
  ['zatoGetUserSearch', '403 E005001', as()],
  ['zatoGetUserSearch', '403 E005001', nobody],
  ['zatoGetUserSearch', '403 E005002', async ({ person }) => ({ as: await person({ is_locked: true }) })],
  ['zatoGetUserSearch', '403 E008002', asAdmin({ name_op: 'xor' })],
  ['zatoGetUserSearch', '403 E008002', asAdmin({ user_id: '' })],
  ['zatoGetUserSearch', '403 E008002', asAdmin({ username: null })],
  ['zatoGetUserSearch', '403 E008002', asAdmin({ cur_page: 'first' })],
  ['zatoGetUserSearch', '403 E008002', asAdmin({ is_name_exact: null })],

  // Section 8.13.
  ...ZATO_OPERATIONS.flatMap((id): Row[] => [
    [id, '403 E007001', () => ({})],
    [id, '403 E007001', pair(() => 'none', 'none')],
    [id, '403 E005001', pair(ofAda, 'none')],
  ]),
  ['zatoGetUserSession', '403 E007001', pair(ofAdmin, undefined)],
  ['zatoGetUserSession', '403 E007001', pair(ofAdmin, 'none')],
  ['zatoGetUserSession', '403 E005002', (stage) => lockedPair(stage)],
  ['zatoPatchUserSession', '403 E007001', () => ({})],
  ['zatoPatchUserSession', '403 E007001', nobody],
  ['zatoGetUserSessionList', '403 E005001', pair(ofAda, 'none')],
  ['zatoGetUserSessionList', '403 E007001', pair(ofAdmin, 'none')],
  [
    'zatoGetUserSessionList',
    '403 E008002',
    ({ admin }) => ({ body: { ust: admin.ust, current_ust: admin.ust, target_ust: admin.ust } }),
  ],

  // Section 8.14.
  [
    'zatoPostUserAttr',
    '403 E009001',
    async ({ host }, ada) => {
      await host.sso.attributes.set({ currentUst: ada.ust, currentApp: 'CRM', name: 'one', value: 1 })
      return { as: ada, body: { name: 'one', value: 2 } }
    },
  ],
  ['zatoPatchUserAttr', '403 E009002', as({ name: 'none', value: 1 })],
  ['zatoPutUserAttr', '403 E008002', as({ name: 'none' })],
  ['zatoPutUserAttr', '403 E008002', as({ data: [] })],
  ['zatoPutUserAttr', '403 E008002', as({ name: 'x'.repeat(192), value: 1 })],
  ['zatoPutUserAttr', '403 E008002', as({ name: 'x', value: 1, expiration: 'soon' })],
  ['zatoGetUserAttr', '403 E008002', as()],
  ['zatoGetUserAttr', '403 E005001', as({ name: 'x', user_id: '999999' })],
  ['zatoGetUserAttr', '403 E001100', asAdmin({ name: 'x', user_id: '999999' })],
  ['zatoDeleteUserAttr', '403 E008002', as({ data: {} })],
  ['zatoGetUserAttrExists', '403 E008002', as({ data: [5] })],
  ['zatoGetUserAttrNames', '403 E007001', nobody],
  ['zatoGetSessionAttr', '403 E007001', pair(ofAdmin, 'none', { name: 'x' })],
  ['zatoGetSessionAttr', '403 E005001', pair(ofAda, 'none', { name: 'x' })],
  ['zatoGetSessionAttr', '403 E005002', (stage) => lockedPair(stage, { name: 'x' })],
  [
    'zatoPatchSessionAttr',
    '403 E009002',
    (stage, ada) => pair(ofAdmin, ada.ust, { name: 'none', value: 1 })(stage, ada),
  ],
  ['zatoPutSessionAttr', '403 E007001', () => ({ body: { name: 'x', value: 1 } })],

  // updateuser.
  ['getUpdateuser', '400 input_missing', () => ({ query: form({}) })],
  ['getUpdateuser', '404 user_unknown', () => ({ query: form({ uid: 'none' }) })],
  ['getUpdateuser', '401 credentials_missing', () => ({ query: 'uid=none' })],
  ['getUpdateuser', '401 credentials_invalid', () => ({ headers: { Authorization: 'Basic eDp5' }, query: 'uid=none' })],
  ['postUpdateuser', '400 input_malformed', () => ({ query: 'uid=none', body: 'uid=none' })],
  ['postUpdateuser', '415 media_type_unsupported', () => ({ body: 'x', headers: { 'Content-Type': 'text/plain' } })],
  ['postUpdateuser', '413 input_too_large', () => ({ body: form({ uid: 'x'.repeat(110_000) }) })],
  ['postUpdateuser', '403 attribute_forbidden', (_, ada) => ({ as: ada, body: 'uid=admin&displayName=x' })],
  [
    'postUpdateuser',
    '409 username_taken',
    (_, { name }) => ({ body: form({ uid: name, attributes: '{"login":"admin"}' }) }),
  ],
  [
    'postUpdateuser',
    '400 input_invalid',
    (_, { name }) => ({ body: form({ uid: name, roles: '["x"]', nosuch: '1' }) }),
  ],
]
