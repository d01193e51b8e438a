import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import type { TestDatabase } from '../support/databases.ts'
import { createDatabase } from '../support/databases.ts'
import { type Arrangement, startHost, type TestHost } from '../support/host.ts'
import { expectedContents, foundContents, trailAfter } from './contents.ts'
import { Faults, Injected } from './faults.ts'
import { byFunction, type Outcome, type Resolved } from './functions.ts'
import { type Ground, generate } from './generator.ts'
import { passwordHasher } from './hasher.ts'
import { describe, type Operation, type Tagged } from './operations.ts'
import { type Moment, type Prediction, predict } from './predict.ts'
import { Random } from './random.ts'
import { overHttp } from './requests.ts'
import { KeepingSink } from './sinks.ts'
import { Wire } from './wire.ts'
import { told } from './wording.ts'
import {
  ABSOLUTE_MINUTES,
  copyOf,
  type Entry,
  LIFETIME_MINUTES,
  REAUTH_SECONDS,
  replace,
  type Settings,
  type World,
} from './world.ts'

/** What a run is made of. */
export interface Plan {
  readonly database: TestDatabase['name']
  readonly arrangement: Arrangement
  /** Whether the host has a hook in transactions: they are Knex' own then. */
  readonly hasHook: boolean
  readonly seed: number
  /** Tells runs of one seed apart. */
  readonly part: number
  readonly operations: number
}

const CHECK_EVERY = 500
const START = Date.parse('2031-03-03T03:03:03.333Z')

/** Operations against the package and the model, until one differs. */
export class Run {
  readonly #plan: Plan
  readonly #random: Random
  readonly #host: TestHost
  readonly #faults: Faults
  readonly #wire: Wire
  readonly #sinks: readonly KeepingSink[]
  readonly #clock: { now: number }
  readonly #unforeseen: unknown[]
  readonly #hook: { fault: Operation['fault'] }
  readonly #world: World = { accounts: new Map(), sessions: new Map() }
  readonly #trail: Entry[] = []
  readonly #lostTokens: string[] = []
  readonly #tags = new Map<string, Tagged>()
  /** What has been seen, to show that the run is worth something. */
  readonly seen: Record<string, number> = {}
  #checked = 0
  #lastId = 0

  static async start(plan: Plan): Promise<Run> {
    const clock = { now: START }
    const hook: { fault: Operation['fault'] } = { fault: null }
    const unforeseen: unknown[] = []
    const sinks = [new KeepingSink('steady', 100, 0), new KeepingSink('moody', 7, 5)]
    const database = await createDatabase(plan.database)
    const faults = new Faults(database)
    const withinUpdate = () => {
      if (hook.fault?.at !== 'hook') return
      throw Object.assign(new Injected('injected: the hook'), hook.fault.isRefusal ? { status: 409 } : {})
    }
    const host = await startHost(plan.database, {
      arrangement: plan.arrangement,
      database,
      users: [],
      options: {
        now: () => new Date(clock.now),
        password: { hasher: passwordHasher() },
        session: { lifetimeMinutes: LIFETIME_MINUTES, absoluteMinutes: ABSOLUTE_MINUTES },
        rest: { reauthMaxAge: REAUTH_SECONDS },
        email: { unique: plan.arrangement === 'own table' },
        correlationId: (req) => req.get('X-Cid'),
        audit: { sinks, firstWaitSeconds: 1, maxWaitSeconds: 1 },
        hooks: {
          onError: (error) => void unforeseen.push(error),
          ...(plan.hasHook ? { withinUpdate } : {}),
        },
      },
    })
    const run = new Run(plan, { host, faults, sinks, clock, unforeseen, hook })
    await run.#begin()
    return run
  }

  constructor(
    plan: Plan,
    parts: {
      host: TestHost
      faults: Faults
      sinks: readonly KeepingSink[]
      clock: { now: number }
      unforeseen: unknown[]
      hook: { fault: Operation['fault'] }
    },
  ) {
    this.#plan = plan
    this.#random = new Random(plan.seed + plan.part)
    this.#host = parts.host
    this.#faults = parts.faults
    this.#sinks = parts.sinks
    this.#clock = parts.clock
    this.#unforeseen = parts.unforeseen
    this.#hook = parts.hook
    this.#wire = new Wire(parts.host.url)
  }

  async close(): Promise<void> {
    this.#wire.close()
    await this.#host.close()
    await this.#faults.close()
    await this.#host.database.drop()
  }

  /** All of them, with looks at the whole database in between. */
  async all(): Promise<void> {
    const { operations, database } = this.#plan
    for (let index = 0; index < operations; ) {
      this.#tick()
      if (database !== 'sqlite' && this.#random.oneIn(400)) await this.#faults.killAll()
      const isPair = index + 1 < operations && this.#random.oneIn(15)
      const before = Math.floor(index / CHECK_EVERY)
      if (isPair) await this.#pair(index)
      else await this.#one(index)
      index += isPair ? 2 : 1
      if (Math.floor(index / CHECK_EVERY) > before || index === operations) await this.#checkpoint(index)
    }
    const { faults } = await this.#host.sso.audit.verifyAudit()
    expect(faults, `the chain, seed ${this.#plan.seed}`).toEqual([])
  }

  /** What `startHost` has made, and a few more to begin with. */
  async #begin(): Promise<void> {
    const moment = { settings: this.#settings, trail: this.#trail, now: START }
    const known = await this.#host.database.db('sso_audit').orderBy('id')
    const [admin] = known
    const create = (username: string, isSuper: boolean): Operation => ({
      kind: 'create',
      channel: 'code',
      caller: { via: 'code' },
      app: 'CRM',
      fault: null,
      data: { username, password: 'correct horse battery' },
      autoApprove: true,
      isSuper,
      ifMatch: null,
      isDryRun: false,
      currentPassword: null,
    })
    const first = predict(this.#world, create('admin', true), {
      ...moment,
      cid: admin.cid,
      learned: { userId: String(admin.target_id) },
    })
    const [entry] = first.entries
    if (entry) this.#trail.push({ ...entry, actor_name: 'createSuperUser', app: null })
    const values = this.#world.accounts.get(String(admin.target_id))?.values
    if (values) values['approval_status_mod_by'] = 'createSuperUser'
    const changes = this.#trail[0]?.changes as unknown as { attribute: string; to: unknown }[]
    for (const change of changes) if (change.attribute === 'approval_status_mod_by') change.to = 'createSuperUser'

    const names = ['admin2', 'ada', 'bob', 'eve', 'user1', 'user2']
    for (const [index, name] of names.entries()) await this.#perform(create(name, name === 'admin2'), `start-${index}`)
  }

  get #settings(): Settings {
    const isOwn = this.#plan.arrangement === 'own table'
    return { namesAreCaseless: isOwn || this.#plan.database === 'mariadb', emailIsUnique: isOwn }
  }

  /** Time goes on, by leaps now and then, and sometimes back. */
  #tick(): void {
    const kind = this.#random.weighted({ step: 90, leap: 3, still: 6, back: 1 })
    if (kind === 'step') this.#clock.now += this.#random.below(20_000)
    else if (kind === 'leap') this.#clock.now += this.#random.below(2_400_000)
    else if (kind === 'back') this.#clock.now -= this.#random.below(60_000)
  }

  get #ground(): Ground {
    return {
      random: this.#random,
      world: this.#world,
      trail: this.#trail,
      now: this.#clock.now,
      lostTokens: this.#lostTokens,
      tags: this.#tags,
      hasHook: this.#plan.hasHook,
      isServer: this.#plan.database !== 'sqlite',
    }
  }

  async #one(index: number): Promise<void> {
    const operation = generate(this.#ground)
    await this.#perform(operation, `op-${index}`, index)
  }

  async #perform(operation: Operation, cid: string, index = -1): Promise<void> {
    const { fault } = operation
    const before = fault?.at === 'statement' ? copyOf(this.#world) : null
    const tokens = [...this.#world.sessions.keys()]
    const ids = await this.#resolve(operation)
    this.#hook.fault = fault
    this.#faults.arm(fault?.at === 'statement' ? fault : null)
    const found = await this.#carryOut(operation, cid, ids)
    const hasFired = this.#faults.hasFired
    this.#faults.arm(null)
    this.#hook.fault = null

    const expected = predict(this.#world, operation, this.#moment(cid, found))
    const isBroken = hasFired && fault?.at === 'statement' && fault.how !== 'deadlock'
    // The connection that was cut off may be lent once more before the pool knows: the failure is then reported, at least.
    const isLost = isBroken && fault.how === 'killed' && !(await this.#isRecorded(cid))
    if (isLost)
      expect(this.#unforeseen.length, `the failure of ${cid} is neither recorded nor reported`).toBeGreaterThan(0)
    const failed = { ...expected, reply: { error: 'internal' }, entries: isLost ? [] : [expected.failure] }
    const prediction: Prediction = isBroken ? failed : expected
    if (isBroken && before) replace(this.#world, before)
    this.#compare(index, operation, prediction, found)
    this.#trail.push(...prediction.entries)
    this.#note(operation, prediction, hasFired)
    this.#lostTokens.push(...tokens.filter((token) => !this.#world.sessions.has(token)))
    await this.#readTag()
  }

  /** Two at once on one account: whatever comes of it must be what comes of one after the other. */
  async #pair(index: number): Promise<void> {
    const about = this.#random.pick([...this.#world.accounts.keys()])
    const [first, second] = [generate(this.#ground, about), generate(this.#ground, about)]
    const pair = [first, second].map((operation): Operation => withoutName({ ...operation, fault: null }))
    // An account that is looked up by its name is written to by its id, whatever it is called by then.
    if (pair.some(isByName) && pair.some(({ kind }) => kind === 'revert')) return this.#pair(index)
    const cids = [`op-${index}`, `op-${index + 1}`]
    const tokens = [...this.#world.sessions.keys()]
    const ids = await Promise.all(pair.map((operation) => this.#resolve(operation)))
    const outcomes = await Promise.all(
      pair.map((operation, at) => this.#carryOut(operation, cids[at] as string, ids[at] as Resolved)),
    )
    const rows = await this.#host.database.db('sso_audit').whereIn('cid', cids).orderBy('id')
    const entries = rows.map(({ cid, outcome, error, changes }) => ({
      cid,
      outcome,
      error,
      changes: JSON.parse(changes),
    }))

    const tries = [
      [0, 1],
      [1, 0],
    ].map((order) => {
      const world = copyOf(this.#world)
      const predictions: Prediction[] = []
      for (const at of order) {
        const operation = pair[at] as Operation
        predictions[at] = predict(world, operation, this.#moment(cids[at] as string, outcomes[at] as Outcome))
      }
      const fits = pair.every((operation, at) => {
        const { reply, entries: wanted } = predictions[at] as Prediction
        const [record] = entries.filter(({ cid }) => cid === cids[at])
        const isRecorded = isDeepStrictEqual(recordShape(record), recordShape(wanted[0]))
        return isRecorded && isDeepStrictEqual(told(operation, reply), outcomes[at]?.reply)
      })
      return { world, predictions, fits }
    })
    const fitting = await this.#asFound(tries.filter(({ fits }) => fits))
    if (!fitting) {
      const found = outcomes.map(({ reply }) => reply)
      const expected = tries.map(({ predictions }) => predictions.map(({ reply, entries }) => ({ reply, entries })))
      throw this.#failure(index, pair.map(describe).join('\n  and at once '), expected, { found, entries })
    }
    replace(this.#world, fitting.world)
    // A refusal is recorded on its own: what it knew of actor and target, and its place, depend on who was when.
    const whole = await trailAfter(this.#host, 0).then((all) => all.filter(({ cid }) => cids.includes(cid)))
    for (const { id: _, ...entry } of whole) {
      const time = new Date(this.#clock.now).toISOString()
      this.#trail.push({ ...entry, time })
    }
    for (const [at, operation] of pair.entries()) this.#note(operation, fitting.predictions[at] as Prediction, false)
    this.seen['pairs'] = (this.seen['pairs'] ?? 0) + 1
    this.#lostTokens.push(...tokens.filter((token) => !this.#world.sessions.has(token)))
  }

  /** Of two orders that look the same in replies and records, the one that left the sessions that there are. */
  async #asFound<T extends { readonly world: World }>(tries: readonly T[]): Promise<T | undefined> {
    if (tries.length < 2) return tries[0]
    const found = (await this.#host.database.db('sso_session').pluck('ust_hash')).sort()
    return tries.find(({ world }) => isDeepStrictEqual([...world.sessions.keys()].map(hashOf).sort(), found))
  }

  async #isRecorded(cid: string): Promise<boolean> {
    return (await this.#host.database.db('sso_audit').where({ cid }).first('id')) !== undefined
  }

  #moment(cid: string, { learned }: Outcome): Moment {
    return { settings: this.#settings, trail: this.#trail, cid, now: this.#clock.now, learned }
  }

  #carryOut(operation: Operation, cid: string, ids: Resolved): Promise<Outcome> {
    return operation.channel === 'code'
      ? byFunction(this.#host, operation, cid, ids)
      : overHttp(this.#wire, operation, cid, ids)
  }

  /** Ids that only the database knows. */
  async #resolve(operation: Operation): Promise<Resolved> {
    const { db } = this.#host.database
    let [sessionId, auditId] = ['none', 999_999_999]
    if (operation.kind === 'end session' && operation.ust !== null) {
      const hash = hashOf(operation.ust)
      sessionId = (await db('sso_session').where('ust_hash', hash).first('session_id'))?.session_id ?? 'none'
    }
    if (operation.kind === 'revert' && operation.record !== null) {
      auditId = Number((await db('sso_audit').where('cid', operation.record).first('id'))?.id)
    }
    return { sessionId, auditId }
  }

  /** Reads an account's entity tag now and then, to be sent at once or much later. */
  async #readTag(): Promise<void> {
    if (!this.#random.oneIn(12)) return
    const userId = this.#random.pick([...this.#world.accounts.keys()])
    const actor = { via: 'code', name: 'model' } as const
    const { etag, user } = await this.#host.sso.user.getUserDetails({ actor, userId })
    this.#tags.set(userId, { etag, shown: JSON.stringify(user) })
  }

  #compare(index: number, operation: Operation, prediction: Prediction, found: Outcome): void {
    const expected = told(operation, prediction.reply)
    if (!isDeepStrictEqual(expected, found.reply)) {
      throw this.#failure(index, describe(operation), expected, {
        ...found.reply,
        error: found.reply.error,
        thrown: found.error,
      })
    }
  }

  #failure(index: number, operation: string, expected: unknown, found: unknown): Error {
    const { seed, operations, database, arrangement } = this.#plan
    const shown = (value: unknown) =>
      JSON.stringify(value, (_key, one) => (one instanceof Error ? String(one.stack) : one), 2)
    return new Error(
      `seed ${seed}, operation ${index} of ${operations}, on ${database}, ${arrangement}, at ${new Date(this.#clock.now).toISOString()}:
  ${operation}
  expected ${shown(expected)}
  found ${shown(found)}`,
    )
  }

  #note({ kind, channel, fault }: Operation, { reply }: Prediction, hasFired: boolean): void {
    const names = [kind, channel, reply.error ?? 'ok', `${kind} ${reply.error === null ? 'ok' : 'refused'}`]
    if (hasFired && fault?.at === 'statement') names.push(fault.how)
    for (const name of names) this.seen[name] = (this.seen[name] ?? 0) + 1
  }

  /** The whole database, the trail and what the sinks got. */
  async #checkpoint(index: number): Promise<void> {
    const place = `after operation ${index - 1}, seed ${this.#plan.seed}`
    const found = await foundContents(this.#host, this.#plan.arrangement, this.#world)
    expect(found, `accounts and sessions ${place}`).toEqual(expectedContents(this.#world, this.#clock.now))

    const rows = await trailAfter(this.#host, this.#lastId)
    const wanted = this.#trail.slice(this.#checked)
    const bare = rows.map(({ id: _, ...entry }) => entry)
    expect(bare, `trail ${place}`).toEqual(wanted.map((entry) => ({ ...entry, time: '' })))
    this.#lastId = rows.at(-1)?.id ?? this.#lastId
    this.#checked = this.#trail.length

    for (const sink of this.#sinks) sink.isCalm = true
    await this.#host.sso.flush()
    // Of records that were written at once, one may be committed before another with a smaller number: it is sealed first.
    const sealed = await this.#host.database.db('sso_audit').orderBy(['seal', 'id']).pluck('id')
    const entries = new Map(rows.map(({ id }, at) => [id, wanted[at]]))
    for (const { records, name } of this.#sinks) {
      expect(
        records.map(({ id }) => id),
        `order of what ${name} got ${place}`,
      ).toEqual(sealed.map(Number))
      const latest = records.filter(({ id }) => entries.has(id))
      const bare = latest.map(({ id: _, ...entry }) => entry)
      expect(bare, `what ${name} got ${place}`).toEqual(latest.map(({ id }) => entries.get(id)))
    }
    for (const sink of this.#sinks) sink.isCalm = false
    const unforeseen = this.#unforeseen.splice(0).filter((error) => !isForeseen(error))
    expect(unforeseen, `errors ${place}`).toEqual([])
  }
}

/** What the database has of a token. */
function hashOf(ust: string): string {
  return createHash('sha256').update(ust).digest('base64url')
}

function isByName({ kind }: Operation): boolean {
  return kind === 'login' || kind === 'updateuser'
}

/** The operation without a new username. */
function withoutName(operation: Operation): Operation {
  if (operation.kind !== 'update') return operation
  const { username: _, ...data } = operation.data
  return { ...operation, data }
}

/** What of a record does not depend on who was first. */
function recordShape(record: { outcome?: unknown; error?: unknown; changes?: unknown } | undefined): unknown {
  if (!record) return null
  const { outcome, error, changes } = record
  const sorted = [...(changes as Entry['changes'])].sort((one, other) => (one.attribute < other.attribute ? -1 : 1))
  return { outcome, error, changes: sorted }
}

/** What was injected, and what a connection that is killed ends in. */
function isForeseen(error: unknown): boolean {
  if (error instanceof Injected) return true
  return /terminat|closed|lost|socket|connection|ECONNRESET|EPIPE/i.test(String(error))
}
