import { createHash, randomBytes } from 'node:crypto'

/** A new token of whatever kind: 256 random bits (ASVS 6.4.1, 7.2.3, 11.5.1), base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a text has the form of a session token. */
export function isUst(text: string): boolean {
  return /^[\w-]{43}$/.test(text)
}

/** A name for a session that opens nothing: 96 random bits. */
export function newSessionId(): string {
  return randomBytes(12).toString('base64url')
}

/** What is stored in place of a token. The token is random, so a fast hash is enough. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** A password that nobody knows: 192 random bits (contract section 8.4). */
export function randomPassword(): string {
  return randomBytes(24).toString('base64url')
}

/** The token of an `Authorization: Bearer` header; null if it has none. */
export function bearerToken(authorization: string | undefined): string | null {
  return /^Bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1] ?? null
}
