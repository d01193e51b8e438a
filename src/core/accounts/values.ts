import { isDeepStrictEqual } from 'node:util'
import { type AttributeChange, REDACTED, redact } from '../audit/record.ts'
import type { Actor, Context } from '../context.ts'
import type { Core } from '../core.ts'
import type { Catalogue } from '../schema/catalogue.ts'
import type { StoredUser } from '../schema/user.gen.ts'
import type { Values } from '../schema/validate.ts'
import type { Columns } from '../store.ts'
import { totpColumns } from '../totp/enrolment.ts'

/** What nobody edits and `columnsOf` derives from the rest: it follows again, whatever is put back. */
export const FOLLOWING: readonly string[] = [
  'locked_time',
  'locked_by',
  'approval_status_mod_time',
  'approval_status_mod_by',
  'is_approval_needed',
  // A code that was used stays used, and a key that was proved stays proved.
  'totp_last_step',
  'totp_is_proved',
]

/**
 * The columns that a patch changes on this account, with those that follow from them. A value that is there already is
 * left out, so that only changed columns are written.
 *
 * @param totpCode code of the account's key, as it is or as it will be; null for none
 * @throws SsoError `totp_key_missing`, `totp_proof_missing`, `totp_invalid`
 */
export function columnsOf(
  core: Core,
  before: StoredUser,
  wanted: Columns,
  actor: Actor,
  { now }: Context,
  totpCode: string | null = null,
): Columns {
  const columns = withoutCiphertextNoise(core, before, differing(before, wanted))
  Object.assign(columns, totpColumns(core, { before, wanted, columns, code: totpCode, now }))
  if ('is_locked' in columns) {
    columns['locked_time'] = now
    columns['locked_by'] = actor.userId ?? actor.name
  }
  if ('approval_status' in columns) {
    columns['approval_status_mod_time'] = now
    columns['approval_status_mod_by'] = actor.userId ?? actor.name
    columns['is_approval_needed'] = columns['approval_status'] !== 'approved'
  }
  return differing(before, columns)
}

/** The columns whose values are not those of the account. */
export function differing(before: StoredUser, columns: Columns): Record<string, unknown> {
  const differs = ([name, value]: [string, unknown]) => !isDeepStrictEqual(value, before[name as keyof StoredUser])
  return Object.fromEntries(Object.entries(columns).filter(differs))
}

/** A secret is compared in clear: its ciphertext differs each time. */
function withoutCiphertextNoise(core: Core, before: StoredUser, columns: Record<string, unknown>) {
  for (const name of encryptedIn(core.catalogue, columns)) {
    const sealed = before[name as keyof StoredUser]
    const value = columns[name]
    if (typeof value !== 'string' || typeof sealed !== 'string' || sealed === '') continue
    if (core.secrets.opened(name, sealed) === value) delete columns[name]
  }
  return columns
}

/** Secret attributes as they are stored. The password is there as its hash already. */
export function encodeSecrets(core: Core, columns: Columns): Columns {
  const encoded: Record<string, unknown> = { ...columns }
  for (const name of encryptedIn(core.catalogue, columns)) {
    const value = encoded[name]
    if (typeof value === 'string') encoded[name] = core.secrets.encrypt(name, value)
  }
  return encoded
}

/** A patch as hooks see it: with the names of secrets, not their values. The same object if it has none. */
export function hideSecrets(catalogue: Catalogue, patch: Values): Values {
  const names = Object.keys(patch).filter((name) => catalogue.get(name)?.secret && patch[name] !== null)
  if (names.length === 0) return patch
  return { ...patch, ...Object.fromEntries(names.map((name) => [name, REDACTED])) }
}

/** What a hook made of a patch whose secrets it could not see, with those that it left in place. */
export function restoreSecrets(catalogue: Catalogue, replaced: Values, patch: Values): Values {
  const names = Object.keys(patch).filter((name) => catalogue.get(name)?.secret && replaced[name] === REDACTED)
  if (names.length === 0) return replaced
  return { ...replaced, ...Object.fromEntries(names.map((name) => [name, patch[name]])) }
}

function encryptedIn(catalogue: Catalogue, columns: Columns): readonly string[] {
  return Object.keys(columns).filter((name) => name !== 'password' && catalogue.get(name)?.secret)
}

/** What the audit trail says of the columns that were written. */
export function changesBetween(catalogue: Catalogue, before: StoredUser | null, columns: Columns): AttributeChange[] {
  return Object.entries(columns).map(([name, to]) => redact(catalogue, name, before?.[name as keyof StoredUser], to))
}
