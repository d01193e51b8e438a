import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { type SealedRecord, webhookSink } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import type { AppState, AppTask } from '../support/full-disk-worker.ts'
import { idOf, startHost } from '../support/host.ts'
import { limitFileSize, linesOf } from '../support/json-lines-process.ts'
import { type Answer, silence, startReceiver, status } from '../support/webhook-receiver.ts'

const WORKER = fileURLToPath(new URL('../support/full-disk-worker.ts', import.meta.url))

test('a disk that is full keeps no update waiting, and has every record once there is room', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sso-full-'))
  const path = join(directory, 'audit.jsonl')
  const app = fork(WORKER, [path], { execArgv: ['--import', 'tsx'] })
  onTestFinished(() => {
    app.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })
  await once(app, 'message')
  const ask = async (task: AppTask): Promise<AppState> => {
    const answered = once(app, 'message')
    app.send(task)
    return (await answered)[0]
  }

  await ask({ updates: 10 })
  const before = await ask({ flush: true })
  expect(linesOf(path).map(({ id }) => id)).toEqual(before.records)
  const room = statSync(path).size

  // Room for a line and a half.
  limitFileSize(app.pid as number, room + Math.round((room / before.records.length) * 1.5))
  await ask({ updates: 20 })
  const full = await ask({ flush: true })
  expect(full).toMatchObject({ acknowledged: 30, elsewhere: full.records, isIntact: true })
  expect(new Set(full.faults)).toEqual(new Set(['EFBIG']))
  // Whole lines, in order, and not all of them.
  const kept = linesOf(path).map(({ id }) => id)
  expect(kept).toEqual(full.records.slice(0, kept.length))
  expect(kept.length).toBeLessThan(full.records.length)

  limitFileSize(app.pid as number, null)
  await ask({ updates: 1 })
  // By itself: nobody flushes.
  await expect.poll(() => linesOf(path).at(-1)?.id, { timeout: 10_000 }).toBe(full.records.length + 1)
  const after = await ask({ flush: true })
  expect(linesOf(path).map(({ id }) => id)).toEqual(after.records)
  expect(after).toMatchObject({ acknowledged: 31, elsewhere: after.records, isIntact: true })
})

test('a webhook that hangs, then fails, then is well: others go on, and it gets every record in order', async () => {
  const receiver = await startReceiver()
  const elsewhere: number[] = []
  const faults: string[] = []
  const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
  const host = await startHost('sqlite', {
    options: {
      password: { hasher: fastHasher() },
      audit: {
        sinks: [
          webhookSink({ url: receiver.url, secret, timeoutSeconds: 0.2 }),
          ({ id }: SealedRecord) => void elsewhere.push(id),
        ],
        firstWaitSeconds: 0.01,
        maxWaitSeconds: 0.05,
      },
      hooks: { onError: (error) => void faults.push((error as Error).message) },
    },
  })
  onTestFinished(async () => {
    await host.close()
    await receiver.close()
  })
  await host.sso.flush()
  const actor = { via: 'code', name: 'test' } as const
  const userId = await idOf(host, 'ada')
  const rename = (name: string) => host.sso.user.updateUserById({ actor, userId, data: { display_name: name } })

  const states: readonly (readonly [string, Answer])[] = [
    ['hangs', silence],
    ['fails', status(500)],
  ]
  for (const [state, answer] of states) {
    receiver.answerWith(answer)
    for (let number = 0; number < 5; number++) await rename(`${state} ${number}`)
    const told = faults.length
    await expect.poll(() => faults.length, { timeout: 10_000 }).toBeGreaterThan(told + 1)
    await expect.poll(async () => elsewhere.at(-1) === (await host.audit()).at(-1)?.id).toBe(true)
  }

  receiver.answerWith(status(204))
  const rows = await host.audit()
  const received = () => [...new Set(receiver.requests.map(({ body }) => JSON.parse(String(body)).data.id as number))]
  await expect.poll(() => received().at(-1), { timeout: 10_000 }).toBe(rows.at(-1)?.id)
  expect(received()).toEqual(rows.map(({ id }) => id))
  expect(elsewhere).toEqual(rows.map(({ id }) => id))
  expect((await host.sso.audit.verifyAudit()).isIntact).toBe(true)
})
