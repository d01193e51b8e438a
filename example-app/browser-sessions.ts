import session from 'express-session'

/** Whoever has signed in with a browser, by the cookie that it keeps. */
export interface BrowserSessions {
  /** Where express-session keeps them. */
  readonly store: session.Store
  /** Signs a member out of every browser. */
  readonly end: (userId: string) => Promise<void>
  /** Signs everybody out but this member; null for nobody left. */
  readonly endAllBut: (userId: string | null) => Promise<void>
}

interface SignedIn {
  readonly passport?: { readonly user?: { readonly userId?: string } }
}

/** Kept in memory, so that they end with the process. Yours will have a store that outlives it. */
export function buildBrowserSessions(): BrowserSessions {
  const store = new session.MemoryStore()
  const all = () =>
    new Promise<Readonly<Record<string, SignedIn>>>((resolve, reject) => {
      store.all((error, sessions) => (error ? reject(error) : resolve((sessions ?? {}) as Record<string, SignedIn>)))
    })
  const destroy = (id: string) =>
    new Promise<void>((resolve, reject) => {
      store.destroy(id, (error) => (error ? reject(error) : resolve()))
    })

  const endThose = async (isMeant: (userId: string | undefined) => boolean) => {
    const meant = Object.entries(await all()).filter(([, { passport }]) => isMeant(passport?.user?.userId))
    await Promise.all(meant.map(([id]) => destroy(id)))
  }

  return {
    store,
    end: (userId) => endThose((id) => id === userId),
    endAllBut: (userId) => endThose((id) => id !== userId),
  }
}
