import type { Command } from 'commander'
import type { AuditEntry } from '../../core/audit/record.ts'
import type { Sso } from '../../create-sso.ts'
import { type AccountOptions, findUser } from '../accounts.ts'
import { onSso } from '../command.ts'
import { Ended } from '../failures.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { countOf } from '../numbers.ts'

interface Options extends AccountOptions {
  readonly lines: number
  readonly follow?: boolean
  readonly user?: string
  readonly cid?: string
}

type Filter = { readonly userId?: string; readonly cid?: string }

/** Shows the end of the trail. */
export function registerAuditTail(audit: Command, io: Io): void {
  audit
    .command('tail')
    .description('Shows the latest records of the trail, the oldest of them first.')
    .option('-n, --lines <count>', 'how many', countOf, 20)
    .option('--follow', 'go on with what is recorded from then on, until Ctrl-C')
    .option('--user <name>', 'only records about this account')
    .option('--id', 'the name of --user is an id, also of an account that is no more')
    .option('--cid <cid>', 'only records of the request with this correlation id')
    .addHelpText('after', examples('audit tail -n 50 --user ada', 'audit tail --follow --json | jq .operation'))
    .action(
      onSso<Options>(io, async (on) => {
        const { sso, options, output } = on
        const { user, cid, id, follow = false, lines } = options
        const userId = user === undefined ? undefined : id ? user : (await findUser(on, user, {})).user_id
        const filter: Filter = { ...(userId === undefined ? {} : { userId }), ...(cid === undefined ? {} : { cid }) }
        const show = (record: AuditEntry) => output.item(record, lineOf(record))

        const signal = follow ? io.takeInterrupts() : null
        // Before what is shown at first, so that nothing is left out in between.
        const { number: after } = signal ? await sso.audit.getHead() : { number: 0 }
        const shown = await latest(sso, filter, lines)
        for (const record of shown) await show(record)
        if (!signal) return

        const ids = new Set(shown.map((record) => record.id))
        for await (const { hash, ...record } of sso.audit.followAudit({ after, signal })) {
          if (!ids.has(record.id) && isWanted(record, filter)) await show(record)
        }
        throw new Ended('interrupted')
      }),
    )
}

/** The latest records, the oldest of them first. */
async function latest(sso: Sso, filter: Filter, count: number): Promise<readonly AuditEntry[]> {
  const found: AuditEntry[] = []
  let before: number | null = Number.MAX_SAFE_INTEGER
  while (before !== null && found.length < count) {
    const page = await sso.audit.getRecords({ ...filter, before, limit: count - found.length })
    found.push(...page.records)
    before = page.next
  }
  return found.reverse()
}

function isWanted({ target_id, cid }: AuditEntry, filter: Filter): boolean {
  return (filter.userId ?? target_id) === target_id && (filter.cid ?? cid) === cid
}

/** A record on one line: when, what, what came of it, who to whom, what has changed, in which request. */
function lineOf(record: AuditEntry): string {
  const { id, time, operation, outcome, error, actor_name, target_name, target_id, changes, cid } = record
  const target = target_name ?? target_id
  return [
    `${id} ${time} ${operation} ${error ?? outcome}`,
    `by ${actor_name ?? 'nobody'}`,
    ...(target === null ? [] : [`on ${target}`]),
    ...(changes.length > 0 ? [`changed ${changes.map(({ attribute }) => attribute).join(', ')}`] : []),
    `cid ${cid}`,
  ].join('  ')
}
