import express from 'express'
import { createTargets, fileSink, openSso } from './accounts.ts'
import { openDatabase, serve } from './serve.ts'

// Passwords are hashed as they are by default: what that costs when they are remembered is what is measured.
const sso = openSso(openDatabase(), { sinks: [fileSink()] }, {})
const calls = await createTargets(sso)
const app = express()
app.use('/ddenterpriseapi', sso.updateuser)
serve(app, calls)
