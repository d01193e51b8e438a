import { onOneLine } from '../../audit/one-line.ts'
import type { AccessRow } from '../../core/schema/access.ts'
import { nearest } from '../../core/schema/nearest.ts'
import type { ExportedUser } from '../../core/search/export.ts'
import { usageError } from '../failures.ts'
import { customToText, grantLists, listToText, type Notation, toText, writeCell } from './cells.ts'
import { type Column, columnOf, customColumn, type Kinds } from './columns.ts'
import { csvLine } from './csv.ts'

/** What an export writes of each account, in order. */
export interface ExportPlan {
  readonly names: readonly string[]
  readonly columns: readonly Column[]
}

/**
 * The columns of an export: those that were asked for, or what a super-user may read and change, grants, and custom
 * attributes.
 *
 * @param wanted names; null for the usual ones
 * @param custom names of all custom attributes that there are
 * @throws CliError for a name that is unknown, secret, or there twice
 */
export function planExport(
  matrix: readonly AccessRow[],
  wanted: readonly string[] | null,
  custom: readonly string[],
): ExportPlan {
  const readable = matrix.filter(({ readableBy, secret }) => readableBy !== 'nobody' && !secret)
  const kinds: Kinds = new Map(readable.map(({ attribute, kind }) => [attribute, kind]))
  const editable = readable.filter(({ attribute, editableBy }) => editableBy !== 'nobody' && attribute !== 'username')
  const usual = ['username', ...editable.map(({ attribute }) => attribute), 'roles', 'acls', 'groups']
  const names = wanted ?? [...usual, ...custom.map(customColumn)]
  const columns = names.map((name, index) => {
    if (names.indexOf(name) < index) throw usageError(`--columns has ${name} twice.`)
    const column = columnOf(name, kinds)
    if (column && column.about !== 'password') return column
    const known = [...kinds.keys(), 'roles', 'acls', 'groups']
    throw usageError(`--columns: there is no ${name} to be read: perhaps ${nearest(name, known)} is meant.`)
  })
  return { names, columns }
}

/** Writes accounts as lines that `apply` takes. */
export class AccountWriter {
  /** Values that were left out, as a merge patch cannot say them. */
  left = 0
  readonly #plan: ExportPlan
  readonly #delimiter: string
  readonly #notation: Notation

  constructor(plan: ExportPlan, delimiter: string, notation: Notation) {
    this.#plan = plan
    this.#delimiter = delimiter
    this.#notation = notation
  }

  /** The header of CSV. */
  header(): string {
    return csvLine(this.#plan.names, this.#delimiter)
  }

  /** An account as a row of CSV. */
  row(account: ExportedUser): string {
    const cells = this.#plan.columns.map((column) => this.#cell(column, account))
    return csvLine(cells, this.#delimiter)
  }

  /** An account as a flat object on one line. */
  line(account: ExportedUser): string {
    const { columns, names } = this.#plan
    const members = columns.flatMap((column, index): [string, unknown][] => {
      const value = this.#value(column, account)
      return value === undefined ? [] : [[names[index] as string, value]]
    })
    return `${onOneLine(Object.fromEntries(members))}\n`
  }

  #cell(column: Column, account: ExportedUser): string {
    const value = this.#value(column, account)
    if (value === undefined) return ''
    if (column.about === 'attribute') return writeCell(toText(column.kind, value), this.#notation)
    if (column.about === 'custom') return writeCell(customToText(value), this.#notation)
    if (column.about !== 'list') return writeCell(String(value), this.#notation)
    const text = listToText(value as readonly string[], this.#notation)
    // A list is escaped in its own way.
    return text ?? this.#notation.none
  }

  /** A value; undefined for one that the account does not have, or that is left out. */
  #value(column: Column, { user, grants, attributes }: ExportedUser): unknown {
    if (column.about === 'list') return grantLists(grants)[column.name]
    const name = column.about === 'id' ? 'user_id' : column.about === 'attribute' ? column.name : column.about
    const isCustom = column.about === 'custom'
    const value = isCustom ? attributes[column.name] : (user as unknown as Record<string, unknown>)[name]
    if (isCustom ? value === null || hasNull(value) : hasNull(value)) {
      this.left++
      return undefined
    }
    return value
  }
}

/** Whether a merge patch would take something of the value for removed. */
function hasNull(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Date) return false
  return Object.values(value).some((member) => member === null || hasNull(member))
}
