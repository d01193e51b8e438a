import { Secret, TOTP } from 'otpauth'

/** A key for one-time codes, and another. */
export const TOTP_KEY = 'JBSWY3DPEHPK3PXP'
export const OTHER_TOTP_KEY = 'KRSXG5CTMVRXEZLU'

const STEP = 30_000

/** The number of the time step that a moment is in. */
export const stepAt = (time: Date): number => Math.floor(time.getTime() / STEP)

/** The code of a key, so many steps after a time. */
export function codeAt(key: string, time: Date, steps = 0): string {
  return new TOTP({ secret: Secret.fromBase32(key) }).generate({ timestamp: time.getTime() + steps * STEP })
}

/** Six digits that no step near a time has. */
export function wrongCodeAt(key: string, time: Date): string {
  const right = [-2, -1, 0, 1, 2].map((steps) => codeAt(key, time, steps))
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !right.includes(code)) as string
}
