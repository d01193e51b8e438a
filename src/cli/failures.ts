import { CommanderError } from 'commander'
import { type Issue, SsoError } from '../errors.ts'

/** What the program ends with. */
export const EXIT = {
  /** It is done. */
  done: 0,
  /** Something unforeseen failed. */
  failed: 1,
  /** Wrong usage or configuration. */
  usage: 2,
  /** Refused: no such user, a password that is not accepted, a username that is taken. */
  refused: 3,
  /** There are findings: the table is unfit, the trail has been tampered with. */
  findings: 4,
  /** Stopped before the end, and can go on from there. */
  stopped: 5,
  /** Ctrl-C. */
  interrupted: 130,
  /** SIGTERM. */
  terminated: 143,
} as const

/** One of `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What the program fails with on purpose, beside `SsoError`. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode
  /** Stable name of the failure. */
  readonly code: string

  constructor(exit: keyof typeof EXIT, code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = EXIT[exit]
    this.code = code
  }
}

/** Ends a command that has told already how it came out: nothing more is printed. */
export class Ended extends Error {
  override readonly name = 'Ended'
  readonly exitCode: ExitCode

  constructor(exit: keyof typeof EXIT) {
    super(exit)
    this.exitCode = EXIT[exit]
  }
}

/** @returns what to throw for a command that was called wrongly, or is not configured */
export function usageError(message: string, cause?: unknown): CliError {
  return new CliError('usage', 'usage', message, cause)
}

/** A failure as it is told. */
export interface Failure {
  readonly exitCode: ExitCode
  /** Code of `SsoError` or `CliError`, or of the driver's or Node's error; `failed` where it has none. */
  readonly code: string
  readonly message: string
  readonly issues: readonly Issue[]
}

/** How an error is told; passwords in URLs are not. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) return told(error.exitCode, error.code, error.message)
  if (error instanceof CommanderError) return told(EXIT.usage, 'usage', withoutValues(error.message))
  if (error instanceof SsoError) return { ...told(exitOf(error), error.code, error.message), issues: error.issues }
  // Where a name has several addresses, Node tells of each.
  const [first = error] = error instanceof AggregateError ? error.errors : []
  const { code, message } = (first ?? {}) as { code?: unknown; message?: unknown }
  return told(EXIT.failed, typeof code === 'string' ? code : 'failed', String(message || code || first))
}

/** An option that is none may have been meant for a secret. */
function withoutValues(message: string): string {
  return message.replace(/^error: /, '').replace(/^(unknown option '[^=']+)=[^']*/, '$1')
}

function told(exitCode: ExitCode, code: string, message: string): Failure {
  return { exitCode, code, message: withoutPasswords(message), issues: [] }
}

function exitOf({ kind }: SsoError): ExitCode {
  if (kind === 'wiring') return EXIT.usage
  return kind === 'fault' ? EXIT.failed : EXIT.refused
}

/** The text without the passwords of URLs that are in it. */
export function withoutPasswords(text: string): string {
  return text.replace(/(\b[a-z][a-z\d+.-]*:\/\/[^\s:/@]*):[^\s/]*@/gi, '$1:…@')
}
