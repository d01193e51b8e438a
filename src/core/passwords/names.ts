import { characters } from '../schema/text.ts'
import type { PasswordSubject } from './policy.ts'

// Shorter ones are in too many words: Al, Ada and Bob could hardly find a password.
const SHORTEST_NAME = 4

/**
 * The owner's names that his password must not contain: username, local part of the email address, and names of the
 * person; each as a whole and in its parts, where they have at least 4 characters.
 */
export function namesIn({ username, email, names }: PasswordSubject): readonly string[] {
  const localPart = email?.slice(0, email.lastIndexOf('@')) ?? ''
  const words = [username, localPart, ...names].flatMap((name) => [name, ...name.split(/[^\p{L}\p{M}\p{N}]+/u)])
  return [...new Set(words)].filter((word) => characters(word) >= SHORTEST_NAME)
}
