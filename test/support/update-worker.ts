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

if (process.send) {
  process.once('message', async ({ config, users, userId, patches }: Work) => {
    const db = knexFactory(config)
    const sso = createSso({ db, ...(users ? { users } : {}) })
    await sso.ready()
    process.send?.('ready')
    process.once('message', async () => {
      const actor = { via: 'code', name: `worker ${process.pid}` } as const
      const settled = await Promise.allSettled(patches.map((data) => sso.user.updateUserById({ actor, userId, data })))
      const errors = settled.map((one) => (one.status === 'fulfilled' ? null : String(one.reason?.code ?? one.reason)))
      process.send?.({ errors } satisfies Outcome)
      await db.destroy()
      process.disconnect()
    })
  })
}
