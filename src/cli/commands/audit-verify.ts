import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { AuditHead } from '../../core/audit/chain.ts'
import type { AuditFault } from '../../core/audit/verify.ts'
import { onSso } from '../command.ts'
import { Ended, usageError } from '../failures.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'

interface Options {
  readonly heads?: string
}

/** Verifies the trail. */
export function registerAuditVerify(audit: Command, io: Io): void {
  audit
    .command('verify')
    .description(
      'Verifies the chain of the trail, and names each record that was changed, removed, inserted or moved. Ends with 4 if there is one. The line that it prints with --json can be kept, and is a head for --heads later.',
    )
    .option('--heads <file>', 'heads that were kept: lines of JSON, or a list; shows whether the chain was made anew')
    .addHelpText('after', examples('audit verify', 'audit verify --heads heads.jsonl --json >> heads.jsonl'))
    .action(
      onSso<Options>(io, async ({ sso, options, output }) => {
        const heads = options.heads === undefined ? [] : await readHeads(resolve(io.cwd, options.heads))
        const verification = await sso.audit.verifyAudit({ heads })
        const { isIntact, faults, records, pruned, head } = verification
        await output.result(verification, [
          ...faults.map(faultLine),
          `${isIntact ? 'Intact' : 'Not intact'}: ${records} records, and ${pruned} pruned ones.`,
          `Head: ${head.number} ${head.hash}`,
        ])
        if (!isIntact) throw new Ended('findings')
      }),
    )
}

function faultLine({ kind, id, seal }: AuditFault): string {
  const what = kind.replaceAll('_', ' ')
  return id === null ? `${what}: seal ${seal}` : `${what}: ${id}, of seal ${seal}`
}

/** Heads, or verifications that have one, as lines of JSON or as a list. @throws CliError for anything else */
async function readHeads(path: string): Promise<readonly AuditHead[]> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw usageError(`${path} cannot be read: ${error.message}`, error)
  })
  try {
    const isList = text.trimStart().startsWith('[')
    const values: unknown[] = isList
      ? JSON.parse(text)
      : text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line))
    return values.map(headIn)
  } catch (error) {
    throw usageError(`${path} must have heads, { "number": …, "hash": "…" }, one a line.`, error)
  }
}

function headIn(value: unknown): AuditHead {
  const { number, hash } = (value as { head?: AuditHead }).head ?? (value as AuditHead)
  if (!Number.isSafeInteger(number) || typeof hash !== 'string') throw new Error('no head')
  return { number, hash }
}
