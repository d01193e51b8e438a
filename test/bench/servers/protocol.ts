import type { Knex } from 'knex'
import type { DatabaseName } from '../../support/databases.ts'

/** What the bench tells a server. */
export interface Settings {
  readonly database: DatabaseName
  /** Knex configuration of a database of the server's own. */
  readonly config: Knex.Config
  /** Accounts to create. */
  readonly accounts: number
  /** Most connections to the database. */
  readonly poolSize: number
}

/** How one account's name is changed on a server. */
export interface Call {
  readonly method: 'PATCH' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a server tells the bench when it listens. */
export interface Listening {
  readonly port: number
  readonly calls: readonly Call[]
}

/** Content type of a form. */
export const FORM = 'application/x-www-form-urlencoded'

/** Stands for the new name in the body of a call. */
export const NAME = '@name@'
