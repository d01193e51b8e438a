import type { Command } from 'commander'
import { onSso } from '../command.ts'
import { Ended } from '../failures.ts'
import { findingLines } from '../findings.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'

/** Examines the tables. */
export function registerDoctor(program: Command, io: Io): void {
  program
    .command('doctor')
    .description(
      "Examines your table and the package's, and says what mends what it finds. Makes and changes nothing. Ends with 4 if there is an error among it.",
    )
    .addHelpText('after', examples('doctor', 'doctor --json'))
    .action(
      onSso(io, async ({ sso, output }) => {
        const { findings, pending } = await sso.doctor()
        const isFit = findings.every(({ severity }) => severity !== 'error')
        await output.result({ isFit, findings, pending }, [
          ...findings.flatMap(findingLines),
          isFit ? 'Your table can be used as it is.' : 'The package would not start.',
          pending.length > 0
            ? `Still to be made, by migrate or at the start of the app: ${pending.join(', ')}.`
            : "The package's tables are up to date.",
        ])
        if (!isFit) throw new Ended('findings')
      }),
    )
}
