import { SsoError } from '../../errors.ts'
import type { Call } from '../accounts/operations.ts'
import { type Caller, callsOf, startedFirst, text } from '../callers.ts'
import type { Core } from '../core.ts'
import type { CustomEdit, CustomEdits } from './edits.ts'
import { type AttributesToWrite, readEdits, readMerge, readNames, readRemoval } from './input.ts'
import type { AttributesOf } from './owner.ts'
import { readAttributes } from './read.ts'
import type { AttributeDetails } from './values.ts'
import { type AttributesResult, writeAttributes } from './write.ts'

/** Whose custom attributes are meant. Default: those of the caller's own account. */
export type AttributesCaller = Caller & {
  /** `session` for those of the caller's own session, which end with it. Default `account`. */
  readonly of?: 'account' | 'session'
  /** Id of another account; super-users only. */
  readonly userId?: string | number
  /** Token of a session whose attributes are meant: one of the caller's own; super-users anybody's. */
  readonly targetUst?: string
}

/** Custom attributes of accounts and of sessions, as functions with one object argument each. All reject with `SsoError`. */
export interface AttributesApi {
  /** Creates custom attributes, all of them or none. @throws SsoError `attribute_exists` */
  create(input: AttributesCaller & AttributesToWrite): Promise<AttributesResult>
  /** Changes value, expiry or encryption of custom attributes, all or none. @throws SsoError `attribute_missing` */
  update(input: AttributesCaller & AttributesToWrite): Promise<AttributesResult>
  /** Creates custom attributes or changes them, all of them or none. @throws SsoError `attribute_forbidden` */
  set(input: AttributesCaller & AttributesToWrite): Promise<AttributesResult>
  /** Sets the values that an object has by name, and removes where it has null (RFC 7396). @throws SsoError as `set` */
  merge(
    input: AttributesCaller & {
      /** Values by name; null removes. */
      readonly data: Readonly<Record<string, unknown>>
    },
  ): Promise<AttributesResult>
  /** Removes custom attributes; those that do not exist are left out of `changed`. */
  remove(
    input: AttributesCaller & {
      /** One name, or several. */
      readonly name: string | readonly string[]
    },
  ): Promise<AttributesResult>
  /** Puts off or brings forward the expiry of a custom attribute. @throws SsoError `attribute_missing` */
  setExpiry(
    input: AttributesCaller & {
      /** Its name. */
      readonly name: string
      /** Seconds from now; null for never. */
      readonly expiration: number | null
    },
  ): Promise<AttributesResult>
  /** A custom attribute; null if there is none. Encrypted values are in clear, secret ones only for code. */
  get(
    input: AttributesCaller & {
      /** Its name. */
      readonly name: string
      /** Whether an encrypted value is shown; otherwise it is absent. Default true. */
      readonly decrypt?: boolean
    },
  ): Promise<AttributeDetails | null>
  /** All custom attributes, or those of some names, by name. */
  list(
    input: AttributesCaller & {
      /** Default all. */
      readonly names?: readonly string[]
      /** Whether encrypted values are shown; otherwise they are absent. Default true. */
      readonly decrypt?: boolean
    },
  ): Promise<readonly AttributeDetails[]>
  /** Values of all custom attributes by name, without those that are not shown. */
  toObject(
    input: AttributesCaller & {
      /** Whether encrypted values are shown; otherwise they are absent. Default true. */
      readonly decrypt?: boolean
    },
  ): Promise<Readonly<Record<string, unknown>>>
  /** Whether there is a custom attribute of this name. */
  exists(
    input: AttributesCaller & {
      /** Its name. */
      readonly name: string
    },
  ): Promise<boolean>
  /** Names of all custom attributes. */
  names(input: AttributesCaller): Promise<readonly string[]>
}

/** @param now the clock */
export function buildAttributesApi(core: Core, now: () => Date): AttributesApi {
  const { call } = callsOf(now)
  const about = (input: AttributesCaller): Call & { of: AttributesOf } => ({ ...call(input), of: ownerIn(input) })

  const write = (input: AttributesCaller, edits: (now: Date) => CustomEdits) => {
    const asked = about(input)
    return writeAttributes(core, { ...asked, edits: () => edits(asked.context.now) })
  }
  const writing = (mode: CustomEdit['mode']) => (input: AttributesCaller & AttributesToWrite) =>
    write(input, (now) => readEdits(mode, { ...input }, now))
  const read = (input: AttributesCaller & { readonly decrypt?: boolean }, names?: unknown) =>
    readAttributes(core, {
      ...about(input),
      decrypt: input.decrypt ?? true,
      ...(names === undefined ? {} : { names: () => readNames(names) }),
    })
  const one = async (input: AttributesCaller & { readonly name: string; readonly decrypt?: boolean }) =>
    (await read(input, text(input.name, 'name')))[0] ?? null

  const api: AttributesApi = {
    create: writing('create'),
    update: writing('update'),
    set: writing('set'),
    merge: (input) => write(input, () => readMerge(input.data)),
    remove: (input) => write(input, () => readRemoval(input.name)),
    setExpiry: (input) =>
      write(input, (now) => readEdits('update', { name: input.name, expiration: input.expiration }, now)),
    get: one,
    list: (input) => read(input, input.names),
    async toObject(input) {
      const shown = (await read(input)).filter((attribute) => 'value' in attribute)
      return Object.fromEntries(shown.map(({ name, value }) => [name, value]))
    },
    exists: async (input) => (await one(input)) !== null,
    names: async (input) => (await read(input)).map(({ name }) => name),
  }
  return startedFirst(core, api)
}

function ownerIn({ of, userId, targetUst }: AttributesCaller): AttributesOf {
  const isSession = of === 'session' || (of === undefined && targetUst !== undefined)
  const isMixed = isSession ? userId !== undefined : targetUst !== undefined
  if (isMixed || (of !== undefined && of !== 'account' && of !== 'session')) {
    throw new SsoError('input_invalid', { message: 'Either an account, by userId, or a session, by targetUst or of.' })
  }
  if (isSession) return { kind: 'session', ust: targetUst === undefined ? null : text(targetUst, 'targetUst') }
  return { kind: 'account', target: userId === undefined ? { by: 'self' } : { by: 'id', userId: String(userId) } }
}
