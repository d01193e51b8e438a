import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import type { AuditFunction, AuditSink, Options, PasswordReset, Sso } from '../../src/index.ts'

/** Where a host tells something, beside the replies that succeed. */
type Place = 'audit' | 'sink' | 'log' | 'error' | 'reply' | 'url'

/** The secrets of one host, and everything that it told anybody: nothing told may have a secret in it. */
export interface Canaries {
  /** Has a value looked for from now on, and in all that was told before. Gives it back. */
  readonly add: (kind: string, secret: string) => string
  readonly tell: (place: Place, told: unknown) => void
  /** Every secret that was told, as `place: kind`, with what it was told in. */
  readonly leaks: () => readonly string[]
}

const TOKEN = /^[\w-]{43}$/
// Shorter ones are in other words, too.
const SHORTEST = 6
/** No form of a stored password is anybody's to see. */
const HASH = /\$(argon2id?|fast|2[aby]|scrypt|pbkdf2-sha512)\$[\w.,=+/$-]{8,}/

export function canaries(): Canaries {
  const secrets = new Map<string, string>()
  const told: { place: Place; text: string }[] = []
  return {
    add(kind, secret) {
      if (secret.length < SHORTEST) throw new Error(`a canary for a ${kind} has ${SHORTEST} characters or more`)
      secrets.set(secret, kind)
      return secret
    },
    tell: (place, one) => void told.push({ place, text: typeof one === 'string' ? one : textOf(one) }),
    leaks: () => {
      const forms = [...secrets]
        .filter(([secret]) => !TOKEN.test(secret))
        .map(([secret, kind]) => ({ kind, has: finder(secret) }))
      forms.push({ kind: 'hash', has: (text) => HASH.test(text) })
      forms.push({ kind: 'token', has: (text) => tokensIn(text).some((token) => secrets.has(token)) })
      return told.flatMap(({ place, text }) =>
        forms.filter(({ has }) => has(text)).map(({ kind }) => `${place}: ${kind}: ${text.slice(0, 2000)}`),
      )
    },
  }
}

function finder(secret: string): (text: string) => boolean {
  // Digits alone are a part of many a number: whole words of them only.
  if (/^\d+$/.test(secret)) return (text) => new RegExp(`\\b${secret}\\b`).test(text)
  const forms = formsOf(secret)
  return (text) => forms.some((form) => text.includes(form))
}

/** Whatever could be a token: hosts give out thousands, too many to be looked for one by one. */
function tokensIn(text: string): readonly string[] {
  const words = text.match(/[\w-]{43,}/g) ?? []
  return words.flatMap((word) => Array.from({ length: word.length - 42 }, (_, start) => word.slice(start, start + 43)))
}

/** A secret as it is, and as it is written in JSON, in a URL and in a form. */
function formsOf(secret: string): readonly string[] {
  const url = encodeURIComponent(secret)
  const base64 = Buffer.from(secret).toString('base64')
  const forms = [secret, JSON.stringify(secret).slice(1, -1), url, url.replaceAll('%20', '+'), base64]
  return [...new Set(forms)]
}

/** All that an error or a record has to show, with its causes. */
function textOf(told: unknown): string {
  const json = told instanceof Error ? '' : JSON.stringify(told)
  // A column may hold JSON of its own, which must not be escaped twice.
  const texts = Object.values(told ?? {}).filter((value) => typeof value === 'string')
  return `${json ?? ''}\n${texts.join('\n')}\n${inspect(told, { depth: 10, maxStringLength: null, maxArrayLength: null })}`
}

type Unlistened = Pick<Options, 'logger' | 'audit' | 'hooks'>

/** The options of a host, with an ear at its logger, its sinks and `onError`: what is not there is not added. */
export function listening<T extends Unlistened>(options: T, { add, tell }: Canaries): T {
  const { logger, audit, hooks } = options
  const heard =
    (place: Place, take: (...given: never[]) => unknown) =>
    (...given: unknown[]) => {
      tell(place, given[0])
      return take(...(given as never[]))
    }
  const heardSink = (sink: AuditSink | AuditFunction): AuditSink | AuditFunction => {
    if (typeof sink !== 'function') return { ...sink, deliver: heard('sink', sink.deliver.bind(sink)) as never }
    // Its place in the trail is kept under its name.
    return Object.defineProperty(heard('sink', sink) as AuditFunction, 'name', { value: sink.name })
  }
  return {
    ...options,
    ...(logger && {
      logger: {
        warn: (message: string) => heard('log', logger.warn.bind(logger))(message),
        error: (message: string) => heard('log', logger.error.bind(logger))(message),
      },
    }),
    ...(audit?.sinks && { audit: { ...audit, sinks: audit.sinks.map(heardSink) } }),
    ...(hooks && {
      hooks: {
        ...hooks,
        ...(hooks.onError && { onError: [hooks.onError].flat().map((hook) => heard('error', hook as never)) }),
        // Before the host's own: whatever it does with the token, it is looked for.
        ...(hooks.onPasswordReset && {
          onPasswordReset: [({ token }: PasswordReset) => void add('token', token), hooks.onPasswordReset].flat(),
        }),
      },
    }),
  }
}

/** Hears the errors of the functions, and has the tokens and keys that they give out looked for. */
export function listenToFunctions({ user, session, attributes }: Sso, { add, tell }: Canaries): void {
  for (const api of [user, session, attributes] as unknown as Record<string, (input: never) => Promise<unknown>>[]) {
    for (const [name, run] of Object.entries(api)) {
      const told = async (running: Promise<unknown>) => {
        try {
          const result = await running
          const { ust, totp_key, totpKey } = (result ?? {}) as Readonly<Record<string, unknown>>
          if (typeof ust === 'string') add('token', ust)
          for (const key of [totp_key, totpKey]) if (typeof key === 'string' && key !== '') add('TOTP key', key)
          return result
        } catch (error) {
          tell('error', error)
          throw error
        }
      }
      // What is read while it is taken is not waited for.
      api[name] = (input) => {
        const running = run(input)
        return Symbol.asyncIterator in running ? running : told(running)
      }
    }
  }
}

/** The host's app, with an ear at URLs as a logger sees them in the end, at refusals, and at tokens that are given out. */
export function listenToRequests(app: RequestListener, { add, tell }: Canaries): RequestListener {
  return (req: IncomingMessage & { originalUrl?: string }, res: ServerResponse) => {
    const chunks: Buffer[] = []
    const [write, end] = [res.write, res.end]
    const hear = (chunk: unknown) => {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk as string))
    }
    res.write = function (this: ServerResponse, ...given: unknown[]) {
      hear(given[0])
      return (write as (...all: unknown[]) => boolean).apply(this, given)
    } as typeof res.write
    res.end = function (this: ServerResponse, ...given: unknown[]) {
      hear(given[0])
      const text = Buffer.concat(chunks).toString('utf8')
      const [, token] = /"(?:ust|reset_key)":"([^"]{20,})"/.exec(text) ?? []
      if (token !== undefined && res.statusCode < 400) add('token', token)
      if (res.statusCode >= 400) tell('reply', text)
      return (end as (...all: unknown[]) => ServerResponse).apply(this, given)
    } as typeof res.end
    res.on('finish', () => {
      const urls = `${req.url} ${req.originalUrl ?? ''}`
      // Nothing but updateuser takes secrets there: elsewhere the client has told them, and was refused for it.
      if (res.statusCode !== 400 || /updateuser/i.test(urls)) tell('url', urls)
    })
    app(req, res)
  }
}
