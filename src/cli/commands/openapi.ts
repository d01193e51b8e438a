import { resolve } from 'node:path'
import type { Command } from 'commander'
import { onSso } from '../command.ts'
import { usageError } from '../failures.ts'
import { writeWhole } from '../files.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { print } from '../output.ts'

interface Options {
  readonly out?: string
}

/** Writes the OpenAPI document. */
export function registerOpenapi(program: Command, io: Io): void {
  program
    .command('openapi')
    .description('Writes the OpenAPI document of the routers that the option openapi.paths names.')
    .option('--out <file>', 'file to write, in place of standard output')
    .addHelpText('after', examples('openapi --out openapi.json'))
    .action(
      onSso<Options>(io, async ({ sso, options, output }) => {
        const document = await sso.openapi()
        if (Object.keys(document.paths).length === 0) {
          throw usageError('The option openapi.paths names no router: there is nothing to describe.')
        }
        const text = `${JSON.stringify(document, null, 2)}\n`
        if (options.out === undefined) {
          await print(io.stdout, text)
          return
        }
        const file = resolve(io.cwd, options.out)
        await writeWhole(file, [text], 0o644)
        await output.result({ file }, [`Wrote ${file}.`])
      }),
    )
}
