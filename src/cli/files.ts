import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { usageError } from './failures.ts'

/**
 * Writes a file as a whole: it takes the place of the one that is there when all of it is written.
 *
 * @param mode who may read and write it
 * @throws CliError where it cannot be written
 */
export async function writeWhole(
  path: string,
  chunks: AsyncIterable<string> | Iterable<string>,
  mode: number,
): Promise<void> {
  const part = `${path}.${process.pid}.part`
  const stream = createWriteStream(part, { flags: 'wx', mode })
  let fault: unknown = null
  stream.on('error', (error) => {
    fault = error
  })
  try {
    await pipeline(chunks, stream)
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    // What the chunks come from may fail, too.
    if (error !== fault && (error as NodeJS.ErrnoException).syscall !== 'rename') throw error
    throw usageError(`${path} cannot be written: ${(error as Error).message}`, error)
  }
}
