import type { Options } from '../src/index.ts'
import { buildBrowserSessions } from './browser-sessions.ts'
import { openDatabase } from './database.ts'
import { readSettings } from './settings.ts'
import { ssoOptions } from './sso.ts'

/**
 * The app's options for the command line, with the same environment as the app:
 *
 *     npx tsx src/cli/bin.ts lock ada --config example-app/sso.config.ts
 *
 * In an app of your own: `npx express-sso-users`. The app's own browser sessions are in the memory of its process, out of
 * reach from here; what an account may do is looked up on each request.
 */
export async function options(): Promise<Options> {
  // As the app: its files are nobody else's.
  process.umask(0o077)
  const settings = await readSettings(process.env)
  return ssoOptions(openDatabase(settings), settings, buildBrowserSessions())
}
