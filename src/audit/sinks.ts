import { appendFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import type { AuditRecord } from '../core/audit/record.ts'
import type { AuditFunction } from '../core/audit/sink.ts'

/**
 * Appends each record to a file as one line of JSON. Line breaks in values are escaped by JSON, so that a record cannot
 * forge another (ASVS 16.4.1).
 *
 * @param path created, with its owner alone as reader, if it does not exist
 */
export function jsonLinesSink(path: string): AuditFunction {
  return async function jsonLines(record) {
    await appendFile(path, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  }
}

/** A logger of pino's shape, `info(object, message)`, or of the console's, `info(...values)`. */
export interface AuditLogger {
  /** Takes one record as `{ audit: record }`, and a line for people. */
  info(object: object, message?: string): void
}

/** Hands each record to a logger: the record as the object, a fixed message after it. */
export function loggerSink(logger: AuditLogger): AuditFunction {
  return function toLogger(record: AuditRecord) {
    logger.info(inspectable({ audit: record }), `audit ${record.operation} ${record.outcome}`)
  }
}

/** The console prints objects only so deep, and over many lines: it gets their JSON on one. */
function inspectable<T extends object>(object: T): T {
  return Object.defineProperty(object, inspect.custom, { value: () => JSON.stringify(object) })
}
