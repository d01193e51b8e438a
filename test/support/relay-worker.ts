import knexFactory, { type Knex } from 'knex'
import { createSso } from '../../src/index.ts'
import { fastHasher } from './fast-hasher.ts'

/** What a process is told to do. */
export interface RelayTask {
  readonly config: Knex.Config
  /** Accounts that it changes, without end. */
  readonly userIds: readonly string[]
  /** Where records are delivered to. */
  readonly url: string
  readonly leaseSeconds: number
}

const PAUSE_MS = 4

// Run in a process of its own: changes accounts, tells of each change that has been acknowledged, and takes its part in
// delivering the trail, until it is told to stop, or killed.
if (process.send) {
  process.once('message', async ({ config, userIds, url, leaseSeconds }: RelayTask) => {
    const db = knexFactory(config)
    const deliver = async (records: readonly object[], signal: AbortSignal) => {
      const reply = await fetch(url, { method: 'POST', body: JSON.stringify(records), signal })
      if (!reply.ok) throw new Error(`the receiver answered ${reply.status}`)
    }
    const sso = createSso({
      db,
      password: { hasher: fastHasher() },
      logger: { warn: () => {}, error: () => {} },
      audit: { sinks: [{ name: 'receiver', batchSize: 50, deliver }], leaseSeconds, firstWaitSeconds: 0.1 },
    })
    await sso.ready()

    let isStopping = false
    process.once('message', () => {
      isStopping = true
    })
    for (let turn = 0; !isStopping; turn++) {
      const cid = `${process.pid}-${turn}`
      const userId = userIds[Math.floor(Math.random() * userIds.length)] ?? ''
      const data = { display_name: cid }
      await sso.user.updateUserById({ actor: { via: 'code', name: 'worker' }, cid, userId, data })
      process.send?.(cid)
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
    await sso.close()
    await db.destroy()
    process.disconnect()
  })
}
