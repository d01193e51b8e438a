import type { Knex } from 'knex'
import type { AclKind, AttributeOwner, Grants, RoleGrant, Session, StateChange } from '../core/store.ts'
import { AttributeStatements } from './attribute-statements.ts'
import { type Codec, codecFor } from './codecs.ts'
import { HoldingStatements } from './holdings.ts'
import type { Layout } from './layout.ts'
import { type Build, prepare, type Runner, type Statement } from './statements.ts'

type Bind = Parameters<Build>[0]

/** Statements on the package's own tables: sessions, grants, and custom attributes. Compiled once. */
export class OwnStatements {
  /** Everything that goes with an account, in order. */
  readonly removeAll: readonly Statement[]
  /** Custom attributes by the kind of their owner. */
  readonly attributes: Readonly<Record<AttributeOwner['kind'], AttributeStatements>>
  /** What accounts hold beside their attributes. */
  readonly holdings: HoldingStatements
  /** Null where transactions that write wait for one another anyway. */
  readonly lockSuperUsers: Statement | null
  readonly #time: Codec
  readonly #prepared: ReturnType<typeof prepareAll>

  constructor(db: Knex, layout: Layout) {
    this.#time = codecFor('datetime', layout.dialect, null)
    this.#prepared = prepareAll(db, layout)
    this.attributes = {
      account: new AttributeStatements(db, layout, 'attribute', 'user_id'),
      session: new AttributeStatements(db, layout, 'session_attribute', 'ust_hash'),
    }
    this.holdings = new HoldingStatements(db, layout, this.attributes.account)
    // Any row that is always there: nobody else asks for this one.
    const gate = () => db(layout.table('migrations')).where({ name: 'audit_001' }).select('name').forUpdate()
    this.lockSuperUsers = layout.dialect === 'sqlite' ? null : prepare(gate)
    this.removeAll = (['session', 'attribute', 'password_reset', 'role_grant', 'acl_grant'] as const).map((name) =>
      prepare((bind) => db(layout.table(name)).where('user_id', bind('id')).delete()),
    )
  }

  /** A session as `SESSION_COLUMNS` have it. */
  decodeSession(hash: string, userId: string, row: readonly unknown[]): Session {
    const [id, creation, expiration, lastUse, remoteAddr, userAgent, app, stateChanges] = row
    return {
      hash,
      id: String(id),
      userId,
      creationTime: this.#time.decode(creation) as Date,
      expirationTime: this.#time.decode(expiration) as Date,
      lastUseTime: this.#time.decode(lastUse) as Date,
      remoteAddr: remoteAddr as string | null,
      userAgent: userAgent as string | null,
      app: app as string | null,
      stateChanges: JSON.parse(String(stateChanges)),
    }
  }

  async insertSession(runner: Runner, session: Session): Promise<void> {
    await runner.run(this.#prepared.insertSession, {
      ...session,
      creationTime: this.#time.encode(session.creationTime),
      expirationTime: this.#time.encode(session.expirationTime),
      lastUseTime: this.#time.encode(session.lastUseTime),
      stateChanges: JSON.stringify(session.stateChanges),
    })
  }

  async sessionsOf(runner: Runner, userId: string, now: Date): Promise<readonly Session[]> {
    const { rows } = await runner.run(this.#prepared.sessions, { userId, now: this.#time.encode(now) })
    return rows.map(([hash, ...row]) => this.decodeSession(String(hash), userId, row))
  }

  async deleteExpiredSessions(runner: Runner, userId: string, now: Date): Promise<void> {
    await runner.run(this.#prepared.deleteExpiredSessions, { userId, now: this.#time.encode(now) })
  }

  async renewSession(
    runner: Runner,
    hash: string,
    expirationTime: Date,
    stateChanges: readonly StateChange[],
  ): Promise<boolean> {
    const { affected } = await runner.run(this.#prepared.renewSession, {
      hash,
      expirationTime: this.#time.encode(expirationTime),
      stateChanges: JSON.stringify(stateChanges),
    })
    return affected > 0
  }

  async touchSession(runner: Runner, hash: string, now: Date): Promise<void> {
    await runner.run(this.#prepared.touchSession, { hash, now: this.#time.encode(now) })
  }

  /** False if there is no such session. */
  async lockSession(runner: Runner, hash: string): Promise<boolean> {
    const { rows } = await runner.run(this.#prepared.lockSession, { hash })
    return rows.length > 0
  }

  async deleteSessionById(runner: Runner, userId: string, id: string): Promise<boolean> {
    const { affected } = await runner.run(this.#prepared.deleteSessionById, { userId, id })
    return affected > 0
  }

  async deleteSession(runner: Runner, hash: string): Promise<boolean> {
    const { affected } = await runner.run(this.#prepared.deleteSession, { hash })
    return affected > 0
  }

  async deleteSessionsOf(runner: Runner, userId: string, exceptHash: string | null): Promise<void> {
    // No hash is empty, so an empty one excepts nothing.
    await runner.run(this.#prepared.deleteSessionsOf, { userId, hash: exceptHash ?? '' })
  }

  async deleteAllSessions(runner: Runner, exceptHash: string | null): Promise<void> {
    await runner.run(this.#prepared.deleteAllSessions, { hash: exceptHash ?? '' })
  }

  async grantsOf(runner: Runner, userId: string): Promise<Grants> {
    const roles = await runner.run(this.#prepared.roles, { userId })
    const acls = await runner.run(this.#prepared.acls, { userId })
    const ofKind = (kind: AclKind) => acls.rows.filter(([found]) => found === kind).map(([, id]) => String(id))
    return {
      roles: roles.rows.map(([role, rights]) => ({ role: String(role), rights: String(rights) })),
      acls: ofKind('acl'),
      groups: ofKind('group'),
    }
  }

  async putRole(runner: Runner, userId: string, { role, rights }: RoleGrant): Promise<void> {
    await runner.run(this.#prepared.removeRole, { userId, role })
    await runner.run(this.#prepared.insertRole, { userId, role, rights })
  }

  async removeRole(runner: Runner, userId: string, role: string): Promise<void> {
    await runner.run(this.#prepared.removeRole, { userId, role })
  }

  async addAcl(runner: Runner, userId: string, kind: AclKind, acl: string): Promise<void> {
    await runner.run(this.#prepared.insertAcl, { userId, kind, acl })
  }

  async removeAcl(runner: Runner, userId: string, kind: AclKind, acl: string): Promise<void> {
    await runner.run(this.#prepared.removeAcl, { userId, kind, acl })
  }
}

/** Columns of a session, in the order in which they are read. */
export const SESSION_COLUMNS = [
  'session_id',
  'creation_time',
  'expiration_time',
  'last_use_time',
  'remote_addr',
  'user_agent',
  'app',
  'state_changes',
] as const

function prepareAll(db: Knex, { table }: Layout) {
  const [session, role, acl] = [table('session'), table('role_grant'), table('acl_grant')]
  const row = (bind: Bind, columns: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(columns).map(([column, parameter]) => [column, bind(parameter)]))
  const owner = { user_id: 'userId' }
  const role_ = { ...owner, role_id: 'role' }
  const acl_ = { ...owner, kind: 'kind', acl_id: 'acl' }

  return {
    insertSession: prepare((bind) =>
      db(session).insert(
        row(bind, {
          ...owner,
          ust_hash: 'hash',
          session_id: 'id',
          creation_time: 'creationTime',
          expiration_time: 'expirationTime',
          last_use_time: 'lastUseTime',
          remote_addr: 'remoteAddr',
          user_agent: 'userAgent',
          app: 'app',
          state_changes: 'stateChanges',
        }),
      ),
    ),
    sessions: prepare((bind) =>
      db(session)
        .where(row(bind, owner))
        .where('expiration_time', '>', bind('now'))
        .select('ust_hash', ...SESSION_COLUMNS)
        .orderBy(['creation_time', 'session_id']),
    ),
    deleteExpiredSessions: prepare((bind) =>
      db(session).where(row(bind, owner)).where('expiration_time', '<=', bind('now')).delete(),
    ),
    renewSession: prepare((bind) =>
      db(session)
        .where('ust_hash', bind('hash'))
        .update(row(bind, { expiration_time: 'expirationTime', state_changes: 'stateChanges' })),
    ),
    touchSession: prepare((bind) =>
      db(session)
        .where('ust_hash', bind('hash'))
        .update(row(bind, { last_use_time: 'now' })),
    ),
    lockSession: prepare((bind) => db(session).where('ust_hash', bind('hash')).select('ust_hash').forUpdate()),
    deleteSessionById: prepare((bind) =>
      db(session)
        .where(row(bind, { ...owner, session_id: 'id' }))
        .delete(),
    ),
    deleteSession: prepare((bind) => db(session).where('ust_hash', bind('hash')).delete()),
    deleteSessionsOf: prepare((bind) =>
      db(session).where(row(bind, owner)).whereNot('ust_hash', bind('hash')).delete(),
    ),
    deleteAllSessions: prepare((bind) => db(session).whereNot('ust_hash', bind('hash')).delete()),
    roles: prepare((bind) => db(role).where(row(bind, owner)).select('role_id', 'rights').orderBy('role_id')),
    insertRole: prepare((bind) => db(role).insert(row(bind, { ...role_, rights: 'rights' }))),
    removeRole: prepare((bind) => db(role).where(row(bind, role_)).delete()),
    acls: prepare((bind) => db(acl).where(row(bind, owner)).select('kind', 'acl_id').orderBy(['kind', 'acl_id'])),
    insertAcl: prepare((bind) => db(acl).insert(row(bind, acl_))),
    removeAcl: prepare((bind) => db(acl).where(row(bind, acl_)).delete()),
  }
}
