import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { AuditSink } from '../core/audit/sink.ts'
import { onOneLine } from './one-line.ts'
import { checkNames } from './wiring.ts'

/** Settings of `jsonLinesSink`. */
export interface JsonLinesOptions {
  /** The sink's name, of 191 characters at most. Default `json-lines:` and the path as it was given. */
  readonly name?: string
  /**
   * Signal upon which the file is opened anew, as `logrotate` sends it; null for none. Default `SIGHUP`. It is listened
   * to from the first delivery until the sink is closed, and does not end the process meanwhile, as it would otherwise.
   * A file that has been moved away or deleted is noticed without it, at the next delivery.
   */
  readonly reopenOn?: 'SIGHUP' | null
}

const OWNER_ONLY = 0o600
const NEWLINE = 0x0a
const BLOCK = 65_536
const BATCH_SIZE = 500

/**
 * Appends each record to a file as one line of JSON. Line breaks in values are escaped, so that a record cannot forge
 * another (ASVS 16.4.1). What has been taken is on the disk; what is left of a line that could not be written to its end
 * is cut off. One process at a time may write to the file.
 *
 * @param path created, with its owner alone as reader, if it does not exist
 * @throws SsoError `option_invalid`
 */
export function jsonLinesSink(path: string, options: JsonLinesOptions = {}): AuditSink {
  checkNames('jsonLinesSink', options, ['name', 'reopenOn'])
  const { name = `json-lines:${path}`, reopenOn = 'SIGHUP' } = options
  let file: FileHandle | null = null
  let work: Promise<void> = Promise.resolve()
  let isListening = false

  /** One after the other, also where a delivery goes on after its time is over and its records come again. */
  function inTurn(task: () => Promise<void>): Promise<void> {
    const done = work.then(task)
    work = done.catch(() => {})
    return done
  }

  async function letGo(): Promise<void> {
    const old = file
    file = null
    await old?.close()
  }

  async function reopen(): Promise<FileHandle> {
    await letGo()
    file = await openToAppend(path)
    return file
  }

  async function current(): Promise<FileHandle> {
    return file && (await isAt(path, file)) ? file : reopen()
  }

  function reopenInTurn(): void {
    // Nobody to tell: a file that cannot be opened fails the next delivery.
    inTurn(async () => void (await reopen())).catch(() => {})
  }

  return {
    name,
    batchSize: BATCH_SIZE,

    deliver: (records, signal) =>
      inTurn(async () => {
        signal.throwIfAborted()
        if (reopenOn && !isListening) process.on(reopenOn, reopenInTurn)
        isListening = true
        await append(await current(), Buffer.from(records.map((record) => `${onOneLine(record)}\n`).join('')))
      }),

    close: () =>
      inTurn(async () => {
        if (reopenOn) process.off(reopenOn, reopenInTurn)
        isListening = false
        await letGo()
      }),
  }
}

async function openToAppend(path: string): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_RDWR } = constants
  const file = await open(path, O_APPEND | O_CREAT | O_RDWR, OWNER_ONLY)
  try {
    const { size } = await file.stat()
    if (size === 0) await keepName(path)
  } catch (error) {
    await file.close()
    throw error
  }
  return file
}

/** A new file is found after a power failure only if its folder has been written, too. Not every system can do that. */
async function keepName(path: string): Promise<void> {
  const folder = await open(dirname(path)).catch(() => null)
  try {
    await folder?.sync()
  } finally {
    await folder?.close()
  }
}

async function isAt(path: string, file: FileHandle): Promise<boolean> {
  const [there, ours] = await Promise.all([stat(path), file.stat()].map((found) => found.catch(() => null)))
  return there?.ino === ours?.ino && there?.dev === ours?.dev
}

/** All of the text or, as far as that is possible, nothing of it. */
async function append(file: FileHandle, text: Buffer): Promise<void> {
  const { size, isRegular } = await sizeOf(file)
  // Pipes and terminals keep nothing that could be mended.
  if (!isRegular) return file.appendFile(text)

  const start = await cutHalfLine(file, size)
  let written = 0
  try {
    while (written < text.length) written += (await file.write(text, written)).bytesWritten
    await file.datasync()
  } catch (error) {
    // What cannot be cut off now is before the next write. What another process has added meanwhile is not ours to cut.
    const isOurs = await sizeOf(file).then(
      (now) => now.size === start + written,
      () => false,
    )
    if (isOurs) await file.truncate(start).catch(() => {})
    throw error
  }
}

async function sizeOf(file: FileHandle): Promise<{ readonly size: number; readonly isRegular: boolean }> {
  const found = await file.stat()
  return { size: found.size, isRegular: found.isFile() }
}

/** Where the last whole line ends; what a killed process has left after it is cut off. */
async function cutHalfLine(file: FileHandle, size: number): Promise<number> {
  const end = await endOfLines(file, size)
  if (end < size) await file.truncate(end)
  return end
}

async function endOfLines(file: FileHandle, size: number): Promise<number> {
  // As a rule the last byte is all there is to see.
  let length = 1
  for (let end = size; end > 0; end -= length, length = BLOCK) {
    length = Math.min(length, end)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, end - length)
    const last = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE)
    if (last >= 0) return end - length + last + 1
  }
  return 0
}
