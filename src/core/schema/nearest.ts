import { closest } from 'fastest-levenshtein'

// Comparing costs as much as both lengths multiplied, and a client may send a name of any length.
const MOST_CHARACTERS = 50

/** The legal name that a misspelt one was probably meant to be; another case is no difference. */
export function nearest(name: string, legal: readonly string[]): string {
  const lower = legal.map((one) => one.toLowerCase())
  const found = closest(name.slice(0, MOST_CHARACTERS).toLowerCase(), lower)
  return legal[lower.indexOf(found)] ?? found
}
