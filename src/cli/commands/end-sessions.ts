import type { Command } from 'commander'
import { type AccountOptions, findUser, named } from '../accounts.ts'
import { onSso } from '../command.ts'
import { usageError } from '../failures.ts'
import { examples } from '../help.ts'
import type { Io } from '../io.ts'

interface Options extends AccountOptions {
  readonly everybody?: boolean
}

/** Ends sessions. */
export function registerEndSessions(program: Command, io: Io): void {
  program
    .command('end-sessions')
    .argument('[name]', 'username, compared as at login')
    .description('Ends all sessions of an account, or of everybody.')
    .option('--id', 'the name is the id of the account')
    .option('--everybody', 'the sessions of all accounts')
    .addHelpText('after', examples('end-sessions ada', 'end-sessions --everybody'))
    .action(
      onSso<Options, [string | undefined]>(io, async (on, name) => {
        const { sso, actor, options, output } = on
        const isEverybody = options.everybody ?? false
        if ((name !== undefined) === isEverybody) throw usageError('Give the name of an account, or --everybody.')
        if (name === undefined) {
          await sso.session.endEverybodys({ actor })
          await output.result({ everybody: true }, ['The sessions of all accounts have ended.'])
          return
        }
        const user = await findUser(on, name, options)
        await sso.session.endAll({ actor, userId: user.user_id })
        await output.result(named(user), [`The sessions of ${user.username} have ended.`])
      }),
    )
}
