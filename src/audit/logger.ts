import { inspect } from 'node:util'
import type { AuditSink } from '../core/audit/sink.ts'
import { onOneLine } from './one-line.ts'
import { checkNames } from './wiring.ts'

/** A logger of pino's shape, `info(object, message)`, or of the console's, `info(...values)`. */
export interface AuditLogger {
  /** Takes one record as `{ audit: record }`, and a line for people. */
  info(object: object, message?: string): void
}

/** Settings of `loggerSink`. */
export interface LoggerSinkOptions {
  /** The sink's name, of 191 characters at most. Default `logger`. */
  readonly name?: string
}

const BATCH_SIZE = 100

/**
 * Hands each record to a logger: the record as the object, a fixed message after it. What the logger has been given has
 * been taken, whatever becomes of it there.
 *
 * @throws SsoError `option_invalid`
 */
export function loggerSink(logger: AuditLogger, options: LoggerSinkOptions = {}): AuditSink {
  checkNames('loggerSink', options, ['name'])
  return {
    name: options.name ?? 'logger',
    batchSize: BATCH_SIZE,

    deliver(records, signal) {
      for (const record of records) {
        signal.throwIfAborted()
        logger.info(inspectable({ audit: record }), `audit ${record.operation} ${record.outcome}`)
      }
    },
  }
}

/** The console prints objects only so deep, and over many lines: it gets their JSON on one. */
function inspectable<T extends object>(object: T): T {
  return Object.defineProperty(object, inspect.custom, { value: () => onOneLine(object) })
}
