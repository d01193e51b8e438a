import type { AuditEntry } from './record.ts'

/** A record of the trail as sinks get it: with its place in the trail, and sealed. */
export interface SealedRecord extends AuditEntry {
  /** SHA-256, base64url, over the record (`hashOf`): the same as the seal in the database has it. */
  readonly hash: string
}

/**
 * Where the audit trail is delivered to. Every record arrives at least once, in the order of the trail; one that arrives
 * again, after a failure or a killed process, is told by its `id`. A sink that fails is tried again later, without holding
 * up any other.
 */
export interface AuditSink {
  /** What its place in the trail is kept under: the same after a restart and in every process, and no other sink's. */
  readonly name: string
  /** Records that it takes in one call at most. Default 1. */
  readonly batchSize?: number
  /**
   * Takes records for good. If it rejects, all of them come again.
   *
   * @param signal aborted when the time for it is over; what it does later counts for nothing
   */
  readonly deliver: (records: readonly SealedRecord[], signal: AbortSignal) => void | Promise<void>
  /** Lets go of what the sink has opened. Called once, by `sso.close()`; a delivery after that opens it again. */
  readonly close?: () => void | Promise<void>
}

/** A sink that is merely a function of one record; its own name is the sink's. */
export type AuditFunction = (record: SealedRecord) => void | Promise<void>
