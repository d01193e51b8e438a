/** Where a request comes from. Made at the edge, passed down, never looked up. */
export interface Context {
  /** Correlation id, in every reply and audit record. */
  readonly cid: string
  /** Name of the application that the call is made from. */
  readonly app: string | null
  /** Client's address: Express' `req.ip`, hence the host's `trust proxy` (ASVS 4.1.3). */
  readonly remoteAddr: string | null
  /** `User-Agent` header. */
  readonly userAgent: string | null
  /** Who worded the request. */
  readonly dialect: 'zato' | 'updateuser' | 'rest' | 'middleware' | 'passport' | 'code'
  /** Time of the request; every time that the operation writes or compares with. */
  readonly now: Date
}

/** How somebody says who he is, before it has been checked. */
export type Credentials =
  | { readonly via: 'ust'; readonly ust: string }
  | { readonly via: 'password'; readonly username: string; readonly password: string }
  | {
      readonly via: 'host'
      readonly userId: string
      readonly isSuperUser?: boolean | undefined
      /** When the host last saw him prove who he is. */
      readonly authenticatedAt?: Date | undefined
    }
  | { readonly via: 'code'; readonly name: string }
  | {
      readonly via: 'reset'
      /** Token of a password reset. */
      readonly token: string
      /** What the token was taken for (contract section 8.15); null where it was not. */
      readonly key: string | null
    }

/** Who asks, and how he proved it. Only ever made from verified credentials. */
export interface Actor {
  /**
   * `code` is the host's own program, with the rights of a super-user. `reset` is the account's owner by a reset token: it
   * proves him for a new password, and for nothing else.
   */
  readonly via: 'ust' | 'password' | 'host' | 'code' | 'reset'
  /** Account of the actor; null for `code`. */
  readonly userId: string | null
  /** Username of the actor, or the name that the host's code gave. */
  readonly name: string
  /** May manage other accounts. */
  readonly isSuperUser: boolean
  /** Session that proved the actor, if there is one. */
  readonly sessionHash: string | null
}
