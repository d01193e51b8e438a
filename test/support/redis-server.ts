import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from './free-port.ts'
import { program } from './programs.ts'

/** A Redis of a test's own, that can be away. It keeps nothing on disk. */
export interface RedisServer {
  readonly port: number
  /** Kills it, and resolves when it has gone. */
  readonly stop: () => Promise<void>
  /** Lets it stand still, with all its connections, or go on. */
  readonly pause: (isPaused: boolean) => void
  /** Starts it again, empty. */
  readonly start: () => Promise<void>
}

/** Starts one on a free port. */
export async function startRedis(): Promise<RedisServer> {
  const port = await freePort()
  const start = () => spawnRedis(port)
  let redis = await start()
  return {
    port,
    async stop() {
      if (redis.exitCode !== null || redis.signalCode !== null) return
      const gone = once(redis, 'exit')
      redis.kill('SIGKILL')
      await gone
    },
    pause: (isPaused) => void redis.kill(isPaused ? 'SIGSTOP' : 'SIGCONT'),
    async start() {
      redis = await start()
    },
  }
}

async function spawnRedis(port: number) {
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const redis = spawn(program('redis-server'), settings, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    let output = ''
    redis.stdout.setEncoding('utf8').on('data', (text) => {
      output += text
      if (output.includes('Ready to accept connections')) resolve()
    })
    redis.once('error', reject)
    redis.once('exit', () => reject(new Error(`redis-server ended: ${output}`)))
  })
  return redis
}
