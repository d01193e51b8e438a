import { once } from 'node:events'
import { onOneLine } from '../audit/one-line.ts'
import type { GlobalOptions } from './connect.ts'
import type { Io, TerminalStream } from './io.ts'

/** How a command tells what came of it: for people, or with `--json` for programs. */
export interface Output {
  /** Whether `--json` was given. */
  readonly isJson: boolean
  /** What was asked for, as a whole: lines, or one JSON value. */
  readonly result: (value: unknown, lines: readonly string[]) => Promise<void>
  /** One of many, as it comes: a line, or a line of JSON. Waits while the reader is slower. */
  readonly item: (value: object, line: string) => Promise<void>
  /** Something for people, beside what was asked for; nothing with `--json`. */
  readonly note: (line: string) => Promise<void>
}

export function outputOf({ json = false }: GlobalOptions, { stdout, stderr }: Io): Output {
  return {
    isJson: json,
    async result(value, lines) {
      await print(stdout, json ? `${onOneLine(value as object)}\n` : lines.map(lineOf).join(''))
    },
    async item(value, line) {
      await print(stdout, json ? `${onOneLine(value)}\n` : lineOf(line))
    },
    async note(line) {
      if (!json) await print(stderr, lineOf(line))
    },
  }
}

/** Writes text as it is, and waits while the reader is slower. */
export async function print(stream: TerminalStream, text: string): Promise<void> {
  if (text !== '' && !stream.write(text)) await once(stream, 'drain')
}

function lineOf(text: string): string {
  return `${printable(text)}\n`
}

/** The text without what a terminal obeys or takes for another line: names and browsers' words are anybody's text. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
