import { read } from 'read'
import { CliError, usageError } from './failures.ts'
import { type Io, isInteractive } from './io.ts'

/** The option that a command with a secret has, beside the environment and the question. */
export const PASSWORD_STDIN = ['--password-stdin', 'read the password from the first line of standard input'] as const

/** What a command is told of where its secret comes from. */
export interface PasswordOptions {
  /** Whether it is the first line of stdin. */
  readonly passwordStdin?: boolean
}

const MOST_CHARACTERS = 100_000

/**
 * A new password: the first line of stdin, the environment's `SSO_NEW_PASSWORD`, or what is typed twice, unseen.
 *
 * @throws CliError where there is none, or where the two are not the same
 */
export async function newPassword({ passwordStdin }: PasswordOptions, io: Io): Promise<string> {
  if (passwordStdin) return firstLine(io)
  const given = io.env['SSO_NEW_PASSWORD']
  if (given) return given
  if (!isInteractive(io)) {
    throw usageError('A password is needed: by --password-stdin, in SSO_NEW_PASSWORD, or typed on a terminal.')
  }
  const password = await askSecret('New password:', io)
  if ((await askSecret('The same again:', io)) === password) return password
  throw usageError('The two passwords are not the same.')
}

/**
 * What is typed unseen.
 *
 * @param question with its colon
 * @throws CliError for Ctrl-C
 */
export function askSecret(question: string, io: Io): Promise<string> {
  return ask(question, io, true)
}

/**
 * Asks before something that cannot be undone.
 *
 * @param question a sentence that is answered by yes or no
 * @param isSure whether `--yes` was given
 * @throws CliError where nobody can be asked, or for any other answer than `y` and `yes`
 */
export async function confirm(question: string, isSure: boolean, io: Io): Promise<void> {
  if (isSure) return
  if (!isInteractive(io)) throw usageError('Nobody can be asked here whether this is meant: give --yes.')
  const answer = await ask(`${question} [y/N]`, io, false)
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('refused', 'not_confirmed', 'Nothing was done.')
}

/** What is typed, unseen if it is silent. @throws CliError for Ctrl-C */
export async function ask(prompt: string, { stdin, stderr }: Io, silent: boolean): Promise<string> {
  try {
    return await read({ prompt, input: stdin, output: stderr, silent, terminal: true })
  } catch (error) {
    throw new CliError('interrupted', 'interrupted', 'Interrupted.', error)
  } finally {
    // What is typed unseen has no end of line of its own.
    if (silent) stderr.write('\n')
  }
}

/** A secret from the first line of stdin. @throws CliError where it is empty */
export async function firstLine({ stdin }: Io): Promise<string> {
  let text = ''
  for await (const chunk of stdin.setEncoding('utf8')) {
    text += chunk
    if (text.includes('\n') || text.length > MOST_CHARACTERS) break
  }
  const [line = ''] = text.split(/\r?\n/)
  if (line === '') throw usageError('There is no password on standard input.')
  return line
}
