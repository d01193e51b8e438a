import type { AddressInfo } from 'node:net'
import express from 'express'
import knexFactory, { type Knex } from 'knex'
import { createSso } from '../../src/index.ts'

/** What the server says of its memory, in bytes. */
export interface Memory {
  /** What the process has now. */
  readonly now: number
  /** The most that it has had since it was asked last. */
  readonly peak: number
  /** What of its heap is in use, after a collection. */
  readonly live: number
}

const SAMPLE_MS = 20

// Run in a process of its own, with --expose-gc: a host whose memory is nobody else's.
if (process.send) {
  process.once('message', async (config: Knex.Config) => {
    const db = knexFactory(config)
    const sso = createSso({ db, logger: { warn: () => {}, error: (message) => process.stderr.write(`${message}\n`) } })
    await sso.ready()
    const app = express()
    app.use('/ddenterpriseapi', sso.updateuser)
    app.use('/account', sso.rest)
    const server = app.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))

    let peak = 0
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss())
    }, SAMPLE_MS)
    process.on('message', async (message) => {
      if (message === 'memory') {
        const now = process.memoryUsage.rss()
        globalThis.gc?.()
        process.send?.({ now, peak: Math.max(now, peak), live: process.memoryUsage().heapUsed } satisfies Memory)
        peak = 0
        return
      }
      clearInterval(timer)
      server.close()
      server.closeAllConnections()
      await sso.close()
      await db.destroy()
      process.disconnect()
    })
  })
}
