import { once } from 'node:events'
import knexFactory, { type Knex } from 'knex'
import { createSso, type Options, type UserPatch } from '../../src/index.ts'

/** What a process is told to do: all of it at once, when it gets the word. */
export interface Work {
  readonly config: Knex.Config
  readonly users: Options['users'] | null
  readonly userId: string
  readonly patches: readonly UserPatch[]
}

/** What came of it: the code of each update's error, or null. */
export interface Outcome {
  readonly errors: readonly (string | null)[]
}

// Run in a process of its own, which is there for one task after the other.
if (process.send) {
  process.on('message', async (message: Work | 'go') => {
    if (message === 'go') return
    const { config, users, userId, patches } = message
    const db = knexFactory(config)
    const sso = createSso({ db, ...(users ? { users } : {}) })
    await sso.ready()
    const word = once(process, 'message')
    process.send?.('ready')
    await word
    const actor = { via: 'code', name: `worker ${process.pid}` } as const
    const settled = await Promise.allSettled(patches.map((data) => sso.user.updateUserById({ actor, userId, data })))
    const errors = settled.map((one) => (one.status === 'fulfilled' ? null : String(one.reason?.code ?? one.reason)))
    await sso.close()
    await db.destroy()
    process.send?.({ errors } satisfies Outcome)
  })
}
