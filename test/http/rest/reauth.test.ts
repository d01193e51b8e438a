import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../../support/host.ts'
import { DATABASE_PLACES, later, MINUTE, PLACE, START } from '../zato/wire.ts'
import { type Client, problem, startClient } from './client.ts'

const STALE = {
  status: 401,
  headers: { 'www-authenticate': 'Bearer error="insufficient_user_authentication", max_age="300"' },
  body: { code: 'reauth_required' },
}

describe.each(DATABASE_PLACES)(`ASVS 7.5.1 a fresh proof (${PLACE})`, (place) => {
  let client: Client
  let proved: Date | undefined
  beforeAll(async () => {
    client = await startClient(place, {
      authenticate: (req) => {
        const userId = req.get('X-Host-User')
        return userId ? { userId, ...(proved ? { authenticatedAt: proved } : {}) } : null
      },
      trustedOrigins: ['https://host.example'],
      attributes: {
        properties: {
          iban: {
            type: ['string', 'null'],
            maxLength: 34,
            'x-sso': { editableBy: 'self', readableBy: 'self', reauth: true },
          },
        },
      },
    })
  })
  afterAll(() => client.host.close())

  /** Does something when the login is this old. */
  async function whenAged<T>(milliseconds: number, act: () => Promise<T>): Promise<T> {
    client.clock.now = later(milliseconds)
    try {
      return await act()
    } finally {
      client.clock.now = START
    }
  }

  test('is a login of the last five minutes', async () => {
    const { person, send } = client
    const ada = await person()
    const patch = (email: string) => () => send('PATCH', '/me', { as: ada, body: { email } })
    expect((await whenAged(5 * MINUTE, patch('a@example.org'))).status).toBe(200)
    expect(await whenAged(5 * MINUTE + 1, patch('b@example.org'))).toMatchObject(STALE)
    // The clock has stepped back: nobody knows how long ago it was.
    expect(await whenAged(-5 * MINUTE - 1, patch('b@example.org'))).toMatchObject(STALE)
    const { body } = await send('GET', '/me', { as: ada })
    expect(body.email).toBe('a@example.org')
  })

  test('or the present password, right and the caller’s own', async () => {
    const { person, send, admin, host } = client
    const ada = await person()
    await host.sso.user.changePassword({
      actor: { via: 'code', name: 'test' },
      userId: ada.id,
      newPassword: 'of ada alone',
    })
    const again = await host.login(ada.name, 'of ada alone')
    const patch = (path: string, as: { ust: string }, body: object) =>
      whenAged(6 * MINUTE, () => send('PATCH', path, { as, body }))
    const email = 'c@example.org'
    expect((await patch('/me', { ust: again }, { email, currentPassword: 'of ada alone' })).status).toBe(200)
    expect(await patch('/me', { ust: again }, { email: 'd@example.org', currentPassword: PASSWORD })).toEqual(
      problem(401, 'credentials_invalid'),
    )
    expect(await patch('/me', { ust: again }, { email: 'd@example.org', currentPassword: 5 })).toEqual(
      problem(422, 'input_invalid', ['/currentPassword', 'input_invalid']),
    )
    // A super-user proves himself, not the other.
    expect(await patch(`/users/${ada.id}`, admin, { email: null })).toMatchObject(STALE)
    expect((await patch(`/users/${ada.id}`, admin, { email: null, currentPassword: 'of ada alone' })).status).toBe(401)
    expect((await patch(`/users/${ada.id}`, admin, { email: null, currentPassword: PASSWORD })).status).toBe(200)
  })

  test('is asked for what is marked and changes, the host’s own attributes included, and for nothing else', async () => {
    const { person, send } = client
    const ada = await person({ email: 'ada@example.org' })
    const patch = (body: object) => whenAged(60 * MINUTE - 1, () => send('PATCH', '/me', { as: ada, body }))
    expect((await patch({ display_name: 'Ada', email: 'ada@example.org', username: ada.name })).status).toBe(200)
    expect(await patch({ display_name: 'Eve', iban: 'AB12' })).toMatchObject(STALE)
    expect(await patch({ username: 'eve' })).toMatchObject(STALE)
    expect(await patch({ is_totp_enabled: true, totp_key: 'ABCDEFGHIJKLMNOP' })).toMatchObject(STALE)
    const { body } = await send('GET', '/me', { as: ada })
    expect(body).toMatchObject({ display_name: 'Ada', iban: null, is_totp_enabled: false })
  })

  test('a super-user’s is asked for before he sets a password; one’s own needs the present one at any time', async () => {
    const { person, send, admin } = client
    const ada = await person()
    const put = (body: object) => send('PUT', `/users/${ada.id}/password`, { as: admin, body })
    const newPassword = 'quite another one'
    expect(await whenAged(6 * MINUTE, () => put({ newPassword }))).toMatchObject(STALE)
    expect((await whenAged(6 * MINUTE, () => put({ newPassword, currentPassword: PASSWORD }))).status).toBe(200)

    const bob = await person()
    const own = (body: object) => send('PUT', '/me/password', { as: bob, body })
    expect(await own({ newPassword })).toEqual(problem(400, 'input_missing', ['/currentPassword', 'input_missing']))
    expect(await own({ newPassword, currentPassword: 'wrong' })).toEqual(problem(401, 'credentials_invalid'))
    expect((await own({ newPassword, currentPassword: PASSWORD })).status).toBe(200)
  })

  test('the host’s word for when somebody proved himself is taken', async () => {
    const { person, send } = client
    const ada = await person()
    const patch = (email: string) =>
      send('PATCH', '/me', { headers: { 'X-Host-User': ada.id, Origin: 'https://host.example' }, body: { email } })
    proved = undefined
    expect(await patch('a@example.org')).toMatchObject(STALE)
    proved = later(-5 * MINUTE - 1)
    expect(await patch('a@example.org')).toMatchObject(STALE)
    proved = later(-5 * MINUTE)
    expect((await patch('a@example.org')).status).toBe(200)
  })

  test('reauthMaxAge says how long, null never asks; the other dialects never do', async () => {
    const patient = await startClient(place, { rest: { reauthMaxAge: null } })
    const strict = await startClient(place, { rest: { reauthMaxAge: 0 } })
    try {
      for (const [{ person, send, clock, call }, status] of [
        [patient, 200],
        [strict, 401],
      ] as const) {
        const ada = await person()
        clock.now = later(1)
        expect((await send('PATCH', '/me', { as: ada, body: { email: 'a@example.org' } })).status).toBe(status)
        expect((await call('PATCH', '/user', { ust: ada.ust, email: 'b@example.org' })).status).toBe(200)
      }
    } finally {
      await patient.host.close()
      await strict.host.close()
    }
  })
})
