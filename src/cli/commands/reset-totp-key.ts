import type { Command } from 'commander'
import { type AccountOptions, findUser, named, onAccount } from '../accounts.ts'
import { onSso } from '../command.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'

/** Makes a new key for one-time codes. */
export function registerResetTotpKey(program: Command, io: Io): void {
  onAccount(program.command('reset-totp-key'))
    .description(
      'Makes a new key for the one-time codes of an account, and prints it this once, with the URI that authenticator apps read. Its sessions end.',
    )
    .addHelpText(
      'after',
      examples('reset-totp-key ada', 'reset-totp-key ada --json | jq -r .uri | qrencode -t ansiutf8'),
    )
    .action(
      onSso<AccountOptions, [string]>(io, async (on, name) => {
        const found = await findUser(on, name, on.options)
        const { user, totpKey, uri } = await on.sso.user.setTotpKey({ actor: on.actor, userId: found.user_id })
        const { is_totp_enabled } = user
        await on.output.result({ ...named(user), totp_key: totpKey, uri, is_totp_enabled }, [totpKey, uri])
        await on.output.note(
          is_totp_enabled
            ? `From now on ${user.username} needs codes of this key.`
            : `One-time codes of ${user.username} are off, until they are switched on with a code of this key.`,
        )
      }),
    )
}
