import type { Knex } from 'knex'
import type { CustomAttribute, Grants, Holdings } from '../core/store.ts'
import type { AttributeStatements } from './attribute-statements.ts'
import { codecFor } from './codecs.ts'
import type { Layout } from './layout.ts'
import { Listed } from './lists.ts'
import { prepare, type Runner, type Statement } from './statements.ts'

/** Reads what many accounts hold beside their attributes, in three statements. Compiled once. */
export class HoldingStatements {
  readonly #roles: Listed
  readonly #acls: Listed
  readonly #attributes: AttributeStatements
  readonly #names: Statement
  readonly #time: ReturnType<typeof codecFor>
  readonly #no: unknown

  constructor(db: Knex, layout: Layout, attributes: AttributeStatements) {
    const [role, acl, attribute] = [layout.table('role_grant'), layout.table('acl_grant'), layout.table('attribute')]
    this.#roles = new Listed((ids) =>
      db(role).whereIn('user_id', ids).select('user_id', 'role_id', 'rights').orderBy('role_id'),
    )
    this.#acls = new Listed((ids) =>
      db(acl).whereIn('user_id', ids).select('user_id', 'kind', 'acl_id').orderBy(['kind', 'acl_id']),
    )
    this.#attributes = attributes
    this.#names = prepare((bind) =>
      db(attribute)
        .where('is_encrypted', bind('no'))
        .where((either) => either.whereNull('expiration_time').orWhere('expiration_time', '>', bind('now')))
        .distinct('name')
        .orderBy('name'),
    )
    this.#time = codecFor('datetime', layout.dialect, null)
    this.#no = codecFor('boolean', layout.dialect, null).encode(false)
  }

  /** What each of the accounts holds, by its id. */
  async of(runner: Runner, ids: readonly string[], now: Date): Promise<ReadonlyMap<string, Holdings>> {
    const held = new Map(ids.map((id) => [id, nothing()]))
    for (const [id, role, rights] of await this.#roles.run(runner, ids)) {
      held.get(String(id))?.grants.roles.push({ role: String(role), rights: String(rights) })
    }
    for (const [id, kind, acl] of await this.#acls.run(runner, ids)) {
      held.get(String(id))?.grants[kind === 'acl' ? 'acls' : 'groups'].push(String(acl))
    }
    for (const { owner, attribute } of await this.#attributes.ofEach(runner, ids, now)) {
      held.get(owner)?.attributes.push(attribute)
    }
    return held
  }

  /** Names of custom attributes that some account has in clear. */
  async customNames(runner: Runner, now: Date): Promise<readonly string[]> {
    const { rows } = await runner.run(this.#names, { no: this.#no, now: this.#time.encode(now) })
    return rows.map(([name]) => String(name))
  }
}

function nothing() {
  const grants = { roles: [] as Grants['roles'][number][], acls: [] as string[], groups: [] as string[] }
  return { grants, attributes: [] as CustomAttribute[] }
}
