import type { Command } from 'commander'
import { type Connected, type ConnectTerms, type GlobalOptions, withSso } from './connect.ts'
import type { Io } from './io.ts'
import { type Output, outputOf } from './output.ts'

/** What a command works with. */
export interface Work<Options extends object> extends Connected {
  /** Its own options, and those of every command. */
  readonly options: Options & GlobalOptions
  readonly output: Output
}

/** An action on the host's options; `work` gets the arguments after what it works with. */
export function onSso<Options extends object, Arguments extends readonly unknown[] = readonly []>(
  io: Io,
  work: (on: Work<Options>, ...given: Arguments) => Promise<void>,
  terms: ConnectTerms = {},
): (...given: unknown[]) => Promise<void> {
  return (...given) => {
    // Commander's order: the arguments, the command's own options, the command.
    const options = (given.at(-1) as Command).optsWithGlobals<Options & GlobalOptions>()
    const named = given.slice(0, -2) as unknown as Arguments
    return withSso(options, io, (on) => work({ ...on, options, output: outputOf(options, io) }, ...named), terms)
  }
}
