import type { Readable, Writable } from 'node:stream'

/** What the program gets from the process that it runs in; tests give it streams of their own. */
export interface Io {
  /** Where secrets and answers come from. */
  readonly stdin: Readable & {
    /** Whether somebody sits at it. */
    readonly isTTY?: boolean
  }
  /** What was asked for. */
  readonly stdout: TerminalStream
  /** Everything else: questions, notes, errors. */
  readonly stderr: TerminalStream
  /** The environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** The working directory. */
  readonly cwd: string
  /** The operating system's user, for the audit trail. */
  readonly userName: string
  /**
   * For a command that ends by itself when it is interrupted: from now on Ctrl-C and SIGTERM abort this signal, their name
   * being the reason, and only a
   * second one ends the process. A command that never asks for it is ended by the first one.
   */
  readonly takeInterrupts: () => AbortSignal
}

/** A stream that may be a terminal. */
export type TerminalStream = Writable & {
  /** Whether it is one. */
  readonly isTTY?: boolean
  /** Characters of a line. */
  readonly columns?: number
}

/** Whether somebody sits there who can be asked: questions go to stderr, and answers come from stdin. */
export function isInteractive({ stdin, stderr }: Io): boolean {
  return stdin.isTTY === true && stderr.isTTY === true
}
