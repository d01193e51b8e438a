import { open, rename, rm } from 'node:fs/promises'
import { usageError } from './failures.ts'

/**
 * Writes a file as a whole: it takes the place of the one that is there when all of it is written.
 *
 * @param mode who may read and write it
 * @throws CliError where there can be no such file
 */
export async function writeWhole(
  path: string,
  chunks: AsyncIterable<string> | Iterable<string>,
  mode: number,
): Promise<void> {
  const part = `${path}.${process.pid}.part`
  const file = await open(part, 'wx', mode).catch((error: Error) => {
    throw usageError(`${path} cannot be written: ${error.message}`, error)
  })
  try {
    for await (const chunk of chunks) await file.writeFile(chunk)
    await file.close()
    await rename(part, path)
  } catch (error) {
    await file.close()
    await rm(part, { force: true })
    throw error
  }
}
