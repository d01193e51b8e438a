import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { finished } from 'node:stream/promises'
import { type Command, Option } from 'commander'
import { checkNotation, USUAL_NOTATION } from '../apply/cells.ts'
import { AccountWriter, planExport } from '../apply/export.ts'
import { delimiterOf, formatOf } from '../apply/records.ts'
import { type Connected, type GlobalOptions, withSso } from '../connect.ts'
import { CliError, Ended, usageError } from '../failures.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { outputOf, print } from '../output.ts'

interface ExportOptions {
  readonly format?: 'csv' | 'ndjson'
  readonly out?: string
  readonly columns?: string
  readonly delimiter: string
  readonly null: string
  readonly nameOp: 'and' | 'or'
  readonly contains?: boolean
}

// Options by the attributes that accounts are searched by.
const CRITERIA = {
  userId: 'user_id',
  username: 'username',
  email: 'email',
  displayName: 'display_name',
  firstName: 'first_name',
  middleName: 'middle_name',
  lastName: 'last_name',
  signUpStatus: 'sign_up_status',
  approvalStatus: 'approval_status',
} as const

/** Writes accounts as `apply` takes them. */
export function registerExport(program: Command, io: Io): void {
  const command = program
    .command('export')
    .description('Writes accounts, with grants and custom attributes, as CSV or NDJSON that apply takes again.')
    .addOption(
      new Option('--format <format>', 'default: by the end of the name of --out, else csv').choices(['csv', 'ndjson']),
    )
    .option('--out <file>', 'where to; default: standard output')
    .option('--columns <names>', 'which, with commas between them; default: what can be read and changed')
    .option('--delimiter <character>', 'what is between the cells of CSV; tab for tabs', ',')
    .option('--null <text>', 'what stands for NULL in a cell', USUAL_NOTATION.none)
  for (const name of Object.values(CRITERIA)) {
    command.option(`--${name.replaceAll('_', '-')} <value>`, `accounts with this ${name.replaceAll('_', ' ')} alone`)
  }
  command
    .addOption(new Option('--name-op <op>', 'all names must match, or one').choices(['and', 'or']).default('and'))
    .option('--contains', 'names need only have the text in them')
    .addHelpText(
      'after',
      examples('export --out users.csv', 'export --approval-status before_decision --columns user_id,username,email'),
    )
    .action(async (_options: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & ExportOptions>()
      await withSso(options, io, (connected) => write(connected, io, options))
    })
}

async function write({ sso, actor }: Connected, io: Io, options: GlobalOptions & ExportOptions): Promise<void> {
  const notation = { ...USUAL_NOTATION, none: options.null }
  checkNotation(notation)
  const isCsv = formatOfExport(options) === 'csv'
  const wanted = options.columns?.split(',').map((name) => name.trim()) ?? null
  const custom = wanted === null ? await sso.user.getCustomNames({ actor }) : []
  const writer = new AccountWriter(
    planExport(sso.accessMatrix, wanted, custom),
    delimiterOf(options.delimiter),
    notation,
  )
  const given = options as unknown as Readonly<Record<string, string | undefined>>
  const criteria = Object.entries(CRITERIA).flatMap(([option, name]) => {
    return given[option] === undefined ? [] : [[name, given[option]] as const]
  })
  const accounts = sso.user.exportUsers({
    actor,
    criteria: Object.fromEntries(criteria),
    nameOp: options.nameOp,
    isNameExact: !options.contains,
  })

  const signal = io.takeInterrupts()
  const sink = options.out === undefined ? stdoutSink(io) : await fileSink(resolve(io.cwd, options.out))
  let count = 0
  try {
    if (isCsv) await sink.write(writer.header())
    for await (const account of accounts) {
      if (signal.aborted) throw new Ended(signal.reason === 'SIGTERM' ? 'terminated' : 'interrupted')
      await sink.write(isCsv ? writer.row(account) : writer.line(account))
      count++
    }
  } catch (error) {
    await sink.discard()
    throw error
  }
  await sink.close()
  const { note } = outputOf(options, io)
  if (options.out !== undefined) await note(`${count.toLocaleString('en')} accounts: ${options.out}`)
  if (writer.left > 0) {
    await note(`${writer.left} values are left out that apply cannot set: null, and objects with null in them.`)
  }
}

function formatOfExport({ format, out, json }: GlobalOptions & ExportOptions): 'csv' | 'ndjson' {
  if (format) return format
  const found = out === undefined ? null : formatOf(out)
  if (found === 'json') throw usageError('An export is CSV or NDJSON: give --format, or another name.')
  return found ?? (json ? 'ndjson' : 'csv')
}

/** Where an export is written to. */
interface Sink {
  readonly write: (text: string) => Promise<void>
  readonly close: () => Promise<void>
  readonly discard: () => Promise<void>
}

function stdoutSink({ stdout }: Io): Sink {
  return { write: (text) => print(stdout, text), close: async () => {}, discard: async () => {} }
}

/** A file that is there under its name once it is whole. Only its owner may read it. */
async function fileSink(path: string): Promise<Sink> {
  const part = `${path}.part`
  const stream = createWriteStream(part, { mode: 0o600 })
  let fault: Error | null = null
  stream.on('error', (error) => {
    fault = error
  })
  await once(stream, 'open').catch((error) => {
    throw usageError(`${part} cannot be written: ${(error as NodeJS.ErrnoException).code}`, error)
  })
  const check = () => {
    if (fault) throw new CliError('failed', 'export_unwritable', `${part} cannot be written: ${fault.message}`, fault)
  }
  const end = async () => {
    stream.end()
    await finished(stream).catch(() => {})
  }
  return {
    async write(text) {
      if (!stream.write(text)) await once(stream, 'drain').catch(() => {})
      check()
    },
    async close() {
      await end()
      check()
      await rename(part, path)
    },
    async discard() {
      await end()
      await rm(part, { force: true })
    },
  }
}
