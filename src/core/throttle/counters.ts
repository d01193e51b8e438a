/** A counter, after something was added to it. */
export interface Count {
  readonly points: number
  /** Milliseconds until it ends, and counts as none. */
  readonly endsIn: number
}

/**
 * Counters that every process of a host shares. What they throw refuses whoever was to be counted (ASVS 16.5.3): nobody
 * is let through uncounted.
 */
export interface Counters {
  /**
   * Adds one, in one step whoever else does; a counter that is new or has ended begins, and ends in so many seconds.
   *
   * @param longest seconds that it can have left at all: where it has more, the clock has stepped back. Default: the former
   */
  readonly add: (key: string, seconds: number, now: Date, longest?: number) => Promise<Count>
  /** Lets a counter end in so many seconds from now. */
  readonly extend: (key: string, seconds: number, now: Date) => Promise<void>
  /** Takes one away, where there is one. */
  readonly giveBack: (key: string) => Promise<void>
  /** Ends a counter. */
  readonly remove: (key: string) => Promise<void>
}
