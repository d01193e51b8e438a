import type { Command } from 'commander'
import { named } from '../accounts.ts'
import { checkAttributes, collect, type Given } from '../attributes.ts'
import { onSso } from '../command.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { newPassword, PASSWORD_STDIN, type PasswordOptions } from '../secrets.ts'

interface Options extends PasswordOptions {
  readonly set?: Given
  readonly approve?: boolean
  /** False for `--no-password`. */
  readonly password: boolean
}

/** Creates a regular account. */
export function registerCreateUser(program: Command, io: Io): void {
  program
    .command('create-user')
    .argument('<name>', 'username')
    .description('Creates a regular account.')
    .option('--set <name=value>', 'an attribute; name:=JSON for what is no text; may be repeated', collect)
    .option('--approve', 'let it in at once, where new accounts wait for that')
    .option(...PASSWORD_STDIN)
    .option('--no-password', 'give it a password that nobody knows: its owner begins with a reset')
    .addHelpText(
      'after',
      examples(
        'create-user ada --set display_name="Ada L." --set email=ada@example.com --approve',
        'create-user bob --no-password --set password_must_change:=true',
      ),
    )
    .action(
      onSso<Options, [string]>(io, async ({ sso, actor, options, output }, username) => {
        const attributes = checkAttributes(options.set ?? {}, sso)
        const password = options.password ? { password: await newPassword(options, io) } : {}
        const user = await sso.user.createUser({
          actor,
          data: { ...attributes, username, ...password },
          ...(options.approve ? { autoApprove: true } : {}),
        })
        const { approval_status } = user
        const state = approval_status === 'approved' ? '' : ' It waits for approval.'
        await output.result({ ...named(user), approval_status }, [
          `${user.username} has an account now; the id is ${user.user_id}.${state}`,
        ])
      }),
    )
}
