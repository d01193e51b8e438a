import type { Finding } from '../core/store.ts'

/** A finding for people: what it is, and below it what mends it. */
export function findingLines({ severity, table, column, fault, remedy }: Finding): readonly string[] {
  const place = column === '*' ? table : `${table}.${column}`
  return [`${severity}: ${place}: ${fault}`, `  ${remedy}`]
}
