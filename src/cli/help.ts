/** Examples at the end of a command's help; what stands after the program's name. */
export function examples(...lines: readonly [string, ...string[]]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  $ express-sso-users ${line}`).join('\n')}`
}
