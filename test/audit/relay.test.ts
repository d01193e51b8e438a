import { afterEach, describe, expect, test } from 'vitest'
import { type AuditFunction, type AuditSink, createSso, type Options, type SealedRecord } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, startHost, type TestHost } from '../support/host.ts'

const actor = { via: 'code', name: 'test' } as const
type Sink = AuditSink | AuditFunction

describe.each(databases)('delivery on %s', (database) => {
  let host: TestHost
  let faults: unknown[] = []
  afterEach(() => host.close())

  /** A host whose sinks have taken everything that setting it up has recorded. Returns the id of ada. */
  async function start(sinks: readonly Sink[], audit: Options['audit'] = {}): Promise<string> {
    host = await startHost(database, {
      options: {
        password: { hasher: fastHasher() },
        audit: { sinks, firstWaitSeconds: 0.01, ...audit },
        hooks: { onError: (error) => void faults.push(error) },
      },
    })
    const { user } = await host.sso.user.updateuser({ actor, uid: 'ada' })
    await host.sso.flush()
    faults = []
    return user.user_id
  }
  const rename = (userId: string, display_name: string) =>
    host.sso.user.updateUserById({ actor, userId, data: { display_name } })
  const nameIn = ({ changes }: SealedRecord) => String(changes[0]?.to)
  const messages = () => faults.map((error) => (error as Error).message)

  test('a sink gets what is in the table, refusals too, after the commit', async () => {
    let seen: SealedRecord[] = []
    const userId = await start([(record) => void seen.push(record)])
    seen = []
    await rename(userId, 'x')
    await rename(userId, 'x')
    await expect(rename('nobody', 'x')).rejects.toThrow()
    await host.sso.flush()
    const rows = (await host.audit()).slice(-3).map((row) => ({ ...row, id: Number(row.id) }))
    expect(seen.map(({ id, cid, operation, outcome }) => [id, cid, operation, outcome])).toEqual([
      [rows[0]?.id, rows[0]?.cid, 'update_user_by_id', 'ok'],
      [rows[1]?.id, rows[1]?.cid, 'update_user_by_id', 'unchanged'],
      [rows[2]?.id, rows[2]?.cid, 'update_user_by_id', 'denied'],
    ])
  })

  test('without a flush it arrives by itself', async () => {
    const arrived = new Promise<string>((resolve) => {
      void start([
        (record) => {
          if (nameIn(record) === 'by itself') resolve('arrived')
        },
      ]).then((userId) => rename(userId, 'by itself'))
    })
    expect(await arrived).toBe('arrived')
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('sink broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('sink broken'))],
  ])('a sink that %s fails nothing, and others go on', async (_, broken) => {
    let seen: string[] = []
    const userId = await start([broken, (record) => void seen.push(nameIn(record))], {
      firstWaitSeconds: 1000,
      maxWaitSeconds: 1000,
    })
    seen = []
    const first = await rename(userId, 'one')
    const second = await rename(userId, 'two')
    await host.sso.flush()
    expect([first.changed, second.changed]).toEqual([['display_name'], ['display_name']])
    expect(seen).toEqual(['one', 'two'])
    expect(messages()).toEqual(['sink broken'])
  })

  test('a sink that works again gets everything that it has missed, in order, by itself', async () => {
    let isBroken = false
    const seen: string[] = []
    let done = () => {}
    const all = new Promise<void>((resolve) => {
      done = resolve
    })
    const userId = await start([
      (record) => {
        if (isBroken) throw new Error('sink broken')
        seen.push(nameIn(record))
        if (nameIn(record) === 'three') done()
      },
    ])
    seen.length = 0
    isBroken = true
    await rename(userId, 'one')
    await rename(userId, 'two')
    await host.sso.flush()
    expect(seen).toEqual([])
    expect(messages()).toContain('sink broken')

    isBroken = false
    await rename(userId, 'three')
    await all
    expect(seen).toEqual(['one', 'two', 'three'])
  })

  test('a slow sink holds up neither the update nor the other sinks, and gets every record in order', async () => {
    const slow: string[] = []
    const quick: string[] = []
    let isHeld = false
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const userId = await start([
      async (record) => {
        if (isHeld) await gate
        slow.push(nameIn(record))
      },
      {
        name: 'quick',
        batchSize: 3,
        deliver: (records) => {
          expect(records.length).toBeLessThanOrEqual(3)
          quick.push(...records.map(nameIn))
        },
      },
    ])
    slow.length = 0
    quick.length = 0
    isHeld = true

    const names = ['one', 'two', 'three', 'four']
    for (const name of names) expect((await rename(userId, name)).changed).toEqual(['display_name'])
    let isFlushed = false
    const flushed = host.sso.flush().then(() => {
      isFlushed = true
    })
    while (quick.length < 4) await new Promise((resolve) => setTimeout(resolve, 5))
    expect([slow, quick, isFlushed]).toEqual([[], names, false])

    release()
    await flushed
    expect(slow).toEqual(names)
  })

  test('a sink that hangs is given up after its time, and tried again', async () => {
    let signals: AbortSignal[] = []
    let taken: string[] = []
    let isHanging = false
    const hanging: AuditSink = {
      name: 'hanging',
      deliver: (records, signal) => {
        if (isHanging) signals.push(signal)
        else taken.push(...records.map(nameIn))
        return isHanging ? new Promise(() => {}) : undefined
      },
    }
    const userId = await start([hanging], { deliverySeconds: 0.05 })
    taken = []
    signals = []
    isHanging = true
    await rename(userId, 'late')
    await host.sso.flush()
    expect(signals.some(({ aborted }) => aborted)).toBe(true)
    expect(messages()).toContain('the audit sink hanging has taken more than 0.05 seconds')
    isHanging = false
    await host.sso.flush()
    expect(taken).toEqual(['late'])
  })

  test('an update that is rolled back reaches no sink', async () => {
    let seen: string[] = []
    const userId = await start([({ outcome }) => void seen.push(outcome)])
    seen = []
    await host.database.db.schema.renameTable('sso_role_grant', 'sso_elsewhere')
    await expect(
      host.sso.user.updateuser({ actor, uid: 'ada', displayName: 'rolled back', roles: ['a|R'] }),
    ).rejects.toThrow()
    await host.database.db.schema.renameTable('sso_elsewhere', 'sso_role_grant')
    await host.sso.flush()
    expect(seen).toEqual(['failed'])
    expect((await host.sso.user.getUserById({ actor, userId })).display_name).toBe('')
  })

  test('without sinks there is nothing to wait for', async () => {
    await start([])
    await expect(host.sso.flush()).resolves.toBeUndefined()
  })

  test('what was committed and not delivered when a process ended is delivered by the next one', async () => {
    const userId = await start([], { relay: false })
    await rename(userId, 'from the first process')
    await host.sso.close()

    const seen: string[] = []
    const next = createSso({
      db: host.database.db,
      logger: { warn: () => {}, error: () => {} },
      audit: { sinks: [{ name: 'late', deliver: (records) => void seen.push(...records.map(nameIn)) }] },
    })
    await next.ready()
    await next.close()
    expect(seen.at(-1)).toBe('from the first process')
  })

  test('after close nothing is delivered, and nothing is lost', async () => {
    const seen: string[] = []
    let closed = 0
    const sink: AuditSink = {
      name: 'closing',
      deliver: (records) => void seen.push(...records.map(nameIn)),
      close: () => {
        closed += 1
      },
    }
    const userId = await start([sink])
    seen.length = 0
    await rename(userId, 'before')
    await host.sso.close()
    await rename(userId, 'after')
    await host.sso.flush()
    expect([seen, closed]).toEqual([['before'], 1])
    expect(await host.database.db('sso_audit').whereNull('seal')).toHaveLength(1)
  })

  test('of two processes one delivers each record, in order; the other takes over where it dies', async () => {
    const seen: string[] = []
    let isStuck = false
    let revive = () => {}
    const stuck = new Promise<void>((resolve) => {
      revive = resolve
    })
    const sink = (name: string): AuditSink => ({
      name: 'shared',
      deliver: (records) => {
        if (isStuck && name === 'first') return stuck
        seen.push(...records.map(nameIn))
        return undefined
      },
    })
    // The first never gets an answer and never shows a sign of life again, as if it had been killed.
    const userId = await start([sink('first')], { leaseSeconds: 1000, deliverySeconds: 1000 })
    const second = createSso({
      db: host.database.db,
      apps: ['CRM', 'Shop'],
      logger: { warn: () => {}, error: () => {} },
      audit: { sinks: [sink('second')], leaseSeconds: 0.2, firstWaitSeconds: 0.01 },
    })
    await second.ready()
    seen.length = 0
    for (const name of ['one', 'two']) await rename(userId, name)
    await Promise.all([host.sso.flush(), second.flush()])
    await second.flush()
    expect(seen).toEqual(['one', 'two'])

    isStuck = true
    await rename(userId, 'three')
    void host.sso.flush()
    while ((await host.database.db('sso_audit_target').first('owner')).owner === null)
      await new Promise((resolve) => setTimeout(resolve, 5))
    while (!seen.includes('three')) await second.flush()
    expect(seen).toEqual(['one', 'two', 'three'])
    revive()
    await second.close()
  })
})

describe('audit.sinks', () => {
  test('two of one name are an error', () => {
    const sink = { name: 'twin', deliver: () => {} }
    const db = Object.assign(() => {}, { client: {} }) as unknown as Options['db']
    expect(() => createSso({ db, audit: { sinks: [sink, sink] } })).toThrow(
      'audit.sinks: there are two with the name twin; each keeps its place under its own.',
    )
  })

  test.each([
    ['nothing', null],
    ['a string', 'file'],
    ['an object without a name', { deliver: () => {} }],
    ['an object with an empty name', { name: '', deliver: () => {} }],
    ['an object without deliver', { name: 'x' }],
    ['a batch of none', { name: 'x', batchSize: 0, deliver: () => {} }],
  ])('%s is no sink', (_, sink) => {
    const db = Object.assign(() => {}, { client: {} }) as unknown as Options['db']
    expect(() => createSso({ db, audit: { sinks: [sink as unknown as AuditSink] } })).toThrow(
      'audit.sinks.0 must be a function, or an object with a name and the function deliver.',
    )
  })
})

describe.each(databases)('a host on %s that closes its database and nothing else', (database) => {
  test('hears of no fault, and can end', async () => {
    const faults: unknown[] = []
    const host = await startHost(database, {
      options: {
        password: { hasher: fastHasher() },
        hooks: { onError: (error) => void faults.push(error) },
        audit: { sinks: [() => {}] },
      },
    })
    const { db } = host.database
    // While the relay waits for a connection.
    const held = await Promise.all(Array.from({ length: db.client.pool.max }, () => db.client.acquireConnection()))
    const flushed = host.sso.flush()
    const destroyed = db.destroy()
    for (const connection of held) db.client.releaseConnection(connection)
    await Promise.all([flushed, destroyed])
    expect(faults).toEqual([])
    db.initialize()
    await host.close()
  })
})
