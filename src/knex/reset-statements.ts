import type { Knex } from 'knex'
import type { PasswordReset } from '../core/store.ts'
import { type Codec, codecFor } from './codecs.ts'
import type { Layout } from './layout.ts'
import { prepare, type Runner } from './statements.ts'

/** Statements on resets of passwords: one row an account at most. */
export class ResetStatements {
  readonly #time: Codec
  readonly #prepared: ReturnType<typeof prepareAll>

  constructor(db: Knex, { dialect, table }: Layout) {
    this.#time = codecFor('datetime', dialect, null)
    this.#prepared = prepareAll(db, table('password_reset'))
  }

  async find(runner: Runner, hash: string): Promise<PasswordReset | null> {
    const { rows } = await runner.run(this.#prepared.find, { hash })
    const [row] = rows
    if (!row) return null
    const [userId, keyHash, creation, expiration] = row
    return {
      hash,
      userId: String(userId),
      keyHash: keyHash as string | null,
      creationTime: this.#time.decode(creation) as Date,
      expirationTime: this.#time.decode(expiration) as Date,
    }
  }

  async put(runner: Runner, reset: PasswordReset): Promise<void> {
    await runner.run(this.#prepared.put, {
      ...reset,
      creationTime: this.#time.encode(reset.creationTime),
      expirationTime: this.#time.encode(reset.expirationTime),
    })
  }

  async exchange(runner: Runner, hash: string, keyHash: string, expirationTime: Date): Promise<void> {
    await runner.run(this.#prepared.exchange, {
      hash,
      keyHash,
      expirationTime: this.#time.encode(expirationTime),
    })
  }

  async remove(runner: Runner, userId: string): Promise<void> {
    await runner.run(this.#prepared.remove, { userId })
  }
}

function prepareAll(db: Knex, table: string) {
  return {
    find: prepare((bind) =>
      db(table).where('token_hash', bind('hash')).select('user_id', 'key_hash', 'creation_time', 'expiration_time'),
    ),
    // One statement: a DELETE of a row that is not there would lock the gap on MySQL, and with it other accounts.
    put: prepare((bind) =>
      db(table)
        .insert({
          user_id: bind('userId'),
          token_hash: bind('hash'),
          key_hash: bind('keyHash'),
          creation_time: bind('creationTime'),
          expiration_time: bind('expirationTime'),
        })
        .onConflict('user_id')
        .merge(),
    ),
    exchange: prepare((bind) =>
      db(table)
        .where('token_hash', bind('hash'))
        .update({ key_hash: bind('keyHash'), expiration_time: bind('expirationTime') }),
    ),
    remove: prepare((bind) => db(table).where('user_id', bind('userId')).delete()),
  }
}
