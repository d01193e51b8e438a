import { nearest } from '../core/schema/nearest.ts'
import { SsoError } from '../errors.ts'

/** Refuses what the host wrote. @param sink function that it was given to @param fault says nothing of a secret's value */
export function refuse(sink: string, fault: string): never {
  throw new SsoError('option_invalid', { message: `${sink}: ${fault}` })
}

/** A misspelt option is an error, not a default. @throws SsoError `option_invalid` */
export function checkNames(sink: string, options: object, legal: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !legal.includes(name))
  if (unknown !== undefined) refuse(sink, `${unknown} is not an option. Did you mean ${nearest(unknown, legal)}?`)
}
