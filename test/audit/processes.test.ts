import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { SealedRecord } from '../../src/index.ts'
import { fastHasher } from '../support/fast-hasher.ts'
import { databases, idOf, startHost } from '../support/host.ts'
import type { RelayTask } from '../support/relay-worker.ts'

const WORKER = fileURLToPath(new URL('../support/relay-worker.ts', import.meta.url))
/** Seconds for which one of three processes is killed again and again, at least. */
const SECONDS = Number(process.env['RELAY_SECONDS'] ?? 60)
const PROCESSES = 3
/** What there must be of both, however long it takes where the machine has other things to do. */
const [MIN_KILLS, MIN_CHANGES] = [5, 200]

/** Takes batches of records, and keeps what it has said that it has taken. */
async function startReceiver() {
  const taken: SealedRecord[] = []
  const server = createServer(async (req, res) => {
    taken.push(...JSON.parse(await text(req)))
    res.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { taken, url, close: () => new Promise((resolve) => server.close(resolve)) }
}

/** Processes that change accounts; what they have had acknowledged outlives them. */
function startProcesses(task: RelayTask) {
  const acknowledged = new Set<string>()
  const start = () => {
    const worker = fork(WORKER, { execArgv: ['--import', 'tsx'] })
    worker.on('message', (cid) => acknowledged.add(String(cid)))
    worker.send(task)
    return worker
  }
  const stop = async (worker: ChildProcess) => {
    const left = once(worker, 'exit')
    worker.send('stop')
    expect(await left).toEqual([0, null])
  }
  return { acknowledged, start, stop }
}

describe('three processes, one of them killed again and again under load', () => {
  const servers = databases.filter((name) => name !== 'sqlite')

  // Side by side: a minute for both.
  test.concurrent.each(servers.map((name) => [name] as const))(
    'on %s each change reaches the sink, in order, and the chain verifies',
    { timeout: (SECONDS + 240) * 1000 },
    async (name) => {
      const receiver = await startReceiver()
      const host = await startHost(name, { options: { password: { hasher: fastHasher() }, audit: { relay: false } } })
      const userIds = [await idOf(host, 'ada'), await idOf(host, 'bob'), await idOf(host, 'admin')]
      const { config } = host.database
      const { acknowledged, start, stop } = startProcesses({ config, userIds, url: receiver.url, leaseSeconds: 1 })
      const steady = Array.from({ length: PROCESSES - 1 }, start)

      let kills = 0
      const end = performance.now() + SECONDS * 1000
      while (performance.now() < end || kills < MIN_KILLS || acknowledged.size < MIN_CHANGES) {
        const victim = start()
        await once(victim, 'message')
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500))
        const dead = once(victim, 'exit')
        victim.kill('SIGKILL')
        await dead
        kills += 1
      }
      await Promise.all(steady.map(stop))
      // What the victims have left behind is delivered by whoever comes next.
      const last = start()
      const isFromLast = ({ cid }: SealedRecord) => cid.startsWith(`${last.pid}-`)
      while (!receiver.taken.slice(-50).some(isFromLast)) await new Promise((resolve) => setTimeout(resolve, 50))
      await stop(last)

      const verification = await host.sso.audit.verifyAudit()
      expect([verification.isIntact, verification.faults]).toEqual([true, []])
      const { db } = host.database
      const rows: { id: number; cid: string }[] = await db('sso_audit').orderBy(['seal', 'id']).select('id', 'cid')
      const recorded = new Set(rows.map(({ cid }) => cid))
      expect([...acknowledged].filter((cid) => !recorded.has(cid))).toEqual([])

      // Every record that was committed has been taken, and has been taken first in its turn.
      const places = await host.sso.audit.getLag()
      expect(places).toMatchObject([{ sink: 'receiver', behind: 0, failures: 0, isBusy: false }])
      const seen = new Set<number>()
      const firsts = receiver.taken.flatMap(({ id }) => (seen.has(id) ? [] : [seen.add(id) && id]))
      expect(firsts).toEqual(rows.map(({ id }) => Number(id)))
      await host.close()
      await receiver.close()
    },
  )
})
