import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { jsonLinesSink } from '../../../src/index.ts'
import { createAccounts, openSso } from './accounts.ts'
import { openDatabase, serve } from './serve.ts'

const directory = mkdtempSync(join(tmpdir(), 'sso-bench-'))
process.once('exit', () => rmSync(directory, { recursive: true }))

const sso = openSso(openDatabase(), { sinks: [jsonLinesSink(join(directory, 'audit.log'))] })
const calls = await createAccounts(sso)
const app = express()
app.use('/zato/sso', sso.zato)
serve(app, calls)
