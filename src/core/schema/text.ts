// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
// Zero-width and bidirectional controls make two different names look the same.
const INVISIBLE = /[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/

/** Why a text cannot be stored; null if it can. NUL and lone surrogates are errors in PostgreSQL and lost in others. */
export function textFault(text: string): string | null {
  if (text.includes('\u0000')) return 'NUL characters are not accepted.'
  if (!text.isWellFormed()) return 'The text is not well-formed Unicode (a surrogate without its other half).'
  return null
}

/** Why a name or id on one line cannot be accepted; null if it can. */
export function lineFault(text: string): string | null {
  return textFault(text) ?? (CONTROL.test(text) ? 'Control characters are not accepted.' : null)
}

/** Why a text cannot name an account; null if it can. */
export function identityFault(text: string): string | null {
  return lineFault(text) ?? (INVISIBLE.test(text) ? 'Invisible characters are not accepted.' : null)
}

/**
 * The key under which an identity is unique: compatibility-normalised and caseless. JavaScript has no case folding;
 * upper then lower case folds what it would, for instance the German sharp s. The capital sharp s must be made a small
 * one first.
 */
export function identityKey(text: string): string {
  return text.normalize('NFKC').toLowerCase().toUpperCase().toLowerCase().normalize('NFKC')
}

/**
 * The form under which names are searched: without spaces around it and upper-cased. JavaScript does it on both sides of
 * the comparison, as databases do not agree on letters beyond ASCII.
 */
export function searchKey(text: string): string {
  return text.normalize('NFC').trim().toUpperCase().normalize('NFC')
}

/** How many times as wide as a text the column of its identity key or search key is. */
export const KEY_EXPANSION = 3

/** Length in characters, as databases count them. */
export function characters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/** Names of own keys that would reach an object's prototype. */
export function isPrototypeName(name: string): boolean {
  return name === '__proto__' || name === 'constructor' || name === 'prototype'
}
