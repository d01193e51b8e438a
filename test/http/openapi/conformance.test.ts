import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { databases } from '../../support/host.ts'
import { REFUSALS } from './refusals.ts'
import { placeOf, type Stage, startStage } from './stage.ts'
import { SUCCESSES } from './successes.ts'

describe.each(databases)('the document is right about the replies, on %s', (database) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage(placeOf(database))
  })
  afterAll(() => stage.host.close())

  test('every operation of the document is called, and no other', () => {
    expect(stage.operations.map(({ id }) => id).sort()).toEqual(Object.keys(SUCCESSES).sort())
  })

  test.each(Object.keys(SUCCESSES))('%s succeeds', async (id) => {
    for (const make of SUCCESSES[id]!) {
      const ada = await stage.person()
      const request = await make(stage, ada)
      const { status, faults, text } = await stage.request(id, request)
      expect({ faults, text: faults.length > 0 ? text : '' }).toEqual({ faults: [], text: '' })
      expect(status < 300 || (status === 304 && request.headers?.['If-None-Match'] === '*')).toBe(true)
    }
  })

  test.each(REFUSALS.map(([id, expected, make], index) => [index, id, expected, make] as const))(
    'refusal %i: %s, %s',
    async (_, id, expected, make) => {
      const ada = await stage.person()
      const { status, body, text, faults } = await stage.request(id, await make(stage, ada))
      const parsed = typeof body === 'string' && body.startsWith('{') ? JSON.parse(body) : body
      const code = parsed.code ?? parsed.sub_status?.[0] ?? parsed.details ?? parsed.errors?.[0].code
      expect({ reply: `${status} ${code}`, faults, text: faults.length > 0 ? text : '' }).toEqual({
        reply: expected,
        faults: [],
        text: '',
      })
    },
  )
})

test('a reply that is not as it is described is found', async () => {
  const stage = await startStage(placeOf(databases[0]!))
  try {
    const getMe = stage.operations.find(({ id }) => id === 'getMe')!
    const { status, headers, text } = await stage.request('getMe', { as: stage.admin })
    const faults = (other: object) => stage.judge.faults(getMe, { status, headers, text, ...other })
    expect(faults({})).toEqual([])
    expect(faults({ status: 201 })).toEqual(['status 201 is not declared'])
    expect(faults({ headers: { ...headers, 'content-type': 'text/html' } })).toHaveLength(1)
    expect(faults({ headers: { ...headers, 'x-zato-cid': undefined } })).toHaveLength(1)
    expect(faults({ text: text.replace('{', '{"password":"x",') })).toHaveLength(1)
    expect(faults({ text: '{}' })).not.toEqual([])
    expect(faults({ text: '' })).not.toEqual([])
  } finally {
    await stage.host.close()
  }
})
