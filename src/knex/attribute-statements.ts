import type { Knex } from 'knex'
import type { CustomAttribute, CustomAttributeValue } from '../core/store.ts'
import { codecFor } from './codecs.ts'
import type { Layout } from './layout.ts'
import { Listed } from './lists.ts'
import { type Build, prepare, type Runner } from './statements.ts'

type Bind = Parameters<Build>[0]

/** Statements on custom attributes of one kind of owner. Compiled once. */
export class AttributeStatements {
  readonly #time: ReturnType<typeof codecFor>
  readonly #boolean: ReturnType<typeof codecFor>
  readonly #prepared: ReturnType<typeof prepareAll>

  /** @param ownerColumn column that says whose they are */
  constructor(db: Knex, layout: Layout, table: 'attribute' | 'session_attribute', ownerColumn: string) {
    this.#time = codecFor('datetime', layout.dialect, null)
    this.#boolean = codecFor('boolean', layout.dialect, null)
    this.#prepared = prepareAll(db, layout.table(table), ownerColumn)
  }

  /** Those that have not expired, by name. */
  async of(runner: Runner, owner: string, now: Date): Promise<readonly CustomAttribute[]> {
    const { rows } = await runner.run(this.#prepared.unexpired, { owner, now: this.#time.encode(now) })
    return rows.map((row) => this.#decode(row))
  }

  /** As `of`, of many owners at once. */
  async ofEach(
    runner: Runner,
    owners: readonly string[],
    now: Date,
  ): Promise<readonly { readonly owner: string; readonly attribute: CustomAttribute }[]> {
    const rows = await this.#prepared.unexpiredOfEach.run(runner, owners, { now: this.#time.encode(now) })
    return rows.map(([owner, ...row]) => ({ owner: String(owner), attribute: this.#decode(row) }))
  }

  #decode([name, value, isEncrypted, creation, modified, expiration]: readonly unknown[]): CustomAttribute {
    return {
      name: String(name),
      value: String(value),
      isEncrypted: this.#boolean.decode(isEncrypted) === true,
      creationTime: this.#time.decode(creation) as Date,
      lastModified: this.#time.decode(modified) as Date,
      expirationTime: this.#time.decode(expiration) as Date | null,
    }
  }

  /** Adds one or replaces it. What is written must differ from what is there. */
  async put(runner: Runner, owner: string, attribute: CustomAttributeValue, now: Date): Promise<void> {
    const parameters = {
      owner,
      name: attribute.name,
      value: attribute.value,
      isEncrypted: this.#boolean.encode(attribute.isEncrypted),
      expiration: this.#time.encode(attribute.expirationTime),
      now: this.#time.encode(now),
    }
    const { affected } = await runner.run(this.#prepared.update, parameters)
    // It differs from what is there, so a row that exists always counts as touched.
    if (affected === 0) await runner.run(this.#prepared.insert, parameters)
  }

  async remove(runner: Runner, owner: string, name: string): Promise<void> {
    await runner.run(this.#prepared.remove, { owner, name })
  }

  async removeExpired(runner: Runner, owner: string, now: Date): Promise<void> {
    await runner.run(this.#prepared.removeExpired, { owner, now: this.#time.encode(now) })
  }
}

const COLUMNS = ['name', 'value', 'is_encrypted', 'creation_time', 'last_modified', 'expiration_time'] as const

function prepareAll(db: Knex, table: string, ownerColumn: string) {
  const written = (bind: Bind) => ({
    value: bind('value'),
    is_encrypted: bind('isEncrypted'),
    last_modified: bind('now'),
    expiration_time: bind('expiration'),
  })
  const one = (bind: Bind) => ({ [ownerColumn]: bind('owner'), name: bind('name') })

  return {
    unexpired: prepare((bind) =>
      db(table)
        .where(ownerColumn, bind('owner'))
        .where((either) => either.whereNull('expiration_time').orWhere('expiration_time', '>', bind('now')))
        .select(...COLUMNS)
        .orderBy('name'),
    ),
    unexpiredOfEach: new Listed((owners, bind) =>
      db(table)
        .whereIn(ownerColumn, owners)
        .where((either) => either.whereNull('expiration_time').orWhere('expiration_time', '>', bind('now')))
        .select(ownerColumn, ...COLUMNS)
        .orderBy('name'),
    ),
    insert: prepare((bind) => db(table).insert({ ...one(bind), ...written(bind), creation_time: bind('now') })),
    update: prepare((bind) => db(table).where(one(bind)).update(written(bind))),
    remove: prepare((bind) => db(table).where(one(bind)).delete()),
    removeExpired: prepare((bind) =>
      db(table).where(ownerColumn, bind('owner')).where('expiration_time', '<=', bind('now')).delete(),
    ),
  }
}
