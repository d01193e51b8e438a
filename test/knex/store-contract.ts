import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuditRecord } from '../../src/core/audit/record.ts'
import {
  type Account,
  type AttributeOwner,
  type Columns,
  type CustomAttributeValue,
  type Session,
  type Store,
  StoreConflict,
} from '../../src/core/store.ts'
import type { TestDatabase } from '../support/databases.ts'
import type { IdType } from '../support/host.ts'
import { CATALOGUE, columnsOf, idColumnOf, type Table } from '../support/stores.ts'

/** A store under test, on an empty database of its own. */
export interface Subject {
  readonly database: TestDatabase
  readonly store: Store
  readonly table: Table
  readonly idType: IdType
  readonly transactor: boolean
  /** A store on the same database through connections of its own. */
  readonly other: { readonly store: Store; readonly db: Knex }
  readonly close: () => Promise<void>
}

/** The account whose every attribute has a value that some database might damage. */
const WHOLE = {
  username: 'Ünïcødé 😀',
  password: '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g',
  email: 'someone@example.org',
  display_name: '𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍👩‍👧‍👦',
  first_name: '',
  middle_name: null,
  last_name: 'O\'Neil \\ "quoted" `ticked` ? $1 %s',
  is_active: true,
  is_internal: false,
  is_super_user: true,
  is_locked: false,
  locked_time: new Date('1969-12-31T23:59:59.999Z'),
  locked_by: '',
  creation_ctx: '{"a": [1, "ü"]}',
  approval_status: 'before_decision',
  approval_status_mod_time: new Date('2026-03-08T02:30:00.001Z'),
  approval_status_mod_by: 'auto',
  is_approval_needed: true,
  password_is_set: true,
  password_must_change: false,
  password_last_set: new Date('2026-11-01T04:30:00.500Z'),
  password_expiry: new Date('9999-12-31T23:59:59.999Z'),
  sign_up_status: 'final',
  sign_up_time: new Date('1000-01-01T00:00:00.000Z'),
  is_totp_enabled: true,
  totp_key: 'v1.abc.def',
  totp_label: ' trailing space ',
  totp_is_proved: true,
  totp_last_step: 9_007_199_254_740_991,
  is_rate_limit_active: false,
  rate_limit_def: '*=1/d',
  nickname: '',
  is_member: false,
  points: -3,
  ratio: 0.1,
  joined_at: new Date('2026-10-25T01:30:00.123Z'),
  settings: { deep: [{ null: null, text: '😀' }, 1.5, true] },
  pin: '12',
} as const

const NO_EXTRAS = {
  nickname: null,
  is_member: null,
  points: null,
  ratio: null,
  joined_at: null,
  settings: null,
  pin: null,
}

const RECORD: AuditRecord = {
  cid: 'c1d',
  time: '2026-03-08T02:30:00.001Z',
  operation: 'update_user_by_id',
  outcome: 'ok',
  error: null,
  actor_id: 'a',
  actor_name: 'ada 😀',
  actor_via: 'ust',
  target_id: 't',
  target_name: null,
  app: 'CRM',
  remote_addr: '::1',
  user_agent: 'test/1',
  dialect: 'code',
  changes: [{ attribute: 'email', from: null, to: '𝔘' }],
}

const ATTRIBUTE: CustomAttributeValue = { name: 'a', value: '1', isEncrypted: false, expirationTime: null }
const ownerOf = (id: string): AttributeOwner => ({ kind: 'account', id })

// Neither canonical integers nor UUIDs; some would be found by a database that converts or folds what it compares.
const NO_IDS = [
  '',
  ' ',
  '0',
  '-1',
  '007',
  '7abc',
  ' 7',
  '7 ',
  '+7',
  '7.0',
  '1e1',
  '0x1',
  '٧',
  '99999999999',
  '9'.repeat(30),
]
const STRANGE_IDS = [
  'a\u0000b',
  '\u0000',
  '\ud800',
  '😀',
  "' or 1=1 --",
  'x'.repeat(10_000),
  '{',
  'null',
  'true',
  '%',
  '_',
]
const NO_UUIDS = ['00000000-0000-0000-0000-00000000000', 'zzzzzzzz-0000-4000-8000-000000000000', '0'.repeat(32)]

/** What every store must do, whatever is beneath it. */
export function storeContract(name: string, open: () => Promise<Subject>): void {
  describe(name, () => {
    let subject: Subject
    let store: Store
    let db: Knex
    let counter = 0

    beforeAll(async () => {
      subject = await open()
      store = subject.store
      db = subject.database.db
    })
    afterAll(() => subject?.close())

    const isHost = () => subject.table !== 'own'
    const usersTable = () => (isHost() ? 'members' : 'sso_user')
    const newName = () => `user${++counter}`
    const insert = (values: Columns = {}) =>
      store.transaction((on) => on.insertAccount({ username: newName(), ...values }))
    const found = async (id: string): Promise<Account> => {
      const account = await store.findAccount(id)
      expect(account, `account ${id}`).not.toBeNull()
      return account as Account
    }
    const update = (id: string, columns: Columns) =>
      store.transaction(async (on) => on.updateAccount((await on.lockAccount(id)) as Account, columns))
    const rawUser = (id: string) => db(usersTable()).where(idColumnOf(subject.table), id).first()
    const rawSide = (id: string) => (isHost() ? db('sso_account').where('user_id', id).first() : undefined)
    /** SQLite waits for its lock in the calling thread: two connections in one would wait for each other in vain. */
    const storeOf = (index: number) =>
      index % 2 === 0 || subject.database.name === 'sqlite' ? store : subject.other.store
    const session = (userId: string, more: Partial<Session> = {}): Session => ({
      hash: `hash${++counter}`,
      id: `id${counter}`,
      userId,
      creationTime: new Date('2026-03-08T02:30:00.001Z'),
      expirationTime: new Date('2026-10-25T01:30:00.999Z'),
      remoteAddr: null,
      userAgent: '😀',
      app: '',
      lastUseTime: new Date('2026-03-08T02:30:00.002Z'),
      stateChanges: [{ source: 'login', time: '2026-03-08T02:30:00.001Z', remoteAddr: null, userAgent: '😀' }],
      ...more,
    })

    describe('accounts', () => {
      test('every attribute reads back as it was written, whichever way the account is found', async () => {
        const username = `${WHOLE.username}${newName()}`
        const email = `${newName()}@example.org`
        const id = await insert({ ...WHOLE, username, email })
        const expected = { ...WHOLE, username, email, user_id: id }

        const { hash } = await store.transaction(async (on) => {
          const made = session(id)
          await on.insertSession(made)
          return made
        })
        expect((await found(id)).values).toEqual(expected)
        expect((await store.findAccountsBy('username', username)).map(({ values }) => values)).toEqual([expected])
        expect((await store.findAccountsBy('email', email)).map(({ values }) => values)).toEqual([expected])
        expect((await store.findSession(hash))?.account.values).toEqual(expected)
        expect((await store.transaction((on) => on.lockAccount(id)))?.values).toEqual(expected)
        expect((await subject.other.store.findAccount(id))?.values).toEqual(expected)
      })

      test('what a new account does not name has its documented default', async () => {
        const username = newName()
        const id = await insert({ username })
        const defaults = Object.fromEntries([...CATALOGUE.values()].map(({ name, fallback }) => [name, fallback]))
        expect((await found(id)).values).toEqual({ ...defaults, ...NO_EXTRAS, username, user_id: id })
      })

      test('an id is text of the form that its column has', async () => {
        const id = await insert()
        const forms = {
          own: /^zusr[0-9a-f]{32}$/,
          integer: /^[1-9]\d*$/,
          uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
          string: /^zusr[0-9a-f]{32}$/,
        }
        expect(id).toMatch(forms[isHost() ? subject.idType : 'own'])
      })

      test('null, empty text and an absent key are three things', async () => {
        const id = await insert({ first_name: 'a', middle_name: 'b', last_name: 'c', nickname: 'd', totp_label: 'e' })
        await update(id, { first_name: null, middle_name: '', nickname: '', totp_label: null })
        expect((await found(id)).values).toMatchObject({
          first_name: null,
          middle_name: '',
          last_name: 'c',
          nickname: '',
          totp_label: null,
        })
      })

      test('an update writes the columns that it names and no others', async () => {
        const id = await insert({ ...WHOLE, username: newName(), email: `${newName()}@example.org` })
        const before = { user: await rawUser(id), side: await rawSide(id) }
        await update(id, { last_name: 'changed' })
        const after = { user: await rawUser(id), side: await rawSide(id) }

        const column = columnsOf(subject.table)['last_name'] ?? 'last_name'
        const follows = isHost() ? {} : { last_name_upper: 'CHANGED', row_version: 2 }
        expect(after).toEqual({ user: { ...before.user, [column]: 'changed', ...follows }, side: before.side })
      })

      test('upper-cased shadows follow their attributes, null included', async () => {
        if (isHost()) return
        const id = await insert({ first_name: 'straße', display_name: `${'x'.repeat(190)}ß` })
        expect(await rawUser(id)).toMatchObject({ first_name_upper: 'STRASSE', last_name_upper: null })
        expect((await rawUser(id)).display_name_upper).toBe(`${'X'.repeat(190)}SS`)
        await update(id, { first_name: null, last_name: 'é' })
        expect(await rawUser(id)).toMatchObject({ first_name_upper: null, last_name_upper: 'É' })
      })

      test('booleans stay booleans, and null stays null', async () => {
        const id = await insert({ is_locked: true, is_member: true })
        expect((await found(id)).values).toMatchObject({ is_locked: true, is_member: true })
        await update(id, { is_locked: false, is_member: null })
        expect((await found(id)).values).toMatchObject({ is_locked: false, is_member: null })
      })

      test('times keep their milliseconds', async () => {
        const id = await insert()
        for (const text of ['2026-03-08T02:30:00.001Z', '1883-11-18T12:00:00.120Z', '2024-02-29T23:59:59.999Z']) {
          const time = new Date(text)
          await update(id, { password_expiry: time, locked_time: time, joined_at: time })
          expect((await found(id)).values).toMatchObject({ password_expiry: time, locked_time: time, joined_at: time })
        }
      })

      test('text as long as the attribute allows is kept, also outside the basic plane', async () => {
        const id = await insert({ display_name: '😀'.repeat(191) })
        expect((await found(id)).values.display_name).toBe('😀'.repeat(191))
      })

      test('an account is found by a username that no other has', async () => {
        const username = newName()
        const id = await insert({ username })
        const ids = async (value: string) =>
          (await store.findAccountsBy('username', value)).map(({ values }) => values.user_id)
        expect(await ids(username)).toEqual([id])
        expect(await ids(`${username}x`)).toEqual([])
        expect(await ids(username.toUpperCase())).toEqual(foldsCase() ? [id] : [])
      })

      test('in our table a name is one in all its spellings', async () => {
        if (isHost()) return
        const id = await insert({ username: 'Stra\u1E9Ee \u212A\u0130\u00E9\uFB01' })
        const spelling = 'STRASSE K\u0130E\u0301FI'
        expect((await store.findAccountsBy('username', spelling)).map(({ values }) => values.user_id)).toEqual([id])
        expect(await store.isTaken('username', spelling, null)).toBe(true)
        await expect(insert({ username: spelling })).rejects.toMatchObject({ reason: 'unique', attribute: 'username' })
      })

      /** Our table has caseless keys; a host's compares as its database does. */
      const foldsCase = () => !isHost() || subject.database.name === 'mariadb'

      test('a name is taken by another account, never by its own', async () => {
        const username = newName()
        const email = `${username}@example.org`
        const id = await insert({ username, email })
        expect(await store.isTaken('username', username, null)).toBe(true)
        expect(await store.isTaken('username', username, id)).toBe(false)
        expect(await store.isTaken('username', username, await insert())).toBe(true)
        expect(await store.isTaken('username', `${username}y`, null)).toBe(false)
        expect(await store.isTaken('email', email, null)).toBe(true)
        expect(await store.isTaken('email', email, id)).toBe(false)
      })

      test('the unique index refuses a second account of a name, and says which attribute', async () => {
        // Names of columns, and of the index, must not confuse what reads the database's message.
        for (const username of [newName(), 'second_name', 'email_key', 'members_login_unique', "x' for key 'mail"]) {
          await insert({ username })
          const refused = await insert({ username }).catch((error) => error)
          expect(refused).toBeInstanceOf(StoreConflict)
          expect(refused).toMatchObject({ reason: 'unique', attribute: 'username' })
        }
        const [one, two] = [newName(), newName()]
        await insert({ username: one })
        const refused = await update(await insert({ username: two }), { username: one }).catch((error) => error)
        expect(refused).toMatchObject({ name: 'StoreConflict', reason: 'unique', attribute: 'username' })
      })

      test('an account of another version is not written over', async () => {
        const id = await insert()
        const read = await found(id)
        const tries = [{ first_name: 'first' }, { first_name: 'second' }]
        const written = []
        for (const columns of tries) written.push(await store.transaction((on) => on.updateAccount(read, columns)))
        expect(store.isVersioned).toBe(!isHost())
        expect(written).toEqual([true, isHost()])
        expect((await found(id)).values.first_name).toBe(isHost() ? 'second' : 'first')
      })

      test('many are found at once, each as by itself, however long the list and whatever is in it twice', async () => {
        const names = Array.from({ length: 3 }, newName)
        const addresses = names.map((name) => `${name}@example.org`)
        const ids: string[] = []
        for (const [index, username] of names.entries()) ids.push(await insert({ username, email: addresses[index] }))
        const odd = (texts: readonly string[]) => texts.flatMap((text) => [text.toUpperCase(), `${text} `, `${text}x`])
        const lists = {
          username: [...names, ...odd(names), ...NO_IDS],
          email: [...addresses, ...odd(addresses)],
          user_id: [...ids, ...odd(ids), ...NO_IDS],
        }
        for (const [attribute, some] of Object.entries(lists)) {
          const list = [...new Set(some)]
          const long = Array.from({ length: 300 }, (_, index) => list[index % list.length] as string)
          const each = await store.findAccountsByEach(attribute, long)
          expect([...each.keys()].sort()).toEqual([...list].sort())
          for (const value of list) {
            const alone =
              attribute === 'user_id'
                ? [(await store.findAccount(value)) ?? []].flat()
                : await store.findAccountsBy(attribute, value)
            expect(each.get(value), `${attribute} "${value}"`).toEqual(alone)
          }
        }
      })

      test('many are locked and changed at once, each as by itself', async () => {
        // More than one statement holds.
        const ids: string[] = []
        for (let index = 0; index < 70; index++) ids.push(await insert({ first_name: 'first' }))
        const other = await insert({ first_name: 'first' })
        const before = await found(other)
        const changesOf = (index: number): Columns => ({
          display_name: index % 7 === 0 ? null : `Name ${index} 😀`,
          is_locked: index % 2 === 0,
          locked_time: index % 3 === 0 ? null : new Date(Date.UTC(2026, 0, 1, 0, 0, index, index)),
          points: index - 35,
          ratio: index / 8,
          settings: { index, deep: [null, 'ü'] },
          // In a side row where the host has no column for it, and of some accounts only.
          ...(index % 10 === 9 ? { totp_label: `label ${index}` } : {}),
        })
        await store.transaction(async (on) => {
          const accounts = await on.lockAccounts([...ids, ...ids.slice(0, 3), 'nobody', ...NO_IDS])
          expect([...accounts.keys()].sort()).toEqual([...ids].sort())
          const updates = ids.map((id, index) => ({
            account: accounts.get(id) as Account,
            columns: changesOf(index),
          }))
          await on.updateAccounts(updates)
        })
        for (const [index, id] of ids.entries()) {
          const account = await found(id)
          expect(account.values).toMatchObject({ first_name: 'first', totp_label: null, ...changesOf(index) })
          expect(await update(id, { last_name: 'last' })).toBe(true)
        }
        expect(await found(other)).toEqual(before)
        if (!isHost()) {
          // One version for each of the two changes.
          expect((await rawUser(ids[0] as string)).row_version - (await rawUser(other)).row_version).toBe(2)
        }
      })

      test('whoever locks an account reads what the one before has written, in whichever table it is', async () => {
        const id = await insert({ totp_label: '0', display_name: '0', points: 0 })
        const increment = async (_: unknown, index: number) => {
          await storeOf(index).transaction(async (transaction) => {
            const account = (await transaction.lockAccount(id)) as Account
            const values = account.values as unknown as Record<string, unknown>
            const columns = {
              totp_label: String(Number(values['totp_label']) + 1),
              display_name: String(Number(values['display_name']) + 1),
              points: Number(values['points']) + 1,
            }
            expect(await transaction.updateAccount(account, columns)).toBe(true)
          })
        }
        await Promise.all(Array.from({ length: 20 }, increment))
        expect((await found(id)).values).toMatchObject({ totp_label: '20', display_name: '20', points: 20 })
      })

      test('two who need the side row at once both have it', async () => {
        const id = await insert()
        if (isHost()) await db('sso_account').where('user_id', id).delete()
        const columns: Columns[] = [{ totp_label: 'a' }, { locked_by: 'b' }, { points: 1 }, { nickname: 'n' }]
        await Promise.all(
          columns.map((wanted, index) =>
            storeOf(index).transaction(async (on) => on.updateAccount((await on.lockAccount(id)) as Account, wanted)),
          ),
        )
        expect((await found(id)).values).toMatchObject({ totp_label: 'a', locked_by: 'b', points: 1, nickname: 'n' })
      })

      test('the side row is made when it is first needed', async () => {
        if (subject.table !== 'narrow') return
        const row = { login: newName(), ...(subject.idType === 'integer' ? {} : { nr: anId(subject.idType) }) }
        await db('members').insert(row)
        const [account] = await store.findAccountsBy('username', row.login)
        const id = account?.values.user_id as string
        expect(account).toMatchObject({ hasSideRow: false, version: null, extra: {} })

        await update(id, { display_name: 'in the host’s table' })
        expect(await rawSide(id)).toBeUndefined()
        await update(id, { totp_label: 'beside it' })
        expect(await rawSide(id)).toMatchObject({ totp_label: 'beside it', locked_by: null })
        expect(await found(id)).toMatchObject({
          hasSideRow: true,
          values: { display_name: 'in the host’s table', totp_label: 'beside it', approval_status: 'approved' },
        })
      })

      test('a deleted account takes everything with it but the audit trail', async () => {
        const id = await insert({ totp_label: 'x' })
        const kept = await insert({ totp_label: 'y' })
        const made = [session(id), session(kept)]
        await store.transaction(async (on) => {
          for (const owner of [id, kept]) {
            await on.putRole(owner, { role: 'r', rights: 'R' })
            await on.addAcl(owner, 'acl', 'a')
            await on.putCustomAttribute(ownerOf(owner), { ...ATTRIBUTE, name: 'n' }, new Date())
          }
          for (const one of made) await on.insertSession(one)
          for (const { hash } of made) await on.putCustomAttribute({ kind: 'session', id: hash }, ATTRIBUTE, new Date())
          await on.appendAudit({ ...RECORD, target_id: id })
        })
        await store.transaction((on) => on.deleteAccount(id))

        expect(await store.findAccount(id)).toBeNull()
        expect(await rawSide(id)).toBeUndefined()
        expect(await store.findSession(made[0]!.hash)).toBeNull()
        for (const table of ['sso_session', 'sso_role_grant', 'sso_acl_grant', 'sso_attribute']) {
          expect(await db(table).where('user_id', id), table).toEqual([])
          expect(await db(table).where('user_id', kept), table).toHaveLength(1)
        }
        expect(await db('sso_audit').where('target_id', id)).toHaveLength(1)
        const hashes = made.map(({ hash }) => hash)
        const left = await db('sso_session_attribute').whereIn('ust_hash', hashes).select('ust_hash')
        expect(left).toEqual([{ ust_hash: hashes[1] }])
        expect((await found(kept)).values.totp_label).toBe('y')
      })
    })

    describe('ids', () => {
      test('an id that is not of its canonical form names nobody', async () => {
        const id = await insert()
        const variants = [`${id} `, ` ${id}`, `${id}\u0000`, `0${id}`, `${id}abc`, `+${id}`, `${id}.0`, `${id}\t`]
        if (id.toUpperCase() !== id && subject.idType !== 'uuid') variants.push(id.toUpperCase())
        for (const strange of [...variants, ...NO_IDS, ...STRANGE_IDS, ...NO_UUIDS]) {
          expect(await store.findAccount(strange), JSON.stringify(strange)).toBeNull()
          expect(await store.transaction((on) => on.lockAccount(strange)), JSON.stringify(strange)).toBeNull()
        }
        expect((await found(id)).values.user_id).toBe(id)
      })

      test('ids that differ in case are two ids where ids are text, and one where they are UUIDs', async () => {
        if (subject.table === 'own' || subject.idType === 'integer') return
        if (subject.idType === 'uuid' && subject.database.name !== 'sqlite') {
          const id = await insert()
          expect((await store.findAccount(id.toUpperCase()))?.values.user_id).toBe(id)
          return
        }
        const column = idColumnOf(subject.table)
        const name = columnsOf(subject.table)['username'] as string
        const text = subject.database.name === 'mariadb' ? 'only-once' : 'Twice'
        await db('members').insert({ [column]: text, [name]: newName() })
        expect((await found(text)).values.user_id).toBe(text)
        expect(await store.findAccount(text.toUpperCase())).toBeNull()
      })
    })

    describe('sessions', () => {
      test('a session reads back as it was made, to the millisecond', async () => {
        const id = await insert()
        const made = [session(id), session(id, { remoteAddr: '', userAgent: null, app: null })]
        await store.transaction(async (on) => {
          for (const one of made) await on.insertSession(one)
        })
        for (const one of made) expect((await store.findSession(one.hash))?.session).toEqual(one)
        expect(await store.findSession(`${made[0]!.hash}x`)).toBeNull()
        expect(await store.findSession(made[0]!.hash.toUpperCase())).toBeNull()
      })

      test('sessions end one at a time, or all of an account but one', async () => {
        const [id, another] = [await insert(), await insert()]
        const made = [session(id), session(id), session(id), session(another)]
        await store.transaction(async (on) => {
          for (const one of made) await on.insertSession(one)
        })
        const alive = async () =>
          (await Promise.all(made.map(async ({ hash }) => (await store.findSession(hash)) !== null))) as boolean[]

        const gone = await store.transaction(async (on) => [
          await on.deleteSession(made[0]!.hash),
          await on.deleteSession(made[0]!.hash),
        ])
        expect(gone).toEqual([true, false])
        expect(await alive()).toEqual([false, true, true, true])
        await store.transaction((on) => on.deleteSessionsOf(id, made[1]!.hash))
        expect(await alive()).toEqual([false, true, false, true])
        await store.transaction((on) => on.deleteSessionsOf(id, null))
        expect(await alive()).toEqual([false, false, false, true])
      })
    })

    describe('grants', () => {
      test('roles, authorisations and groups are given, replaced and taken one by one', async () => {
        const id = await insert()
        await store.transaction(async (on) => {
          await on.putRole(id, { role: 'sales', rights: 'R' })
          await on.putRole(id, { role: 'Sales', rights: 'RWX' })
          await on.putRole(id, { role: 'Käse 😀', rights: 'X' })
          await on.addAcl(id, 'acl', 'same')
          await on.addAcl(id, 'group', 'same')
          await on.addAcl(id, 'group', 'other')
        })
        const grants = await store.grantsOf(id)
        expect(new Set(grants.roles)).toEqual(
          new Set([
            { role: 'Käse 😀', rights: 'X' },
            { role: 'Sales', rights: 'RWX' },
            { role: 'sales', rights: 'R' },
          ]),
        )
        expect({ acls: grants.acls, groups: grants.groups }).toEqual({ acls: ['same'], groups: ['other', 'same'] })

        await store.transaction(async (on) => {
          await on.putRole(id, { role: 'sales', rights: 'RW' })
          await on.removeRole(id, 'Sales')
          await on.removeRole(id, 'Käse 😀')
          await on.removeRole(id, 'never there')
          await on.removeAcl(id, 'acl', 'same')
        })
        expect(await store.grantsOf(id)).toEqual({
          roles: [{ role: 'sales', rights: 'RW' }],
          acls: [],
          groups: ['other', 'same'],
        })
        expect(await store.grantsOf(await insert())).toEqual({ roles: [], acls: [], groups: [] })
      })
    })

    describe('custom attributes', () => {
      test('they are put, replaced and removed, also by the same value at the same time', async () => {
        const id = await insert()
        const [first, second] = [new Date('2026-01-01T00:00:00.000Z'), new Date('2026-01-02T00:00:00.001Z')]
        const made = session(id)
        await store.transaction((on) => on.insertSession(made))
        for (const owner of [ownerOf(id), { kind: 'session', id: made.hash }] as const) {
          const put = (attribute: CustomAttributeValue, now: Date) =>
            store.transaction((on) => on.putCustomAttribute(owner, attribute, now))
          const held = (now = second) => store.customAttributesOf(owner, now)
          const big = { ...ATTRIBUTE, name: 'Größe 😀', value: '"𝔘"' }
          const small = { ...big, name: 'größe 😀', expirationTime: new Date('9999-12-31T23:59:59.999Z') }
          await put(big, first)
          await put(small, first)
          const times = { creationTime: first, lastModified: first }
          expect(await held()).toEqual([
            { ...big, ...times },
            { ...small, ...times },
          ])

          await store.transaction((on) => on.removeCustomAttribute(owner, small.name))
          const secret = { ...big, value: 'v1.x.y', isEncrypted: true, expirationTime: new Date(second.getTime() + 1) }
          await put(secret, second)
          expect(await held()).toEqual([{ ...secret, creationTime: first, lastModified: second }])

          expect(await held(secret.expirationTime)).toEqual([])
          await store.transaction((on) => on.removeExpiredCustomAttributes(owner, second))
          expect(await held()).toHaveLength(1)
          await store.transaction((on) => on.removeExpiredCustomAttributes(owner, secret.expirationTime))
          expect(await held()).toEqual([])
        }
      })
    })

    describe('the audit trail', () => {
      test('records are kept whole and in order', async () => {
        const cid = newName()
        await store.appendAudit({ ...RECORD, cid })
        await store.transaction((on) =>
          on.appendAudit({ ...RECORD, cid, outcome: 'denied', error: 'not_allowed', changes: [] }),
        )
        const rows = await db('sso_audit').where({ cid }).orderBy('id')
        const times = rows.map(({ time }) => asStored(time))
        const plain = rows.map(({ id, seal, time, changes, ...rest }) => ({ ...rest, changes: JSON.parse(changes) }))
        const { time, ...rest } = RECORD
        expect(plain).toEqual([
          { ...rest, cid },
          { ...rest, cid, outcome: 'denied', error: 'not_allowed', changes: [] },
        ])
        expect(times).toEqual([asStored(new Date(time)), asStored(new Date(time))])
      })

      test('many are appended in their order, and found by their correlation ids', async () => {
        const name = newName()
        const cids = Array.from({ length: 300 }, (_, index) => `${name}-${index}`)
        await store.transaction((on) => on.appendAudits(cids.map((cid) => ({ ...RECORD, cid }))))
        const rows = await db('sso_audit').where('cid', 'like', `${name}-%`).orderBy('id').select('cid')
        expect(rows.map(({ cid }) => cid)).toEqual(cids)
        const asked = [...cids, ...cids, `${name}-none`].reverse()
        expect((await store.auditOfCids(asked)).map(({ cid, changes }) => ({ cid, changes }))).toEqual(
          cids.map((cid) => ({ cid, changes: RECORD.changes })),
        )
        expect(await store.auditOfCids([])).toEqual([])
      })

      /** The driver of the test reads DATETIME as local time. */
      const asStored = (time: unknown) =>
        subject.database.name === 'mariadb' && time instanceof Date
          ? time.getUTCMilliseconds()
          : String(time instanceof Date ? time.toISOString() : time)
    })

    describe('transactions', () => {
      const everything = async (id: string, hash: string) => ({
        account: await store.findAccount(id),
        session: await store.findSession(hash),
        grants: await store.grantsOf(id),
        custom: await store.customAttributesOf(ownerOf(id), new Date()),
        audit: await db('sso_audit').where('cid', hash),
        side: await rawSide(id),
      })

      test('a transaction that fails leaves nothing of what it did', async () => {
        const id = await insert({ display_name: 'before' })
        const made = session(id)
        const username = newName()
        const before = await everything(id, made.hash)

        const failure = store.transaction(async (on) => {
          await on.updateAccount((await on.lockAccount(id)) as Account, {
            display_name: 'after',
            totp_label: 'x',
            points: 1,
          })
          await on.insertAccount({ username, totp_label: 'new' })
          await on.insertSession(made)
          await on.putRole(id, { role: 'r', rights: 'R' })
          await on.addAcl(id, 'group', 'g')
          await on.putCustomAttribute(ownerOf(id), ATTRIBUTE, new Date())
          await on.appendAudit({ ...RECORD, cid: made.hash })
          throw new Error('stop')
        })
        await expect(failure).rejects.toThrow('stop')
        expect(await everything(id, made.hash)).toEqual(before)
        expect(await store.findAccountsBy('username', username)).toEqual([])
      })

      test('a statement that fails rolls back those before it, and the connection serves the next', async () => {
        const [taken, username] = [newName(), newName()]
        await insert({ username: taken })
        for (let round = 0; round < 12; round++) {
          const failure = store.transaction(async (on) => {
            await on.insertAccount({ username })
            await on.insertAccount({ username: taken })
          })
          await expect(failure).rejects.toBeInstanceOf(StoreConflict)
        }
        expect(await store.findAccountsBy('username', username)).toEqual([])
      })

      test('what fails in a savepoint undoes its own writes alone, and says why', async () => {
        const [taken, first, second, third] = Array.from({ length: 4 }, newName) as [string, string, string, string]
        await insert({ username: taken })
        const [made, refused, thrown, last] = await store.transaction(async (on) => [
          await on.savepoint(() => on.insertAccount({ username: first })),
          await on.savepoint(async () => {
            await on.insertAccount({ username: second })
            await on.insertAccount({ username: taken })
          }),
          await on.savepoint(async () => {
            await on.insertAccount({ username: second })
            throw new TypeError('of the caller')
          }),
          await on.savepoint(() => on.insertAccount({ username: third })),
        ])
        expect(refused).toEqual({ error: expect.any(StoreConflict) })
        expect(refused).toMatchObject({ error: { reason: 'unique', attribute: 'username' } })
        expect(thrown).toEqual({ error: new TypeError('of the caller') })
        const idsOf = async (name: string) =>
          (await store.findAccountsBy('username', name)).map(({ values }) => values.user_id)
        expect([{ result: (await idsOf(first))[0] }, { result: (await idsOf(third))[0] }]).toEqual([made, last])
        expect(await idsOf(second)).toEqual([])
      })

      test('nobody else sees a part of a transaction before its end, and then all of it', async () => {
        const id = await insert({ display_name: 'before' })
        const cid = newName()
        const seen = async () => ({
          name: (await subject.other.store.findAccount(id))?.values.display_name,
          records: (await subject.other.db('sso_audit').where({ cid })).length,
        })
        await store.transaction(async (on) => {
          await on.updateAccount((await on.lockAccount(id)) as Account, { display_name: 'after' })
          expect(await seen()).toEqual({ name: 'before', records: 0 })
          await on.appendAudit({ ...RECORD, cid })
          expect(await seen()).toEqual({ name: 'before', records: 0 })
        })
        expect(await seen()).toEqual({ name: 'after', records: 1 })
      })

      test('what happens in a transaction can be read in it', async () => {
        const id = await insert({ display_name: 'before' })
        await store.transaction(async (on) => {
          await on.updateAccount((await on.lockAccount(id)) as Account, { display_name: 'after' })
          expect((await on.findAccount(id))?.values.display_name).toBe('after')
        })
      })

      test('the host’s own rows are written in the same transaction where a hook wants one', async () => {
        const id = await insert()
        await db.schema.createTable('host_rows', (table) => table.string('owner', 80))
        const attempt = (fails: boolean) =>
          store.transaction(async (on) => {
            await on.updateAccount((await on.lockAccount(id)) as Account, { display_name: fails ? 'undone' : 'done' })
            expect(on.native !== null).toBe(subject.transactor)
            await (on.native as Knex.Transaction | null)?.('host_rows').insert({ owner: id })
            if (fails) throw new Error('stop')
          })
        await expect(attempt(true)).rejects.toThrow('stop')
        await attempt(false)
        expect(await db('host_rows')).toEqual(subject.transactor ? [{ owner: id }] : [])
        expect((await found(id)).values.display_name).toBe('done')
      })
    })

    describe('the host’s table', () => {
      test('its own columns keep their values, and its definition is as it was', async () => {
        if (!isHost()) return
        const id = await insert()
        await db('members').where(idColumnOf(subject.table), id).update({ favourite_colour: 'red' })
        await update(id, { display_name: 'x', totp_label: 'y', points: 2 })
        expect((await rawUser(id)).favourite_colour).toBe('red')
      })
    })
  })
}

function anId(idType: IdType): string {
  return idType === 'uuid' ? '0b0e7a8c-3a51-4c6e-9b0f-5f2d1a4c7e99' : 'host-made'
}
