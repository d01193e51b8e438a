const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|z|[+-]\d{2}(?::?\d{2})?)?$/

/**
 * Reads an ISO 8601 date or date and time, `T` or a space between them; without a zone it is UTC (contract section 2).
 * Returns null for anything else, impossible dates included.
 */
export function parseTime(text: string): Date | null {
  const match = ISO.exec(text.trim())
  if (!match) return null
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = match
  const milliseconds = fraction.padEnd(3, '0').slice(0, 3)
  const offset = zone.toUpperCase() === 'Z' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}${offset}`)
  if (Number.isNaN(time.getTime()) || hour === '24') return null
  // Date accepts 31 February and makes it March.
  const written = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  return written.getUTCDate() === Number(day) && inRange(time) ? time : null
}

/** Whether every supported database can store the time: the years 1000 to 9999. */
export function inRange(time: Date): boolean {
  const year = time.getUTCFullYear()
  return year >= 1000 && year <= 9999
}

/** The time that lies so many days later. */
export function daysAfter(time: Date, days: number): Date {
  return new Date(time.getTime() + days * 86_400_000)
}
