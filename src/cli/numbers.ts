import { InvalidArgumentError } from 'commander'

/** A count that an option has, from 0. @throws InvalidArgumentError for anything else */
export function countOf(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(count)) return count
  throw new InvalidArgumentError('It must be a whole number.')
}
