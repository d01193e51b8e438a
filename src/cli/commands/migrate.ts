import type { Command } from 'commander'
import { type GlobalOptions, withSso } from '../connect.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { outputOf } from '../output.ts'

/** Makes the package's tables. */
export function registerMigrate(program: Command, io: Io): void {
  program
    .command('migrate')
    .description("Makes the package's tables that are missing, and says what stands out in yours.")
    .addHelpText('after', examples('migrate', 'migrate --database-url sqlite:accounts.sqlite'))
    .action(async (_options: object, command: Command) => {
      const globals = command.optsWithGlobals<GlobalOptions>()
      const output = outputOf(globals, io)
      await withSso(
        globals,
        io,
        async ({ sso }) => {
          const { findings } = await sso.ready()
          await output.result({ findings }, [])
        },
        { makesFile: true },
      )
    })
}
