import { randomInt } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ARRANGEMENTS, databases } from '../support/host.ts'
import { Run } from './run.ts'

// A failing run prints its seed; MODEL_SEED runs it again, with as many operations as MODEL_OPERATIONS says.
const SEED = Number(process.env['MODEL_SEED'] ?? randomInt(2 ** 31))
const OPERATIONS = Number(process.env['MODEL_OPERATIONS'] ?? 10_000)

const parts = ARRANGEMENTS.flatMap((arrangement) => [
  { arrangement, hasHook: false, title: arrangement },
  { arrangement, hasHook: true, title: `${arrangement} and a hook in transactions` },
])
const cases = databases.flatMap((database) => parts.map((how, part) => ({ database, ...how, part })))
const share = Math.ceil(OPERATIONS / parts.length)

describe(`${OPERATIONS} random operations on each database do what a model of the contracts does, MODEL_SEED=${SEED}`, () => {
  test.each(cases)('$database, $title', { timeout: 300_000 }, async ({ database, arrangement, hasHook, part }) => {
    const run = await Run.start({ database, arrangement, hasHook, part, seed: SEED, operations: share })
    try {
      await run.all()
    } finally {
      await run.close()
    }
    // A run in which all is refused would show nothing.
    expect(run.seen['ok']).toBeGreaterThan(share / 4)
    if (process.env['MODEL_SEEN']) process.stdout.write(`${JSON.stringify(run.seen)}\n`)
  })
})
