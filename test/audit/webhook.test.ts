import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type WebhookError, type WebhookOptions, webhookSink } from '../../src/audit/webhook.ts'
import { SsoError } from '../../src/errors.ts'
import { sealedRecord, sealedRecords, UNHURRIED } from '../support/sealed-records.ts'
import {
  type Answer,
  endlessBody,
  type ReceivedRequest,
  selfSigned,
  silence,
  silentBody,
  startReceiver,
  status,
  type WebhookReceiver,
} from '../support/webhook-receiver.ts'

const newSecret = (bytes = 24) => `whsec_${randomBytes(bytes).toString('base64')}`
const secret = newSecret()
const PATH = '/hooks/path-secret?token=query-secret'

let receiver: WebhookReceiver
beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(() => receiver.close())

const sinkOf = (options: Partial<WebhookOptions> = {}) =>
  webhookSink({ url: `${receiver.url}${PATH}`, secret, ...options })
const deliver = async (options: Partial<WebhookOptions> = {}, record = sealedRecord(1)) =>
  sinkOf(options).deliver([record], UNHURRIED)

/** What a receiver with the secret makes of a request. */
function verified({ body, headers }: ReceivedRequest, by = secret): unknown {
  return new Webhook(by).verify(body, headers as Record<string, string>)
}

async function failureOf(delivery: void | Promise<void>): Promise<WebhookError> {
  const error = await Promise.resolve(delivery).then(
    () => expect.fail('it was delivered'),
    (reason) => reason as WebhookError,
  )
  // With everything that is enumerable or not, and with the cause.
  const shown = inspect(error, { showHidden: true, depth: 9 })
  expect(shown).not.toContain('path-secret')
  expect(shown).not.toContain('query-secret')
  expect(shown).not.toContain(secret.slice('whsec_'.length))
  expect(shown).not.toContain('header-secret')
  expect(shown).not.toContain('Ada')
  expect(error).toMatchObject({ name: 'WebhookError' })
  return error
}

describe('a delivery', () => {
  test('is a POST that a library of Standard Webhooks verifies, with the record in it', async () => {
    const record = sealedRecord(7, { operation: 'lock_user', user_agent: 'ünï\u2028\n' })
    await deliver({}, record)
    const [request, ...more] = receiver.requests
    expect(more).toEqual([])
    expect(request).toMatchObject({
      method: 'POST',
      url: PATH,
      headers: { 'content-type': 'application/json', 'user-agent': 'express-sso-users' },
    })
    expect(verified(request!)).toEqual({ type: 'audit.lock_user', timestamp: record.time, data: record })
    expect(() => verified(request!, newSecret())).toThrow('No matching signature found')
    const forged = { ...request!, body: Buffer.from(String(request!.body).replace('"ada"', '"bob"')) }
    expect(() => verified(forged)).toThrow('No matching signature found')
  })

  test('takes every record of a call, one request each, in order', async () => {
    await sinkOf().deliver(sealedRecords(1, 2, 3), UNHURRIED)
    expect(receiver.requests.map((request) => (verified(request) as any).data.id)).toEqual([1, 2, 3])
  })

  test('has the same id when it comes again, and the time of the attempt', async () => {
    receiver.answerWith(status(500), status(200))
    const sink = sinkOf()
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2031-05-06T07:08:09.999Z') })
    const error = await failureOf(sink.deliver(sealedRecords(1), UNHURRIED))
    expect(error).toMatchObject({ status: 500, message: 'The webhook answered 500.' })
    vi.setSystemTime(new Date('2031-05-06T07:09:00.000Z'))
    await sink.deliver(sealedRecords(1), UNHURRIED)
    for (const request of receiver.requests) verified(request)
    vi.useRealTimers()

    const sent = (name: string) => receiver.requests.map(({ headers }) => headers[name])
    expect(sent('webhook-id')).toEqual(Array(2).fill(`audit_1_${sealedRecord(1).hash}`))
    expect(sent('webhook-timestamp')).toEqual(['1935817689', '1935817740'])
  })

  test('has another id for another record, also for one of the same number from another trail', async () => {
    const records = [sealedRecord(1), sealedRecord(2), sealedRecord(1, { hash: 'of-another-trail' })]
    await sinkOf().deliver(records, UNHURRIED)
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(3)
  })

  test('is signed with each of several secrets, so that receivers can change theirs in between', async () => {
    const [old, next] = [newSecret(), newSecret(64)]
    await deliver({ secret: [old, next] })
    const [request] = receiver.requests
    expect(verified(request!, old)).toEqual(verified(request!, next))
    expect(() => verified(request!, newSecret())).toThrow('No matching signature found')
  })

  test('has the headers of the host', async () => {
    await deliver({ headers: { Authorization: 'Bearer header-secret', 'User-Agent': 'ours' } })
    expect(receiver.requests[0]!.headers).toMatchObject({ authorization: 'Bearer header-secret', 'user-agent': 'ours' })
  })

  test.each([200, 201, 202, 204, 299])('is taken by %i', async (code) => {
    receiver.answerWith(status(code))
    await expect(deliver()).resolves.toBeUndefined()
  })

  test.each([300, 304, 400, 401, 404, 410, 429, 500, 503])('is not taken by %i', async (code) => {
    receiver.answerWith(status(code))
    const error = await failureOf(deliver({ headers: { Authorization: 'header-secret' } }))
    expect(error).toMatchObject({ status: code, message: `The webhook answered ${code}.` })
  })

  test.each([301, 302, 303, 307, 308])('follows no redirect: %i', async (code) => {
    const elsewhere = await startReceiver()
    receiver.answerWith(status(code, { Location: `${elsewhere.url}/path-secret` }))
    expect(await failureOf(deliver())).toMatchObject({ status: code })
    expect([receiver.requests.length, elsewhere.requests.length]).toEqual([1, 0])
    await elsewhere.close()
  })
})

describe('a receiver that is not well', () => {
  test('is not there', async () => {
    await receiver.close()
    const error = await failureOf(deliver())
    receiver = await startReceiver()
    expect(error).toMatchObject({ status: null, message: 'The webhook could not be reached (ECONNREFUSED).' })
  })

  test('is not whom the certificate should be of', async () => {
    const impostor = await startReceiver(selfSigned())
    const error = await failureOf(deliver({ url: `${impostor.url}${PATH}` }))
    await impostor.close()
    expect(error.message).toBe('The webhook could not be reached (DEPTH_ZERO_SELF_SIGNED_CERT).')
    expect(impostor.requests).toEqual([])
  })

  test('hangs up', async () => {
    receiver.answerWith((reply) => void reply.destroy())
    expect(await failureOf(deliver())).toMatchObject({
      status: null,
      message: expect.stringMatching(/^The webhook could not be reached \([A-Z_]+\)\.$/),
    })
  })

  const TOO_LATE = { status: null, message: 'The webhook did not answer in time.' }

  test('never answers: the time that the sink gives it ends the request', async () => {
    receiver.answerWith(silence)
    expect(await failureOf(deliver({ timeoutSeconds: 0.05 }))).toMatchObject(TOO_LATE)
    await vi.waitFor(async () => expect(await receiver.connections()).toBe(0))
  })

  test('never answers: the time that the delivery has ends the request', async () => {
    receiver.answerWith(silence)
    const time = new AbortController()
    const [arrived, delivery] = [
      receiver.nextRequest(),
      sinkOf({ timeoutSeconds: 3600 }).deliver(sealedRecords(1, 2), time.signal),
    ]
    await arrived
    time.abort()
    expect(await failureOf(delivery)).toMatchObject(TOO_LATE)
    await vi.waitFor(async () => expect(await receiver.connections()).toBe(0))
    expect(receiver.requests).toHaveLength(1)
  })

  test('gets nothing where the time is over before it begins', async () => {
    expect(await failureOf(sinkOf().deliver(sealedRecords(1), AbortSignal.abort()))).toMatchObject(TOO_LATE)
    expect(receiver.requests).toEqual([])
  })

  test.each<[string, Answer, number]>([
    ['never ends', endlessBody, 3600],
    ['never comes', silentBody, 0.05],
  ])(
    'answers 200 with a body that %s: it has taken the record, and is not listened to for long',
    async (_, answer, timeoutSeconds) => {
      receiver.answerWith(answer)
      await expect(deliver({ timeoutSeconds })).resolves.toBeUndefined()
      await vi.waitFor(async () => expect(await receiver.connections()).toBe(0))
    },
  )

  test('answers shortly: the connection is used again', async () => {
    receiver.answerWith((reply) => void reply.end('thank you'))
    await sinkOf().deliver(sealedRecords(1, 2, 3), UNHURRIED)
    expect(await receiver.connections()).toBe(1)
  })
})

describe('options', () => {
  const refusal = (options: object): string => {
    try {
      webhookSink({ url: 'https://hooks.example/', secret, ...options })
    } catch (error) {
      expect(error).toBeInstanceOf(SsoError)
      expect((error as SsoError).code).toBe('option_invalid')
      return (error as SsoError).message
    }
    return 'none'
  }
  const short = newSecret(23)

  test.each<[object, string]>([
    [{ url: 'hooks.example' }, 'url is no URL of http or https.'],
    [{ url: 'ftp://hooks.example/token-secret' }, 'url is no URL of http or https.'],
    [{ url: undefined }, 'url is no URL of http or https.'],
    [
      { url: 'https://ada:token-secret@hooks.example' },
      'url has a username or a password in it; headers can have an Authorization.',
    ],
    [{ secret: undefined }, 'secret is missing.'],
    [{ secret: [] }, 'secret is missing.'],
    [{ secret: '' }, 'secret must be whsec_ and base64.'],
    [{ secret: 'whsec_' }, 'secret must be whsec_ and base64.'],
    [{ secret: secret.slice('whsec_'.length) }, 'secret must be whsec_ and base64.'],
    [{ secret: 'whsec_token-secret_token-secret_token-secret' }, 'secret must be whsec_ and base64.'],
    [{ secret: newSecret(25).replace(/=+$/, '') }, 'secret must be whsec_ and base64.'],
    [{ secret: short }, 'secret is shorter than 24 bytes.'],
    [{ secret: [secret, short] }, 'secret is shorter than 24 bytes.'],
    [{ secret: [secret, secret] }, 'secret has the same one twice.'],
    [{ secret: [secret, 1] }, 'secret must be whsec_ and base64.'],
    [{ headers: { 'Webhook-Id': 'x' } }, 'headers: Webhook-Id is not yours to set.'],
    [{ headers: { 'content-type': 'x' } }, 'headers: content-type is not yours to set.'],
    [{ headers: { 'x-token': 'token-secret\n' } }, 'headers: x-token cannot be sent.'],
    [{ headers: { 'x-token': 'token-secret\nx: y' } }, 'headers: x-token cannot be sent.'],
    [{ headers: { 'x-token': '\u{1f511}' } }, 'headers: x-token cannot be sent.'],
    [{ headers: { 'x token': 'x' } }, 'headers: x token cannot be sent.'],
    [{ headers: { 'x-token': undefined } }, 'headers: x-token cannot be sent.'],
    [{ timeoutSeconds: 0 }, 'timeoutSeconds must be a number greater than 0, and 3600 at most.'],
    [{ timeoutSeconds: 3601 }, 'timeoutSeconds must be a number greater than 0, and 3600 at most.'],
    [{ timeoutSeconds: Number.NaN }, 'timeoutSeconds must be a number greater than 0, and 3600 at most.'],
    [{ timeoutSecond: 1 }, 'timeoutSecond is not an option. Did you mean timeoutSeconds?'],
  ])('%j: %s', (options, message) => {
    expect(refusal(options)).toBe(message === 'none' ? 'none' : `webhookSink: ${message}`)
  })

  test('the name is the origin, without what else is in the URL; nothing of the secrets is to be seen', () => {
    const url = 'https://hooks.example:8443/path-secret?token=query-secret#x'
    const sink = webhookSink({ url, secret, headers: { authorization: 'header-secret' } })
    expect(sink.name).toBe('webhook:https://hooks.example:8443')
    expect(inspect(sink, { showHidden: true, depth: 9 })).not.toMatch(/path-secret|query-secret|header-secret|whsec/)
    expect(webhookSink({ url, secret, name: 'siem' }).name).toBe('siem')
  })
})
