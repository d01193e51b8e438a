import express from 'express'
import { createAccounts, fileSink, openSso } from './accounts.ts'
import { openDatabase, serve } from './serve.ts'

const sso = openSso(openDatabase(), { sinks: [fileSink()] })
const calls = await createAccounts(sso)
const app = express()
app.use('/zato/sso', sso.zato)
serve(app, calls)
