import type { PasswordReset } from '../../src/index.ts'
import type { TestHost } from './host.ts'

/** Takes what `onPasswordReset` is to send. */
export interface Mailbox {
  /** The hook. */
  readonly take: (reset: PasswordReset) => void
  /** All that came, oldest first. */
  readonly all: readonly PasswordReset[]
  /** A new token for a user. */
  readonly tokenFor: (host: TestHost, username: string) => Promise<string>
}

export function mailbox(): Mailbox {
  const all: PasswordReset[] = []
  return {
    all,
    take: (reset) => void all.push(reset),
    async tokenFor({ sso }, username) {
      const before = all.length
      await sso.user.requestPasswordReset({ username })
      await sso.flush()
      const reset = all.slice(before).find(({ user }) => user.username === username)
      if (!reset) throw new Error(`${username} was sent no token`)
      return reset.token
    },
  }
}
