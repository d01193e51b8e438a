import type { Command } from 'commander'
import { named } from '../accounts.ts'
import { checkAttributes, collect, type Given } from '../attributes.ts'
import { onSso } from '../command.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { newPassword, PASSWORD_STDIN, type PasswordOptions } from '../secrets.ts'

interface Options extends PasswordOptions {
  readonly set?: Given
}

/** Creates an account with every right: the only way to the first one, beside a host's own program. */
export function registerCreateSuperUser(program: Command, io: Io): void {
  program
    .command('create-super-user')
    .argument('<name>', 'username')
    .description('Creates an approved account with every right.')
    .option('--set <name=value>', 'an attribute; name:=JSON for what is no text; may be repeated', collect)
    .option(...PASSWORD_STDIN)
    .addHelpText(
      'after',
      examples('create-super-user admin', 'create-super-user admin --password-stdin < password.txt'),
    )
    .action(
      onSso<Options, [string]>(io, async ({ sso, actor, options, output }, username) => {
        const attributes = checkAttributes(options.set ?? {}, sso)
        const password = await newPassword(options, io)
        const user = await sso.user.createSuperUser({ by: actor.name, data: { ...attributes, username, password } })
        await output.result(named(user), [`${user.username} is a super-user now; the id is ${user.user_id}.`])
      }),
    )
}
