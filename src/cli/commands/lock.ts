import type { Command } from 'commander'
import { type AccountOptions, findUser, named, onAccount } from '../accounts.ts'
import { onSso } from '../command.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'

/** Locks an account. */
export function registerLock(program: Command, io: Io): void {
  onAccount(program.command('lock'))
    .description('Locks an account: nobody can log in with it, and its sessions end.')
    .addHelpText('after', examples('lock ada', 'lock 42 --id'))
    .action(
      onSso<AccountOptions, [string]>(io, async (on, name) => {
        const found = await findUser(on, name, on.options)
        const { user, changed } = await on.sso.user.lockUser({ actor: on.actor, userId: found.user_id })
        const line = changed.length > 0 ? `${user.username} is locked.` : `${user.username} was locked before.`
        await on.output.result({ ...named(user), changed }, [line])
      }),
    )
}

/** Unlocks an account. */
export function registerUnlock(program: Command, io: Io): void {
  onAccount(program.command('unlock'))
    .description('Unlocks an account.')
    .addHelpText('after', examples('unlock ada'))
    .action(
      onSso<AccountOptions, [string]>(io, async (on, name) => {
        const found = await findUser(on, name, on.options)
        const { user, changed } = await on.sso.user.unlockUser({ actor: on.actor, userId: found.user_id })
        const line = changed.length > 0 ? `${user.username} is unlocked.` : `${user.username} was not locked.`
        await on.output.result({ ...named(user), changed }, [line])
      }),
    )
}
