import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { JsonLinesOptions } from '../../src/audit/json-lines.ts'
import type { JsonLinesTask } from './json-lines-worker.ts'

const WORKER = fileURLToPath(new URL('json-lines-worker.ts', import.meta.url))

/** A sink in a process of its own. */
export interface JsonLinesProcess {
  readonly child: ChildProcess
  /** Delivers records of the given numbers, each a little longer than the characters; null, or the error's code. */
  readonly deliver: (ids: readonly number[], characters?: number) => Promise<string | null>
  /** Delivers one record again and again, until the process is killed. */
  readonly deliverForEver: (id: number, characters: number) => void
  readonly close: () => Promise<string | null>
  /** Signal that the process has ended by, once it has been sent it. */
  readonly endBy: (signal: NodeJS.Signals) => Promise<NodeJS.Signals | null>
}

/** Starts a process that writes lines to the path. */
export async function startJsonLines(path: string, options: JsonLinesOptions = {}): Promise<JsonLinesProcess> {
  const child = fork(WORKER, [JSON.stringify({ path, options })], { execArgv: ['--import', 'tsx'] })
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const answer = async (): Promise<string | null> => (await once(child, 'message'))[0]
  const ask = (task: JsonLinesTask) => {
    const answered = answer()
    child.send(task)
    return answered
  }
  await answer()

  return {
    child,
    deliver: (ids, characters = 0) => ask({ deliver: ids, characters, forEver: false }),
    deliverForEver: (id, characters) => void child.send({ deliver: [id], characters, forEver: true }),
    close: () => ask({ close: true }),
    async endBy(signal) {
      child.kill(signal)
      return (await ended)[1]
    },
  }
}

/**
 * Lets no file of a process grow beyond so many bytes, as a full disk does: the last write is a short one, the next fails
 * (`EFBIG`). Null for no limit. Takes `prlimit` of util-linux, and no rights.
 */
export function limitFileSize(pid: number, bytes: number | null): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes ?? 'unlimited'}:`])
}

/** The lines of a file as JSON; fails if there is half a line. */
export function linesOf(path: string): { readonly id: number }[] {
  const text = readFileSync(path, 'utf8')
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line is not whole')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}
