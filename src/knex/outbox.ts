import { FIRST, type FullSeal, type Link, sealOf } from '../core/audit/chain.ts'
import type { Outbox, Place } from '../core/audit/outbox.ts'
import { isDuplicate, isTransient } from './failures.ts'
import type { OutboxStatements } from './outbox-statements.ts'
import type { Seam } from './seam.ts'
import type { Runner, Statement } from './statements.ts'
import type { Open } from './transaction.ts'

/** The trail in the database as an outbox. */
export function buildOutbox(seam: Seam, opened: () => Promise<Open>): Outbox {
  const statements = async () => (await opened()).outbox
  const row = async (statement: Statement, parameters = {}) => (await seam.run(statement, parameters)).rows[0]
  const changed = async (statement: Statement, parameters: Readonly<Record<string, unknown>>) =>
    (await seam.run(statement, parameters)).affected > 0

  return {
    isOpen: () => seam.isOpen(),

    async seal() {
      const open = await opened()
      // Most of the time there is nothing: no transaction for that.
      if (!(await row(open.outbox.firstUnsealed))) return 'nothing'
      try {
        return await seam.transaction((runner) => sealOn(runner, open))
      } catch (error) {
        // Somebody else's seal is upon the same one.
        if (isTransient(error) || isDuplicate(error)) return 'busy'
        throw error
      }
    },

    async head() {
      return headIn(await row((await statements()).head))
    },

    async unsealed() {
      const { audit, outbox } = await opened()
      const [count, oldest] = (await row(outbox.unsealed)) ?? []
      return { count: Number(count), oldest: audit.timeOf(oldest) }
    },

    async sealAfter(number) {
      const found = await row((await statements()).sealAfter, { number })
      return found ? sealIn(found) : null
    },

    async entriesOf(seal) {
      return (await opened()).audit.sealedBy(seam, seal)
    },

    async latest(filter, before) {
      return (await opened()).audit.latest(seam, filter, before)
    },

    async strays() {
      return (await opened()).audit.strays(seam)
    },

    async prune(number) {
      const { pruneRecords, pruneSeal } = await statements()
      await seam.transaction(async (runner) => {
        await runner.run(pruneSeal, { number })
        await runner.run(pruneRecords, { number })
      })
    },

    async places() {
      const { rows } = await seam.run((await statements()).places, {})
      return rows.map(placeIn)
    },

    async place(name) {
      return placeOf(seam, await statements(), name)
    },

    async claim(name, beat, owner) {
      return changed((await statements()).claim, { name, beat, owner })
    },

    async advance(name, owner, delivered) {
      return changed((await statements()).advance, { name, owner, delivered })
    },

    async release(name, owner, delivered, failures) {
      return changed((await statements()).release, { name, owner, delivered, failures })
    },

    async forget(name) {
      return changed((await statements()).forget, { name })
    },
  }
}

/** Where a sink is; at the end of what is sealed if it is new. */
export async function placeOf(
  runner: Runner,
  { place, register, head }: OutboxStatements,
  name: string,
): Promise<Place> {
  const found = (await runner.run(place, { name })).rows[0]
  if (found) return placeIn(found)
  const end = headIn((await runner.run(head, {})).rows[0])
  await runner.run(register, { name, delivered: end.number })
  return placeIn((await runner.run(place, { name })).rows[0] ?? [])
}

async function sealOn(runner: Runner, { audit, outbox }: Open): Promise<Link | 'nothing' | 'busy'> {
  if (outbox.gate && (await isTaken(runner, outbox.gate))) return 'busy'
  // In this order: what is not sealed is then no older than the head.
  const head = headIn((await runner.run(outbox.head, {})).rows[0])
  const entries = await audit.unsealed(runner)
  if (entries.length === 0) return 'nothing'

  const seal = sealOf(head, entries)
  await runner.run(outbox.addSeal, {
    number: seal.number,
    record_count: seal.count,
    time: seal.time,
    previous_hash: seal.previousHash,
    records_hash: seal.recordsHash,
    hash: seal.hash,
    records: JSON.stringify(seal.records),
  })
  const ids = entries.map(({ id }) => id)
  await outbox.mark.run(runner, ids, { seal: seal.number })
  return { seal, entries }
}

/** MySQL 5.7 and MariaDB 10.5 cannot skip what is locked: there the index on the seals decides. */
async function isTaken(runner: Runner, gate: Statement): Promise<boolean> {
  try {
    return (await runner.run(gate, {})).rows.length === 0
  } catch (error) {
    if ((error as { code?: string }).code === 'ER_PARSE_ERROR') return false
    throw error
  }
}

function headIn(row: readonly unknown[] | undefined) {
  return row ? { number: Number(row[0]), hash: String(row[1]) } : FIRST
}

function sealIn(row: readonly unknown[]): FullSeal {
  const [number, count, time, previousHash, recordsHash, hash, records] = row
  return {
    number: Number(number),
    count: Number(count),
    time: String(time),
    previousHash: String(previousHash),
    recordsHash: String(recordsHash),
    hash: String(hash),
    records: records === null ? null : JSON.parse(String(records)),
  }
}

function placeIn(row: readonly unknown[]): Place {
  const [name, delivered, owner, beat, failures] = row
  return {
    name: String(name),
    delivered: Number(delivered),
    owner: owner === null ? null : String(owner),
    beat: Number(beat),
    failures: Number(failures),
  }
}
