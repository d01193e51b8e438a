import type { Response } from 'supertest'
import { expect } from 'vitest'
import { PASSWORD, type TestHost } from '../../support/host.ts'

/** The three request forms of the contract. */
export const FORMS = ['GET', 'POST form', 'POST JSON'] as const
export type Form = (typeof FORMS)[number]

/** Parameters by name. In the forms that have only text, everything else is written as JSON. */
export type Wire = Readonly<Record<string, unknown>>

export const PATH = '/ddenterpriseapi/updateuser'

/** The super-user as `user` and `pass`. */
export const ADMIN: Wire = { user: 'admin', pass: PASSWORD }

/** The header `Authorization` of HTTP Basic. */
export const basic = (username: string, password: string) =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`

/** Sends the same parameters in any of the forms. */
export async function send(
  { http }: Pick<TestHost, 'http'>,
  form: Form,
  parameters: Wire,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  if (form === 'GET') return http.get(`${PATH}?${encoded(parameters)}`).set(headers)
  if (form === 'POST JSON') return http.post(PATH).set(headers).set('Content-Type', 'application/json').send(parameters)
  return http.post(PATH).set(headers).set('Content-Type', 'application/x-www-form-urlencoded').send(encoded(parameters))
}

export function encoded(parameters: Wire): string {
  const pairs = Object.entries(parameters).map(
    ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as [string, string],
  )
  return new URLSearchParams(pairs).toString()
}

/** One entry of `errors`. */
export interface WireError {
  readonly parameter: string | null
  readonly pointer: string
  readonly code: string
  readonly message: string
}

/** A reply that refuses, whole; messages are for people and only have to be there. */
export function refusal(uid: unknown, ...errors: readonly Omit<WireError, 'message'>[]) {
  return {
    cid: expect.stringMatching(/^[0-9a-f]{24}$/),
    status: 'error',
    uid,
    changed: [],
    errors: errors.map((error) => ({ ...error, message: expect.any(String) })),
  }
}

/** A reply that says what was done. */
export function done(uid: string, ...changed: readonly string[]) {
  return { cid: expect.stringMatching(/^[0-9a-f]{24}$/), status: 'ok', uid, changed }
}
