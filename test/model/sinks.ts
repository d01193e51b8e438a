import type { AuditSink } from '../../src/index.ts'
import { type Numbered, numbered } from './contents.ts'
import { Injected } from './faults.ts'

/** A sink that keeps what it gets, and fails at times. */
export class KeepingSink implements AuditSink {
  readonly name: string
  readonly batchSize: number
  /** Once nothing may fail any more. */
  isCalm = false
  readonly #failsEvery: number
  readonly #records = new Map<number, Numbered>()
  #calls = 0

  /** @param failsEvery the so-manieth delivery fails, after it has kept a part of it; 0 for none */
  constructor(name: string, batchSize: number, failsEvery: number) {
    this.name = name
    this.batchSize = batchSize
    this.#failsEvery = failsEvery
  }

  readonly deliver: AuditSink['deliver'] = (records) => {
    const fails = !this.isCalm && this.#failsEvery > 0 && ++this.#calls % this.#failsEvery === 0
    const kept = fails ? records.slice(0, records.length / 2) : records
    for (const record of kept)
      if (!this.#records.has(record.id)) this.#records.set(record.id, numbered(record as never))
    if (fails) throw new Injected('injected: the sink')
  }

  /** What has arrived, each record once, in the order in which it first came. */
  get records(): readonly Numbered[] {
    return [...this.#records.values()]
  }
}
