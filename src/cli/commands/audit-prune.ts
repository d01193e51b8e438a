import { type Command, InvalidArgumentError } from 'commander'
import { parseTime } from '../../core/schema/times.ts'
import { onSso } from '../command.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'

interface Options {
  readonly before: Date
}

/** Deletes old records. */
export function registerAuditPrune(audit: Command, io: Io): void {
  audit
    .command('prune')
    .description(
      'Deletes old records by whole seals, which stay, so that the chain still verifies. Itself recorded. What a sink has not taken yet is kept.',
    )
    .requiredOption('--before <date>', 'ISO 8601; without a time of day midnight, without a zone UTC', dateOf)
    .addHelpText('after', examples('audit prune --before 2026-01-01'))
    .action(
      onSso<Options>(io, async ({ sso, actor, options, output }) => {
        const { records, heldBackBy } = await sso.audit.pruneAudit({ before: options.before, by: actor.name })
        await output.result({ records, heldBackBy }, [
          `Deleted ${records} records.`,
          ...heldBackBy.map((sink) => `Some that are old enough are kept: the sink ${sink} has not taken them yet.`),
        ])
      }),
    )
}

function dateOf(text: string): Date {
  const date = parseTime(text)
  if (date) return date
  throw new InvalidArgumentError('It must be a date, such as 2026-01-31 or 2026-01-31T12:00:00Z.')
}
