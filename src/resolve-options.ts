import { newUserId } from './core/accounts/ids.ts'
import { type AddressLists, type Network, networkOf } from './core/addresses/lists.ts'
import type { RelaySettings } from './core/audit/relay.ts'
import type { AuditSink } from './core/audit/sink.ts'
import type { CoreConfig } from './core/core.ts'
import type { Hooks } from './core/hooks.ts'
import type { Hasher } from './core/passwords/hasher.ts'
import { REJECT_LIST } from './core/passwords/policy.ts'
import { type AttributesSchema, attributeOf, buildCatalogue } from './core/schema/catalogue.ts'
import { nearest } from './core/schema/nearest.ts'
import { identityKey } from './core/schema/text.ts'
import type { ThrottleLimits } from './core/throttle/throttle.ts'
import { SsoError } from './errors.ts'
import type { EdgeConfig } from './http/edge.ts'
import { searchable, shadowName } from './knex/layout.ts'
import type { StoreOptions } from './knex/store.ts'
import type { Options } from './options.ts'
import { checkOptions } from './options-check.ts'

/** Options with every default in its place. */
export interface Config {
  readonly core: CoreConfig
  readonly edge: EdgeConfig
  readonly store: Omit<StoreOptions, 'catalogue' | 'validator' | 'emailIsUnique' | 'newUuid' | 'usesTransactor'>
  /** Null for none. */
  readonly throttle: { readonly store: ThrottleStore; readonly limits: ThrottleLimits } | null
  /** Passwords that are remembered; null for none. */
  readonly memory: { readonly seconds: number; readonly most: number } | null
  readonly attributes: AttributesSchema | undefined
  readonly hooks: Hooks<never>
  readonly sinks: readonly AuditSink[]
  readonly relay: RelaySettings
  readonly hasher: Hasher | null
  readonly encryptionKeys: readonly string[]
  readonly checkEmail: boolean
}

type ThrottleStore = NonNullable<NonNullable<Options['throttle']>['store']>

const CREDENTIALS = {
  username: ['username'],
  email: ['email'],
  username_or_email: ['username', 'email'],
} as const

/** Checks the options and fills in the defaults. @throws SsoError `option_invalid` */
export function resolveOptions(options: Options): Config {
  checkOptions(options)
  const {
    apps = ['CRM'],
    session,
    password,
    passwordReset,
    updateuser,
    users,
    customAttributes,
    totp,
    inform,
    rest,
    batch,
  } = options
  const defaultApp = options.defaultApp ?? apps[0] ?? ''
  const attributeMap = { digdashMail: 'email', mustChangePassword: 'password_must_change', ...updateuser?.attributes }
  const config: Config = {
    core: {
      apps,
      loginApps: options.loginApps ?? apps,
      loginMetadataApps: options.loginMetadataApps ?? [],
      session: {
        lifetimeMinutes: session?.lifetimeMinutes ?? 60,
        absoluteMinutes: session?.absoluteMinutes === undefined ? 43_200 : session.absoluteMinutes,
        inactivityMinutes: session?.inactivityMinutes ?? null,
        expiry: session?.expiry ?? null,
        revokeOnChange: session?.revokeOnChange ?? true,
      },
      password: {
        minComplexity: password?.minComplexity ?? 0,
        minLength: password?.minLength ?? 8,
        maxLength: password?.maxLength ?? 256,
        rejectList: (password?.rejectList ?? REJECT_LIST).map((text) => text.toLowerCase()),
        rejectMostCommon: password?.rejectMostCommon ?? 3000,
        contextWords: password?.contextWords === undefined ? [] : password.contextWords,
        validate: password?.validate ?? null,
        expiryDays: password?.expiryDays ?? null,
        aboutToExpireDays: password?.aboutToExpireDays ?? 30,
        superUsersMayChoose: password?.superUsersMayChoose ?? true,
      },
      passwordReset: {
        validMinutes: passwordReset?.validMinutes ?? 30,
        keyMinutes: passwordReset?.keyMinutes ?? 30,
        requireTotp: passwordReset?.requireTotp ?? true,
        credential: CREDENTIALS[passwordReset?.credential ?? 'username'],
      },
      inform: {
        appInvalid: inform?.appInvalid ?? true,
        locked: inform?.locked ?? true,
        notConfirmed: inform?.notConfirmed ?? true,
        totpMissing: inform?.totpMissing ?? true,
        passwordExpired: inform?.passwordExpired ?? false,
        passwordAboutToExpire: inform?.passwordAboutToExpire ?? true,
        passwordMustChange: inform?.passwordMustChange ?? true,
        passwordInvalid: inform?.passwordInvalid ?? true,
      },
      reauth: { maxAgeSeconds: rest?.reauthMaxAge === undefined ? 300 : rest.reauthMaxAge },
      signUp: { approvalNeeded: options.signUp?.approvalNeeded ?? true },
      email: { unique: options.email?.unique ?? false },
      search: {
        defaultPageSize: options.search?.defaultPageSize ?? Math.min(50, options.search?.maxPageSize ?? 100),
        maxPageSize: options.search?.maxPageSize ?? 100,
      },
      totp: {
        window: totp?.window ?? 1,
        allowReplay: totp?.allowReplay ?? false,
        requireProof: totp?.requireProof ?? true,
        issuer: totp?.issuer ?? defaultApp,
      },
      addresses: addressListsOf(options),
      customAttributes: {
        allowed: customAttributes?.allowed ?? null,
        secret: customAttributes?.secret ?? ['digdashMailPassword'],
      },
      updateuser: {
        uidAttribute: updateuser?.uidAttribute ?? 'username',
        attributeMap,
        protectedAttributes: updateuser?.protectedAttributes ?? [],
        permissions: updateuser?.permissions ?? {},
      },
      batch: {
        maxLines: batch?.maxLines ?? 1_000_000,
        maxAtomicLines: batch?.maxAtomicLines ?? 10_000,
        maxSeconds: batch?.maxSeconds ?? 3600,
      },
      catalogues: {
        roles: options.grants?.roles ?? null,
        acls: options.grants?.acls ?? null,
        groups: options.grants?.groups ?? null,
      },
    },
    edge: {
      defaultApp,
      authenticate: options.authenticate ?? null,
      trustedOrigins: options.trustedOrigins ?? [],
      requiresIfMatch: rest?.requireIfMatch ?? false,
      bodyLimit: options.bodyLimit ?? 102_400,
      lineLimit: batch?.maxLineBytes ?? 102_400,
      correlationId: options.correlationId ?? null,
      updateuserMethods: updateuser?.methods ?? ['GET', 'POST'],
      openapi: {
        title: options.openapi?.title ?? 'Accounts',
        version: options.openapi?.version ?? '1.0.0',
        paths: options.openapi?.paths ?? {},
      },
      logger: options.logger ?? console,
      now: options.now ?? (() => new Date()),
    },
    store: {
      db: options.db,
      prefix: options.tablePrefix ?? 'sso_',
      users: users
        ? {
            table: users.table,
            columns: users.columns ?? {},
            timestamps: { created: users.timestamps?.created ?? null, updated: users.timestamps?.updated ?? null },
          }
        : null,
      defaults: users?.defaults ?? {},
      now: options.now ?? (() => new Date()),
      newUserId: users?.newId ?? newUserId,
      lookups: ['username', updateuser?.uidAttribute ?? 'username'],
      hostMakesIds: users?.newId !== undefined,
      prepared: options.preparedStatements ?? true,
      sinks: sinksOf(options).map(({ name }) => name),
    },
    throttle: throttleOf(options),
    memory:
      password?.rememberSeconds === 0
        ? null
        : { seconds: password?.rememberSeconds ?? 60, most: password?.rememberMost ?? 1000 },
    attributes: options.attributes,
    hooks: (options.hooks ?? {}) as Hooks<never>,
    sinks: sinksOf(options),
    relay: relayOf(options),
    hasher: password?.hasher ?? null,
    encryptionKeys: options.encryptionKeys ?? [],
    checkEmail: options.email?.checkSyntax ?? true,
  }
  checkTogether(config)
  return Object.freeze(config)
}

function throttleOf({ throttle = {} }: Options): Config['throttle'] {
  if (throttle.enabled === false) return null
  const { perAccount = 5, firstWaitSeconds = 10 } = throttle
  return {
    store: throttle.store ?? 'database',
    limits: {
      perAccount,
      perAccountTotal: throttle.perAccountTotal ?? Math.max(100, perAccount),
      perAddress: throttle.perAddress ?? 20,
      windowSeconds: throttle.windowSeconds ?? 3600,
      firstWaitSeconds,
      maxWaitSeconds: throttle.maxWaitSeconds ?? Math.max(900, firstWaitSeconds),
    },
  }
}

/** A function goes by its own name; one without a name by its place in the list. */
function sinksOf({ audit = {} }: Options): readonly AuditSink[] {
  const sinks = (audit.sinks ?? []).map((sink, index): AuditSink => {
    if (typeof sink !== 'function') return sink
    return {
      name: sink.name || `sink ${index + 1}`,
      deliver: async (records) => {
        for (const record of records) await sink(record)
      },
    }
  })
  const names = sinks.map(({ name }) => name)
  const twin = names.find((name, index) => names.indexOf(name) !== index)
  if (twin !== undefined) fail(`audit.sinks: there are two with the name ${twin}; each keeps its place under its own.`)
  return sinks
}

function relayOf({ audit = {} }: Options): RelaySettings {
  const { firstWaitSeconds = 1 } = audit
  return {
    isActive: audit.relay ?? true,
    timeoutSeconds: audit.deliverySeconds ?? 10,
    leaseSeconds: audit.leaseSeconds ?? 10,
    firstWaitSeconds,
    maxWaitSeconds: audit.maxWaitSeconds ?? Math.max(300, firstWaitSeconds),
  }
}

function addressListsOf({ addresses = {} }: Options): AddressLists {
  const networks = new Map<string, readonly Network[] | '*'>()
  for (const [username, listed] of Object.entries(addresses.users ?? {})) {
    const path = `addresses.users.${username}`
    const key = identityKey(username)
    if (networks.has(key)) fail(`${path}: the same user is listed twice.`)
    const read = (text: string) => networkOf(text) ?? fail(`${path}: ${text} is no network, such as 192.0.2.0/24.`)
    networks.set(key, listed === '*' ? '*' : listed.map(read))
  }
  return { networks, rejectsUnlisted: addresses.rejectIfNotListed ?? false }
}

function fail(message: string): never {
  throw new SsoError('option_invalid', { message: `createSso: ${message}` })
}

/** What no schema of single options can say. */
function checkTogether({ core, edge, store, throttle, relay, attributes }: Config): void {
  const { apps, loginApps, loginMetadataApps } = core
  for (const [path, names] of Object.entries({ defaultApp: [edge.defaultApp], loginApps, loginMetadataApps })) {
    const unknown = names.find((app) => !apps.includes(app))
    if (unknown !== undefined) fail(`${path}: ${unknown} is not one of apps.`)
  }
  if (core.password.minLength > core.password.maxLength) fail('password.minLength is greater than password.maxLength.')
  if (core.search.defaultPageSize > core.search.maxPageSize)
    fail('search.defaultPageSize is greater than search.maxPageSize.')
  const { perAccount = 0, perAccountTotal = 0, firstWaitSeconds = 0, maxWaitSeconds = 0 } = throttle?.limits ?? {}
  if (perAccount > perAccountTotal) fail('throttle.perAccount is greater than throttle.perAccountTotal.')
  if (firstWaitSeconds > maxWaitSeconds) fail('throttle.firstWaitSeconds is greater than throttle.maxWaitSeconds.')

  if (relay.firstWaitSeconds > relay.maxWaitSeconds)
    fail('audit.firstWaitSeconds is greater than audit.maxWaitSeconds.')

  const catalogue = buildCatalogue(attributes)
  const { uidAttribute, attributeMap } = core.updateuser
  const known = (path: string, name: string) => {
    if (catalogue.has(name)) return
    fail(`${path}: there is no attribute ${name}. Did you mean ${nearest(name, [...catalogue.keys()])}?`)
  }
  known('updateuser.uidAttribute', uidAttribute)
  const { kind, secret } = attributeOf(catalogue, uidAttribute)
  if (kind !== 'text' || secret) fail('updateuser.uidAttribute: the attribute must be text, and not secret.')
  for (const [name, attribute] of Object.entries(attributeMap)) known(`updateuser.attributes.${name}`, attribute)
  const shadows = new Set(searchable(catalogue).map(({ name }) => shadowName(name)))
  const columns = Object.entries(store.users?.columns ?? {})
  for (const [attribute, column] of columns) {
    if (!shadows.has(attribute)) known(`users.columns.${attribute}`, attribute)
    const twin = columns.find(([other, same]) => other !== attribute && same === column && column !== false)
    if (twin) fail(`users.columns: ${attribute} and ${twin[0]} cannot share the column ${column}.`)
  }
}
