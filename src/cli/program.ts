import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { onOneLine } from '../audit/one-line.ts'
import { registerApply } from './commands/apply.ts'
import { registerAudit } from './commands/audit.ts'
import { registerChangePassword } from './commands/change-password.ts'
import { registerCreateSuperUser } from './commands/create-super-user.ts'
import { registerCreateUser } from './commands/create-user.ts'
import { registerDeleteUser } from './commands/delete-user.ts'
import { registerDoctor } from './commands/doctor.ts'
import { registerEndSessions } from './commands/end-sessions.ts'
import { registerExport } from './commands/export.ts'
import { registerLock, registerUnlock } from './commands/lock.ts'
import { registerMigrate } from './commands/migrate.ts'
import { registerOpenapi } from './commands/openapi.ts'
import { registerResetTotpKey } from './commands/reset-totp-key.ts'
import { Ended, EXIT, type ExitCode, failureOf } from './failures.ts'
import type { Io } from './io.ts'
import { print, printable } from './output.ts'

const COMMANDS = [
  registerMigrate,
  registerDoctor,
  registerCreateSuperUser,
  registerCreateUser,
  registerDeleteUser,
  registerLock,
  registerUnlock,
  registerChangePassword,
  registerResetTotpKey,
  registerEndSessions,
  registerApply,
  registerExport,
  registerAudit,
  registerOpenapi,
]

const EXIT_CODES = `
Exit codes:
  0    done
  1    something unforeseen failed
  2    wrong usage or configuration
  3    refused: no such user, a password that is not accepted, a username that is taken ...
  4    there are findings
  5    stopped before the end, and can go on from there
  130  interrupted by Ctrl-C
  143  ended by SIGTERM`

/** The program with every command. */
export function buildProgram(io: Io): Command {
  const { stdout, stderr } = io
  const program = new Command('express-sso-users')
    .description('Looks after the accounts of an app that uses express-sso-users.')
    .version(version())
    .option('--config <file>', 'module that exports the options of createSso, as options or default')
    .option('--database-url <url>', 'database to use with the default options; also DATABASE_URL')
    .option('--json', 'print JSON, for programs')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      // `run` tells of errors, its own and others alike.
      outputError: () => {},
      getOutHelpWidth: () => stdout.columns ?? 80,
      getErrHelpWidth: () => stderr.columns ?? 80,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .addHelpText('after', EXIT_CODES)
  for (const register of COMMANDS) register(program, io)
  return program
}

/**
 * Runs the program.
 *
 * @param argv what stands after its name
 * @returns what the process is to end with
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await buildProgram(io).parseAsync([...argv], { from: 'user' })
    return EXIT.done
  } catch (error) {
    if (error instanceof Ended) return error.exitCode
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
    // Without a command, the help has been printed in place of an error.
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage
    const { exitCode, ...failure } = failureOf(error)
    const isJson = argv.includes('--json')
    await print(io.stderr, isJson ? `${onOneLine({ error: failure })}\n` : wording(failure.message))
    return exitCode
  }
}

/** Messages have lines of their own; nothing else in them may look like one. */
function wording(message: string): string {
  return `${message.split('\n').map(printable).join('\n')}\n`
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
