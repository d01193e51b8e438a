import { resolve } from 'node:path'
import type { Command } from 'commander'
import { onOneLine } from '../../audit/one-line.ts'
import type { AuditLine } from '../../core/audit/export.ts'
import { onSso } from '../command.ts'
import { writeWhole } from '../files.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { countOf } from '../numbers.ts'
import { print } from '../output.ts'

interface Options {
  readonly after?: number
  readonly out?: string
}

/** Exports the trail. */
export function registerAuditExport(audit: Command, io: Io): void {
  audit
    .command('export')
    .description(
      'Exports the trail as lines of JSON, seals and records, which verifyExport verifies without a database.',
    )
    .option('--after <number>', 'only what was sealed after the head of this number', countOf, 0)
    .option('--out <file>', 'file to write, in place of standard output; only its owner may read it')
    .addHelpText(
      'after',
      examples('audit export --out audit.jsonl', 'audit export --after 1200 | gzip > audit.jsonl.gz'),
    )
    .action(
      onSso<Options>(io, async ({ sso, options, output }) => {
        const { after = 0, out } = options
        const tally = { records: 0, head: after }
        const lines = linesOf(sso.audit.exportAudit({ after }), tally)
        if (out === undefined) {
          for await (const line of lines) await print(io.stdout, line)
          return
        }
        const file = resolve(io.cwd, out)
        await writeWhole(file, lines, 0o600)
        await output.result({ file, ...tally }, [`Exported ${tally.records} records, up to head ${tally.head}.`])
      }),
    )
}

async function* linesOf(
  lines: AsyncIterable<AuditLine>,
  tally: { records: number; head: number },
): AsyncGenerator<string> {
  for await (const line of lines) {
    if ('record' in line) tally.records += 1
    else tally.head = line.seal.number
    yield `${onOneLine(line)}\n`
  }
}
