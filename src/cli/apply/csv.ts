/** A record of CSV: its cells, or what is wrong with it. */
export type CsvRecord = { readonly cells: readonly string[] } | { readonly fault: string }

/** How many characters a record may have; what is longer is taken for a quote that is not closed. */
export const LONGEST_RECORD = 1_048_576

/** What is cut off text: a record and where the next one begins; null where the text ends before the record does. */
type Cut = { readonly record: CsvRecord; readonly next: number } | null

/**
 * Cuts records off CSV (RFC 4180) as it comes: a cell in quotes has delimiters and line breaks in it, and quotes twice.
 * Lines end with LF or CRLF; empty ones are no records. A record that cannot be read ends with its line, so that one bad
 * quote is one bad record.
 */
export class CsvCutter {
  readonly #delimiter: string
  #text = ''

  /** @param delimiter one character */
  constructor(delimiter: string) {
    this.#delimiter = delimiter
  }

  /**
   * The records that are complete with this text, and how many characters each takes.
   *
   * @param isEnd whether nothing follows
   */
  *push(text: string, isEnd: boolean): Generator<{ readonly record: CsvRecord; readonly source: string }> {
    this.#text += text
    let start = 0
    for (;;) {
      const line = emptyLines(this.#text, start)
      if (line >= this.#text.length) {
        // A CR whose LF has not come yet.
        start = line
        break
      }
      const cut = this.#cut(line, isEnd) ?? this.#cutLine(line)
      if (!cut) break
      const source = this.#text.slice(start, cut.next)
      start = cut.next
      yield { record: cut.record, source }
    }
    this.#text = this.#text.slice(start)
  }

  #cut(start: number, isEnd: boolean): Cut {
    const text = this.#text
    const cells: string[] = []
    let at = start
    for (;;) {
      const isQuoted = text[at] === '"'
      const cell = isQuoted ? quotedCell(text, at, isEnd) : this.#plainCell(at, isEnd)
      if (cell === null) return null
      if ('fault' in cell) return lineFrom(text, start, isEnd, cell.fault)
      cells.push(cell.text)
      at = cell.next
      if (text[at] === this.#delimiter) at += 1
      else if (text[at] === '\n') return { record: { cells }, next: at + 1 }
      else if (text[at] === '\r' && text[at + 1] === '\n') return { record: { cells }, next: at + 2 }
      else if (at < text.length - 1 || (isEnd && at < text.length)) {
        return lineFrom(text, start, isEnd, 'Something stands behind a closing quote.')
      } else return isEnd ? { record: { cells }, next: at } : null
    }
  }

  #plainCell(start: number, isEnd: boolean): Cell | null {
    const text = this.#text
    let end = start
    while (end < text.length) {
      const character = text[end]
      if (character === this.#delimiter || character === '\n') break
      if (character === '\r' && (text[end + 1] === '\n' || (end + 1 === text.length && !isEnd))) break
      if (character === '"') return { fault: 'There is a quote within a cell that does not begin with one.' }
      end++
    }
    if (end === text.length && !isEnd) return null
    return { text: text.slice(start, end), next: end }
  }

  /** The line alone, where its record is longer than any. */
  #cutLine(start: number): Cut {
    if (this.#text.length - start <= LONGEST_RECORD) return null
    const fault = `The record is longer than ${LONGEST_RECORD} characters: a quote may not be closed.`
    return lineFrom(this.#text, start, true, fault)
  }
}

type Cell = { readonly text: string; readonly next: number } | { readonly fault: string }

function quotedCell(text: string, start: number, isEnd: boolean): Cell | null {
  let value = ''
  let at = start + 1
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote < 0) return isEnd ? { fault: 'A quote is not closed.' } : null
    value += text.slice(at, quote)
    if (quote + 1 === text.length && !isEnd) return null
    if (text[quote + 1] !== '"') return { text: value, next: quote + 1 }
    value += '"'
    at = quote + 2
  }
}

function lineFrom(text: string, start: number, isEnd: boolean, fault: string): Cut {
  const end = text.indexOf('\n', start)
  if (end < 0) return isEnd ? { record: { fault }, next: text.length } : null
  return { record: { fault }, next: end + 1 }
}

/** Where the first line begins that is not empty. */
function emptyLines(text: string, start: number): number {
  let at = start
  while (text[at] === '\n' || (text[at] === '\r' && text[at + 1] === '\n')) at += text[at] === '\n' ? 1 : 2
  return at
}

/** A cell as it is written: in quotes where it must be. */
export function csvCell(text: string, delimiter: string): string {
  const needsQuotes = /["\r\n]/.test(text) || text.includes(delimiter) || text.trim() !== text
  return needsQuotes ? `"${text.replaceAll('"', '""')}"` : text
}

/** A record as it is written; one with a single empty cell is not an empty line. */
export function csvLine(cells: readonly string[], delimiter: string): string {
  if (cells.length === 1 && cells[0] === '') return '""\n'
  return `${cells.map((cell) => csvCell(cell, delimiter)).join(delimiter)}\n`
}
