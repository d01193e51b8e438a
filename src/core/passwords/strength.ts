import type { ZxcvbnFactory } from '@zxcvbn-ts/core'

// What zxcvbn does grows faster than the password, and nothing else runs meanwhile.
const LONGEST_ESTIMATED = 64

// The lists are megabytes: they are loaded with the first password that is set, and never where none is. Both depend on
// no option, and are the same for everybody.
const loadLists = () => import('@zxcvbn-ts/language-common')
let estimator: Promise<ZxcvbnFactory> | null = null

/**
 * Whether the password, whatever its case, is one of the `number` most common that have at least `minLength`
 * characters: shorter ones would be refused anyway, and do not count (ASVS 6.2.4).
 */
export async function isFrequent(password: string, number: number, minLength: number): Promise<boolean> {
  // In order of frequency, in lower case.
  const passwords = (await loadLists()).dictionary['passwords-common']
  const position = passwords.indexOf(password.toLowerCase())
  return position >= 0 && passwords.slice(0, position).filter(({ length }) => length >= minLength).length < number
}

/**
 * Score of zxcvbn, from 0, too guessable, to 4, very unguessable. Of a longer password it sees the first 64 characters.
 *
 * @param words what somebody who knows the owner would try
 */
export async function complexityOf(password: string, words: readonly string[]): Promise<number> {
  estimator ??= loadEstimator()
  return (await estimator).check(password.slice(0, LONGEST_ESTIMATED), [...words]).score
}

async function loadEstimator(): Promise<ZxcvbnFactory> {
  const [{ ZxcvbnFactory }, { dictionary, adjacencyGraphs }] = await Promise.all([
    import('@zxcvbn-ts/core'),
    loadLists(),
  ])
  return new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs })
}
