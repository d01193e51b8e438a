import type { Command } from 'commander'
import type { User } from '../core/schema/user.ts'
import type { Connected } from './connect.ts'
import { CliError } from './failures.ts'

/** How an account is named. */
export interface AccountOptions {
  /** Whether the name is an id. */
  readonly id?: boolean
}

/** A command about one account: NAME is a username, or an id with `--id`. */
export function onAccount(command: Command): Command {
  return command
    .argument('<name>', 'username, compared as at login')
    .option('--id', 'the name is the id of the account')
}

/** The account that is meant. @throws CliError `user_unknown` */
export async function findUser({ sso, actor }: Connected, name: string, { id = false }: AccountOptions): Promise<User> {
  const criteria = id ? { user_id: name } : { username: name }
  const { users } = await sso.user.search({ actor, criteria, pageSize: 1 })
  if (users[0]) return users[0]
  throw new CliError('refused', 'user_unknown', `There is no account with this ${id ? 'id' : 'username'}.`)
}

/** What programs are told of an account that something was done to. */
export function named({ user_id, username }: User): { readonly user_id: string; readonly username: string } {
  return { user_id, username }
}
