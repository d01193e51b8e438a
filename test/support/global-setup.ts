import type { TestProject } from 'vitest/node'
import { DATABASES, type DatabaseName, unavailability } from './databases.ts'
import { locate, PROGRAMS, withoutPrograms } from './programs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    databases: readonly DatabaseName[]
    /** Whether tests can start a Redis. */
    hasRedis: boolean
  }
}

/** Finds out which databases answer, says so, and fails where all of them are required. */
export default async function findDatabases(project: TestProject): Promise<void> {
  const available: DatabaseName[] = []
  for (const name of DATABASES) {
    const fault = await unavailability(name)
    if (fault === null) available.push(name)
    else if (process.env['REQUIRE_DATABASES'] === '1')
      throw new Error(`${name} is required and does not answer: ${fault}`)
  }
  const missing = DATABASES.filter((name) => !available.includes(name))
  const without = missing.length > 0 ? `, without ${missing.join(' and ')}, which did not answer` : ''
  process.stdout.write(`Databases: running on ${available.join(', ')}${without}.\n`)
  project.provide('databases', available)

  const absent = PROGRAMS.filter((name) => locate(name) === undefined)
  if (absent.length > 0 && process.env['REQUIRE_DATABASES'] === '1') {
    throw new Error(`required, and not installed: ${absent.join(', ')}`)
  }
  const left = withoutPrograms()
  if (left.length > 0) process.stdout.write(`Left out, without ${absent.join(', ')}: ${left.join(', ')}.\n`)
  project.provide('hasRedis', !absent.includes('redis-server'))
}
