import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AttributesSchema, Options, UserPatch } from '../src/index.ts'
import { databases, idOf, startHost, type TestHost } from './support/host.ts'
import { HOST_COLUMNS } from './support/members.ts'

const CODE = { actor: { via: 'code', name: 'test' } } as const

const SELF = { editableBy: 'self', readableBy: 'self' } as const

/** One attribute of each kind, with defaults where a kind might stumble over them. */
const ATTRIBUTES: AttributesSchema = {
  properties: {
    nickname: { type: ['string', 'null'], maxLength: 30, 'x-sso': { ...SELF, normalize: 'nfc' } },
    is_member: { type: 'boolean', default: true, 'x-sso': SELF },
    points: { type: ['integer', 'null'], minimum: -10, 'x-sso': SELF },
    ratio: { type: ['number', 'null'], default: 0.5, 'x-sso': SELF },
    joined_at: { type: ['string', 'null'], format: 'date-time', default: '2020-02-29T12:00:00.001Z', 'x-sso': SELF },
    settings: { type: ['object', 'array', 'null'], 'x-sso': SELF },
    team: {
      type: ['string', 'null'],
      enum: ['sales', 'support', null],
      'x-sso': { editableBy: 'super_user', readableBy: 'self' },
    },
    note: { type: ['string', 'null'], 'x-sso': { editableBy: 'super_user', readableBy: 'super_user' } },
    pin: { type: ['string', 'null'], maxLength: 8, 'x-sso': { editableBy: 'self', readableBy: 'self', secret: true } },
    badge: { type: ['string', 'null'], 'x-sso': { readableBy: 'self' } },
  },
}

const DEFAULTS = {
  nickname: null,
  is_member: true,
  points: null,
  ratio: 0.5,
  joined_at: new Date('2020-02-29T12:00:00.001Z'),
  settings: null,
  team: null,
  badge: null,
}

const CHANGED = {
  nickname: '𝔑 é 😀',
  is_member: false,
  points: -10,
  ratio: 0.1,
  joined_at: '2026-03-08T02:30:00.999Z',
  settings: { theme: 'dark', list: [1, null, { deep: '😀' }] },
  pin: '12😀',
}

/** As they come back: times as times, secrets not at all. */
const { pin: _, ...PLAIN } = CHANGED
const READ = { ...PLAIN, joined_at: new Date(CHANGED.joined_at) }

const PLACES = ['own table', 'host table without their columns', 'host table with their columns'] as const

const cases = databases.flatMap((name) => PLACES.map((place) => [name, place] as const))

describe.each(cases)('a host’s own attributes on %s, %s', (name, place) => {
  let host: TestHost
  let userId: string

  beforeAll(async () => {
    const columns =
      place === 'host table with their columns'
        ? { ...HOST_COLUMNS, nickname: 'alias', pin: 'secret_pin' }
        : HOST_COLUMNS
    const options: Partial<Options> = {
      attributes: ATTRIBUTES,
      ...(place === 'own table' ? {} : { users: { table: 'members', columns } }),
    }
    host = await startHost(name, {
      arrangement: place === 'own table' ? 'own table' : 'host table',
      options,
      prepare: async ({ db }) => {
        if (place !== 'host table with their columns') return
        await db.schema.alterTable('members', (table) => {
          table.string('alias', 30)
          table.boolean('is_member').notNullable().defaultTo(true)
          table.integer('points')
          table.double('ratio')
          table.datetime('joined_at', { precision: 3 })
          table.json('settings')
          table.string('team', 20)
          table.text('note')
          table.string('secret_pin', 255)
          table.string('badge', 20)
        })
      },
    })
    userId = await idOf(host, 'ada')
  })
  afterAll(() => host?.close())

  const read = async () => (await host.sso.user.getUserById({ ...CODE, userId })) as unknown as Record<string, unknown>

  test('have their defaults in a new account', async () => {
    expect(await read()).toMatchObject({ ...DEFAULTS, note: null })
    expect(await read()).not.toHaveProperty('pin')
  })

  test('are changed by their owner, each as its kind', async () => {
    const currentUst = await host.login('ada')
    const { user, changed } = await host.sso.user.updateCurrentUser({
      currentUst,
      currentApp: 'CRM',
      data: CHANGED as UserPatch,
    })
    expect(changed.toSorted()).toEqual(Object.keys(CHANGED).sort())
    expect(user).toMatchObject(READ)
    expect(user).not.toHaveProperty('pin')
    expect(user).not.toHaveProperty('note')
    expect(await read()).toMatchObject({ ...READ, team: null, note: null, badge: null })
    const again = await host.sso.user.updateCurrentUser({ currentUst, currentApp: 'CRM', data: CHANGED as UserPatch })
    expect(again.changed).toEqual([])
  })

  test('are audited with what they were and are, secrets redacted', async () => {
    const [record] = await host.audit({ operation: 'update_current_user', outcome: 'ok' })
    const changes = Object.fromEntries(record!.changes.map(({ attribute, from, to }) => [attribute, [from, to]]))
    expect(changes).toEqual({
      nickname: [null, CHANGED.nickname],
      is_member: [true, false],
      points: [null, -10],
      ratio: [0.5, 0.1],
      joined_at: ['2020-02-29T12:00:00.001Z', CHANGED.joined_at],
      settings: [null, CHANGED.settings],
      pin: [null, '[redacted]'],
    })
  })

  test('of which one is changed keep the others', async () => {
    await host.sso.user.updateUserById({ ...CODE, userId, data: { note: 'vip', points: 7 } as UserPatch })
    expect(await read()).toMatchObject({ ...READ, points: 7, note: 'vip' })
    await host.sso.user.updateUserById({ ...CODE, userId, data: { points: null, nickname: '', ratio: 0 } as UserPatch })
    expect(await read()).toMatchObject({ ...READ, points: null, nickname: '', ratio: 0, note: 'vip' })
  })

  test('are secret in every table, log and reply where they are said to be', async () => {
    await host.sso.user.updateUserById({ ...CODE, userId, data: { pin: 'c4n4ry' } as UserPatch })
    const { db } = host.database
    const tables = place === 'own table' ? ['sso_user', 'sso_audit'] : ['members', 'sso_account', 'sso_audit']
    const content = JSON.stringify(await Promise.all(tables.map((table) => db(table))))
    expect(content).not.toContain('c4n4ry')
    expect(content).toContain('[redacted]')
    expect(JSON.stringify(await host.sso.user.getUserDetails({ ...CODE, userId }))).not.toContain('pin')
  })

  test('are read and changed over HTTP like ours', async () => {
    const ust = await host.login('ada')
    const body = {
      ust,
      current_app: 'CRM',
      nickname: 'over http',
      is_member: 'yes',
      settings: [1],
      joined_at: '2027-01-01',
    }
    const patched = await host.http.patch('/zato/sso/user').send(body)
    expect([patched.status, patched.body]).toEqual([200, { status: 'ok', cid: expect.any(String), sub_status: [] }])
    const { body: shown } = await host.http.get('/zato/sso/user').send({ ust, current_app: 'CRM' })
    expect(shown).toMatchObject({
      nickname: 'over http',
      is_member: true,
      settings: [1],
      joined_at: '2027-01-01T00:00:00',
    })
    expect(Object.keys(shown)).toEqual(expect.not.arrayContaining(['note', 'pin']))

    const refused = await host.http.patch('/zato/sso/user').send({ ust, current_app: 'CRM', team: 'sales' })
    expect([refused.status, refused.body]).toEqual([
      403,
      {
        status: 'error',
        cid: expect.any(String),
        sub_status: ['E008002'],
        details: ['team: The attribute may not be changed by the caller.'],
      },
    ])
  })

  test.each([
    [{ nickname: 'x'.repeat(31) }, 'input_invalid'],
    [{ nickname: 5 }, 'input_invalid'],
    [{ is_member: null }, 'input_invalid'],
    [{ points: -11 }, 'input_invalid'],
    [{ points: 1.5 }, 'input_invalid'],
    [{ ratio: '1' }, 'input_invalid'],
    [{ ratio: Number.NaN }, 'input_invalid'],
    [{ joined_at: 'yesterday' }, 'input_invalid'],
    [{ joined_at: new Date(Number.NaN) }, 'input_invalid'],
    [{ settings: 'text' }, 'input_invalid'],
    [{ settings: { ['__proto__x']: 'a\u0000b' } }, 'input_invalid'],
    [{ settings: JSON.parse('{"__proto__": 1}') }, 'input_invalid'],
    [{ team: 'sale' }, 'input_invalid'],
    [{ pin: 'x'.repeat(9) }, 'input_invalid'],
    [{ badge: 'x' }, 'attribute_forbidden'],
  ])('refuse what their schema does: %j', async (data, code) => {
    const before = await read()
    await expect(host.sso.user.updateUserById({ ...CODE, userId, data: data as UserPatch })).rejects.toMatchObject({
      code,
      issues: [{ attribute: Object.keys(data)[0], code }],
    })
    expect(await read()).toEqual(before)
  })

  test('say which values there are, null among them', async () => {
    const refused = host.sso.user.updateUserById({ ...CODE, userId, data: { team: 'sale' } as UserPatch })
    await expect(refused).rejects.toMatchObject({
      issues: [{ message: 'The value must be one of sales, support, null.' }],
    })
  })
})
