import { once } from 'node:events'
import knexFactory, { type Knex } from 'knex'
import type { Account } from '../../src/core/store.ts'
import { type StoreSettings, storeOn } from './stores.ts'

/** What a process is told to do. */
export interface Increments {
  readonly config: Knex.Config
  readonly settings: StoreSettings
  readonly userId: string
  readonly count: number
}

// Run in a process of its own: reads an account under its lock and writes it back one greater, again and again. Makes ready
// for a task, waits for the word, says what came of it; and is there for the next.
if (process.send) {
  process.on('message', async (message: Increments | 'go') => {
    if (message === 'go') return
    const { config, settings, userId, count } = message
    const db = knexFactory(config)
    const store = storeOn(db, settings)
    await store.ready()
    const word = once(process, 'message')
    process.send?.('ready')
    await word
    const increment = () =>
      store.transaction(async (on) => {
        const account = (await on.lockAccount(userId)) as Account
        const values = account.values as unknown as Record<string, unknown>
        await on.updateAccount(account, {
          totp_label: String(Number(values['totp_label']) + 1),
          display_name: String(Number(values['display_name']) + 1),
          points: Number(values['points']) + 1,
        })
      })
    const settled = await Promise.allSettled(Array.from({ length: count }, increment))
    await db.destroy()
    process.send?.(settled.map((one) => (one.status === 'fulfilled' ? null : String(one.reason))))
  })
}
