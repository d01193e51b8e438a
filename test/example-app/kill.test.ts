import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../support/host.ts'
import { type AppProcess, createExample, type Example, logIn, MYUSER_ID, plain, send, THENAME_ID } from './example.ts'

const ROUNDS = 3
const ENOUGH_ANSWERS = 100
const LONGEST_EXTRA_MS = 1500
const COLUMN_OF = { display_name: 'full_name', email: 'mail', first_name: 'first_name' } as const
type Attribute = keyof typeof COLUMN_OF

/** An update that was sent. No two send the same value, so that a value says which update it came from. */
interface Sent {
  readonly target: string
  readonly values: Readonly<Partial<Record<Attribute, string>>>
  /** Null while there is no answer. */
  cid: string | null
}

/** One session that sends one update after another until the app is gone. */
interface Sender {
  readonly ust: string
  readonly target: string
  /** Whether it says the account's id, as a super-user does. */
  readonly byId: boolean
}

interface Stored {
  readonly members: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  readonly audit: readonly { readonly cid: string; readonly target_id: string; readonly changes: readonly Step[] }[]
}

interface Step {
  readonly attribute: string
  readonly from: unknown
  readonly to: unknown
}

/** The members and the audit trail as they are at one and the same moment. */
async function readStored({ db }: Example): Promise<Stored> {
  const isolation: Knex.TransactionConfig = db.client.dialect === 'sqlite3' ? {} : { isolationLevel: 'repeatable read' }
  return db.transaction(async (trx) => {
    const members = await trx('members').select('*')
    const audit = await trx('sso_audit')
      .whereIn('operation', ['update_current_user', 'update_user_by_id'])
      .orderBy('id')
    return {
      members: new Map(members.map((row) => [row.id, { ...plain(row) }])),
      audit: audit.map(({ cid, target_id, changes }) => ({ cid, target_id, changes: JSON.parse(changes) })),
    }
  }, isolation)
}

/**
 * Follows an attribute through the audit trail, each step beginning with the value that another ended with.
 *
 * @returns the value at the end, and how many steps were on the way
 */
function follow(steps: readonly Step[], initial: unknown): { end: unknown; length: number } {
  const byFrom = new Map(steps.map((step) => [step.from, step]))
  expect(byFrom.size, 'two updates began with the same value: one of them was lost').toBe(steps.length)
  let end = initial
  let length = 0
  for (let step = byFrom.get(initial); step; step = byFrom.get(end)) {
    end = step.to
    length++
  }
  return { end, length }
}

async function sendUntilGone(base: string, name: string, { ust, target, byId }: Sender, sent: Sent[]): Promise<void> {
  const whose = byId ? { user_id: target } : {}
  for (let number = 0; ; number++) {
    const value = `${name}-${number}`
    const values = [
      { display_name: value },
      { display_name: value, email: `${value}@example.com` },
      { first_name: value, display_name: value },
    ][number % 3] as Sent['values']
    const update: Sent = { target, values, cid: null }
    sent.push(update)
    const reply = await send(base, 'PATCH', '/zato/sso/user', { ust, current_app: 'CRM', ...whose, ...values }).catch(
      () => null,
    )
    if (reply === null) return
    expect(reply.body).toEqual({ status: 'ok', cid: expect.any(String), sub_status: [] })
    update.cid = reply.body.cid
  }
}

/** Every answered update has one audit record, which says what was sent. */
function checkAnswered(sent: readonly Sent[], { audit }: Stored): void {
  const byCid = new Map(audit.map((row) => [row.cid, row]))
  expect(byCid.size).toBe(audit.length)
  for (const { cid, target, values } of sent) {
    if (cid === null) continue
    const row = byCid.get(cid)
    const written = Object.fromEntries(row?.changes.map(({ attribute, to }) => [attribute, to]) ?? [])
    expect([row?.target_id, written]).toEqual([target, values])
  }
}

/** The audit records of each attribute link up from its first value to the one that is in the table. */
function checkHistories(initial: Stored, { audit, members }: Stored): void {
  for (const target of [THENAME_ID, MYUSER_ID]) {
    const changes = audit.filter(({ target_id }) => target_id === target).flatMap((row) => row.changes)
    for (const [attribute, column] of Object.entries(COLUMN_OF)) {
      const steps = changes.filter((change) => change.attribute === attribute)
      const history = follow(steps, initial.members.get(target)?.[column])
      expect(history).toEqual({ end: members.get(target)?.[column], length: steps.length })
    }
  }
}

/** Nothing was written that nobody sent. */
function checkOrigin(sent: readonly Sent[], { audit }: Stored): void {
  const values = new Set<unknown>(sent.flatMap((update) => Object.values(update.values)))
  const unasked = audit.flatMap(({ changes }) => changes).filter(({ to }) => !values.has(to))
  expect(unasked).toEqual([])
}

describe.each(databases)('the example app, killed under load on %s', (name) => {
  let example: Example

  beforeAll(async () => {
    example = await createExample(name)
  })
  afterAll(() => example.drop())

  test('every update that was answered is in the table with its audit row, and no audit row is without its update', {
    timeout: 180_000,
  }, async () => {
    let app: AppProcess = await example.start()
    const initial = await readStored(example)
    const senders: Sender[] = [
      { ust: await logIn(app.base, 'thename'), target: THENAME_ID, byId: false },
      { ust: await logIn(app.base, 'thename'), target: THENAME_ID, byId: false },
      { ust: await logIn(app.base, 'myuser'), target: MYUSER_ID, byId: false },
      { ust: await logIn(app.base, 'myuser'), target: MYUSER_ID, byId: false },
      { ust: await logIn(app.base, 'admin'), target: THENAME_ID, byId: true },
      { ust: await logIn(app.base, 'admin'), target: MYUSER_ID, byId: true },
    ]
    const sent: Sent[] = []

    for (let round = 1; round <= ROUNDS; round++) {
      const { base } = app
      const first = sent.length
      const answered = () => sent.slice(first).filter(({ cid }) => cid !== null).length
      const load = Promise.all(
        senders.map((sender, index) => sendUntilGone(base, `r${round}s${index}`, sender, sent)),
      ).then(() => 'gone')
      const enough = async () => {
        while (answered() < ENOUGH_ANSWERS) await sleep(10)
        return 'enough'
      }
      expect(await Promise.race([load, enough()])).toBe('enough')
      await sleep(Math.random() * LONGEST_EXTRA_MS)
      expect(await app.end('SIGKILL')).toEqual(expect.objectContaining({ code: null, signal: 'SIGKILL' }))
      await load
      // Every sender was waiting for an answer when it happened.
      expect(sent.length - first - answered()).toBe(senders.length)

      app = await example.start()
      const stored = await readStored(example)

      checkAnswered(sent, stored)
      checkHistories(initial, stored)
      checkOrigin(sent, stored)
    }
  })
})
