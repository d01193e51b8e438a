import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { FORMATS } from '../apply/records.ts'
import { type RemoteCredentials, remoteTarget } from '../apply/remote.ts'
import { apply, type Surroundings } from '../apply/run.ts'
import { type ApplyOptions, type Task, taskOf } from '../apply/settings.ts'
import { databaseTarget, type Target } from '../apply/target.ts'
import { type GlobalOptions, withSso } from '../connect.ts'
import { usageError } from '../failures.ts'
import { examples } from '../help.ts'
import { type Io, isInteractive } from '../io.ts'
import { outputOf } from '../output.ts'
import { ask, askSecret, firstLine, PASSWORD_STDIN } from '../secrets.ts'

/** Changes many accounts at once, from a file. */
export function registerApply(program: Command, io: Io): void {
  program
    .command('apply')
    .description('Changes many accounts from a file of CSV, NDJSON or JSON; a record that fails does not end it.')
    .argument('<file>', 'the records, or - for standard input')
    .addOption(new Option('--format <format>', 'default: by the end of the name').choices(FORMATS))
    .option('--delimiter <character>', 'what is between the cells of CSV; tab for tabs', ',')
    .option('--empty <meaning>', 'what an empty cell means: leave, null, or "" for the empty text', 'leave')
    .option('--null <text>', 'what stands for NULL in a cell', '\\N')
    .addOption(
      new Option('--mode <mode>', 'each record for itself, or all or none')
        .choices(['independent', 'atomic'])
        .default('independent'),
    )
    .option('--create', 'create the accounts that do not exist')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--results <file>', 'where results are kept; default: FILE.results.ndjson, or nowhere in a dry run')
    .option('--overwrite', 'begin anew where there are results already')
    .option('--resume', 'go on from the last result that there is')
    .option('--url <url>', 'rest router to send the records to, in place of a database')
    .option('--user <name>', 'who logs in there; also SSO_USER, the password in SSO_PASSWORD; or a token in SSO_UST')
    .option(...PASSWORD_STDIN)
    .option('--insecure', 'send passwords over http to another machine')
    .addHelpText(
      'after',
      examples(
        'apply users.csv --dry-run',
        'apply users.csv --create',
        'apply users.csv --resume',
        'apply users.ndjson --url https://app.example.com/account --user admin',
      ),
    )
    .action(async (file: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & ApplyOptions>()
      if (options.url !== undefined && (options.config !== undefined || options.databaseUrl !== undefined)) {
        throw usageError('Either --url, or a database by --config or --database-url.')
      }
      const task = await taskOf(file, (path) => resolve(io.cwd, path), options)
      const signal = io.takeInterrupts()
      const run = async (target: Target) => {
        const { overwrite = false, resume = false } = options
        const around: Surroundings = { io, output: outputOf(options, io), target, signal, overwrite, resume }
        try {
          await apply(task, around)
        } finally {
          await target.close()
        }
      }
      if (task.url) await run(await remoteTarget(task.url, credentialsOf(io, options, task)))
      else await withSso(options, io, (connected) => run(databaseTarget(connected)))
    })
}

function credentialsOf(io: Io, { user, passwordStdin }: ApplyOptions, { file }: Task): RemoteCredentials {
  const { env } = io
  const mayAsk = isInteractive(io) && file !== null
  return {
    ust: (user === undefined && env['SSO_UST']) || null,
    username: async () => {
      const name = user ?? env['SSO_USER']
      if (name) return name
      throw usageError('Who applies the records? Give --user, or SSO_USER, or a token in SSO_UST.')
    },
    password: async () => {
      if (passwordStdin) return firstLine(io)
      if (env['SSO_PASSWORD']) return env['SSO_PASSWORD']
      if (mayAsk) return askSecret('Password:', io)
      throw usageError('A password is needed: by --password-stdin, in SSO_PASSWORD, or typed on a terminal.')
    },
    totpCode: async () => {
      if (mayAsk) return ask('One-time code:', io, false)
      throw usageError('A one-time code is needed, and nobody can be asked for it here: log in, and give SSO_UST.')
    },
  }
}
