import { randomUUID } from 'node:crypto'
import type { Router } from 'express'
import { type AttributesApi, buildAttributesApi } from './core/attributes/api.ts'
import { type AuditApi, buildAuditApi } from './core/audit/api.ts'
import { buildRelay } from './core/audit/relay.ts'
import { buildTrail } from './core/audit/trail.ts'
import { buildBackground } from './core/background.ts'
import { type BatchApi, buildBatchApi } from './core/batch/api.ts'
import type { Core } from './core/core.ts'
import { buildHooks } from './core/hooks.ts'
import { argon2Hasher } from './core/passwords/hasher.ts'
import { buildMemory } from './core/passwords/memory.ts'
import { type AccessRow, accessMatrix } from './core/schema/access.ts'
import { type AttributesSchema, buildCatalogue } from './core/schema/catalogue.ts'
import type { HostAttributes } from './core/schema/user.ts'
import { buildValidator } from './core/schema/validate.ts'
import { buildSecrets } from './core/secrets.ts'
import { buildSessionApi, type SessionApi } from './core/sessions/api.ts'
import { randomPassword } from './core/sessions/tokens.ts'
import type { Diagnosis, Readiness } from './core/store.ts'
import type { Counters } from './core/throttle/counters.ts'
import { buildUserApi, type UserApi } from './core/users.ts'
import { docsRouter } from './http/docs/router.ts'
import { contextOf, type Edge } from './http/edge.ts'
import { buildMiddleware, type Middleware } from './http/middleware.ts'
import { documentsOf } from './http/openapi/document.ts'
import type { OpenApiDocument } from './http/openapi/model.ts'
import { REST_ROUTES, restRouter } from './http/rest/router.ts'
import { updateuserRouter } from './http/updateuser/router.ts'
import { zatoRouter } from './http/zato/router.ts'
import { buildStore } from './knex/store.ts'
import { memoryCounters, redisCounters } from './limiter/counters.ts'
import type { Options } from './options.ts'
import { buildStrategies, type Strategies } from './passport/strategies.ts'
import { type Config, resolveOptions } from './resolve-options.ts'

/** What `createSso` gives: routers, middlewares and functions over one update core. */
export interface Sso<Attrs extends object = HostAttributes> extends Middleware {
  /**
   * Creates the package's tables where they are missing and examines the host's. Routes and functions wait for it by
   * themselves; call it at start-up to hear of what is wrong before the first request does.
   *
   * @throws SsoError `table_unfit`, naming each column and the statement that mends it
   */
  readonly ready: () => Promise<Readiness>
  /**
   * Says what `ready()` would find and make, without making anything or failing because of it. For a look before an
   * upgrade, for instance.
   */
  readonly doctor: () => Promise<Diagnosis>
  /**
   * Resolves when every audit sink has taken everything that has been committed so far, or has failed to: what it has not
   * taken, it gets later. Requests for a reset of a password that have been answered are done then, too.
   */
  readonly flush: () => Promise<void>
  /**
   * For the end of the process: flushes, lets go of the sinks, and stops all work in the background. What is committed
   * after that is delivered when a process starts again. Does not close the database, which is the host's.
   */
  readonly close: () => Promise<void>
  /** The functions. */
  readonly user: UserApi<Attrs>
  /** Sessions, as functions. */
  readonly session: SessionApi
  /** Custom attributes of accounts and sessions, as functions. */
  readonly attributes: AttributesApi
  /** Many changes in one call, as functions. */
  readonly batch: BatchApi
  /** The audit trail as a whole, as functions. */
  readonly audit: AuditApi
  /** Router of the Zato SSO dialect: `/user`, `/user/login` and the rest. */
  readonly zato: Router
  /** Router of the `updateuser` dialect: `/updateuser`. */
  readonly updateuser: Router
  /** Router of the `rest` dialect, for new clients: `/me`, `/users` and the rest. */
  readonly rest: Router
  /**
   * The OpenAPI 3.1 document of the dialects that the option `openapi.paths` names. `GET /openapi.json` of `rest` has that
   * dialect in any case, where it is mounted.
   *
   * @throws SsoError `table_unfit`: attributes are described as their columns hold them
   */
  readonly openapi: () => Promise<OpenApiDocument>
  /**
   * Router that shows the document of `openapi()` as a page, with Swagger UI from the host's own `swagger-ui-dist`: nothing
   * is loaded from elsewhere. Made when it is first asked for.
   *
   * @throws SsoError `option_invalid` where `swagger-ui-dist` is not installed
   */
  readonly docs: Router
  /** Passport strategies. */
  readonly passport: Strategies
  /** Who may read and change what. */
  readonly accessMatrix: readonly AccessRow[]
}

/**
 * Puts everything together. Two of them in one process share nothing. A literal of the option `attributes` says of which
 * types the host's attributes are; a type argument says it instead.
 *
 * @typeParam Attrs as of `User`
 * @throws SsoError `option_invalid`, with the option's path and the nearest legal name
 */
export function createSso<const Attrs extends AttributesSchema>(
  options: Options<NoInfer<Attrs>> & {
    /** JSON Schema of the host's own attributes. */
    readonly attributes: Attrs
  },
): Sso<Attrs>
export function createSso<Attrs extends object = HostAttributes>(options: Options<NoInfer<Attrs>>): Sso<Attrs>
// The one that `ReturnType` and `Parameters` see.
export function createSso(options: Options): Sso
export function createSso(options: Options): Sso {
  const config = resolveOptions(options)
  const catalogue = buildCatalogue(config.attributes)
  const validator = buildValidator(catalogue, { checkEmail: config.checkEmail })
  const hooks = buildHooks(config.hooks, (error, context) => {
    config.edge.logger.error(
      `express-sso-users: ${context?.cid ?? '-'} ${error instanceof Error ? error.stack : String(error)}`,
    )
  })
  const hasher = config.hasher ?? argon2Hasher
  const store = buildStore({
    ...config.store,
    catalogue,
    validator,
    emailIsUnique: config.core.email.unique,
    newUuid: randomUUID,
    usesTransactor: config.hooks.withinUpdate !== undefined,
  })
  const relay = buildRelay(store.outbox, config.sinks, config.relay, (error) => void hooks.error(error, null))
  const background = buildBackground((error) => hooks.error(error, null))
  let decoy: Promise<string> | null = null
  let docs: Router | null = null
  const core: Core = {
    config: config.core,
    catalogue,
    validator,
    store,
    secrets: buildSecrets(config.encryptionKeys),
    hasher,
    throttle: config.throttle && {
      counters: countersFor(config, config.throttle.store, store.counters),
      limits: config.throttle.limits,
    },
    memory: config.memory && buildMemory(config.memory),
    decoyHash: () => {
      decoy ??= hasher.hash(randomPassword()).catch((error) => {
        decoy = null
        throw error
      })
      return decoy
    },
    hooks,
    trail: buildTrail(store, relay, hooks),
    background,
    newUserId: config.store.newUserId,
  }
  const edge: Edge = { core, config: config.edge }
  const describe = documentsOf(edge, REST_ROUTES)

  return {
    ready: async () => {
      const readiness = await store.ready()
      for (const { severity, table, column, fault, remedy } of readiness.findings) {
        if (severity === 'hint') continue
        config.edge.logger.warn(`express-sso-users: ${table}.${column}: ${fault} ${remedy}`)
      }
      relay.wake()
      return readiness
    },
    doctor: () => store.examine(),
    flush: async () => {
      await background.idle()
      await relay.flush()
    },
    close: async () => {
      await background.idle()
      await relay.close()
    },
    user: buildUserApi(core, config.edge.now),
    session: buildSessionApi(core, config.edge.now),
    attributes: buildAttributesApi(core, config.edge.now),
    batch: buildBatchApi(core, config.edge.now),
    audit: buildAuditApi(core, store.outbox, config.edge.now),
    zato: zatoRouter(edge),
    updateuser: updateuserRouter(edge),
    rest: restRouter(edge, describe),
    openapi: async () => {
      await store.ready()
      return describe()
    },
    get docs() {
      docs ??= docsRouter(edge, describe)
      return docs
    },
    passport: buildStrategies({ core, contextOf: (req) => contextOf(edge, req, 'passport') }),
    accessMatrix: accessMatrix(catalogue),
    ...buildMiddleware(edge),
  }
}

function countersFor(
  { store: { prefix } }: Config,
  kind: NonNullable<Config['throttle']>['store'],
  ofDatabase: Counters,
): Counters {
  if (kind === 'database') return ofDatabase
  return kind === 'memory' ? memoryCounters() : redisCounters(kind.redis, `${prefix}throttle`)
}
