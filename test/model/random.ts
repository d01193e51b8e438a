/** Numbers that look random and follow from a seed: the same on every machine. */
export class Random {
  #state: number

  /** @param seed any integer */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 to 1, without 1: mulberry32, which is in the public domain. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** An integer from 0 to `end`, without `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('there is nothing to pick from')
    return items[this.below(items.length)] as T
  }

  /** Up to `most` of the items, one at least, in any order. */
  some<T>(items: readonly T[], most: number): T[] {
    const left = [...items]
    const count = 1 + this.below(Math.min(most, left.length))
    return Array.from({ length: count }, () => left.splice(this.below(left.length), 1)[0] as T)
  }

  /** One of the names, each as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][]
    let at = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      at -= weight
      if (at < 0) return name
    }
    return this.pick(entries)[0]
  }
}
