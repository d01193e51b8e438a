import type { SsoError } from '../../errors.ts'
import type { CreateRequest } from '../accounts/create.ts'
import type { UpdateRequest } from '../accounts/propose.ts'
import type { Operation } from '../audit/record.ts'
import type { Context, Credentials } from '../context.ts'
import type { Core } from '../core.ts'
import type { Proof } from '../sessions/gate.ts'
import type { BatchResult } from './results.ts'

/** What a line asks for. */
export interface Task {
  /** Number of the line. */
  readonly line: number
  /** What the line calls the account by; null for what it does not say. */
  readonly called: Pick<BatchResult, 'id' | 'username' | 'uid'>
  /** The change; an error where it could not be read. */
  readonly request: UpdateRequest | SsoError
  readonly context: Context
  /** JSON Pointer into the line of what is at a pointer into the request. Default: the same. */
  readonly pointerTo?: (pointer: string) => string
  /** The account that is made where there is none; null for none. */
  readonly create: (() => Promise<CreateRequest>) | null
  /** Attributes that it asks for. */
  readonly asked: readonly string[]
  /** Whether accounts may go by other names afterwards. */
  readonly renames: boolean
}

/** A line as it comes. */
export interface RawLine {
  readonly line: number
  /** What it says; an error where that cannot be known. */
  readonly value: unknown
}

/** What each line's request has of its batch. */
export interface LineCall {
  readonly credentials: Credentials
  readonly context: Context
  readonly isDryRun: boolean
  /** When the batch began: a proof that was fresh then is fresh for all of it. */
  readonly began: Date
}

/** A batch that is under way. */
export interface Batch {
  readonly core: Core
  /** What lines are called in the audit trail that cannot be read. */
  readonly operation: Operation
  readonly credentials: Credentials
  /** Of the batch as a whole; each line has its own. */
  readonly context: Context
  readonly proof: Proof
  readonly isDryRun: boolean
  /** Whether lines may have been done by an earlier call: the caller has given the batch a name. */
  readonly isNamed: boolean
}

/** Correlation id of a line: that of its batch, and its number. */
export function cidOf(cid: string, line: number): string {
  return `${cid}-${line}`
}
