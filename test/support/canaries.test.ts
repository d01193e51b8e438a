import { expect, test } from 'vitest'
import { canaries } from './canaries.ts'
import { fastHasher } from './fast-hasher.ts'
import { databases, ENCRYPTION_KEY, PASSWORD, startHost } from './host.ts'
import { TOTP_KEY } from './one-time-codes.ts'

const TOKEN = 'A-token_of-43-characters-0123456789abcdefgh'

test('a secret is found wherever it is told, in whatever form', () => {
  const found = (place: Parameters<ReturnType<typeof canaries>['tell']>[0], told: unknown) => {
    const { add, tell, leaks } = canaries()
    add('password', 'pass "word" ü')
    add('token', TOKEN)
    add('code', '123456')
    tell(place, told)
    return leaks().map((leak) => leak.split(': ').slice(0, 2).join(': '))
  }
  const password = 'pass "word" ü'
  expect(found('log', `login failed for ${password}`)).toEqual(['log: password'])
  expect(found('audit', { changes: JSON.stringify([{ to: { deep: password } }]) })).toEqual(['audit: password'])
  expect(found('sink', { changes: [{ to: password }] })).toEqual(['sink: password'])
  expect(found('url', `/updateuser?pass=${encodeURIComponent(password)}`)).toEqual(['url: password'])
  expect(found('url', `/updateuser?${new URLSearchParams({ pass: password })}`)).toEqual(['url: password'])
  expect(found('log', `Basic ${Buffer.from(password).toString('base64')}`)).toEqual(['log: password'])
  expect(found('error', new Error('no', { cause: new Error(password) }))).toEqual(['error: password'])
  expect(found('error', Object.assign(new Error('no'), { bindings: [1, TOKEN] }))).toEqual(['error: token'])
  expect(found('url', `/me?x=${TOKEN}&y`)).toEqual(['url: token'])
  expect(found('log', `x_${TOKEN}_x`)).toEqual(['log: token'])
  expect(found('audit', { to: 'code 123456.' })).toEqual(['audit: code'])
  expect(found('reply', { to: '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA' })).toEqual(['reply: hash'])
  expect(found('log', `pass word ${TOKEN.slice(1)} 1234567 0x123456 $argon2id`)).toEqual([])
})

test('a secret that is too short to be told from other text is none', () => {
  expect(() => canaries().add('password', 'short')).toThrow('6 characters')
})

test.each(databases)(
  'a host on %s that told secrets does not close in peace, and one that told none does',
  async (database) => {
    const start = () =>
      startHost(database, {
        options: {
          password: { hasher: fastHasher() },
          logger: { warn: () => {}, error: () => {} },
          audit: { sinks: [() => {}] },
          hooks: {
            onError: [],
            withinUpdate: ({ after }) => {
              if (after?.display_name === 'fails') throw Object.assign(new Error('no'), { used: TOTP_KEY })
            },
            beforeUpdate: ({ patch }) => (patch['first_name'] === 'leaks' ? { last_name: ENCRYPTION_KEY } : undefined),
          },
        },
      })
    const actor = { via: 'code', name: 'test' } as const

    const silent = await start()
    await silent.login('ada')
    await silent.close()

    const talkative = await start()
    const ust = await talkative.login('ada')
    const caller = { currentUst: ust, currentApp: 'CRM' }
    const { http, sso } = talkative
    await sso.user.updateCurrentUser({ ...caller, data: { display_name: PASSWORD } })
    await sso.user.updateCurrentUser({ ...caller, data: { first_name: 'leaks' } })
    await sso.user.updateCurrentUser({ ...caller, data: { display_name: 'fails' } }).catch(() => {})
    await http.get(`/other?token=${ust}`)
    await http.get(`/other?key=${encodeURIComponent(talkative.canaries.add('key of a test', 'k%y of a test'))}`)
    await sso.user.createUser({ actor, data: { username: 'eve', first_name: `Token ${ust}` } })
    await sso.flush()
    const error = await talkative.close().then(
      () => null,
      (error: Error) => error,
    )
    const found = [...(error?.message ?? '').matchAll(/^(\w+: [\w ]+): /gm)].map(([, leak]) => leak)
    const told = ['audit: password', 'sink: password', 'audit: encryption key', 'sink: encryption key']
    told.push('error: TOTP key', 'url: token', 'audit: token', 'sink: token', 'url: key of a test')
    expect(new Set(found)).toEqual(new Set(told))
  },
)
