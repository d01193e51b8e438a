import type { Call } from '../accounts/operations.ts'
import type { Core } from '../core.ts'
import { attempted } from '../operation.ts'
import { authenticate } from '../sessions/gate.ts'
import { type AttributesOf, findOwner } from './owner.ts'
import { type AttributeDetails, detailsOf } from './values.ts'

/** Whose custom attributes are asked for, and by whom. */
export interface AttributesReading extends Call {
  readonly of: AttributesOf
  /** Whether encrypted values are shown in clear. */
  readonly decrypt: boolean
  /** Names that are asked for; null for all. Checked once the caller is known. */
  readonly names?: () => readonly string[]
}

/** Custom attributes that have not expired, as the caller may see them, in the order of their names. */
export function readAttributes(
  core: Core,
  { of, decrypt, names, ...call }: AttributesReading,
): Promise<readonly AttributeDetails[]> {
  const operation = of.kind === 'session' ? 'get_session_attributes' : 'get_attributes'
  return attempted(core, operation, call.context, async (attempt) => {
    const proof = await authenticate(core, call.credentials, call.context, attempt)
    const { owner } = await findOwner(core, of, proof, call, attempt)
    const wanted = names?.()
    const attributes = await core.store.customAttributesOf(owner, call.context.now)
    return attributes
      .filter(({ name }) => wanted?.includes(name) ?? true)
      .map((attribute) => detailsOf(core, attribute, proof.actor, decrypt))
  })
}
