import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSso, type Sso, verifyExport } from '../../src/index.ts'
import { databases } from '../support/host.ts'
import { type Stage, setStage } from './stage.ts'

const actor = { via: 'code', name: 'test\u001b[2J' } as const

describe.each(databases)('commands about the trail on %s', (name) => {
  let stage: Stage
  let sso: Sso
  let ada: string
  beforeAll(async () => {
    stage = await setStage(name)
    sso = createSso({ db: stage.database.db, audit: { relay: false } })
    ada = (await sso.user.createUser({ actor, data: { username: 'ada' } })).user_id
    await sso.user.createUser({ actor, data: { username: 'bob' }, cid: 'one request' })
    for (const n of [1, 2, 3]) await rename(`name ${n}`)
  })
  afterAll(async () => {
    await sso.close()
    await stage.close()
  })

  const rename = (display_name: string) => sso.user.updateUserById({ actor, userId: ada, data: { display_name } })
  const tail = async (...argv: string[]) => {
    const { code, stdout, stderr } = await stage.cli(['audit', 'tail', '--json', ...argv])
    expect([code, stderr]).toEqual([0, ''])
    const records = stdout.trim().split('\n').filter(Boolean)
    return records.map((line) => JSON.parse(line))
  }
  const ids = async () => (await stage.audit()).map(({ id }) => Number(id))

  test('tail shows the latest, the oldest of them first, each on one line whatever is in it', async () => {
    const { code, stdout } = await stage.cli(['audit', 'tail', '-n', '2'])
    expect(code).toBe(0)
    const [, last] = stdout.trim().split('\n')
    const { id, time, cid } = (await stage.audit()).at(-1)
    const on = `${id} ${new Date(time).toISOString()} update_user_by_id ok  by test\\u001b[2J  on ada`
    expect(last).toBe(`${on}  changed display_name  cid ${cid}`)
    expect((await tail()).map(({ id }) => id)).toEqual((await ids()).slice(-20))
    expect(await tail('-n', '0')).toEqual([])
  })

  test('tail of one account, of one request, and of an account by its id', async () => {
    const operations = async (...argv: string[]) => (await tail(...argv)).map(({ operation }) => operation)
    const changes = ['update_user_by_id', 'update_user_by_id', 'update_user_by_id']
    expect(await operations('--user', 'ada')).toEqual(['create_user', ...changes])
    expect(await operations('--user', ada, '--id', '-n', '3')).toEqual(changes)
    expect((await tail('--cid', 'one request')).map(({ target_name }) => target_name)).toEqual(['bob'])
    expect(await operations('--cid', 'one request', '--user', 'ada')).toEqual([])
    expect(await stage.cli(['audit', 'tail', '--user', 'nobody'])).toMatchObject({ code: 3, stdout: '' })
  })

  test('tail of more than a page', async () => {
    const { id, seal, ...row } = await stage.database.db('sso_audit').orderBy('id', 'desc').first()
    const rows = Array.from({ length: 105 }, () => ({ ...row, seal: null }))
    await stage.database.db('sso_audit').insert(rows)
    expect((await tail('-n', '110')).map(({ id }) => id)).toEqual((await ids()).slice(-110))
  })

  test('tail --follow goes on with what is recorded, each once, until Ctrl-C ends it with 130', async () => {
    const end = new AbortController()
    let text = ''
    let changes: Promise<void> | null = null
    const change = async () => {
      for (const n of [1, 2, 3]) {
        // What is about nobody is not asked for, and never comes.
        await sso.user.unlockUser({ actor, userId: 'nobody' }).catch(() => {})
        await rename(`followed ${n}`)
      }
    }
    const watch = (more: string) => {
      text += more
      const lines = text.split('\n').length - 1
      if (lines >= 2) changes ??= change()
      if (lines >= 5) end.abort()
    }
    const argv = ['audit', 'tail', '--follow', '-n', '2', '--json', '--user', 'ada']
    const { code, stderr } = await stage.cli(argv, { signal: end.signal, watch })
    expect([code, stderr]).toEqual([130, ''])
    await changes
    const shown = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(shown.slice(2).map(({ changes }) => changes[0].to)).toEqual(['followed 1', 'followed 2', 'followed 3'])
    expect(new Set(shown.map(({ id }) => id)).size).toBe(5)
    expect(shown.every((record) => !('hash' in record))).toBe(true)
  })

  test('export writes what verifyExport verifies, whole or after a head', async () => {
    const { stdout } = await stage.cli(['audit', 'export'])
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const { isIntact, records, head } = await verifyExport(lines)
    expect([isIntact, records]).toEqual([true, (await ids()).length])

    await rename('after the head')
    const file = join(stage.directory, 'part.jsonl')
    const argv = ['audit', 'export', '--after', String(head.number), '--out', 'part.jsonl']
    expect(await stage.json(argv)).toEqual({ file, records: 1, head: head.number + 1 })
    const part = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(await verifyExport(part)).toMatchObject({ isIntact: true, records: 1 })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await stage.cli([...argv.slice(0, -1), '/no/such/folder/x'])).toMatchObject({ code: 2, stdout: '' })
  })

  test('verify ends with 4 where a record was changed, and where the chain is not the one of a head that was kept', async () => {
    const verified = await stage.cli(['audit', 'verify', '--json'])
    const { isIntact, faults, head, records } = JSON.parse(verified.stdout)
    expect([verified.code, isIntact, faults, records]).toEqual([0, true, [], (await ids()).length])
    stage.file('kept.jsonl', verified.stdout)
    stage.file('list.json', JSON.stringify([head]))
    stage.file('forged.jsonl', `${JSON.stringify({ ...head, hash: 'forged' })}\n`)
    const intact = `Intact: ${records} records, and 0 pruned ones.\nHead: ${head.number} ${head.hash}\n`
    const kept = await stage.cli(['audit', 'verify', '--heads', 'kept.jsonl'])
    expect(kept).toEqual({ code: 0, stdout: intact, stderr: '' })
    expect((await stage.cli(['audit', 'verify', '--heads', 'list.json'])).code).toBe(0)
    expect(await stage.cli(['audit', 'verify', '--heads', 'forged.jsonl'])).toEqual({
      code: 4,
      stdout: `head missing: seal ${head.number}\nNot ${intact.replace('I', 'i')}`,
      stderr: '',
    })

    const { id, actor_name, seal } = (await stage.audit())[0]
    await stage.database.db('sso_audit').where({ id }).update({ actor_name: 'nobody' })
    const changed = await stage.cli(['audit', 'verify'])
    expect([changed.code, changed.stdout.split('\n')[0]]).toEqual([4, `record changed: ${id}, of seal ${seal}`])
    await stage.database.db('sso_audit').where({ id }).update({ actor_name })
  })

  test('verify with a file of heads that there is not, or that has none', async () => {
    stage.file('no-heads.json', '{"number":"1"}')
    const missing = await stage.cli(['audit', 'verify', '--heads', 'missing.json'])
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('missing.json cannot be read: ENOENT') })
    const none = await stage.cli(['audit', 'verify', '--heads', 'no-heads.json'])
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('no-heads.json must have heads') })
  })

  test('prune deletes what is old, records who did it, and leaves an intact chain', async () => {
    expect(await stage.cli(['audit', 'prune', '--before', '2001-02-03'])).toEqual({
      code: 0,
      stdout: 'Deleted 0 records.\n',
      stderr: '',
    })
    const count = (await ids()).length
    expect(await stage.json(['audit', 'prune', '--before', '9999-12-31'])).toEqual({ records: count, heldBackBy: [] })
    expect(await stage.audit()).toMatchObject([{ operation: 'prune_audit', actor_name: 'cli:tester' }])
    expect(await stage.json(['audit', 'verify'])).toMatchObject({ isIntact: true, pruned: count })
    expect(await stage.cli(['audit', 'prune', '--before', 'yesterday'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('It must be a date, such as 2026-01-31'),
    })
  })
})
