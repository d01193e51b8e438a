import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type AppProcess, createExample, type Example, logIn, MYUSER_ID, send, THENAME_ID } from './example.ts'

const SAME = { 'Sec-Fetch-Site': 'same-origin' }
const CROSS = { 'Sec-Fetch-Site': 'cross-site' }

/** A browser, as far as these pages need one: it keeps the cookie and says where a form was sent from. */
class Browser {
  readonly #base: string
  cookie = ''

  constructor(base: string) {
    this.#base = base
  }

  async get(path: string) {
    return this.#keep(await fetch(this.#base + path, { headers: { Cookie: this.cookie }, redirect: 'manual' }))
  }

  async post(path: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = SAME) {
    return this.#keep(
      await fetch(this.#base + path, {
        method: 'POST',
        headers: { Cookie: this.cookie, ...headers },
        body: new URLSearchParams(fields),
        redirect: 'manual',
      }),
    )
  }

  signIn(username: string, password = username) {
    return this.post('/sign-in', { username, password })
  }

  async #keep(reply: Response) {
    const [cookie] = reply.headers.getSetCookie()
    if (cookie) this.cookie = cookie.split(';')[0] as string
    const text = await reply.text()
    return { status: reply.status, location: reply.headers.get('Location'), headers: reply.headers, text }
  }
}

describe('the pages of the example app', () => {
  let example: Example
  let app: AppProcess
  let browser: Browser

  beforeAll(async () => {
    example = await createExample('sqlite')
    app = await example.start()
  })
  beforeEach(() => {
    browser = new Browser(app.base)
  })
  afterAll(() => example.drop())

  const lastAudit = async () => (await example.audit()).at(-1)

  test('whoever is not signed in is sent to the page to sign in', async () => {
    const reply = await browser.get('/')
    expect([reply.status, reply.location]).toEqual([302, '/sign-in'])
    expect((await browser.get('/sign-in')).text).toContain('<form method="post" action="/sign-in">')
  })

  test('the right password opens a session, with a cookie that scripts and other sites’ forms do not get', async () => {
    const reply = await browser.signIn('myuser')
    expect([reply.status, reply.location]).toEqual([302, '/'])
    expect(reply.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^example\.sid=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/),
    ])
    const page = await browser.get('/')
    expect(page.status).toBe(200)
    expect(page.text).toContain('name="middle_name" value="Middle"')
  })

  test('a wrong password opens none, and the refusal is audited', async () => {
    const reply = await browser.signIn('myuser', 'wrong')
    expect([reply.status, reply.location]).toEqual([302, '/sign-in?refused'])
    expect((await browser.get('/')).location).toBe('/sign-in')
    expect(await lastAudit()).toEqual(
      expect.objectContaining({ operation: 'authenticate', outcome: 'denied', error: 'credentials_invalid' }),
    )
  })

  test('a member changes his profile; an empty field becomes NULL, and a field that is not sent is left alone', async () => {
    await browser.signIn('myuser')
    const before = await example.member('myuser')

    const reply = await browser.post('/profile', { email: 'page@example.com', middle_name: '', is_locked: 'true' })

    expect([reply.status, reply.location]).toEqual([303, '/?saved'])
    expect((await browser.get('/?saved')).text).toContain('<p role="status">Saved.</p>')
    expect(await example.member('myuser')).toEqual({ ...before, mail: 'page@example.com', middle_name: null })
    expect((await example.audit({ operation: 'update_current_user' })).at(-1)).toEqual(
      expect.objectContaining({
        outcome: 'ok',
        actor_id: MYUSER_ID,
        actor_via: 'host',
        target_id: MYUSER_ID,
        app: 'CRM',
        remote_addr: '127.0.0.1',
        changes: [
          { attribute: 'email', from: before.mail, to: 'page@example.com' },
          { attribute: 'middle_name', from: before.middle_name, to: null },
        ],
      }),
    )
  })

  test('what is not valid is said on the page, and nothing is written', async () => {
    await browser.signIn('myuser')
    const before = await example.member('myuser')
    const reply = await browser.post('/profile', { display_name: 'Never', email: 'not an address' })
    expect(reply.status).toBe(422)
    expect(reply.text).toContain('<p role="status">email: ')
    expect(await example.member('myuser')).toEqual(before)
  })

  test('what members write is text on the page, never markup', async () => {
    await browser.signIn('myuser')
    await browser.post('/profile', { display_name: `"><script>alert(1)</script>'&` })
    const { text, headers } = await browser.get('/')
    expect(text).toContain('value="&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#39;&#38;"')
    expect(text).not.toContain('<script')
    expect(headers.get('Content-Security-Policy')).toBe(
      "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
  })

  test.each([
    ['another site', CROSS],
    ['another origin', { Origin: 'http://evil.example' }],
    ['nobody knows where', {}],
  ])('forms that come from %s change nothing', async (_where, headers) => {
    await browser.signIn('myuser')
    const before = await example.member('myuser')

    const profile = await browser.post('/profile', { display_name: 'Forged' }, headers)
    const password = await browser.post('/password', { old: 'myuser', new: 'forged' }, headers)
    const signOut = await browser.post('/sign-out', {}, headers)
    const other = new Browser(app.base)
    const signIn = await other.post('/sign-in', { username: 'admin', password: 'admin' }, headers)

    expect([profile, password, signOut, signIn].map(({ status }) => status)).toEqual([403, 403, 403, 403])
    expect(await example.member('myuser')).toEqual(before)
    expect((await browser.get('/')).status).toBe(200)
    expect(other.cookie).toBe('')
  })

  test('the session of the app counts on the package’s routes, for requests from the same site alone', async () => {
    await browser.signIn('thename')
    const Cookie = browser.cookie
    const patch = (display_name: string, headers: Readonly<Record<string, string>>) =>
      send(app.base, 'PATCH', '/zato/sso/user', { current_app: 'CRM', display_name }, { Cookie, ...headers })

    expect((await patch('By cookie', SAME)).body.status).toBe('ok')
    expect((await patch('Forged', CROSS)).status).toBe(403)
    expect((await patch('Forged', {})).status).toBe(403)
    expect((await example.member('thename')).full_name).toBe('By cookie')
    expect((await send(app.base, 'GET', '/members', undefined, { Cookie })).status).toBe(403)
  })

  test('a new password signs out every other browser and every token, and keeps this one', async () => {
    const other = new Browser(app.base)
    await Promise.all([browser.signIn('thename'), other.signIn('thename')])
    const ust = await logIn(app.base, 'thename')

    const wrong = await browser.post('/password', { old: 'wrong', new: 'new-one' })
    expect(wrong.status).toBe(401)
    expect((await other.get('/')).status).toBe(200)

    const reply = await browser.post('/password', { old: 'thename', new: 'new-one' })
    expect([reply.status, reply.location]).toEqual([303, '/?changed'])
    expect((await browser.get('/')).status).toBe(200)
    expect((await other.get('/')).location).toBe('/sign-in')
    const read = await send(app.base, 'GET', '/zato/sso/user', undefined, {
      Authorization: `Bearer ${ust}`,
      'X-Zato-SSO-Current-App': 'CRM',
    })
    expect(read.body.sub_status).toEqual(['E007001'])
    expect((await new Browser(app.base).signIn('thename', 'new-one')).location).toBe('/')
  })

  test('a member who is locked is out at once', async () => {
    await browser.signIn('myuser')
    const ust = await logIn(app.base, 'admin')
    const lock = (method: string) =>
      send(app.base, method, '/zato/sso/user/lock', { ust, current_app: 'CRM', user_id: MYUSER_ID })

    await lock('POST')
    expect((await browser.get('/')).location).toBe('/sign-in')
    expect((await browser.post('/profile', { display_name: 'Locked' })).status).toBe(401)
    await lock('DELETE')
    // The lock has ended the session of the browser for good.
    expect((await browser.get('/')).location).toBe('/sign-in')
    await browser.signIn('myuser')
    expect((await browser.get('/')).status).toBe(200)
  })

  test('the page shows what was given to a member', async () => {
    const query = 'roles=["r1|RW"]&acls=["a1"]&groupacls=["g1"]&attributes={"langChoice":"1","digdashMailPassword":"x"}'
    await send(app.base, 'GET', `/ddenterpriseapi/updateuser?user=admin&pass=admin&uid=myuser&${query}`)
    await browser.signIn('myuser')
    const { text } = await browser.get('/')
    expect([...text.matchAll(/<dt>(.*?)<\/dt><dd>(.*?)<\/dd>/g)].map(([, name, list]) => [name, list])).toEqual([
      ['Roles', 'r1 (RW)'],
      ['Authorisations', 'a1'],
      ['Groups', 'g1'],
      ['Attributes', 'langChoice: &#34;1&#34;'],
    ])
  })

  test('signing out ends the session', async () => {
    await browser.signIn('myuser')
    const { cookie } = browser
    expect((await browser.post('/sign-out', {})).location).toBe('/sign-in')
    browser.cookie = cookie
    expect((await browser.get('/')).location).toBe('/sign-in')
  })

  test('nothing but the pages is there, and a broken request is no reason for a stack trace', async () => {
    const missing = await browser.get('/.sqlite')
    expect([missing.status, missing.text.includes('There is no such page.')]).toEqual([404, true])
    await browser.signIn('admin')
    const large = await browser.post('/profile', { display_name: 'x'.repeat(20_000) })
    expect([large.status, large.text.includes('at ')]).toEqual([413, false])
    const unknown = await browser.get('/members/nobody')
    expect([unknown.status, unknown.text.includes('SsoError')]).toEqual([404, false])
    expect((await browser.get(`/members/${THENAME_ID}`)).status).toBe(200)
  })
})
