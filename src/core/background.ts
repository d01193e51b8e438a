/** Work that nobody waits for, so that no reply tells by its time what it found (ASVS 6.3.8). */
export interface Background {
  /** Runs work when all that was queued before it is done: many requests at once do not take the whole database. */
  readonly queue: (work: () => Promise<void>) => void
  /** Runs work at once, beside the rest. */
  readonly start: (work: () => Promise<void>) => void
  /** Resolves when there is nothing left to do. */
  readonly idle: () => Promise<void>
}

/** @param report takes what the work throws */
export function buildBackground(report: (error: unknown) => Promise<void>): Background {
  const running = new Set<Promise<void>>()
  let last = Promise.resolve()

  const follow = (work: Promise<void>): Promise<void> => {
    const done = work.catch(report).finally(() => running.delete(done))
    running.add(done)
    return done
  }

  return {
    queue(work) {
      last = follow(last.then(work))
    },
    start(work) {
      void follow(Promise.resolve().then(work))
    },
    async idle() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
