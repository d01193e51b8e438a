import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { zatoCompat } from '../../../src/index.ts'
import { PASSWORD } from '../../support/host.ts'
import { codeAt as codeOf, TOTP_KEY as KEY } from '../../support/one-time-codes.ts'
import { DAY, later, MINUTE, ok, PLACE, PLACES, refused, START, startWire, type Wire, warned } from './wire.ts'

const NEW = 'a new horse battery'

// Section 13, right column; what it does not name is as without the preset.
describe.each(PLACES)(`under zatoCompat(): ${PLACE}`, (place) => {
  let wire: Wire
  beforeAll(async () => {
    wire = await startWire(place, zatoCompat())
  })
  afterAll(() => wire?.host.close())

  const codeAt = (steps: number) => codeOf(KEY, START, steps)

  test('an address is any text', async () => {
    const ada = await wire.person()
    const emails = ['nobody', '', 'two@at@signs', 'ünï@çödé']
    for (const email of emails) {
      const { reply, account } = await wire.observe(ada.name, () =>
        wire.call('PATCH', '/user', { ust: ada.ust, email }),
      )
      expect({ reply, account }).toEqual({ reply: ok(), account: { email } })
    }
    const tooLong = await wire.call('PATCH', '/user', { ust: ada.ust, email: 'x'.repeat(255) })
    expect(tooLong.body.sub_status).toEqual(['E002003'])
  })

  test('a one-time code works again within its step, and in no other', async () => {
    const ada = await wire.person({ totp_key: KEY, is_totp_enabled: true })
    const login = async (totp_code: string) =>
      (await wire.call('POST', '/user/login', { username: ada.name, password: PASSWORD, totp_code })).body.sub_status
    expect([await login(codeAt(0)), await login(codeAt(0)), await login(codeAt(1)), await login(codeAt(-1))]).toEqual([
      [],
      [],
      ['E005001'],
      ['E005001'],
    ])
  })

  test('a new password ends no session, and expires after 730 days', async () => {
    const ada = await wire.person()
    const other = await wire.host.login(ada.name)
    wire.clock.now = later(MINUTE)
    const { reply, account, elsewhere } = await wire.observe(ada.name, () =>
      wire.call('PATCH', '/user/password', { ust: ada.ust, old_password: PASSWORD, new_password: NEW }),
    )
    wire.clock.now = START
    expect({ reply, elsewhere }).toEqual({ reply: ok(), elsewhere: [] })
    expect(account['password_expiry']).toBe(later(MINUTE + 730 * DAY).toISOString())
    expect((await wire.call('GET', '/user', { ust: other })).status).toBe(200)
  })

  test('a new account’s password expires after 730 days, with a warning from the 700th', async () => {
    const ada = await wire.person()
    expect((await wire.stored(ada.name))['password_expiry']).toBe(later(730 * DAY).toISOString())
    const login = async () => {
      const { status, body } = await wire.call('POST', '/user/login', { username: ada.name, password: PASSWORD })
      return { status, body }
    }
    const replies = []
    for (const time of [700 * DAY, 700 * DAY + 1, 730 * DAY, 730 * DAY + 1]) {
      wire.clock.now = later(time)
      replies.push(await login())
    }
    wire.clock.now = START
    const ust = expect.any(String)
    expect(replies).toEqual([ok({ ust }), warned('W003005', { ust }), warned('W003005', { ust }), refused('E005001')])
  })

  test('the corrections stay: no null for a boolean, no unknown id, own id and precise codes', async () => {
    const ada = await wire.person({ is_locked: false })
    const codes = []
    for (const fields of [
      { user_id: ada.id, is_locked: null },
      { user_id: '987654321', first_name: 'x' },
    ]) {
      codes.push((await wire.call('PATCH', '/user', { ust: wire.admin.ust, ...fields })).body.sub_status[0])
    }
    const own = await wire.call('PATCH', '/user', { ust: ada.ust, user_id: ada.id, first_name: 'x' })
    codes.push(own.body.status)
    const short = { ust: ada.ust, old_password: PASSWORD, new_password: 'short' }
    codes.push((await wire.call('PATCH', '/user/password', short)).body.sub_status[0])
    expect(codes).toEqual(['E008002', 'E001100', 'ok', 'E003002'])
  })
})
