import type { Request } from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  badRequest,
  change,
  ok,
  type Person,
  PLACE,
  PLACES,
  record,
  refused,
  startWire,
  untouched,
  type Wire,
} from './wire.ts'

/** The host's own login: a cookie with the account's id, or a key of a program. */
function hostIdentity(req: Request) {
  const isSuperUser = req.get('X-Role') === 'admin' ? true : req.get('X-Role') === 'user' ? false : undefined
  const userId = /user=([^;]+)/.exec(req.get('Cookie') ?? '')?.[1] ?? req.get('X-Api-Key')
  return userId === undefined ? null : { userId, ...(isSuperUser === undefined ? {} : { isSuperUser }) }
}

describe.each(PLACES)(`the host’s own authentication: ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place, { authenticate: hostIdentity, trustedOrigins: ['https://admin.example.com'] })
  })
  afterAll(() => wire?.host.close())

  const own = () => new URL(wire.host.url).host
  const SAME_SITE = { 'Sec-Fetch-Site': 'same-origin' }

  const patch = (person: Person, headers: Readonly<Record<string, string>>, fields: object = { first_name: 'Ada' }) =>
    wire.observe(person.name, () => wire.call('PATCH', '/user', fields, { headers }))

  const done = ({ name }: Person) => ({
    reply: ok(),
    account: { first_name: 'Ada' },
    elsewhere: [],
    audit: [
      record('update_current_user', 'ok', {
        actor: name,
        via: 'host',
        target: name,
        changes: [change('first_name', null, 'Ada')],
      }),
    ],
  })
  const crossSite = {
    reply: refused('E005001'),
    ...untouched,
    audit: [record('update_current_user', 'denied', { error: 'cross_site' })],
  }

  test('whom the host knows needs no token', async () => {
    const ada = await wire.person()
    expect(await patch(ada, { Cookie: `user=${ada.id}`, ...SAME_SITE })).toEqual(done(ada))
  })

  test('whom the host does not know: 400, as without a token', async () => {
    const ada = await wire.person()
    expect(await patch(ada, SAME_SITE)).toEqual({ reply: badRequest('Missing: ust.'), ...untouched, audit: [] })
  })

  test('a token goes before the host’s word', async () => {
    const [ada, bob] = [await wire.person(), await wire.person()]
    const outcome = await patch(ada, { Cookie: `user=${bob.id}` }, { ust: ada.ust, first_name: 'Ada' })
    expect(outcome.account).toEqual({ first_name: 'Ada' })
    const wrong = await patch(ada, { Cookie: `user=${ada.id}`, ...SAME_SITE }, { ust: 'unknown', first_name: 'x' })
    expect(wrong.reply).toEqual(refused('E007001'))
  })

  test.each([
    { rule: 'an id that no account has', id: '987654321' },
    { rule: 'an id that cannot be one', id: 'x'.repeat(300) },
  ])('$rule: E005001', async ({ id }) => {
    const ada = await wire.person()
    expect(await patch(ada, { Cookie: `user=${id}`, ...SAME_SITE })).toEqual({
      reply: refused('E005001'),
      ...untouched,
      audit: [record('update_current_user', 'denied', { error: 'not_allowed' })],
    })
  })

  test.each([
    { state: { approval_status: 'rejected' }, code: 'E005001', error: 'not_allowed', knows: false },
    { state: { is_locked: true }, code: 'E005002', error: 'account_locked', knows: true },
    { state: { sign_up_status: 'before_confirmation' }, code: 'E005003', error: 'sign_up_not_final', knows: true },
  ])('the gate holds for the host’s users, too: $code', async ({ state, code, error, knows }) => {
    const ada = await wire.person(state)
    const actor = knows ? { actor: ada.name, via: 'host' } : {}
    expect(await patch(ada, { Cookie: `user=${ada.id}`, ...SAME_SITE })).toEqual({
      reply: refused(code),
      ...untouched,
      audit: [record('update_current_user', 'denied', { error, ...actor })],
    })
  })

  test('the application is checked all the same', async () => {
    const ada = await wire.person()
    const { reply } = await patch(
      ada,
      { Cookie: `user=${ada.id}`, ...SAME_SITE },
      { current_app: 'Nope', first_name: 'x' },
    )
    expect(reply.body.sub_status).toEqual(['E004001'])
  })

  test('the account says who is a super-user, unless the host does', async () => {
    const [ada, bob] = [await wire.person(), await wire.person()]
    const lock = async (id: string, role: Readonly<Record<string, string>>) => {
      const headers = { Cookie: `user=${id}`, ...SAME_SITE, ...role }
      return (await wire.observe(bob.name, () => wire.call('POST', '/user/lock', { user_id: bob.id }, { headers })))
        .reply
    }
    expect(await lock(ada.id, {})).toEqual(refused('E005001'))
    expect(await lock(wire.admin.id, { 'X-Role': 'user' })).toEqual(refused('E005001'))
    expect(await lock(ada.id, { 'X-Role': 'admin' })).toEqual(ok())
    expect(await lock(wire.admin.id, {})).toEqual(ok())
  })

  test('one’s own password still needs the old one', async () => {
    const ada = await wire.person()
    const headers = { Cookie: `user=${ada.id}`, ...SAME_SITE }
    const change = (fields: object) =>
      wire.observe(ada.name, () =>
        wire.call('PATCH', '/user/password', { new_password: 'a new horse battery', ...fields }, { headers }),
      )
    expect((await change({})).reply).toEqual(refused('E005001'))
    const { reply, elsewhere } = await change({ old_password: 'correct horse battery' })
    // No session of ours asked, so all of them end.
    expect({ reply, elsewhere }).toEqual({ reply: ok(), elsewhere: ['- sso_session'] })
  })

  test('to log out of the host is not ours: ok, and nothing is done', async () => {
    const ada = await wire.person()
    const headers = { Cookie: `user=${ada.id}`, ...SAME_SITE }
    expect(await wire.observe(ada.name, () => wire.call('POST', '/user/logout', {}, { headers }))).toEqual({
      reply: ok(),
      ...untouched,
      audit: [],
    })
  })

  describe('a change with the host’s cookies must come from the same site', () => {
    test.each([
      { rule: 'Sec-Fetch-Site: same-origin', headers: () => ({ 'Sec-Fetch-Site': 'same-origin' }) },
      { rule: 'Sec-Fetch-Site: same-site', headers: () => ({ 'Sec-Fetch-Site': 'same-site' }) },
      { rule: 'Sec-Fetch-Site: none, typed by the user', headers: () => ({ 'Sec-Fetch-Site': 'none' }) },
      { rule: 'the Origin is the host', headers: () => ({ Origin: `http://${own()}` }) },
      {
        rule: 'the Origin is the name',
        headers: () => ({ Host: 'app.example.com', Origin: 'https://app.example.com' }),
      },
      { rule: 'the Origin is the host, over TLS in front of a proxy', headers: () => ({ Origin: `https://${own()}` }) },
      {
        rule: 'the Origin is trusted',
        headers: () => ({ Origin: 'https://admin.example.com', 'Sec-Fetch-Site': 'cross-site' }),
      },
    ])('accepted: $rule', async ({ headers }) => {
      const ada = await wire.person()
      expect(await patch(ada, { Cookie: `user=${ada.id}`, ...headers() })).toEqual(done(ada))
    })

    test.each([
      { rule: 'neither header', headers: () => ({}) },
      { rule: 'Sec-Fetch-Site: cross-site', headers: () => ({ 'Sec-Fetch-Site': 'cross-site' }) },
      {
        rule: 'Sec-Fetch-Site: cross-site, whatever the Origin',
        headers: () => ({ 'Sec-Fetch-Site': 'cross-site', Origin: `http://${own()}` }),
      },
      { rule: 'an unknown Sec-Fetch-Site', headers: () => ({ 'Sec-Fetch-Site': 'nearby' }) },
      { rule: 'another Origin', headers: () => ({ Origin: 'https://evil.example.com' }) },
      { rule: 'another port', headers: () => ({ Origin: 'http://127.0.0.1:1' }) },
      { rule: 'a sandboxed Origin', headers: () => ({ Origin: 'null' }) },
      { rule: 'an Origin that is none', headers: () => ({ Origin: 'nonsense' }) },
      {
        rule: 'an Origin that begins like the host',
        headers: () => ({ Host: 'app.example.com', Origin: 'https://app.example.com.evil.example' }),
      },
      {
        rule: 'an Origin that ends like the host',
        headers: () => ({ Host: 'app.example.com', Origin: 'https://evil-app.example.com' }),
      },
      {
        rule: 'a trusted Origin in another spelling',
        headers: () => ({ Origin: 'https://admin.example.com.evil.example' }),
      },
    ])('refused and recorded: $rule', async ({ headers }) => {
      const ada = await wire.person()
      expect(await patch(ada, { Cookie: `user=${ada.id}`, ...headers() })).toEqual(crossSite)
    })

    test('Basic authentication is added by browsers like a cookie', async () => {
      const ada = await wire.person()
      for (const scheme of ['Basic', 'Negotiate', 'Digest']) {
        expect(await patch(ada, { 'X-Api-Key': ada.id, Authorization: `${scheme} abc` })).toEqual(crossSite)
      }
    })

    test('a request without a cookie is taken for a browser’s all the same: certificates and addresses are ambient, too', async () => {
      const ada = await wire.person()
      expect(await patch(ada, { 'X-Api-Key': ada.id })).toEqual(crossSite)
      expect(await patch(ada, { 'X-Api-Key': ada.id, Origin: `http://${own()}` })).toEqual(done(ada))
    })

    test('no browser adds another scheme by itself: no Origin is asked for', async () => {
      const ada = await wire.person()
      expect(await patch(ada, { 'X-Api-Key': ada.id, Authorization: 'ApiKey abc' })).toEqual(done(ada))
    })

    test('a token in the body or in Authorization: Bearer comes from a program: no Origin is asked for', async () => {
      const headers = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example.com' }
      const ada = await wire.person()
      const body = await patch(ada, { ...headers, Cookie: `user=${ada.id}` }, { ust: ada.ust, first_name: 'Ada' })
      expect(body.reply).toEqual(ok())
      const bearer = await patch(ada, { ...headers, Authorization: `Bearer ${ada.ust}` }, { first_name: 'Eve' })
      expect(bearer.account).toEqual({ first_name: 'Eve' })
    })

    test('reading changes nothing', async () => {
      const ada = await wire.person()
      const headers = { Cookie: `user=${ada.id}`, 'Sec-Fetch-Site': 'cross-site' }
      const { status, body } = await wire.call('GET', '/user', {}, { headers })
      expect([status, body.username]).toEqual([200, ada.name])
    })

    test.each([
      ['POST', '/user', { username: 'cross' }],
      ['DELETE', '/user', {}],
      ['PATCH', '/user/password', { new_password: 'a new horse battery' }],
      ['POST', '/user/lock', {}],
      ['DELETE', '/user/lock', {}],
      ['POST', '/user/approve', {}],
      ['POST', '/user/reject', {}],
    ] as const)('%s %s is a change', async (method, path, fields) => {
      const ada = await wire.person()
      const headers = { Cookie: `user=${wire.admin.id}`, 'Sec-Fetch-Site': 'cross-site' }
      const { reply, account, elsewhere } = await wire.observe(ada.name, () =>
        wire.call(method, path, { user_id: ada.id, ...fields }, { headers }),
      )
      expect({ reply, account, elsewhere }).toEqual({ reply: refused('E005001'), ...untouched })
    })
  })
})
