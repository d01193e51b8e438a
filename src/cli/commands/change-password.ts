import type { Command } from 'commander'
import { type AccountOptions, findUser, named, onAccount } from '../accounts.ts'
import { onSso } from '../command.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'
import { countOf } from '../numbers.ts'
import { newPassword, PASSWORD_STDIN, type PasswordOptions } from '../secrets.ts'

interface Options extends AccountOptions, PasswordOptions {
  readonly mustChange?: boolean
  readonly expiresInDays?: number
}

/** Sets a password. */
export function registerChangePassword(program: Command, io: Io): void {
  onAccount(program.command('change-password'))
    .description('Sets the password of an account. Its sessions end.')
    .option('--must-change', 'the next login must send a new one')
    .option('--expires-in-days <days>', 'days until it expires; otherwise as password.expiryDays has it', countOf)
    .option(...PASSWORD_STDIN)
    .addHelpText(
      'after',
      examples(
        'change-password ada',
        'change-password ada --must-change --expires-in-days 3 --password-stdin < password.txt',
      ),
    )
    .action(
      onSso<Options, [string]>(io, async (on, name) => {
        const { sso, actor, options, output } = on
        const found = await findUser(on, name, options)
        const newOne = await newPassword(options, io)
        const { user, changed } = await sso.user.changePassword({
          actor,
          userId: found.user_id,
          newPassword: newOne,
          ...(options.mustChange ? { mustChange: true } : {}),
          ...(options.expiresInDays === undefined ? {} : { passwordExpiry: options.expiresInDays }),
        })
        await output.result({ ...named(user), changed }, [`${user.username} has a new password.`])
      }),
    )
}
