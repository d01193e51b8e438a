import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AuditRecord, jsonLinesSink } from '../../src/index.ts'
import { databases, PASSWORD } from '../support/host.ts'
import {
  type Answer,
  CHANGES,
  code,
  HOST_PATHS,
  inCode,
  PASSWORD_PATHS,
  type Person,
  person,
  type Stage,
  startStage,
  TOKEN_PATHS,
} from './stage.ts'

const FORGED = 'x\n{"operation":"login","outcome":"ok"}\r\n\u2028\u2029\u001b[2K"},{"'

describe.each(databases)('records on %s', (database) => {
  const records: AuditRecord[] = []
  const faults: unknown[] = []
  const directory = mkdtempSync(join(tmpdir(), 'sso-asvs-'))
  const file = join(directory, 'audit.log')
  let stage: Stage
  let ada: Person
  let bob: Person
  let breaks = false
  beforeAll(async () => {
    stage = await startStage(database, {
      audit: {
        sinks: [
          () => {
            if (breaks) throw new Error('the sink is away')
          },
          () => (breaks ? Promise.reject(new Error('the sink is away')) : undefined),
          (record) => void records.push(record),
          jsonLinesSink(file),
        ],
      },
      hooks: { onError: (error) => void faults.push(error) },
    })
    ada = await person(stage)
    bob = await person(stage)
  })
  afterAll(async () => {
    await stage.host.close()
    rmSync(directory, { recursive: true })
  })

  /** What an act leaves in the trail. */
  const recorded = async (act: () => Promise<unknown>) => {
    const { db } = stage.host.database
    const last = (await db('sso_audit').max('id as id').first())?.id ?? 0
    await act()
    await stage.host.sso.flush()
    return (await stage.host.audit()).filter(({ id }) => Number(id) > Number(last))
  }

  test.each(Object.entries(PASSWORD_PATHS))(
    'ASVS 16.3.1 by %s: an attempt to log in is recorded, whatever comes of it',
    async (_, enter) => {
      const [wrong, ...others] = await recorded(() => enter(stage, ada.name, 'canary of a guess'))
      expect(others).toEqual([])
      expect(wrong).toMatchObject({ outcome: 'denied', error: 'credentials_invalid', target_id: ada.id, changes: [] })
      expect(JSON.stringify(wrong)).not.toContain('canary of a guess')
      const right = await recorded(() => enter(stage, ada.name, PASSWORD))
      // A strategy changes nothing of ours, and hosts record their own logins; calls that do something record that.
      for (const record of right) expect(record).toMatchObject({ outcome: expect.stringMatching(/^(ok|unchanged)$/) })
    },
  )

  describe.each(Object.entries(CHANGES))('by %s', (name, change) => {
    const operation = expect.stringMatching(/^update/)

    test('ASVS 16.2.1 a change is recorded: who, what, when, where, in which request', async () => {
      const [record, ...others] = await recorded(() => change(stage, ada, ada, { first_name: `by ${name}` }))
      expect(others).toEqual([])
      expect(record).toMatchObject({
        operation,
        outcome: 'ok',
        cid: expect.stringMatching(/^[0-9a-f]{24}$/),
        actor_id: ada.id,
        actor_name: ada.name,
        actor_via: name === 'host authentication' ? 'host' : 'ust',
        target_id: ada.id,
        target_name: ada.name,
        app: 'CRM',
        dialect: name.startsWith('functions') ? 'code' : name === 'host authentication' ? 'zato' : name,
        remote_addr: name.startsWith('functions') ? null : expect.stringContaining('127.0.0.1'),
        changes: [{ attribute: 'first_name', to: `by ${name}` }],
      })
      expect(records.at(-1)?.time).toBe(stage.clock.now.toISOString())
    })

    test('ASVS 16.3.2 so is a refusal', async () => {
      const all = await recorded(() => change(stage, bob, ada, { first_name: 'x' }))
      expect(all).toMatchObject([{ operation, outcome: 'denied', actor_name: bob.name, changes: [] }])
    })

    test('ASVS 16.3.3 so is what does not pass validation, with nothing of it', async () => {
      const all = await recorded(() => change(stage, ada, ada, { email: 'canary without an at' }))
      expect(all).toMatchObject([{ operation, outcome: 'invalid', actor_name: ada.name, changes: [] }])
      expect(JSON.stringify(all)).not.toContain('canary')
    })

    test('ASVS 16.5.2 a sink that is away holds up nothing', async () => {
      breaks = true
      faults.length = 0
      const [before, seen] = [stage.clock.now, records.length]
      const [record] = await recorded(async () => {
        expect(await change(stage, ada, ada, { last_name: `without sinks, ${name}` })).toMatchObject({ isOk: true })
      }).finally(() => {
        breaks = false
      })
      expect(record).toMatchObject({ operation, outcome: 'ok' })
      expect(records.length).toBe(seen + 1)
      expect(faults.length).toBeGreaterThan(0)
      expect(stage.clock.now).toBe(before)
    })
  })

  test('ASVS 16.4.1 no value breaks out of its record', async () => {
    const { http } = stage.host
    await http
      .post('/account/login')
      .set({ 'User-Agent': 'x "},{" \\u000a \\n', 'X-Zato-SSO-Current-App': 'CRM"},{"' })
      .send({ username: FORGED, password: FORGED })
    await CHANGES['functions, by id']!(stage, ada, ada, { display_name: 'x"},{"\u2028\u2029 <script>' })
    await inCode(() => stage.host.sso.user.lockUser({ actor: { via: 'code', name: FORGED }, userId: bob.id }))
    await stage.host.sso.flush()
    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split(/[\n\r]/)
    const inFile = lines.map((line) => JSON.parse(line))
    expect(inFile.map(({ cid }) => cid)).toEqual(records.map(({ cid }) => cid))
    expect(inFile.at(-1)).toEqual(JSON.parse(JSON.stringify(records.at(-1))))
  })
})

describe.each(databases)('without its tables on %s', (database) => {
  const CALLS = (stage: Stage, ada: Person): Readonly<Record<string, () => Promise<Answer>>> => ({
    ...Object.fromEntries(
      Object.entries(PASSWORD_PATHS).map(([name, enter]) => [name, () => enter(stage, ada.name, PASSWORD)]),
    ),
    ...Object.fromEntries(
      Object.entries({ ...TOKEN_PATHS, ...HOST_PATHS }).map(([name, enter]) => [
        `session, ${name}`,
        () => enter(stage, ada),
      ]),
    ),
    ...Object.fromEntries(
      Object.entries(CHANGES).map(([name, change]) => [
        `change, ${name}`,
        () => change(stage, ada, ada, { first_name: 'x' }),
      ]),
    ),
  })

  test('ASVS 16.5.1, 16.5.3 nobody is let in, and nobody is told more than a correlation id', async () => {
    const faults: unknown[] = []
    const stage = await startStage(database, { hooks: { onError: (error) => void faults.push(error) } })
    try {
      stage.host.app.use(((_error, _req, res, _next) => {
        res.status(500).end()
      }) as import('express').ErrorRequestHandler)
      const ada = await person(stage)
      await stage.host.database.db.schema.renameTable('sso_user', 'sso_gone')
      const open: unknown[] = []
      for (const [name, call] of Object.entries(CALLS(stage, ada))) {
        const { status, isOk, text } = await call()
        if (isOk || status !== 500 || /sso_|select|table|relation|SQLITE|at /i.test(text))
          open.push([name, status, text])
      }
      expect(open).toEqual([])
      expect(faults.length).toBeGreaterThan(10)
      await stage.host.database.db.schema.renameTable('sso_gone', 'sso_user')
      expect(await TOKEN_PATHS['rest']!(stage, ada)).toMatchObject({ isOk: true })
    } finally {
      await stage.host.close()
    }
  })

  test('ASVS 16.5.3 what cannot be recorded is not done', async () => {
    const stage = await startStage(database, { hooks: { onError: () => {} } })
    try {
      const ada = await person(stage)
      await stage.host.database.db.schema.renameTable('sso_audit', 'sso_gone')
      const before = await stage.host.database.db('sso_user').orderBy('user_id')
      for (const [name, change] of Object.entries(CHANGES)) {
        expect([name, (await change(stage, ada, ada, { first_name: name })).status]).toEqual([name, 500])
      }
      expect(await PASSWORD_PATHS['rest login']!(stage, ada.name, PASSWORD)).toMatchObject({ status: 500 })
      expect(await inCode(() => stage.host.sso.user.lockUser({ actor: code, userId: ada.id }))).toMatchObject({
        status: 500,
      })
      expect(await stage.host.database.db('sso_user').orderBy('user_id')).toEqual(before)
      await stage.host.database.db.schema.renameTable('sso_gone', 'sso_audit')
    } finally {
      await stage.host.close()
    }
  })
})
