import type { Knex } from 'knex'
import type { Count } from '../core/throttle/counters.ts'
import type { Layout } from './layout.ts'
import { prepare, type Runner } from './statements.ts'

/**
 * Statements on the counters of attempts. Our own rather than rate-limiter-flexible's: those take no clock, name prepared
 * statements that poolers cannot keep, and must be told the database's name on MySQL.
 */
export class ThrottleStatements {
  /** Whether the database tells what it has written; otherwise it must be read in the same transaction. */
  readonly isReturning: boolean
  readonly #prepared: ReturnType<typeof prepareAll>

  constructor(db: Knex, { dialect, table }: Layout) {
    this.isReturning = dialect !== 'mysql'
    this.#prepared = prepareAll(db, table('throttle'), this.isReturning)
  }

  async add(runner: Runner, bucket: string, seconds: number, now: Date, longest: number): Promise<Count> {
    const added = await runner.run(this.#prepared.add, {
      bucket,
      now: now.getTime(),
      end: endOf(seconds, now),
      latest: endOf(longest, now),
    })
    const { rows } = this.isReturning ? added : await runner.run(this.#prepared.read, { bucket })
    const [points, end] = rows[0] ?? []
    return { points: Number(points), endsIn: Number(end) - now.getTime() }
  }

  async extend(runner: Runner, bucket: string, seconds: number, now: Date): Promise<void> {
    await runner.run(this.#prepared.extend, { bucket, end: endOf(seconds, now) })
  }

  async giveBack(runner: Runner, bucket: string): Promise<void> {
    await runner.run(this.#prepared.giveBack, { bucket })
  }

  async remove(runner: Runner, bucket: string): Promise<void> {
    await runner.run(this.#prepared.remove, { bucket })
  }

  async removeEnded(runner: Runner, now: Date): Promise<void> {
    await runner.run(this.#prepared.removeEnded, { now: now.getTime() })
  }
}

function endOf(seconds: number, now: Date): number {
  return now.getTime() + seconds * 1000
}

function prepareAll(db: Knex, table: string, isReturning: boolean) {
  const [points, end] = [`${table}.points`, `${table}.end_time`]
  return {
    add: prepare((bind) => {
      const insert = db(table)
        .insert({ bucket: bind('bucket'), points: 1, end_time: bind('end') })
        .onConflict('bucket')
        // In this order: MySQL sees what it has set already.
        .merge({
          points: db.raw('case when ?? <= ? then 1 else ?? + 1 end', [end, bind('now'), points]),
          end_time: db.raw('case when ?? <= ? then ? when ?? > ? then ? else ?? end', [
            ...[end, bind('now'), bind('end')],
            ...[end, bind('latest'), bind('latest')],
            end,
          ]),
        })
      return isReturning ? insert.returning(['points', 'end_time']) : insert
    }),
    read: prepare((bind) => db(table).where('bucket', bind('bucket')).select('points', 'end_time')),
    extend: prepare((bind) =>
      db(table)
        .where('bucket', bind('bucket'))
        .update({ end_time: bind('end') }),
    ),
    giveBack: prepare((bind) =>
      db(table)
        .where('bucket', bind('bucket'))
        .where('points', '>', 0)
        .update({ points: db.raw('?? - 1', ['points']) }),
    ),
    remove: prepare((bind) => db(table).where('bucket', bind('bucket')).delete()),
    removeEnded: prepare((bind) => db(table).where('end_time', '<=', bind('now')).delete()),
  }
}
