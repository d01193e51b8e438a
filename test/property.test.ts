import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AttributesSchema, type Options, SsoError } from '../src/index.ts'
import {
  ARRANGEMENTS,
  type Arrangement,
  databases,
  HOST_COLUMNS,
  idOf,
  PASSWORD,
  startHost,
  type TestHost,
} from './support/host.ts'

const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 150)
// A failing run prints its seed and path; PROPERTY_SEED runs it again.
const SEED = process.env['PROPERTY_SEED']

const CODE = { actor: { via: 'code', name: 'test' } } as const

const HOST_ATTRIBUTES: AttributesSchema = {
  properties: {
    nickname: { type: ['string', 'null'], maxLength: 30, 'x-sso': { editableBy: 'self', readableBy: 'self' } },
    credits: { type: ['integer', 'null'], 'x-sso': { editableBy: 'super_user', readableBy: 'self' } },
    badge: { type: ['string', 'null'], 'x-sso': { editableBy: 'nobody', readableBy: 'self' } },
    pin: { type: ['string', 'null'], maxLength: 8, 'x-sso': { editableBy: 'self', secret: true } },
  },
}

const OPTIONS: Partial<Options> = {
  attributes: HOST_ATTRIBUTES,
  authenticate: (req) => {
    const [userId, claim] = (req.get('X-Test-User') ?? '').split(' ')
    if (!userId) return null
    return claim === 'super' ? { userId, isSuperUser: true } : { userId }
  },
}

/** Who asks. The last two are the host's word, with the account's rights or with more. */
const ACTORS = ['nobody', 'regular', 'super-user', 'code', 'host regular', 'host super-user', 'host raised'] as const
type ActorKind = (typeof ACTORS)[number]

const TARGETS = ['self', 'own id', 'other regular', 'other super-user', 'unknown'] as const
type TargetKind = (typeof TARGETS)[number]

interface Attempt {
  readonly actor: ActorKind
  readonly target: TargetKind
  readonly channel: 'function' | 'http'
  readonly patch: ReadonlyMap<string, { readonly value: unknown; readonly isValid: boolean }>
}

// Columns, and names of things that are no attributes: none of them may be written by naming it.
const NO_ATTRIBUTES = ['nope', 'Username', 'is_approved', '__proto__', 'constructor', 'row_version', 'username_key']
NO_ATTRIBUTES.push('display_name_upper', 'extra', 'nr', 'login', 'pw_hash', 'admin', 'favourite_colour', 'email ')

const text = (maxLength: number) =>
  fc
    .string({ unit: 'grapheme', maxLength: 12 })
    .map((value) => [...value.replace(UNSUITABLE, '')].slice(0, maxLength).join(''))
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is left out
const UNSUITABLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g
const time = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })
  .chain((date) =>
    fc.constantFrom<unknown>(date.toISOString(), date.toISOString().slice(0, 10), date.toISOString().slice(0, 19)),
  )
let serial = 0

const VALID: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  username: fc.constantFrom('new', 'ÑEW', 'ﬁ').map((name) => `${name}${++serial}`),
  email: fc.option(fc.nat(999).map((number) => `someone${number}@example.org`)),
  display_name: fc.option(text(191)),
  first_name: fc.option(text(191)),
  middle_name: fc.option(text(191)),
  last_name: fc.option(fc.constantFrom('e\u0301', 'É', '', '😀'.repeat(191))),
  is_locked: fc.boolean(),
  approval_status: fc.constantFrom('before_decision', 'approved', 'rejected'),
  password_must_change: fc.boolean(),
  password_expiry: fc.option(time),
  sign_up_status: fc.constantFrom('before_confirmation', 'final'),
  is_totp_enabled: fc.boolean(),
  totp_key: fc.option(fc.constantFrom('JBSWY3DPEHPK3PXP', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')),
  totp_label: fc.option(text(191)),
  nickname: fc.option(text(30)),
  credits: fc.option(fc.integer()),
  pin: fc.option(fc.constantFrom('', '1234')),
}
const EDITABLE = Object.keys(VALID)

const INVALID = fc.constantFrom<unknown>(
  5.5,
  [],
  ['a'],
  {},
  { toString: 'x' },
  'a\u0000b',
  '\ud800',
  'x'.repeat(5000),
  'x\ny',
  '\u202eevil',
  Number.NaN,
)

/** Something for any name: whoever may not write an attribute may not, whatever the value. */
const anything = fc.constantFrom<unknown>(true, false, null, '', 'x', 0, 7, '2030-01-01T00:00:00.000Z', 'approved')

const entry = (name: string) =>
  Object.hasOwn(VALID, name)
    ? fc.oneof(
        { weight: 12, arbitrary: VALID[name]!.map((value) => ({ value, isValid: true })) },
        { weight: 1, arbitrary: INVALID.map((value) => ({ value, isValid: false })) },
      )
    : anything.map((value) => ({ value, isValid: false }))

function attempts(all: readonly string[]): fc.Arbitrary<Attempt> {
  const names = fc.oneof(
    { weight: 6, arbitrary: fc.uniqueArray(fc.constantFrom(...EDITABLE), { minLength: 1, maxLength: 6 }) },
    { weight: 2, arbitrary: fc.uniqueArray(fc.constantFrom(...all, ...NO_ATTRIBUTES), { maxLength: 5 }) },
    { weight: 1, arbitrary: fc.constant([...all]) },
  )
  return fc.record({
    actor: fc.constantFrom(...ACTORS),
    target: fc.constantFrom(...TARGETS),
    channel: fc.constantFrom('function' as const, 'http' as const),
    patch: names.chain((chosen) =>
      fc.tuple(...chosen.map(entry)).map((values) => new Map(chosen.map((name, index) => [name, values[index]!]))),
    ),
  })
}

const cases = databases.flatMap((name) => ARRANGEMENTS.map((arrangement) => [name, arrangement] as const))

describe.each(cases)('on %s, %s', (name, arrangement) => {
  let world: World
  beforeAll(async () => {
    world = await World.open(name, arrangement)
  })
  afterAll(() => world?.host.close())

  test('ASVS 8.2.3 nobody changes what the access matrix does not allow, and what is not named stays as it is', async () => {
    const seen = { changed: 0, refused: 0, unchanged: 0 }
    const property = fc.asyncProperty(attempts(world.attributes), async (attempt) => {
      seen[await world.check(attempt)]++
    })
    await fc.assert(property, { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) })
    // A generator that only makes refusals would show nothing.
    expect(seen.changed).toBeGreaterThan(RUNS / 10)
    expect(seen.refused).toBeGreaterThan(RUNS / 10)
  })
})

type Row = Readonly<Record<string, unknown>>
/** Every row of the accounts' tables, by table and id. */
type State = Readonly<Record<string, Readonly<Record<string, Row>>>>

class World {
  readonly host: TestHost
  readonly attributes: readonly string[]
  readonly #isHost: boolean
  readonly #ids: Readonly<Record<'ada' | 'bob' | 'admin' | 'eve', string>>
  readonly #usts: Readonly<Record<'ada' | 'admin', string>>

  static async open(name: (typeof databases)[number], arrangement: Arrangement): Promise<World> {
    const host = await startHost(name, { arrangement, options: OPTIONS })
    await host.sso.user.createSuperUser({ data: { username: 'eve', password: PASSWORD } })
    const [ada, bob, admin, eve] = await Promise.all([
      idOf(host, 'ada'),
      idOf(host, 'bob'),
      idOf(host, 'admin'),
      idOf(host, 'eve'),
    ])
    // Something in every attribute, so that a reset to nothing would show.
    const data = {
      email: 'before@example.org',
      display_name: 'before',
      first_name: 'before',
      middle_name: 'before',
      last_name: 'before',
      totp_label: 'before',
      totp_key: 'ABCDEFGHIJKLMNOP',
      password_expiry: '2090-01-01T00:00:00.123Z',
      nickname: 'before',
      credits: 1,
      pin: '0000',
    }
    for (const userId of [ada, bob, admin, eve]) await host.sso.user.updateUserById({ ...CODE, userId, data })
    return new World(
      host,
      arrangement,
      { ada, bob, admin, eve },
      { ada: await host.login('ada'), admin: await host.login('admin') },
    )
  }

  constructor(
    host: TestHost,
    arrangement: Arrangement,
    ids: Readonly<Record<'ada' | 'bob' | 'admin' | 'eve', string>>,
    usts: Readonly<Record<'ada' | 'admin', string>>,
  ) {
    this.host = host
    this.#isHost = arrangement === 'host table'
    this.#ids = ids
    this.#usts = usts
    this.attributes = host.sso.accessMatrix.map(({ attribute }) => attribute)
  }

  /** Tries the change, and compares every byte of every account with what may have changed. */
  async check(attempt: Attempt): Promise<'changed' | 'refused' | 'unchanged'> {
    const before = await this.#state()
    const sessions = await this.host.database.db('sso_session')
    const records = await this.host.audit()
    const error = await this.#attempt(attempt)
    const after = await this.#state()
    const [record, ...more] = (await this.host.audit()).slice(records.length)
    const changed = differences(before, after)
    try {
      this.#judge(attempt, error, changed, before, after)
      expect(more).toEqual([])
      if (changed.length > 0) expect(record).toMatchObject({ outcome: 'ok', target_id: this.#targetId(attempt) })
      else expect(record?.outcome).not.toBe('ok')
      if (error !== null) expect(record?.changes ?? []).toEqual([])
    } finally {
      await this.#restore(before, after)
      await this.#reopen(sessions)
    }
    if (error !== null) return 'refused'
    return changed.length > 0 ? 'changed' : 'unchanged'
  }

  #judge(attempt: Attempt, error: unknown, changed: readonly Difference[], before: State, after: State): void {
    const { isSelf, isSuperUser } = this.#standing(attempt)
    const named = this.#named(attempt)
    const allowed = this.host.sso.accessMatrix.filter(
      ({ editableBy }) => editableBy !== 'nobody' && (isSuperUser || (editableBy === 'self' && isSelf)),
    )
    const permitted = new Set(allowed.map(({ attribute }) => attribute).filter((attribute) => named.has(attribute)))
    const targetId = this.#targetId(attempt)

    if (error !== null) expect(changed, 'what was refused is not written').toEqual([])
    for (const { id, table, column } of changed) {
      expect(id, 'only the account that was meant is changed').toBe(targetId)
      if (column === 'extra') {
        const [from, to] = [before, after].map((state) => JSON.parse(String(state[table]?.[id]?.['extra'] ?? '{}')))
        for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
          if (JSON.stringify(from[key]) !== JSON.stringify(to[key])) expect([...permitted]).toContain(key)
        }
      } else expect([...this.#columnsOf(permitted)], `${table}.${column}`).toContain(column)
    }

    const mustPass = [...attempt.patch].every(
      ([attribute, { value, isValid }]) =>
        isValid &&
        permitted.has(attribute) &&
        // Without a key it may be refused; Zato's wire has no null for times.
        !['is_totp_enabled', 'totp_key'].includes(attribute) &&
        !(attempt.channel === 'http' && attribute === 'password_expiry' && value === null),
    )
    const isReachable = targetId !== null && attempt.actor !== 'nobody' && attempt.patch.size > 0
    const keepsOut = ['is_locked', 'approval_status', 'sign_up_status'].some((attribute) => named.has(attribute))
    if (keepsOut && error !== null && mustPass && isReachable) {
      // Nobody shuts himself out, and the last super-user stays.
      const code = isSelf ? 'operation_invalid' : 'last_super_user'
      expect(error).toMatchObject(attempt.channel === 'http' ? { sub_status: ['E008001'] } : { code })
    } else if (isReachable && mustPass) expect(error, 'what is allowed and valid is done').toBeNull()
    if (error !== null && attempt.channel === 'function') expect(error).toBeInstanceOf(SsoError)
  }

  /** Columns that these attributes, and what is documented to follow from them, are in. */
  #columnsOf(attributes: ReadonlySet<string>): ReadonlySet<string> {
    const columns = new Set<string>()
    const follows: Readonly<Record<string, readonly string[]>> = {
      is_locked: ['locked_time', 'locked_by'],
      approval_status: ['approval_status_mod_time', 'approval_status_mod_by', 'is_approval_needed'],
      // A key that nobody has proved switches codes off.
      totp_key: ['totp_last_step', 'totp_is_proved', 'is_totp_enabled'],
      username: ['username_key'],
      email: ['email_key'],
    }
    for (const attribute of attributes) {
      for (const one of [attribute, ...(follows[attribute] ?? [])]) {
        columns.add(this.#isHost ? ((HOST_COLUMNS as Record<string, string>)[one] ?? one) : one)
      }
      if (!this.#isHost) columns.add(`${attribute}_upper`)
    }
    if (attributes.size > 0 && !this.#isHost) columns.add('row_version')
    return columns
  }

  #actorId({ actor }: Attempt): string | null {
    if (actor === 'nobody' || actor === 'code') return null
    return actor === 'super-user' || actor === 'host super-user' ? this.#ids.admin : this.#ids.ada
  }

  #targetId(attempt: Attempt): string | null {
    if (attempt.target === 'self' || attempt.target === 'own id') return this.#actorId(attempt)
    if (attempt.target === 'unknown') return null
    return attempt.target === 'other regular' ? this.#ids.bob : this.#ids.eve
  }

  #standing(attempt: Attempt): { isSelf: boolean; isSuperUser: boolean } {
    const { actor } = attempt
    const actorId = this.#actorId(attempt)
    const isSuperUser = ['super-user', 'code', 'host super-user', 'host raised'].includes(actor)
    return { isSelf: actorId !== null && actorId === this.#targetId(attempt), isSuperUser }
  }

  /** Names that reach the core: JSON drops what it cannot say, and `user_id` means the target there. */
  #named({ channel, patch }: Attempt): ReadonlySet<string> {
    return new Set([...patch.keys()].filter((name) => channel === 'function' || name !== 'user_id'))
  }

  async #attempt(attempt: Attempt): Promise<unknown> {
    return attempt.channel === 'http' && attempt.actor !== 'code' ? this.#overHttp(attempt) : this.#inCode(attempt)
  }

  async #inCode(attempt: Attempt): Promise<unknown> {
    const { actor, target, patch } = attempt
    const data = Object.create(null)
    for (const [name, { value }] of patch) Object.defineProperty(data, name, { value, enumerable: true })
    const ust = actor === 'nobody' ? 'no such token' : this.#usts[actor === 'super-user' ? 'admin' : 'ada']
    const byHost = { via: 'host', userId: this.#actorId(attempt) as string } as const
    const caller =
      actor === 'code'
        ? CODE
        : actor.startsWith('host')
          ? { actor: actor === 'host raised' ? { ...byHost, isSuperUser: true } : byHost }
          : { currentUst: ust, currentApp: 'CRM' }
    const userId = target === 'own id' ? (this.#actorId(attempt) ?? '999999') : (this.#targetId(attempt) ?? '999999')
    const call =
      target === 'self'
        ? this.host.sso.user.updateCurrentUser({ ...caller, data })
        : this.host.sso.user.updateUserById({ ...caller, userId, data })
    return call.then(
      () => null,
      (error) => error,
    )
  }

  async #overHttp(attempt: Attempt): Promise<unknown> {
    const { actor, target, patch } = attempt
    const body: [string, unknown][] = [...patch]
      .filter(([name]) => name !== 'user_id')
      .map(([name, { value }]) => [name, value])
    body.push(['current_app', 'CRM'])
    if (target !== 'self') body.push(['user_id', this.#targetId(attempt) ?? '999999'])
    if (actor === 'nobody') body.push(['ust', 'no such token'])
    if (actor === 'regular') body.push(['ust', this.#usts.ada])
    if (actor === 'super-user') body.push(['ust', this.#usts.admin])
    let request = this.host.http.patch('/zato/sso/user').set('Content-Type', 'application/json')
    if (actor.startsWith('host')) {
      const claim = actor === 'host raised' ? ' super' : ''
      request = request.set('X-Test-User', `${this.#actorId(attempt)}${claim}`).set('Sec-Fetch-Site', 'same-origin')
    }
    // Written by hand: an object would lose `__proto__`.
    const json = body.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')
    const reply = await request.send(`{${json}}`)
    expect(reply.status, 'bad input is no fault of the server').toBeLessThan(500)
    return reply.status === 200 ? null : reply.body
  }

  async #state(): Promise<State> {
    const { db } = this.host.database
    if (!this.#isHost) return { sso_user: byId(await db('sso_user'), 'user_id') }
    return { members: byId(await db('members'), 'nr'), sso_account: byId(await db('sso_account'), 'user_id') }
  }

  /** Some changes end sessions; the next attempt is to find them open. */
  async #reopen(sessions: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
    const open = await this.host.database.db('sso_session').pluck('ust_hash')
    const ended = sessions.filter(({ ust_hash }) => !open.includes(ust_hash))
    if (ended.length > 0) await this.host.database.db('sso_session').insert(ended)
  }

  /** Puts back what the attempt changed: the next one is to find accounts that work. */
  async #restore(before: State, after: State): Promise<void> {
    for (const { table, id } of differences(before, after)) {
      const key = table === 'members' ? 'nr' : 'user_id'
      await this.host.database
        .db(table)
        .where(key, id)
        .update(before[table]?.[id] as object)
    }
  }
}

interface Difference {
  readonly table: string
  readonly id: string
  readonly column: string
}

function differences(before: State, after: State): readonly Difference[] {
  const found: Difference[] = []
  for (const table of Object.keys(before)) {
    for (const id of new Set([...Object.keys(before[table]!), ...Object.keys(after[table]!)])) {
      const [from = {}, to = {}] = [before[table]?.[id], after[table]?.[id]]
      for (const column of new Set([...Object.keys(from), ...Object.keys(to)])) {
        if (JSON.stringify(from[column]) !== JSON.stringify(to[column])) found.push({ table, id, column })
      }
    }
  }
  return found
}

function byId(rows: readonly Row[], key: string): Record<string, Row> {
  return Object.fromEntries(rows.map((row) => [String(row[key]), row]))
}
