import knexFactory from 'knex'
import type { StoredUser } from '../../src/core/schema/user.gen.ts'
import { createTimesStore, type TimesTask, timesOf, withSessionZone } from './times-table.ts'

// Run in a process of its own, in a time zone of its own: reads what others have written, and writes for them to read.
const task: TimesTask = JSON.parse(process.argv[2] as string)
const db = knexFactory(withSessionZone(task))
const store = createTimesStore(db, task)

const read: Record<string, unknown> = {}
for (const id of task.read) {
  read[id] = timesOf((await store.findAccount(id))?.values as StoredUser)
}
const written: string[] = []
for (const { username, values } of task.write) {
  const columns = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, new Date(text)]))
  written.push(await store.transaction((on) => on.insertAccount({ username, ...columns })))
}
process.stdout.write(JSON.stringify({ read, written, offset: new Date(2026, 6, 1).getTimezoneOffset() }))
await db.destroy()
