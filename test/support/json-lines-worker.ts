import { type JsonLinesOptions, jsonLinesSink } from '../../src/audit/json-lines.ts'
import { sealedRecord, UNHURRIED } from './sealed-records.ts'

/** What a process is told to do; it answers each but `deliver for ever` with null, or with the code of the error. */
export type JsonLinesTask =
  | { readonly deliver: readonly number[]; readonly characters: number; readonly forEver: boolean }
  | { readonly close: true }

// Run in a process of its own: signals, and limits of files, are a process's.
const { path, options } = JSON.parse(process.argv[2] as string) as { path: string; options: JsonLinesOptions }
const sink = jsonLinesSink(path, options)

async function carryOut(task: JsonLinesTask): Promise<void> {
  if ('close' in task) return sink.close?.()
  const records = task.deliver.map((id) => sealedRecord(id, { user_agent: 'x'.repeat(task.characters) }))
  do await sink.deliver(records, UNHURRIED)
  while (task.forEver)
}

process.on('message', (task: JsonLinesTask) => {
  carryOut(task).then(
    () => process.send?.(null),
    (error) => process.send?.(error.code ?? String(error)),
  )
})
process.send?.('ready')
