import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDatabase } from '../support/databases.ts'
import { databases } from '../support/host.ts'
import type { Increments } from '../support/increment-worker.ts'
import { createHostTable, type StoreSettings, storeOn } from '../support/stores.ts'

const WORKER = fileURLToPath(new URL('../support/increment-worker.ts', import.meta.url))
const COUNT = 50

const SETTINGS: readonly StoreSettings[] = (['own', 'narrow'] as const).flatMap((table) => [
  { table, prepared: true, transactor: false },
  { table, prepared: true, transactor: true },
  { table, prepared: false, transactor: true },
])

let workers: readonly ChildProcess[]
beforeAll(() => {
  workers = [1, 2].map(() => fork(WORKER, { execArgv: ['--import', 'tsx'] }))
})
afterAll(() => {
  for (const worker of workers) worker.disconnect()
})

async function makeReady(worker: ChildProcess, work: Increments): Promise<void> {
  const isReady = once(worker, 'message')
  worker.send(work)
  expect(await isReady).toEqual(['ready', undefined])
}

describe.each(databases)('two processes on %s', (name) => {
  test.each(SETTINGS)(
    'lose nothing that the other wrote: $table table, prepared $prepared, transactor $transactor',
    async (settings) => {
      const database = await createDatabase(name)
      try {
        if (settings.table !== 'own') await createHostTable(database, settings.table, 'integer')
        const store = storeOn(database.db, settings)
        const userId = await store.transaction((on) =>
          on.insertAccount({ username: 'ada', totp_label: '0', display_name: '0', points: 0 }),
        )
        const work = { config: database.config, settings, userId, count: COUNT }
        await Promise.all(workers.map((worker) => makeReady(worker, work)))
        const answers = workers.map((worker) => once(worker, 'message'))
        for (const worker of workers) worker.send('go')
        const errors = (await Promise.all(answers)).flatMap(([answer]) => answer as (string | null)[])

        expect(errors).toEqual(Array(2 * COUNT).fill(null))
        const total = 2 * COUNT
        expect((await store.findAccount(userId))?.values).toMatchObject({
          totp_label: String(total),
          display_name: String(total),
          points: total,
        })
      } finally {
        await database.drop()
      }
    },
  )
})
