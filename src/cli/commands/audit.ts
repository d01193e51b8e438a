import type { Command } from 'commander'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { registerAuditExport } from './audit-export.ts'
import { registerAuditPrune } from './audit-prune.ts'
import { registerAuditTail } from './audit-tail.ts'
import { registerAuditVerify } from './audit-verify.ts'

/** The commands about the audit trail. */
export function registerAudit(program: Command, io: Io): void {
  const audit = program
    .command('audit')
    .description('Reads, verifies, exports and prunes the audit trail.')
    .addHelpText('after', examples('audit tail --follow', 'audit verify'))
  for (const register of [registerAuditTail, registerAuditVerify, registerAuditExport, registerAuditPrune]) {
    register(audit, io)
  }
}
