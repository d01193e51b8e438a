import type { ResultLine } from './results.ts'

/** What a dry run found for one account, as lines for people; none where nothing would change. */
export function diffLines({ line, id, username, status, created, changes = [] }: ResultLine): readonly string[] {
  if (status !== 'ok' || (!created && changes.length === 0)) return []
  const who = username ?? `id ${id}`
  const head = created ? `${who} (record ${line}, new)` : `${who} (record ${line}, id ${id})`
  // A new account is called by its username already.
  const told = changes.filter(({ attribute }) => !created || attribute !== 'username')
  return [
    head,
    ...told.map(({ attribute, from, to }) => `  ${attribute}: ${created ? '' : `${shown(from)} -> `}${shown(to)}`),
  ]
}

/** A value as it is told apart from all others: text in quotes, NULL as null; what is secret is not shown. */
function shown(value: unknown): string {
  return value === '[redacted]' ? value : (JSON.stringify(value) ?? 'null')
}
