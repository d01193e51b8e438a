import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMembers, openDatabase } from '../../example-app/database.ts'
import { readSettings } from '../../example-app/settings.ts'
import { cli } from '../cli/stage.ts'

const config = fileURLToPath(new URL('../../example-app/sso.config.ts', import.meta.url))

let directory: string
let umask: number
beforeEach(() => {
  umask = process.umask()
  directory = mkdtempSync(join(tmpdir(), 'sso-example-'))
  for (const name of ['DATABASE_URL', 'HOST', 'PORT', 'DEMO_ACCOUNTS']) vi.stubEnv(name, '')
  vi.stubEnv('EXAMPLE_DATA_DIR', directory)
})
afterEach(() => {
  vi.unstubAllEnvs()
  process.umask(umask)
  rmSync(directory, { recursive: true, force: true })
})

test('the command line works on the members of the example app, with its options', async () => {
  const unmade = await cli(['doctor', '--config', config])
  expect([unmade.code, unmade.stdout.split('\n')[0]]).toEqual([
    4,
    'error: members: there is no such table, or it has no columns.',
  ])

  const db = openDatabase(await readSettings(process.env))
  await createMembers(db)
  try {
    // Too short and too common for the package's default, and not for the demo's.
    const argv = ['create-user', 'eve', '--approve', '--set', 'display_name=Eve', '--config', config]
    expect(await cli(argv, { env: { SSO_NEW_PASSWORD: 'xyz' } })).toMatchObject({ code: 0, stderr: '' })
    expect(await cli(['lock', 'eve', '--config', config])).toMatchObject({ code: 0, stdout: 'eve is locked.\n' })
    const [row] = await db('members')
    expect(row).toMatchObject({ login: 'eve', full_name: 'Eve', department: 'Sales', blocked: 1 })
  } finally {
    await db.destroy()
  }
})
