import knexFactory from 'knex'
import { createSso, jsonLinesSink, type SealedRecord } from '../../src/index.ts'
import { fastHasher } from './fast-hasher.ts'

/** What the app is told to do: so many updates, or to deliver what there is. */
export type AppTask = { readonly updates: number } | { readonly flush: true }

/** How it stands after that. */
export interface AppState {
  /** How many updates have been acknowledged so far. */
  readonly acknowledged: number
  /** Numbers of the records in the trail, in order. */
  readonly records: readonly number[]
  /** Numbers of those that another sink has got. */
  readonly elsewhere: readonly number[]
  /** Codes of what was reported. */
  readonly faults: readonly (string | undefined)[]
  readonly isIntact: boolean
}

// Run in a process of its own: limits of files are a process's. Its database is no file.
const db = knexFactory({ client: 'better-sqlite3', connection: ':memory:', useNullAsDefault: true })
const elsewhere: number[] = []
const faults: (string | undefined)[] = []
const sso = createSso({
  db,
  password: { hasher: fastHasher() },
  audit: {
    sinks: [jsonLinesSink(process.argv[2] as string), ({ id }: SealedRecord) => void elsewhere.push(id)],
    firstWaitSeconds: 0.01,
    maxWaitSeconds: 0.05,
  },
  hooks: { onError: (error) => void faults.push((error as { code?: string }).code) },
})
const actor = { via: 'code', name: 'test' } as const
await sso.ready()
const data = { username: 'ada', password: 'correct horse battery' }
await sso.user.createUser({ actor, autoApprove: true, data })
const { user } = await sso.user.updateuser({ actor, uid: 'ada' })
let acknowledged = 0

process.on('message', async (task: AppTask) => {
  if ('flush' in task) await sso.flush()
  else {
    for (let number = 0; number < task.updates; number++) {
      const display_name = `name ${acknowledged}`
      await sso.user.updateUserById({ actor, userId: user.user_id, data: { display_name } })
      acknowledged++
    }
  }
  const records: number[] = await db('sso_audit').orderBy('id').pluck('id')
  const { isIntact } = await sso.audit.verifyAudit()
  process.send?.({ acknowledged, records, elsewhere, faults, isIntact } satisfies AppState)
})
process.send?.('ready')
