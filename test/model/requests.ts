import { listed, type Outcome, type Resolved } from './functions.ts'
import type { Operation, Reply } from './operations.ts'
import type { Wire, WireReply } from './wire.ts'
import type { Values } from './world.ts'

/** Carries an operation out over HTTP. */
export function overHttp(wire: Wire, operation: Operation, cid: string, ids: Resolved): Promise<Outcome> {
  if (operation.channel === 'zato') return inZato(wire, operation, cid)
  return operation.channel === 'rest' ? inRest(wire, operation, cid, ids) : inUpdateuser(wire, operation, cid)
}

const ZATO_ROUTES: Readonly<Partial<Record<Operation['kind'], readonly [method: string, path: string]>>> = {
  login: ['POST', '/user/login'],
  logout: ['POST', '/user/logout'],
  renew: ['PATCH', '/user/session'],
  'list sessions': ['GET', '/user/session/list'],
  update: ['PATCH', '/user'],
  password: ['PATCH', '/user/password'],
  lock: ['POST', '/user/lock'],
  unlock: ['DELETE', '/user/lock'],
  approve: ['POST', '/user/approve'],
  reject: ['POST', '/user/reject'],
  create: ['POST', '/user'],
  delete: ['DELETE', '/user'],
  attributes: ['', '/user/attr'],
}
const ATTRIBUTE_METHODS = { create: 'POST', set: 'PUT', remove: 'DELETE', update: 'PATCH', merge: '' } as const

async function inZato(wire: Wire, operation: Operation, cid: string): Promise<Outcome> {
  const [method = '', path = ''] = ZATO_ROUTES[operation.kind] ?? []
  const { caller, app } = operation
  const fields = {
    ...zatoFields(operation),
    current_app: app,
    ...(operation.kind === 'login' ? {} : { ust: caller.via === 'ust' ? caller.ust : 'no such token' }),
    ...('userId' in operation && operation.userId !== null ? { user_id: operation.userId } : {}),
  }
  const verb = operation.kind === 'attributes' ? ATTRIBUTE_METHODS[operation.mode] : method
  const { status, body } = await wire.send(verb, `/zato/sso${path}`, { 'X-Cid': cid }, fields)
  const isDone = body['status'] === 'ok' || body['status'] === 'warning'
  const [sub] = (body['sub_status'] ?? []) as string[]
  if (!isDone) return { reply: { error: `${status} ${sub}` }, learned: {}, error: body }
  const says = zatoSays(operation, body)
  return {
    reply: { error: null, ...(says === undefined ? {} : { says }) },
    learned: {
      ...(operation.kind === 'login' ? { ust: String(body['ust']) } : {}),
      ...(operation.kind === 'create' ? { userId: String(body['user_id']) } : {}),
    },
  }
}

function zatoFields(operation: Operation): Values {
  switch (operation.kind) {
    case 'login': {
      const { username, password, newPassword } = operation
      return { username, password, ...(newPassword === null ? {} : { new_password: newPassword }) }
    }
    case 'update':
      return operation.data
    case 'create':
      return { ...operation.data, auto_approve: operation.autoApprove }
    case 'password': {
      const { old, new: password, days, mustChange } = operation
      const given = { old_password: old, new_password: password, password_expiry: days, must_change: mustChange }
      return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
    }
    case 'attributes': {
      const { items, mode } = operation
      const names = items.map(({ name }) => name)
      if (mode === 'remove') return names.length === 1 ? { name: names[0] } : { data: names }
      return items.length === 1 ? { ...items[0] } : { data: items }
    }
    default:
      return {}
  }
}

function zatoSays({ kind }: Operation, body: WireReply['body']): unknown {
  const time = (text: unknown) => new Date(`${text}Z`).toISOString()
  if (kind === 'login') return { warns: body['status'] === 'warning' }
  if (kind === 'renew') return time(body['expiration_time'])
  if (kind !== 'list sessions') return undefined
  const sessions = body['result'] as readonly Values[]
  return sessions
    .map((session) => {
      const history = session['session_state_change_list'] as readonly Values[]
      const times = [session['creation_time'], session['expiration_time']].map(time)
      return JSON.stringify([...times, history.map(({ ctx_source: source }) => source)])
    })
    .sort()
}

async function inRest(wire: Wire, operation: Operation, cid: string, ids: Resolved): Promise<Outcome> {
  const { caller, app, kind } = operation
  const [method, path, sent] = restRequest(operation, ids)
  const terms = 'ifMatch' in operation ? operation : null
  const tag = terms?.ifMatch ?? null
  const headers = {
    'X-Cid': cid,
    'X-Zato-SSO-Current-App': app,
    ...(caller.via === 'ust' ? { Authorization: `Bearer ${caller.ust}` } : {}),
    ...(tag === null ? {} : { 'If-Match': tag === '*' ? '*' : tag.etag }),
  }
  const query = terms?.isDryRun ? '?dryRun=true' : ''
  const { status, body } = await wire.send(method, `/account${path}${query}`, headers, sent)
  if (status >= 300) return { reply: { error: `${status} ${body['code']}` }, learned: {}, error: body }
  return {
    reply: { error: null, ...restSays(kind, body) },
    learned: {
      ...(kind === 'login' ? { ust: String(body['ust']) } : {}),
      ...(kind === 'create' ? { userId: String(((body['user'] ?? body) as Values)['user_id']) } : {}),
    },
  }
}

function restSays(kind: Operation['kind'], body: WireReply['body']): Partial<Reply> {
  if (kind === 'login') return { says: { warns: body['isPasswordAboutToExpire'] } }
  if (kind === 'renew') return { says: body['expirationTime'] }
  if (kind === 'list sessions') return { says: (body['sessions'] as readonly Values[]).map(listed).sort() }
  const changed = body['changed'] ? { changed: [...(body['changed'] as string[])].sort() } : {}
  const account = kind === 'get' || (kind === 'create' && !body['dryRun']) ? body : body['user']
  return { ...changed, ...(account ? { user: account as Values } : {}) }
}

function restRequest(operation: Operation, { sessionId, auditId }: Resolved): readonly [string, string, unknown?] {
  const whose =
    'userId' in operation && operation.userId !== null ? `/users/${encodeURIComponent(operation.userId)}` : '/me'
  const proof =
    'currentPassword' in operation && operation.currentPassword !== null
      ? { currentPassword: operation.currentPassword }
      : {}
  switch (operation.kind) {
    case 'login': {
      const { username, password, newPassword } = operation
      return ['POST', '/login', { username, password, ...(newPassword === null ? {} : { newPassword }) }]
    }
    case 'get':
      return ['GET', whose]
    case 'list sessions':
      return ['GET', `${whose}/sessions`]
    case 'end sessions':
      return ['DELETE', `${whose}/sessions`]
    case 'end session':
      return ['DELETE', `/me/sessions/${sessionId}`]
    case 'update':
      return ['PATCH', whose, { ...operation.data, ...proof }]
    case 'password': {
      const { old, new: newPassword, days, mustChange } = operation
      const given = { currentPassword: old, newPassword, expiryDays: days, mustChange }
      return [
        'PUT',
        `${whose}/password`,
        Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)),
      ]
    }
    case 'lock':
      return ['PUT', `${whose}/lock`]
    case 'unlock':
      return ['DELETE', `${whose}/lock`]
    case 'approve':
    case 'reject':
      return ['PUT', `${whose}/approval`, { status: operation.kind === 'approve' ? 'approved' : 'rejected' }]
    case 'delete':
      return ['DELETE', whose]
    case 'create':
      return ['POST', '/users', { ...operation.data, autoApprove: operation.autoApprove }]
    case 'grants':
      return ['PATCH', `${whose}/grants`, operation.patch]
    case 'attributes':
      return [
        'PATCH',
        `${whose}/attributes`,
        Object.fromEntries(operation.items.map(({ name, value }) => [name, value])),
      ]
    case 'revert':
      return ['POST', `${whose}/revert`, { auditId, ...proof }]
    default:
      return ['POST', `/${operation.kind}`]
  }
}

async function inUpdateuser(wire: Wire, operation: Operation, cid: string): Promise<Outcome> {
  if (operation.kind !== 'updateuser') throw new Error(`there is no ${operation.kind} there`)
  const { caller, uid, parameters, isGet, app } = operation
  const headers = {
    'X-Cid': cid,
    'X-Zato-SSO-Current-App': app,
    ...(caller.via === 'ust' ? { Authorization: `Bearer ${caller.ust}` } : {}),
  }
  const who = caller.via === 'password' ? { user: caller.username, pass: caller.password } : {}
  const sent = { ...who, uid, ...parameters }
  const query = () =>
    new URLSearchParams(Object.entries(sent).map(([name, value]): [string, string] => [name, written(value)]))
  const { status, body } = isGet
    ? await wire.send('GET', `/ddenterpriseapi/updateuser?${query()}`, headers)
    : await wire.send('POST', '/ddenterpriseapi/updateuser', headers, sent)
  if (status !== 200) return { reply: { error: `${status}` }, learned: {}, error: body }
  return { reply: { error: null, changed: [...(body['changed'] as string[])].sort() }, learned: {} }
}

function written(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
