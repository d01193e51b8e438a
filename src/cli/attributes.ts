import type { UserPatch } from '../core/schema/user.ts'
import type { Sso } from '../create-sso.ts'
import { usageError } from './failures.ts'

/** Attributes by name, as `--set` gives them. */
export type Given = Readonly<Record<string, unknown>>

/** Adds `name=text` or `name:=JSON` to those before it. @throws CliError for anything else, which may be a secret: untold */
export function collect(text: string, before: Given = {}): Given {
  const [, name = '', isJson, value = ''] = /^([^=:]+)(:?)=(.*)$/s.exec(text) ?? []
  if (name === '') throw usageError('--set takes name=text or name:=JSON.')
  if (Object.hasOwn(before, name)) throw usageError(`--set: ${name} is given twice.`)
  return { ...before, [name]: isJson ? parsed(value) : value }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw usageError('--set: what comes after := must be JSON: a number, true, false, null, or "text".')
  }
}

/** The attributes, unless one is better not in a list of processes. @throws CliError for secrets, and for the username */
export function checkAttributes(given: Given, { accessMatrix }: Sso): UserPatch {
  if (Object.hasOwn(given, 'username')) throw usageError('The username is NAME, and not an attribute to be set.')
  const secret = accessMatrix.find(({ attribute, secret }) => secret && Object.hasOwn(given, attribute))
  if (!secret) return given
  const instead = secret.attribute === 'password' ? ' Use --password-stdin, SSO_NEW_PASSWORD, or a terminal.' : ''
  throw usageError(`${secret.attribute} is a secret, which everybody could read in the list of processes.${instead}`)
}
