import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { jsonLinesSink } from '../../../src/index.ts'
import { createTargets, openSso } from './accounts.ts'
import { openDatabase, serve } from './serve.ts'

const directory = mkdtempSync(join(tmpdir(), 'sso-bench-'))
process.once('exit', () => rmSync(directory, { recursive: true }))

// Passwords are hashed as they are by default: what that costs when they are remembered is what is measured.
const sso = openSso(openDatabase(), { sinks: [jsonLinesSink(join(directory, 'audit.log'))] }, {})
const calls = await createTargets(sso)
const app = express()
app.use('/ddenterpriseapi', sso.updateuser)
serve(app, calls)
