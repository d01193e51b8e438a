import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { historyOf } from './histories.ts'
import { idOf, type TestHost } from './host.ts'

/** An update that was sent. No two send the same value, so that a value says which update it came from. */
export interface Sent {
  readonly target: string
  readonly value: string
  /** Whether it was said to be done. */
  readonly isAcknowledged: boolean
  /** What the client got instead: the reply, or what a function threw. */
  readonly failure: unknown
  /** Milliseconds until the answer. */
  readonly waited: number
}

/** Requests that follow one another until they are told to stop. */
export interface Load {
  /** The trail before it, and what the names were then. */
  readonly begin: { readonly record: number; readonly names: ReadonlyMap<string, string> }
  /** Everything that has been answered. */
  readonly sent: readonly Sent[]
  /** Resolves when each sender has been told once more that an update is done. */
  readonly flows: () => Promise<void>
  /** Resolves when the last has been answered. */
  readonly stop: () => Promise<void>
}

interface Sender {
  readonly target: string
  /** The failure, or null. */
  readonly update: (value: string) => Promise<unknown>
  readonly done: { count: number }
}

const actor = { via: 'code', name: 'load' } as const

/** Six senders that change the display names of ada and bob, over HTTP and by function. */
export async function startLoad(host: TestHost): Promise<Load> {
  const senders: Sender[] = []
  const names = new Map<string, string>()
  const record = Number((await host.audit()).at(-1)?.id)
  for (const name of ['ada', 'bob']) {
    const [ust, target] = [await host.login(name), await idOf(host, name)]
    names.set(target, (await host.sso.user.getUserById({ actor, userId: target })).display_name ?? '')
    const patch = async (display_name: string) => {
      const reply = await host.http.patch('/zato/sso/user').send({ ust, current_app: 'CRM', display_name })
      return reply.body.status === 'ok' ? null : { status: reply.status, body: reply.body }
    }
    const call = async (display_name: string) => {
      const update = host.sso.user.updateUserById({ actor, userId: target, data: { display_name } })
      return update.then(
        () => null,
        (error) => error,
      )
    }
    for (const update of [patch, patch, call]) senders.push({ target, update, done: { count: 0 } })
  }

  const sent: Sent[] = []
  let isOver = false
  const keepSending = async ({ target, update, done }: Sender, sender: number) => {
    for (let number = 0; !isOver; number++) {
      const value = `${record}: sender ${sender} number ${number}`
      const start = performance.now()
      const failure = await update(value)
      sent.push({ target, value, isAcknowledged: failure === null, failure, waited: performance.now() - start })
      if (failure === null) done.count++
      else await sleep(20)
    }
  }
  const running = Promise.all(senders.map(keepSending))

  return {
    begin: { record, names },
    sent,
    async flows() {
      const before = senders.map(({ done }) => done.count)
      while (senders.some(({ done }, index) => done.count === before[index])) await sleep(10)
    },
    async stop() {
      isOver = true
      await running
    },
  }
}

/**
 * Everything that was acknowledged is in the trail; the trail leads to what is in the table; and nothing is anywhere that
 * nobody has sent.
 */
export async function expectNothingLost(host: TestHost, { begin, sent }: Load): Promise<void> {
  for (const [target, start] of begin.names) {
    const rows = (await host.audit({ target_id: target, outcome: 'ok' })).filter(
      ({ id, operation }) => Number(id) > begin.record && operation.startsWith('update_'),
    )
    const { display_name: now } = await host.sso.user.getUserById({ actor, userId: target })
    const history = historyOf(rows, 'display_name', start)
    expect(history, 'the records do not link up').not.toBeNull()
    expect([history?.length, history?.at(-1)]).toEqual([rows.length + 1, now])

    const updates = sent.filter((update) => update.target === target)
    const acknowledged = updates.filter(({ isAcknowledged }) => isAcknowledged).map(({ value }) => value)
    expect(acknowledged.filter((value) => !history?.includes(value))).toEqual([])
    const known = new Set(updates.map(({ value }) => value))
    expect(history?.slice(1).filter((value) => !known.has(String(value)))).toEqual([])
  }
}
