import { createInterface } from 'node:readline'
import knexFactory, { type Knex } from 'knex'
import { besidesSearch, type StoreSettings, storeOn } from './stores.ts'

// Run in a process of its own: says that it is there, and opens the store when it is told to, as its siblings are.
const { config, settings } = JSON.parse(process.argv[2] as string) as { config: Knex.Config; settings: StoreSettings }
const db = knexFactory(config)
const store = storeOn(db, settings)

process.stdout.write('up\n')
for await (const _ of createInterface({ input: process.stdin })) break
const { findings } = besidesSearch(await store.ready())
process.stdout.write(`ready ${JSON.stringify(findings)}\n`)
await db.destroy()
