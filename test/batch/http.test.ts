import express from 'express'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { contentsOf } from '../support/contents.ts'
import { idOf, PASSWORD, type TestHost } from '../support/host.ts'
import {
  BASIC,
  CODE,
  Exchange,
  PLACE,
  PLACES,
  type Place,
  sendBatch,
  startBatchHost,
  UPDATEUSER_BATCH,
  USERS_BATCH,
} from './terms.ts'

const CID = expect.stringMatching(/^[0-9a-f]{24}$/)

describe.each<Place>(PLACES)(`POST /updateuser/batch: ${PLACE}`, (place) => {
  let host: TestHost
  afterEach(() => host.close())

  test('every line has its result, in order, in the words of the operation, and the totals come last', async () => {
    host = await startBatchHost(place)
    const { status, lines, totals } = await sendBatch(host, UPDATEUSER_BATCH, [
      {
        uid: 'ada',
        displayName: 'Ada',
        roles: ['sales|WR'],
        attributes: { digdashMail: 'ada@example.com', shoe: '38' },
      },
      '',
      { uid: 'nobody', displayName: 'x' },
      '{"uid":',
      { uid: 'bob', displaName: 'x', user: 'admin', pass: PASSWORD },
      { displayName: 'x' },
      '[]',
      { uid: 'bob', roles: '["sales|R"]', password: 'another long secret' },
      { uid: 'ada', displayName: 'Ada' },
      { uid: 'bob', attributes: { digdashMail: 'none' }, acls: ['a|b'] },
    ])
    expect(status).toBe(200)
    expect(lines).toEqual(
      [
        {
          line: 1,
          uid: 'ada',
          status: 'ok',
          changed: ['email', 'display_name', 'attributes.shoe', 'roles'].sort(),
          errors: undefined,
        },
        refused(3, 'nobody', ['uid', '/uid', 'user_unknown']),
        refused(4, null, [null, '', 'input_malformed']),
        refused(
          5,
          'bob',
          ['displaName', '/displaName', 'input_invalid'],
          ['user', '/user', 'input_invalid'],
          ['pass', '/pass', 'input_invalid'],
        ),
        refused(6, null, ['uid', '/uid', 'input_missing']),
        refused(7, null, [null, '', 'input_malformed']),
        { line: 8, uid: 'bob', status: 'ok', changed: ['password', 'roles'] },
        { line: 9, uid: 'ada', status: 'ok', changed: [] },
        refused(
          10,
          'bob',
          ['acls', '/acls/0', 'input_invalid'],
          ['attributes', '/attributes/digdashMail', 'email_invalid'],
        ),
      ].map(({ errors, ...line }: any) => ({
        ...line,
        changed: inAnyOrder(line.changed),
        ...(errors ? { errors } : {}),
      })),
    )
    expect(totals).toEqual({
      cid: CID,
      status: 'error',
      mode: 'independent',
      dryRun: false,
      totals: { lines: 9, ok: 3, changed: 2, errors: 6, undone: 0 },
    })
    await host.sso.user.login({ username: 'bob', password: 'another long secret', currentApp: 'CRM' })
    const records = await host.audit({ operation: 'updateuser', actor_via: 'password' })
    expect(new Set(records.map(({ cid, dialect }) => `${cid.split('-')[0]} ${dialect}`))).toEqual(
      new Set([`${totals.cid} updateuser`]),
    )
  })

  test('results come while lines are still to come, and a session token proves who sends them', async () => {
    host = await startBatchHost(place)
    const ust = await host.login('admin')
    const exchange = new Exchange(host, UPDATEUSER_BATCH, { Authorization: `Bearer ${ust}` })
    for (let turn = 1; turn <= 3; turn++) {
      exchange.send({ uid: 'ada', displayName: `Ada ${turn}` })
      expect(await exchange.next()).toEqual({ line: turn, uid: 'ada', status: 'ok', changed: ['display_name'] })
      expect((await host.sso.user.updateuser({ actor: CODE, uid: 'ada' })).user.display_name).toBe(`Ada ${turn}`)
    }
    expect(await exchange.rest()).toMatchObject([{ totals: { lines: 3, ok: 3 } }])
  })

  test('atomic: all or nothing; dry run: everything but the commit', async () => {
    host = await startBatchHost(place)
    const before = await contentsOf(host)
    const lines = [{ uid: 'ada', displayName: 'Ada' }, { uid: 'bob', roles: ['r|R'] }, { uid: 'nobody' }]
    const atomic = await sendBatch(host, `${UPDATEUSER_BATCH}?mode=atomic`, lines)
    expect(atomic.lines.map(({ status }) => status)).toEqual(['undone', 'undone', 'error'])
    const dry = await sendBatch(host, `${UPDATEUSER_BATCH}?dryRun=true`, lines)
    expect(dry.lines.map(({ status }) => status)).toEqual(['ok', 'ok', 'error'])
    expect([atomic.totals.mode, dry.totals.dryRun, dry.totals.totals.changed]).toEqual(['atomic', true, 2])
    expect(await contentsOf(host)).toEqual(before)
    const done = await sendBatch(host, `${UPDATEUSER_BATCH}?mode=atomic`, lines.slice(0, 2))
    expect([done.totals.status, done.totals.totals.ok]).toEqual(['ok', 2])
    expect(await contentsOf(host)).not.toEqual(before)
  })

  test('ASVS 6.3.4 a batch is refused like any other request, and then changes nothing', async () => {
    host = await startBatchHost(place)
    const before = await contentsOf(host)
    const line = [{ uid: 'ada', displayName: 'x' }]
    const basic = (user: string, pass: string) => ({
      Authorization: `Basic ${Buffer.from(`${user}:${pass}`).toString('base64')}`,
    })
    const refusals: [path: string, headers: Record<string, string>, expected: string][] = [
      ['', {}, '401 credentials_missing'],
      ['', basic('admin', 'wrong'), '401 credentials_invalid'],
      ['', basic('nobody', 'wrong'), '401 credentials_invalid'],
      ['', { Authorization: `Bearer ${'x'.repeat(43)}` }, '401 session_unknown'],
      ['', { Authorization: BASIC, 'Content-Type': 'application/json' }, '415 media_type_unsupported'],
      ['', { Authorization: BASIC, 'Content-Encoding': 'gzip' }, '415 media_type_unsupported'],
      ['', { Authorization: BASIC, 'Sec-Fetch-Site': 'cross-site' }, '403 cross_site'],
      ['', { Authorization: BASIC, 'Idempotency-Key': 'short' }, '400 input_invalid'],
      ['?mode=all', { Authorization: BASIC }, '400 input_invalid'],
      ['?dry=1', { Authorization: BASIC }, '400 attribute_unknown'],
      ['?mode=atomic&mode=atomic', { Authorization: BASIC }, '400 input_invalid'],
      [`?pass=${encodeURIComponent(PASSWORD)}`, {}, '400 attribute_unknown'],
    ]
    for (const [query, headers, expected] of refusals) {
      const { status, totals } = await sendBatch(host, UPDATEUSER_BATCH + query, line, headers)
      expect(`${status} ${totals.errors[0].code}`).toBe(expected)
    }
    const got = await host.http.get(UPDATEUSER_BATCH)
    expect([got.status, got.headers['allow']]).toEqual([405, 'POST'])
    expect(await contentsOf(host)).toEqual(before)
  })

  test('a line that is too long is a line with an error; one after it is read', async () => {
    host = await startBatchHost(place, { options: { batch: { maxLineBytes: 200, maxLines: 4 } } })
    const { lines, totals } = await sendBatch(host, UPDATEUSER_BATCH, [
      { uid: 'ada', displayName: 'x'.repeat(100_000) },
      { uid: 'ada', displayName: 'x'.repeat(200) },
      { uid: 'ada', displayName: 'Ada' },
      '{"uid":"ada","displayName":"\u00e4"}',
      { uid: 'bob', displayName: 'too many' },
    ])
    expect(lines.map(({ line, status, errors }) => [line, status, errors?.[0].code])).toEqual([
      [1, 'error', 'input_too_large'],
      [2, 'error', 'input_too_large'],
      [3, 'ok', undefined],
      [4, 'ok', undefined],
    ])
    expect(totals).toMatchObject({ status: 'error', errors: [{ code: 'batch_too_long' }] })
    expect((await host.sso.user.updateuser({ actor: CODE, uid: 'ada' })).user.display_name).toBe('ä')
    // The client has more to send, and still hears how it ended.
    const exchange = new Exchange(host, UPDATEUSER_BATCH, { Authorization: BASIC })
    for (let line = 0; line < 2000; line++) exchange.send({ uid: 'ada', displayName: `${line}` })
    expect((await exchange.rest()).at(-1)).toMatchObject({ status: 'error', errors: [{ code: 'batch_too_long' }] })
  })

  test('a client that sends nothing more is not waited for beyond the limit', async () => {
    host = await startBatchHost(place, { options: { batch: { maxSeconds: 1 } } })
    const exchange = new Exchange(host, UPDATEUSER_BATCH, { Authorization: BASIC })
    exchange.send({ uid: 'ada', displayName: 'Ada' })
    expect(await exchange.next()).toMatchObject({ line: 1, status: 'ok' })
    expect(await exchange.next()).toMatchObject({ status: 'error', errors: [{ code: 'batch_timed_out' }] })
    expect(await exchange.next()).toBe(null)
    exchange.outgoing.destroy()
  })

  test('a client that goes away stops the work', async () => {
    const users = Array.from({ length: 50 }, (_, index) => `user${index}`)
    host = await startBatchHost(place, { users })
    const exchange = new Exchange(host, UPDATEUSER_BATCH, { Authorization: BASIC })
    exchange.send({ uid: 'user0', displayName: 'first' })
    await exchange.next()
    const LINES = 10_000
    const line = (index: number) => ({ uid: users[index % users.length], displayName: `${index}` })
    exchange.send(...Array.from({ length: LINES }, (_, index) => line(index)))
    await exchange.next()
    exchange.outgoing.destroy()
    const count = async () => (await host.audit({ operation: 'updateuser' })).length
    // What is under way is committed; then nothing more is.
    let done = -1
    await vi.waitUntil(
      async () => {
        const before = done
        done = await count()
        return done === before
      },
      { timeout: 30_000, interval: 200 },
    )
    expect(done).toBeGreaterThan(0)
    expect(done).toBeLessThan(LINES)
  })

  test('a parser of the host that leaves the lines as text does no harm; one that takes them apart is told of', async () => {
    const faults: unknown[] = []
    host = await startBatchHost(place, {
      options: { hooks: { onError: (error) => void faults.push(error) } },
      before: (app) => {
        app.use('/ddenterpriseapi', express.text({ type: () => true }))
        app.use('/account', express.json({ type: () => true, strict: false }))
      },
    })
    const { lines } = await sendBatch(host, UPDATEUSER_BATCH, [{ uid: 'ada', displayName: 'Ada' }, { uid: 'bob' }])
    expect(lines.map(({ line, status }) => `${line} ${status}`)).toEqual(['1 ok', '2 ok'])
    const ust = await host.login('admin')
    const parsed = await sendBatch(host, USERS_BATCH, [{ username: 'ada', patch: {} }], {
      Authorization: `Bearer ${ust}`,
    })
    expect(parsed.totals.error ?? parsed.totals).toMatchObject({ code: 'internal' })
    expect(String(faults[0])).toContain('mount the routers before it')
  })
})

describe.each<Place>(PLACES)(`POST /users/batch: ${PLACE}`, (place) => {
  let host: TestHost
  afterEach(() => host.close())

  test('lines change and create accounts; results say it in the words of the dialect', async () => {
    host = await startBatchHost(place)
    const ust = await host.login('admin')
    const [ada, bob] = [await idOf(host, 'ada'), await idOf(host, 'bob')]
    const Authorization = `Bearer ${ust}`
    const sent = [
      { username: 'ada', patch: { display_name: 'Ada' }, grants: { roles: { sales: 'RW' } }, attributes: { shoe: 38 } },
      { id: bob, patch: { email: 'none', is_active: false } },
      { id: bob, patch: { email: 'none' }, grants: { roles: { 'a|b': 'R' } }, attributes: { ['x'.repeat(200)]: 1 } },
      { username: 'new', create: true, patch: { first_name: 'New' } },
    ]
    const headers = { Authorization, 'Idempotency-Key': 'import-1' }
    const { status, lines, totals } = await sendBatch(host, USERS_BATCH, sent, headers)
    expect(status).toBe(200)
    const error = (pointer: string, code: string) => ({ pointer, code, message: expect.any(String) })
    expect(lines).toEqual([
      {
        line: 1,
        id: ada,
        username: 'ada',
        status: 'ok',
        changed: inAnyOrder(['display_name', 'attributes.shoe', 'roles']),
      },
      {
        line: 2,
        id: bob,
        username: 'bob',
        status: 'error',
        changed: [],
        errors: [error('/patch/is_active', 'attribute_forbidden')],
      },
      {
        line: 3,
        id: bob,
        username: 'bob',
        status: 'error',
        changed: [],
        errors: inAnyOrder([
          error('/patch/email', 'email_invalid'),
          error('/grants/roles/a|b', 'input_invalid'),
          error(`/attributes/${'x'.repeat(200)}`, 'input_invalid'),
        ]),
      },
      {
        line: 4,
        id: await idOf(host, 'new'),
        username: 'new',
        status: 'ok',
        changed: ['username', 'first_name'],
        created: true,
      },
    ])
    expect(totals).toEqual({
      totals: { lines: 4, ok: 2, changed: 2, errors: 2, undone: 0 },
      status: 'error',
      mode: 'independent',
      dryRun: false,
      cid: 'import-1',
    })
    const again = await sendBatch(host, USERS_BATCH, sent, headers)
    expect(again.lines.map(({ line, status, repeated }) => [line, status, repeated])).toEqual([
      [1, 'ok', true],
      [2, 'error', true],
      [3, 'error', true],
      [4, 'ok', true],
    ])
  })

  test('ASVS 7.5.1 what an account could be taken over by needs a fresh proof, in a batch, too', async () => {
    let now = new Date('2031-05-06T07:08:09.000Z')
    host = await startBatchHost(place, { options: { now: () => now } })
    const ust = await host.login('admin')
    const Authorization = `Bearer ${ust}`
    const lines = [
      { username: 'ada', patch: { email: 'ada@example.com' } },
      { username: 'ada', patch: { first_name: 'Ada' } },
    ]
    now = new Date(now.getTime() + 301_000)
    const stale = await sendBatch(host, USERS_BATCH, lines, { Authorization })
    expect(stale.lines.map(({ status, errors }) => [status, errors?.[0].code])).toEqual([
      ['error', 'reauth_required'],
      ['ok', undefined],
    ])
    const fresh = `Bearer ${await host.login('admin')}`
    const exchange = new Exchange(host, USERS_BATCH, { Authorization: fresh })
    exchange.send({ username: 'bob', patch: { first_name: 'Bob' } })
    expect(await exchange.next()).toMatchObject({ status: 'ok' })
    // What was fresh when the batch began is fresh for all of it.
    now = new Date(now.getTime() + 400_000)
    exchange.send(lines[0])
    expect(await exchange.next()).toMatchObject({ status: 'ok', changed: ['email'] })
    await exchange.rest()
  })

  test('who is let in by the host sends batches from its own site only', async () => {
    host = await startBatchHost(place, {
      options: { authenticate: (req) => (req.get('X-User') ? { userId: req.get('X-User') as string } : null) },
    })
    const admin = await idOf(host, 'admin')
    const line = [{ username: 'ada', patch: { first_name: 'Ada' } }]
    const foreign = await sendBatch(host, USERS_BATCH, line, { 'X-User': admin, 'Sec-Fetch-Site': 'cross-site' })
    expect([foreign.status, foreign.totals.code]).toEqual([403, 'cross_site'])
    const own = await sendBatch(host, USERS_BATCH, line, { 'X-User': admin, 'Sec-Fetch-Site': 'same-origin' })
    expect(own.lines).toMatchObject([{ status: 'ok', changed: ['first_name'] }])
    expect(
      (await host.audit({ operation: 'update_user_by_id', outcome: 'ok' })).map(({ actor_via }) => actor_via),
    ).toEqual(['host'])
  })
})

function inAnyOrder<T>(values: readonly T[]) {
  return expect.toSatisfy((given: unknown) => {
    if (!Array.isArray(given) || given.length !== values.length) return false
    return values.every((value) => given.some((one) => isLike(one, value)))
  })
}

function isLike(given: unknown, wanted: unknown): boolean {
  try {
    expect(given).toEqual(wanted)
    return true
  } catch {
    return false
  }
}

function refused(line: number, uid: string | null, ...errors: readonly (readonly [string | null, string, string])[]) {
  return {
    line,
    uid,
    status: 'error',
    changed: [],
    errors: inAnyOrder(
      errors.map(([parameter, pointer, code]) => ({ parameter, pointer, code, message: expect.any(String) })),
    ),
  }
}
