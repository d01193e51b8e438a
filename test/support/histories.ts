/** What an audit record says of one attribute. */
export interface Step {
  readonly attribute: string
  readonly from: unknown
  readonly to: unknown
}

/** The values that an attribute has had, if each change begins where another ended; null where the links do not hold. */
export function historyOf(
  rows: readonly { readonly changes: readonly Step[] }[],
  attribute: string,
  start: unknown,
): unknown[] | null {
  const changes = rows.flatMap((row) => row.changes.filter((change) => change.attribute === attribute))
  const next = new Map(changes.map(({ from, to }) => [from, to]))
  if (next.size !== changes.length) return null
  const history = [start]
  for (let value = start; next.has(value); ) {
    const to = next.get(value)
    next.delete(value)
    history.push(to)
    value = to
  }
  return next.size === 0 ? history : null
}
