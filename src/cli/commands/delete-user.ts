import type { Command } from 'commander'
import { type AccountOptions, findUser, named, onAccount } from '../accounts.ts'
import { onSso } from '../command.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { confirm } from '../secrets.ts'

interface Options extends AccountOptions {
  readonly yes?: boolean
}

/** Deletes an account. */
export function registerDeleteUser(program: Command, io: Io): void {
  onAccount(program.command('delete-user'))
    .description(
      'Deletes an account with its sessions, grants and custom attributes. The audit trail keeps its records.',
    )
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('delete-user ada', 'delete-user 42 --id --yes'))
    .action(
      onSso<Options, [string]>(io, async (on, name) => {
        const { sso, actor, options, output } = on
        const user = await findUser(on, name, options)
        await confirm(`Delete ${user.username}, id ${user.user_id}?`, options.yes ?? false, io)
        await sso.user.deleteUserById({ actor, userId: user.user_id })
        await output.result(named(user), [`${user.username} is deleted.`])
      }),
    )
}
