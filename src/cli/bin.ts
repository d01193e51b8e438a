#!/usr/bin/env node
import { userInfo } from 'node:os'
import { EXIT } from './failures.ts'
import type { Io } from './io.ts'
import { run } from './program.ts'

const interrupts = new AbortController()

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  userName: userName(),
  takeInterrupts: () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt)
    return interrupts.signal
  },
}

function interrupt(signal: NodeJS.Signals): void {
  if (interrupts.signal.aborted) process.exit(signal === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted)
  interrupts.abort(signal)
}

/** A user without a name is one of a container: his number will do. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'unknown')
  }
}

// Whoever reads has enough, as `head` has.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.failed)
  throw error
})

void run(process.argv.slice(2), io).then((code) => {
  // The host's options may hold connections and timers open; what has been printed must be out first.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
})
