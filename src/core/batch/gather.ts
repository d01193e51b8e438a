/** Takes items from where they come from, as many at once as there are. */
export class Gatherer<T> {
  readonly #iterator: AsyncIterator<T>
  readonly #ended: Promise<'ended'>
  readonly #waiting: T[] = []
  #pending: Promise<IteratorResult<T>> | null = null
  #isDone = false

  /** @param signal ends the waiting for more */
  constructor(items: AsyncIterable<T>, signal: AbortSignal) {
    this.#iterator = items[Symbol.asyncIterator]()
    this.#ended = new Promise((resolve) => {
      if (signal.aborted) resolve('ended')
      else signal.addEventListener('abort', () => resolve('ended'), { once: true })
    })
  }

  /**
   * The next items, at least one, and then as many as there are without waiting: a sender that waits for an answer gets
   * one. Empty when there are no more, or the signal has come.
   *
   * @throws what the source throws
   */
  async next(most: number): Promise<readonly T[]> {
    const items = this.#waiting.splice(0, most)
    if (items.length === 0) {
      const first = await this.#take(this.#ended)
      if (first === 'ended') return []
      items.push(first.value)
    }
    const turn = new Promise<'ended'>((resolve) => setImmediate(resolve, 'ended'))
    while (items.length < most) {
      const next = await this.#take(turn)
      if (next === 'ended') break
      items.push(next.value)
    }
    return items
  }

  /** Puts items back that come before all others. */
  unread(items: readonly T[]): void {
    this.#waiting.unshift(...items)
  }

  /** Lets go of the source. Waits for nothing: it may be in the midst of a read. */
  close(): void {
    const done = this.#iterator.return?.()
    done?.then(undefined, () => {})
  }

  async #take(turn: Promise<'ended'>): Promise<{ readonly value: T } | 'ended'> {
    if (this.#isDone) return 'ended'
    this.#pending ??= this.#iterator.next()
    const next = await Promise.race([this.#pending, turn])
    if (next === 'ended') return 'ended'
    this.#pending = null
    if (!next.done) return { value: next.value }
    this.#isDone = true
    return 'ended'
  }
}
