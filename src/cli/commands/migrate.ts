import type { Command } from 'commander'
import { onSso } from '../command.ts'
import { findingLines } from '../findings.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'

/** Makes the package's tables. */
export function registerMigrate(program: Command, io: Io): void {
  program
    .command('migrate')
    .description("Makes the package's tables that are missing, and says what stands out in yours.")
    .addHelpText('after', examples('migrate', 'migrate --database-url sqlite:accounts.sqlite'))
    .action(
      onSso(
        io,
        async ({ sso, output }) => {
          const { pending: made } = await sso.doctor()
          const { findings } = await sso.ready()
          const lines = made.length > 0 ? made.map((step) => `Made ${step}.`) : ['There was nothing to make.']
          await output.result({ made, findings }, [...lines, ...findings.flatMap(findingLines)])
        },
        { makesFile: true },
      ),
    )
}
