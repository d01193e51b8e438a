import { URI } from 'otpauth'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../../support/host.ts'
import { later, MINUTE, PLACE, PLACES, START } from '../zato/wire.ts'
import { type Client, problem, startClient } from './client.ts'

/** The code that an authenticator app shows at this time. */
const codeOf = (uri: string, now: Date) => URI.parse(uri).generate({ timestamp: now.getTime() } as never)

describe.each(PLACES)(`one-time codes (${PLACE})`, (place) => {
  let client: Client
  beforeAll(async () => {
    client = await startClient(place)
  })
  afterAll(() => client.host.close())

  test('a key is made, proved, switched on, asked for at login, and forgotten', async () => {
    const { person, send, clock, stored } = client
    const ada = await person()
    const made = await send('PUT', '/me/totp', { as: ada, body: { totpLabel: 'my phone' } })
    expect(made).toMatchObject({
      status: 200,
      body: {
        totpKey: expect.stringMatching(/^[A-Z2-7]{32}$/),
        uri: expect.stringMatching(/^otpauth:\/\/totp\//),
        user: { totp_label: 'my phone', is_totp_enabled: false },
      },
    })
    expect((await stored(ada.name))['totp_key']).not.toContain(made.body.totpKey)
    const { uri } = made.body

    const enable = (body: object) => send('PATCH', '/me', { as: ada, body: { is_totp_enabled: true, ...body } })
    expect(await enable({})).toEqual(problem(422, 'totp_proof_missing'))
    const right = codeOf(uri, START)
    const wrong = right === '000000' ? '000001' : '000000'
    const validity = async (totpCode: string) => (await send('POST', '/me/totp', { as: ada, body: { totpCode } })).body
    expect(await validity(wrong)).toEqual({ isValid: false })
    expect(await validity(right)).toEqual({ isValid: true })
    expect(await validity(right)).toEqual({ isValid: false })
    expect((await enable({})).body.user.is_totp_enabled).toBe(true)

    const login = (more: object) =>
      send('POST', '/login', { body: { username: ada.name, password: PASSWORD, ...more } })
    expect(await login({})).toEqual(problem(401, 'totp_missing'))
    expect(await login({ totpCode: right })).toEqual(problem(401, 'totp_invalid'))
    clock.now = later(MINUTE)
    expect((await login({ totpCode: codeOf(uri, clock.now) })).status).toBe(200)
    clock.now = START

    const off = await send('DELETE', '/me/totp', { as: ada })
    expect(off).toMatchObject({ status: 200, body: { user: { is_totp_enabled: false } } })
    expect(await stored(ada.name)).toMatchObject({ totp_key: null, totp_is_proved: false })
    expect((await login({})).status).toBe(200)
  })

  test('a key of one’s own is checked, and a stale login does not set one', async () => {
    const { person, send, clock } = client
    const ada = await person()
    const put = (body: object) => send('PUT', '/me/totp', { as: ada, body })
    expect(await put({ totpKey: 'not base32!' })).toEqual(problem(422, 'input_invalid', ['/totp_key', 'input_invalid']))
    expect(await put({ totpKey: 5, more: 1 })).toMatchObject({ status: 422 })
    clock.now = later(6 * MINUTE)
    expect(await put({})).toMatchObject({ status: 401, body: { code: 'reauth_required' } })
    expect((await send('DELETE', '/me/totp', { as: ada })).status).toBe(200)
    expect((await put({ currentPassword: PASSWORD })).status).toBe(200)
    expect(await send('DELETE', '/me/totp', { as: ada })).toMatchObject({
      status: 401,
      body: { code: 'reauth_required' },
    })
    clock.now = START
  })
})
