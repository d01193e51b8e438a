// A CommonJS file that requires the package, typed.
import sso = require('express-sso-users')

import type { Knex } from 'knex'

declare const db: Knex

const { zato }: sso.Sso = sso.createSso({ db })
zato.stack.length satisfies number
// @ts-expect-error there is no such function
sso.createSo({ db })
